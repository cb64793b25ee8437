"""Pools of real programs under watch: the books agree with what the program did, and it notices nothing."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from handle_view import PoolView
from recording import PYTHONS, label, line_of, record, run, written

POOL = """
import collections, json, leakscope, queue, sys, threading

class Buffer:
    __slots__ = ("count", "memory", "pool")

    def __init__(self, pool, size):
        self.pool, self.memory, self.count = pool, bytearray(size), 1

    def retain(self, increment=1):
        if self.count <= 0:
            raise RuntimeError("not there")
        self.count += increment
        return self

    def release(self):
        if self.count <= 0:
            raise RuntimeError("not there")
        self.count -= 1
        if self.count == 0:
            self.pool.free.append(self)
        return self.count == 0

    def read(self):
        return len(self.memory)

class Pool:
    def __init__(self):
        self.free = collections.deque()

    def take(self, size):
        buffer = self.free.pop() if self.free else Buffer(self, size)
        buffer.count = 0
        buffer.count += 1
        buffer.read()
        return buffer

leakscope.watch_pool(
    Buffer, pool=Pool, acquire="take", retain="retain", release="release", touch="read",
    size=lambda buffer: len(buffer.memory), name="buffers",
)
"""

pythons = pytest.mark.parametrize("python", PYTHONS, ids=label)


def view(program: str, folder: Path, python: str, *options: str) -> PoolView:
    ended = record(program, folder, python=python, options=options or ("--exact",))
    assert (ended.exit_code, ended.stderr) == (0, "")
    return PoolView(ended.dump)


@pythons
def test_handles_that_cross_threads_are_where_they_are_and_who_released_the_others_is_known(
    tmp_path: Path, python: str
) -> None:
    program = written(
        POOL
        + """
work, kept = queue.Queue(), []
def worker():
    for number, buffer in iter(work.get, None):
        if number % 10 == 0:
            kept.append(buffer)
        elif number % 10 != 1:
            buffer.release()
        buffer = None
pool = Pool()
thread = threading.Thread(target=worker, name="worker-1")
thread.start()
for number in range(500):
    work.put((number, pool.take(4096)))  # <- taken
work.put(None)
thread.join()
for _ in range(30):
    pool.take(4096).release()
leakscope.dump()
""",
        tmp_path,
    )

    seen = view(str(program.read_text()), tmp_path, python)

    held, dropped = seen.handles("held"), seen.handles("collected without release")
    line = line_of(program, "taken")
    assert Counter(handle.touches for handle in held) == {(("handed off", line, "MainThread"),): 50}
    assert {(handle.line, handle.thread, handle.count, handle.bytes) for handle in held} == {
        (line, "MainThread", 1, 4096)
    }
    assert [(handle.handles, handle.bytes, handle.line) for handle in dropped] == [(50, 50 * 4096, line)]
    assert seen.crossed() == {
        ("MainThread", "worker-1"): 400, ("MainThread", "nobody"): 100, ("MainThread", "MainThread"): 30,
    }  # fmt: skip
    assert seen.totals()["buffers"][:3] == (530, 430, 50 * 4096)
    assert len(seen.handles()) == 51


@pythons
def test_what_goes_wrong_is_told_once_per_place_with_the_touches_of_the_first(tmp_path: Path, python: str) -> None:
    program = written(
        POOL
        + """
pool, retained, kept = Pool(), [], []
for number in range(6):
    buffer = pool.take(100)
    buffer.release()  # <- first
    try:
        buffer.release()  # <- second
    except RuntimeError:
        pass
    buffer.read()  # <- read
for number in range(4):
    buffer = pool.take(50)
    retained.append(buffer.retain(2))
    buffer.release()
    buffer.release()  # <- last
leakscope.dump()
""",
        tmp_path,
    )

    seen = view(program.read_text(), tmp_path, python)

    [twice] = seen.handles("released twice")
    lines = {mark: line_of(program, mark) for mark in ("first", "second", "read", "last")}
    assert (twice.handles, twice.bytes) == (6, 600)
    assert twice.touches[-2:] == (
        ("released", lines["first"], "MainThread"),
        ("released", lines["second"], "MainThread"),
    )
    [used] = seen.handles("used after release")
    assert used.handles == 6
    assert used.touches[-1] == ("touched", lines["read"], "MainThread")
    left = seen.handles("retained without release")
    assert [(handle.handles, handle.count) for handle in left] == [(1, 1)] * 4
    assert {handle.touches[-1][:2] for handle in left} == {("released", lines["last"])}
    assert seen.handles("held") == []


@pythons
def test_a_program_whose_pool_is_watched_behaves_as_before(tmp_path: Path, python: str) -> None:
    source = """
import asyncio, inspect, json, leakscope
class Base:
    def __init__(self, size: int = 3) -> None:
        "makes one"
        if size < 0:
            raise ValueError(size)
        self.size = size
        self.open = True
    @classmethod
    def made(cls, size):
        return cls(size)
    @staticmethod
    def shared(size):
        return Base(size)
    async def later(self, *, wait=0):
        "closes later"
        await asyncio.sleep(wait)
        self.close()
        return "closed"
    def close(self):
        if not self.open:
            raise KeyError("closed already")
        self.open = False
        return self
class Sub(Base):
    def __init__(self):
        super().__init__(7)
    def close(self):
        return super().close(), "sub"
watched = leakscope.watch_pool(Base, acquire=("__init__", "made", "shared"), release=("close", "later"), size="size")
said = [watched is Base, str(inspect.signature(Base.__init__)), Base.__init__.__doc__, Base.later.__doc__,
        inspect.iscoroutinefunction(Base.later), inspect.ismethod(Base.made), Base.close.__qualname__]
try:
    Base(-1)
except ValueError as error:
    said.append(repr(error))
one = Base.made(5)
said.append(one.close() is one)
try:
    one.close()
except KeyError as error:
    said.append(repr(error))
said.append(asyncio.run(Base.shared(6).later(wait=0.001)))
said.append([type(part).__name__ for part in Sub().close()])
said.append(Sub().open)
async def cancelled():
    task = asyncio.ensure_future(Base(9).later(wait=60))
    await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return "cancelled"
said.append(asyncio.run(cancelled()))
print(json.dumps(said))
leakscope.dump() if leakscope.native.recording() else None
""".replace("leakscope.native.recording()", "__import__('leakscope.native').native.recording()")

    bare = run([python, str(written(source, tmp_path))], tmp_path)
    seen = record(source, tmp_path, python=python)

    assert (bare.exit_code, bare.stderr) == (0, "")
    assert seen.truth == bare.truth
    books = PoolView(seen.dump)
    # made, shared, Sub twice and the cancelled one; of these Sub().open and the cancelled one are never released.
    assert books.totals()["Base"][:2] == (5, 3)
    assert Counter(handle.state for handle in books.handles()) == {"released twice": 1, "collected without release": 2}


@pythons
def test_handles_of_a_class_that_cannot_be_changed_are_known_by_their_pool(tmp_path: Path, python: str) -> None:
    program = """
    import leakscope
    class Arrays:
        def __init__(self):
            self.free = []
        def get(self, size):
            return self.free.pop() if self.free else bytearray(size)
        def put(self, array):
            self.free.append(array)
    leakscope.watch_pool(bytearray, pool=Arrays, acquire="get", release="put", name="arrays")
    pool = Arrays()
    kept = [pool.get(1000) for _ in range(5)]
    for _ in range(10):
        pool.put(pool.get(1000))
    pool.put(kept.pop())
    leakscope.dump()
    """

    seen = view(program, tmp_path, python)

    assert seen.totals()["arrays"] == (15, 11, 4000, 6000)
    assert [(handle.state, handle.bytes) for handle in seen.handles()] == [("held", 1000)] * 4


@pythons
def test_subclasses_finalizers_and_pools_that_forgive_are_understood(tmp_path: Path, python: str) -> None:
    program = """
    import leakscope
    class Lease:
        def __init__(self, room):
            self.room, self.done = room, False
        def close(self):
            self.done = True
        def __del__(self):
            if not self.done:
                self.close()
    class Own(Lease):
        def __del__(self):
            pass
    leakscope.watch_pool(Lease, release="close", size=10, again=True)
    for _ in range(8):
        Lease("a")
    for _ in range(3):
        Own("b")
    for _ in range(2):
        own = Own("c")
        own.close()
        own.close()
    leakscope.dump()
    """

    seen = view(program, tmp_path, python)

    assert seen.totals()["Lease"] == (13, 10, 0, 10)
    assert [(handle.state, handle.handles) for handle in seen.handles()] == [("collected without release", 3)]


def test_a_program_that_is_not_recorded_keeps_its_class_as_it_is(tmp_path: Path) -> None:
    program = """
    import json, leakscope
    class Buffer:
        def release(self): pass
    before = dict(vars(Buffer))
    print(json.dumps([leakscope.watch_pool(Buffer, release="release") is Buffer, dict(vars(Buffer)) == before]))
    """

    assert run([PYTHONS[0], str(written(program, tmp_path))], tmp_path).truth == [True, True]


def test_a_method_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    program = """
    import json, leakscope
    from leakscope.errors import UsageError
    class Buffer: pass
    try:
        leakscope.watch_pool(Buffer, release="release")
    except UsageError as error:
        print(json.dumps(str(error)))
    """

    assert "there is no method 'release'" in record(program, tmp_path).truth


def test_the_books_are_there_after_a_kill(tmp_path: Path) -> None:
    program = (
        POOL
        + """
import os, signal
pool = Pool()
kept = [pool.take(1000) for _ in range(100)]
for buffer in kept[:40]:
    buffer.release()
os.kill(os.getpid(), signal.SIGKILL)
"""
    )

    ended = record(program, tmp_path)

    assert ended.dump.meta.death is not None
    seen = PoolView(ended.dump)
    assert seen.totals()["buffers"] == (100, 40, 60_000, 100_000)
    assert len(seen.handles("held")) == 60


@pythons
def test_what_is_handed_over_within_an_object_a_tuple_or_a_call_is_seen(tmp_path: Path, python: str) -> None:
    program = written(
        POOL.replace("import collections,", "import asyncio, collections, concurrent.futures, dataclasses,")
        + """
@dataclasses.dataclass
class Frame:
    number: int
    buffer: Buffer
class Slotted:
    __slots__ = ("buffer",)
pool, kept = Pool(), []
frames, loop_queue = queue.Queue(), asyncio.Queue()
frames.put(Frame(1, pool.take(10)))  # <- attribute
slotted = Slotted()
slotted.buffer = pool.take(20)
frames.put(slotted)  # <- slot
frames.put([pool.take(30)])  # <- list
frames.put(pool.take(40))  # <- itself
loop_queue.put_nowait((1, pool.take(50)))  # <- tuple
with concurrent.futures.ThreadPoolExecutor(1) as executor:
    last = pool.take(60)
    executor.submit(kept.append, last).result()  # <- submitted
frames.put("nothing")
leakscope.dump()
""",
        tmp_path,
    )

    seen = view(program.read_text(), tmp_path, python)

    marks = ("attribute", "slot", "list", "itself", "tuple", "submitted")
    given = {handle.bytes: handle.touches for handle in seen.handles("held")}
    assert given == {
        10 * (at + 1): (("handed off", line_of(program, mark), "MainThread"),) for at, mark in enumerate(marks)
    }
