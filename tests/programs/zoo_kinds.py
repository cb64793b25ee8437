"""Objects of every kind that is easily forgotten, a list of them for each builder."""

import abc
import array
import asyncio
import collections
import contextlib
import contextvars
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import io
import itertools
import mmap
import operator
import os
import queue
import re
import sys
import threading
import time
import types
import typing
import uuid
import weakref

try:
    import numpy as np
except ImportError:
    np = None


class Plain:
    kept_by_class: typing.ClassVar[list] = []

    def __init__(self, value):
        self.value = value

    def method(self):
        return self


class Weakly(Plain):
    pass


class Slotted:
    __slots__ = tuple(f"slot_{at}" for at in range(200))


class HalfSlotted(Slotted):
    def __init__(self):
        self.slot_3 = [3]
        self.attribute = [4]


class Meta(type):
    def __new__(cls, name, bases, namespace):
        made = super().__new__(cls, name, bases, namespace)
        made.registry = [made]
        return made

    @property
    def loud(cls):
        return cls.__name__.upper()


class Abstract(abc.ABC):  # noqa: B024
    pass


class Level(enum.IntFlag):
    LOW = 1
    HIGH = 2


@dataclasses.dataclass(slots=True)
class Frozen:
    x: int
    y: list


class Pair(typing.NamedTuple):
    first: list
    second: list


class Descriptor:
    def __get__(self, instance, owner=None):
        return [instance]


class Proxy:
    described = Descriptor()

    @functools.cached_property
    def cached(self):
        return [self]


class Raises:
    """Whatever is asked of it raises, as of an object that is not ready yet."""

    def __init__(self):
        object.__setattr__(self, "content", [1])

    def _raise(self, *_):
        raise RuntimeError("do not ask")

    __repr__ = __str__ = __eq__ = __hash__ = __bool__ = __len__ = __iter__ = __getattr__ = __setattr__ = _raise
    __dir__ = __sizeof__ = __format__ = __reduce__ = __call__ = __getitem__ = __contains__ = __enter__ = _raise
    __class__ = property(_raise)


def raise_on_everything():
    return [Raises() for _ in range(3)]


def subclasses_of_builtins():
    """Each with attributes and, where that is possible, with slots."""
    found = []
    for base, arguments in (
        (int, (10**30,)), (float, (1.5,)), (complex, (1j,)), (str, ("text",)), (bytes, (b"bytes",)),
        (bytearray, (b"array",)), (list, ([1, []],)), (tuple, ([1, []],)), (dict, ({"a": []},)), (set, ([1, 2],)),
        (frozenset, ([3, 4],)), (object, ()), (Exception, ([],)), (OSError, (1, "text")), (StopIteration, ([],)),
        (KeyError, ("key",)), (property, (len,)), (classmethod, (len,)), (staticmethod, (len,)),
        (types.ModuleType, ("made",)), (collections.OrderedDict, ({"a": []},)), (collections.deque, ([[], []],)),
        (collections.defaultdict, (list,)), (collections.Counter, ("hello",)), (functools.partial, (len, [])),
        (itertools.count, (1,)), (itertools.chain, ([1], [2])), (zip, ([1], [2])), (map, (len, [[]])),
        (enumerate, ([[]],)), (reversed, ([1, 2],)), (filter, (None, [1])), (io.BytesIO, (b"bytes",)),
        (io.StringIO, ("text",)), (array.array, ("d", [1.0])), (decimal.Decimal, ("1.5",)),
        (fractions.Fraction, (1, 3)), (datetime.datetime, (2026, 1, 2)), (datetime.timedelta, (3,)),
        (threading.local, ()), (weakref.ref, (Plain,)), (uuid.UUID, (int, 5)[:0] or ("0" * 32,)),
    ):  # fmt: skip
        made = type(f"Sub_{base.__name__}", (base,), {"shared": []})
        with contextlib.suppress(TypeError, AttributeError):
            one = made(*arguments)
            with contextlib.suppress(AttributeError):
                one.attribute = [one]
            found.append(one)
        with contextlib.suppress(TypeError, AttributeError):
            found.append(type(f"Slots_{base.__name__}", (base,), {"__slots__": ("only",)})(*arguments))
    return found


def containers():
    ordered = collections.OrderedDict((str(at), [at]) for at in range(50))
    ordered.move_to_end("3")
    del ordered["7"]
    holes = {at: [at] for at in range(100)}
    for at in range(0, 100, 3):
        del holes[at]
    holes_of_names = {f"name{at}": at for at in range(40)}
    del holes_of_names["name7"]
    removed = {*range(100), "a", ("b",)}
    removed -= {*range(50)}
    around = collections.deque(([at] for at in range(500)), maxlen=300)
    around.rotate(7)
    looping = []
    looping.append(looping)
    looping_dict = {}
    looping_dict["itself"] = looping_dict
    return [
        ordered, holes, holes_of_names, removed, around, looping, looping_dict, collections.ChainMap({}, {"a": []}),
        collections.UserDict(a=[]), types.MappingProxyType({"a": []}), types.SimpleNamespace(a=[1]),
        frozenset([("a",), ("b",)]), memoryview(bytearray(100))[3:7], slice([], [], []), range(10**20, 10**21),
        queue.Queue(), queue.SimpleQueue(), contextvars.ContextVar("variable"), contextvars.copy_context(),
        list(range(100_000)), dict.fromkeys(range(50_000)), os.stat("."), time.localtime(), sys.version_info,
        [None] * 10_000, {(at, at + 1): {at} for at in range(1000)},
    ]  # fmt: skip


def iterators():
    halfway = iter({"a": [], "b": []}.items())
    next(halfway)
    first, second = itertools.tee([[], [], []])
    next(first)
    grouped = itertools.groupby([1, 1, 2], key=lambda value: [value])
    next(grouped)
    cycling = itertools.cycle([[1], [2]])
    [next(cycling) for _ in range(3)]
    return [
        halfway, first, second, grouped, cycling, iter([[]]), iter(([],)), iter({1, 2}), iter("text"), iter(b"bytes"),
        reversed([[]]), iter(collections.deque([[]])), iter(collections.OrderedDict(a=[])), iter(int, 1),
        itertools.product([[]], [[]]), itertools.combinations([[], []], 2), itertools.permutations([[], []]),
        itertools.accumulate([1, 2]), itertools.islice([[]], 1), itertools.starmap(len, []), itertools.repeat([]),
        itertools.zip_longest([[]], [], fillvalue=[]), itertools.compress([[]], [1]), enumerate([[]]),
        zip([[]], [[]], strict=True), map(len, [[]]), filter(None, [[]]), itertools.takewhile(len, [[]]),
        itertools.dropwhile(len, [[]]),
    ]  # fmt: skip


def functions_and_classes():
    def outer(a, b=[], *, c={}):  # noqa: B006
        def inner():
            nonlocal a
            a = [a, b, c]
            return a

        return inner

    meta = Meta("Made", (), {"value": []})
    deep = Plain([])
    for _ in range(5):
        deep = type("Derived", (type(deep),), {"__slots__": (), "more": []})([deep])
    generic = typing.Generic[typing.TypeVar("T")]
    return [
        outer, outer(1), outer(1, b=[2]), meta, meta.loud, deep, Abstract(), Level.LOW | Level.HIGH, Frozen(1, [2]),
        Pair([1], [2]), Proxy().described, Proxy().cached, Plain(1).method, [].append, len, Plain.__init__, str.join,
        operator.itemgetter([], 1), operator.attrgetter("a"), operator.methodcaller("a", []), functools.partial(len),
        functools.partial(Plain, value=[]), functools.lru_cache(lambda value: [value]), functools.cmp_to_key(len),
        functools.singledispatch(lambda value: value), list[int], dict[str, list[int]], int | None, generic,
        compile("a = [b for b in (1, (2, 'c'))]", "made", "exec"), super(HalfSlotted, HalfSlotted()), HalfSlotted(),
        re.compile(f"(a|b)+{id(outer) % 3}").match("ab"), type("Bare", (), {})(), sys._getframe(),
        types.MethodType(len, []), property(len), classmethod(len), staticmethod(len),
    ]  # fmt: skip


def errors():
    found = []
    for depth in range(3):
        try:
            try:
                {}[depth]
            except KeyError as error:
                raise ValueError([depth]) from error
        except ValueError as error:  # noqa: PERF203
            found.append(error)
    try:
        compile("a b", "made", "exec")
    except SyntaxError as error:
        found.append(error)
    try:
        b"\xff".decode()
    except UnicodeDecodeError as error:
        found.append(error)
    try:
        _ = [].nothing
    except AttributeError as error:
        found.append(error)
    return found


def generator(first):
    second = [first]
    received = yield second
    with contextlib.suppress(ValueError):
        try:
            yield from nested(received)
        finally:
            third = [second, received]
            del third
    yield [second]


def nested(value):
    for at in range(3):
        yield [at, value]


async def agenerator():
    for at in range(3):
        yield [at]


def generators():
    new, started, within, ended = generator([1]), generator([2]), generator([3]), generator([4])
    next(started)
    next(within)
    within.send([5])
    list(ended)
    asynchronous = agenerator()
    with contextlib.suppress(StopIteration):
        asynchronous.asend(None).send(None)
    coroutine = waiting(asyncio.Event.__new__(asyncio.Event))
    expression = (value for value in [[1], [2]])
    next(expression)
    return [new, started, within, ended, asynchronous, Closing(coroutine), expression]


class Closing:
    """Closes a coroutine that nobody will ever wait for, so that Python does not complain."""

    def __init__(self, coroutine):
        self.coroutine = coroutine

    def __del__(self):
        self.coroutine.close()


async def waiting(event):
    content = [event]
    await event.wait()
    return content


def weak_ones():
    alive, dead = Weakly([]), Weakly([])
    called = []
    found = [
        weakref.ref(alive), weakref.ref(alive, called.append), weakref.proxy(alive), weakref.ref(dead, called.append),
        weakref.WeakKeyDictionary({alive: []}), weakref.WeakValueDictionary(a=alive, b=dead), weakref.WeakSet([alive]),
        weakref.finalize(alive, called.append, 1), weakref.WeakMethod(alive.method), alive, called,
    ]  # fmt: skip
    found[7].atexit = False
    return found


def buffers():
    shared = bytearray(1000)
    mapped = mmap.mmap(-1, 8192)
    return [
        shared, memoryview(shared), memoryview(memoryview(shared)[1:]), mapped, memoryview(mapped),
        io.BytesIO(b"text" * 100), (stream := io.BytesIO(b"text")), stream.getbuffer(), array.array("d", [1.0] * 100),
        io.TextIOWrapper(io.BufferedReader(io.BytesIO(b"text"))), io.StringIO("text"),
        memoryview(array.array("b", [1])),
    ]  # fmt: skip


def arrays():
    if np is None:
        return []
    objects = np.empty((3, 4), dtype=object)
    objects[:] = [[[at, other] for at in range(4)] for other in range(3)]
    record = np.zeros(3, dtype=np.dtype([("a", "f8"), ("b", "O")]))
    record["b"][0] = [1]
    return [
        objects, objects.T, objects[1:, ::2], record, np.arange(1000.0), np.arange(1000.0)[::2], np.float64(1.5),
        np.array(["a", "bc"]), np.array([[1], [2, 3]], dtype=object), np.zeros(0, dtype=object), np.datetime64("2026"),
        np.ma.masked_array([1, 2], [0, 1]), memoryview(np.arange(5)), np.nditer(np.arange(3)), np.arange(3).flat,
    ]  # fmt: skip


def strings():
    wide = "ä" * 100 + "\U0001f600"
    wide.encode()
    hash(wide)
    return [wide, "ä" * 50, "a" * 100, b"a" * 100, "".join(["x", str(id(wide))]), sys.intern(f"name{id(wide) % 5}")]


BUILDERS = (
    raise_on_everything, subclasses_of_builtins, containers, iterators, functions_and_classes, errors, generators,
    weak_ones, buffers, arrays, strings,
)  # fmt: skip
