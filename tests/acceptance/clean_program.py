"""
A program without a leak that uses much of the standard library, round after round, and dumps between the rounds.

The last line printed names the dumps.  With ``packages`` it uses NumPy, pandas and lxml as well, those that are there.

    leakscope run --exact clean_program.py [packages]
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import dataclasses
import datetime
import decimal
import enum
import functools
import gc
import importlib.util
import io
import itertools
import json
import pickle
import re
import sqlite3
import sys
import time
import weakref
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import leakscope

WARM_UP, ROUNDS = 150, 100
SETTLE_S = 0.3
"""What is younger than a fifth of a second when a dump is taken is not told from an object's successor."""


class Color(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Point:
    x: int
    y: int


def texts(number: int) -> None:
    document = {"a": [1, 2, {"b": f"c{number}"}], "t": None, "f": 1.5}
    assert json.loads(json.dumps(document)) == document
    found = re.compile(r"(\w+)-(\d+)").match("ab-12")
    assert found is not None
    found.groups()
    re.sub("a+", "b", f"aaa{number}")
    tree = ElementTree.fromstring("<a><b x='1'>t</b></a>")
    ElementTree.tostring(tree)
    assert tree.find("b") is not None
    assert io.StringIO("x").read() == "x"
    f"{number:>10} {'ä' * (number % 7)}".encode().decode()


def numbers(number: int) -> None:
    now = datetime.datetime.now(datetime.timezone.utc)
    now.isoformat()
    datetime.datetime(2020, 1, 1).strftime("%Y")
    with decimal.localcontext() as context:
        context.prec = 30
        decimal.Decimal("1.1") / 3
    pickle.loads(pickle.dumps([now + datetime.timedelta(days=number), decimal.Decimal(1), Point(1, 2), Color.RED]))


@functools.lru_cache(maxsize=32)
def cached(number: int) -> str:
    return str(number)


def iterators_and_collections(number: int) -> None:
    list(itertools.islice(itertools.chain(itertools.count(number), [1]), 10))
    list(itertools.product([1, 2], [3]))
    list(itertools.groupby([1, 1, 2]))
    list(itertools.tee(iter([1, 2]))[0])
    functools.reduce(lambda a, b: a + b, range(5))
    functools.partial(int, base=2)("101")
    cached(number % 50)
    collections.Counter("hello")
    collections.OrderedDict(a=1, b=2).move_to_end("a")
    collections.deque(range(100), maxlen=10)
    collections.namedtuple("Pair", "x y")(1, 2)
    collections.defaultdict(list)["a"].append(1)
    collections.ChainMap({}, {"a": 1})["a"]
    weakref.WeakValueDictionary(a=Color)
    io.BytesIO(b"abc").getbuffer().release()
    memoryview(bytearray(10))[2:4].tobytes()


def database() -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("create table t (a, b)")
    connection.executemany("insert into t values (?, ?)", [(row, str(row)) for row in range(10)])
    connection.execute("select * from t").fetchall()
    connection.create_function("same", 1, lambda value: value)
    connection.close()


def threads_and_tasks() -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda value: value * value, range(4)))

    async def wait() -> list[int]:
        await asyncio.sleep(0)
        return await asyncio.gather(*(asyncio.sleep(0, result=value) for value in range(3)))

    asyncio.run(wait())


def generators_closures_and_classes(number: int) -> None:
    def count(upto: int) -> Any:
        for value in range(upto):
            yield {"value": value}

    ended, abandoned = count(3), count(5)
    next(ended)
    next(abandoned)
    ended.close()
    adder = functools.partial(lambda x, y: lambda: x + y + number, 1)
    adder(2)()

    class Slotted:
        __slots__ = ("value",)

        def text(self) -> str:
            return super().__repr__()

    class Open(Slotted):
        def __init__(self) -> None:
            self.itself = [self]

    Open().text()
    type("Made", (), {"a": 1})()
    with contextlib.suppress(ZeroDivisionError):
        1 / 0  # noqa: B018 - an exception with a traceback
    try:
        {}["x"]
    except KeyError as error:
        names = list(error.__traceback__.tb_frame.f_locals) if error.__traceback__ else []
        names.sort()


def packages() -> None:
    if importlib.util.find_spec("pandas"):
        import numpy as np
        import pandas as pd

        frame = pd.DataFrame({"a": np.arange(10), "b": list("abcdefghij")})
        frame.groupby("b").sum()
        frame.to_dict()
        frame.merge(frame, on="a")
        (np.ones((5, 5)) @ np.ones((5, 5))).sum()
        np.array(["a", "b"], dtype=object)
    if importlib.util.find_spec("lxml"):
        from lxml import etree

        etree.tostring(etree.fromstring("<a><b/></a>"))


def work(number: int, with_packages: bool) -> None:
    texts(number)
    numbers(number)
    iterators_and_collections(number)
    database()
    threads_and_tasks()
    generators_closures_and_classes(number)
    if with_packages:
        packages()


def given_away() -> int:
    """
    References to NumPy's float64 that its own functions give away in each round, by the interpreter's counter.

    On CPython up to 3.12, NumPy 2.2 to 2.5 forget one for each array made without a dtype.
    """
    if "numpy" not in sys.modules:
        return 0
    import numpy as np

    kept = np.dtype("float64")
    before = sys.getrefcount(kept)
    for number in range(10):
        work(number, with_packages=True)
    gc.collect()
    return round((sys.getrefcount(kept) - before) / 10)


def dump_after(rounds: range, with_packages: bool) -> str:
    """A dump, with as little as possible left over from the rounds before it."""
    for number in rounds:
        work(number, with_packages)
    gc.collect()
    time.sleep(SETTLE_S)
    return leakscope.dump()


def main() -> None:
    with_packages = "packages" in sys.argv[1:]
    # The first dump loads a part of leakscope, which leaves its own constants behind.
    dump_after(range(WARM_UP), with_packages)
    dumps = [dump_after(range(first, first + ROUNDS), with_packages) for first in (1000, 2000, 3000)]
    modules = [name for name in ("numpy", "pandas", "lxml") if name in sys.modules]
    print(json.dumps({"dumps": dumps, "modules": modules, "given_away": given_away()}))


if __name__ == "__main__":
    main()
