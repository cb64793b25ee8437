"""The chunk table of a program at rest is what its allocators say of themselves, to the byte."""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from allocator_books import UNHOOKED, ArenaAccount, PymallocAccount, read_malloc_info
from recording import PYTHONS, label, written

from leakscope.errors import LeakscopeError
from leakscope.formats import open_dump
from leakscope.model.chunks import ARENA, HEAP, MAPPING, NO_THREAD, SHARED
from leakscope.model.dump import Dump

pytestmark = pytest.mark.parametrize("python", PYTHONS, ids=label)

# Lets the allocators say how full they are, then does nothing that could change it until it is killed or woken.  The
# accounts are given three times: the first pays for what the giving itself needs.
AT_REST = (
    UNHOOKED
    + """
import ctypes, mmap, os, random, signal, sys, threading
from multiprocessing import resource_tracker, shared_memory
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = (ctypes.c_void_p,)
libc.malloc_info.argtypes = (ctypes.c_int, ctypes.c_void_p)
libc.fflush.argtypes = (ctypes.c_void_p,)
account = libc.fopen(b"malloc_info", b"w")
draw = random.Random(3)

def churn(kept):
    for _ in range(20_000):
        if kept and draw.random() < 0.45:
            kept[draw.randrange(len(kept))] = None
        else:
            kept.append(bytes(int(2 ** draw.uniform(3, 13))))

def churn_below(kept, at_once):
    at_once.wait()
    blocks = [libc.malloc(draw.randrange(8, 60_000)) for _ in range(2_000)]
    for block in blocks[::2]:
        libc.free(block)
    kept += blocks[1::2]
    done.wait()
    parked.wait()

at_once, done, parked = threading.Barrier(3), threading.Barrier(4), threading.Event()
kept, below = [], []
threads = [threading.Thread(target=churn_below, args=(below, at_once), daemon=True) for _ in range(3)]
for thread in threads:
    thread.start()
done.wait()
churn(kept)
mapped = mmap.mmap(-1, 24 << 20)
mapped[: 5 << 20] = bytes(5 << 20)
shared = shared_memory.SharedMemory(create=True, size=3 << 20)
resource_tracker.unregister(shared._name, "shared_memory")
shared.buf[: 1 << 20] = bytes(1 << 20)
huge = bytearray(40 << 20)
shared.unlink = lambda: None
os.unlink("/dev/shm/" + shared.name)
fd = os.open("ready", os.O_WRONLY)
malloc_info, fflush, write, pause = libc.malloc_info, libc.fflush, os.write, signal.pause

def say(word):
    malloc_info(0, account)
    fflush(account)
    pymalloc_says()
    write(fd, word)

while True:
    say(b"1")
    say(b"2")
    say(b"!")
    pause()
"""
)


@dataclass(frozen=True)
class AtRest:
    """A dump of a program at rest, and what its allocators said."""

    dump: Dump
    pymalloc: PymallocAccount
    malloc: list[ArenaAccount]


@pytest.fixture(scope="module", params=["with objects", "without"])
def at_rest(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, AtRest]:
    """By interpreter; with objects the books are read in the copy that walks them, if it lives long enough."""
    return _Made(request.param, tmp_path_factory)


class _Made(dict[str, AtRest]):
    def __init__(self, way: str, folders: pytest.TempPathFactory) -> None:
        super().__init__()
        self._way, self._folders = way, folders

    def __missing__(self, python: str) -> AtRest:
        own = () if self._way == "with objects" else ("--no-heap",)
        self[python] = taken(python, self._folders.mktemp("rest"), *own)
        return self[python]


def taken(python: str, folder: Path, *own: str) -> AtRest:
    os.mkfifo(folder / "ready")
    program = written(AT_REST, folder)
    command = [python, "-m", "leakscope", "run", "--quiet", "--no-report", "-o", "run", *own, str(program)]
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "LEAKSCOPE"))}
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(command, cwd=folder, env=kept, stdin=subprocess.DEVNULL, stderr=said)
    try:
        with (folder / "ready").open("rb") as ready:
            assert ready.read(3) == b"12!"
            process.send_signal(signal.SIGUSR2)
            [dump] = await_dumps(process, folder / "run", 1)
            if dump.heap is not None:
                # Before objects are walked, the interpreter's free lists are emptied: the next time they are.
                assert ready.read(3) == b"12!"
                process.send_signal(signal.SIGUSR2)
                _, dump = await_dumps(process, folder / "run", 2)
    finally:
        program_id = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])
        os.kill(program_id, signal.SIGKILL)
        process.wait(60)
    account = read_malloc_info((folder / "malloc_info").read_text())
    return AtRest(dump, PymallocAccount.read((folder / "said").read_text()), account)


def await_dumps(process: subprocess.Popen[bytes], folder: Path, count: int) -> list[Dump]:
    """So many dumps that signals asked for; baselines come and go meanwhile."""
    while True:
        asked = [dump for path in sorted(folder.glob("[0-9]*.lks")) if (dump := opened(path)) is not None]
        if len(asked) == count:
            return asked
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
        raise AssertionError(f"the program ended with {process.returncode} before the dump")


def opened(path: Path) -> Dump | None:
    try:
        dump = open_dump(path)
    except LeakscopeError:
        return None  # a baseline that made way for a later one
    return dump if dump.meta.reason == "signal" else None


def test_arenas_of_pymalloc_are_as_full_as_it_says(python: str, at_rest: dict[str, AtRest]) -> None:
    dump, account = at_rest[python].dump, at_rest[python].pymalloc
    arenas = np.flatnonzero(dump.chunks.kind == ARENA)

    assert len(arenas) == account.arenas
    assert dump.chunks.used_bytes[arenas].sum() == account.used
    assert dump.chunks.free_bytes[arenas].sum() == account.free
    whole = account.used + account.free + account.headers + account.unusable
    assert dump.chunks.size[arenas].sum() == whole
    assert (dump.chunks.largest_free_bytes[arenas] <= dump.chunks.free_bytes[arenas]).all()
    assert (dump.chunks.thread[arenas] == NO_THREAD).any()  # from before recording


def test_heaps_of_malloc_are_as_full_as_it_says(python: str, at_rest: dict[str, AtRest]) -> None:
    dump, accounts = at_rest[python].dump, at_rest[python].malloc
    chunks = dump.chunks
    heaps = np.flatnonzero(chunks.kind == HEAP)
    labels = [dump.strings[int(chunks.label[row])] for row in heaps]
    by_arena = {name: heaps[[label.partition(",")[0] == name for label in labels]] for name in set(labels)}

    main, *further = accounts
    assert {"main", *(f"arena {number + 1}" for number in range(len(further)))} == set(by_arena)
    # glibc tells the newest arena first.
    told = {"main": main, **{f"arena {number}": one for number, one in enumerate(reversed(further), 1)}}
    for name, one in told.items():
        rows = by_arena[name]
        assert chunks.size[rows].sum() == one.system, name
        assert chunks.free_bytes[rows].sum() == one.free + one.fast, name
        head = 0 if name == "main" else one.system - one.free - one.fast - chunks.used_bytes[rows].sum()
        assert 0 <= head < 4096 * len(rows)
    assert sum(chunks.attached_threads[rows[0]] for rows in by_arena.values()) >= 4  # the main thread, three that wait
    assert chunks.used_bytes[by_arena["main"]].sum() == main.system - main.free - main.fast


def test_shared_memory_and_mappings_are_chunks_and_large_blocks_of_malloc_are_not(
    python: str, at_rest: dict[str, AtRest]
) -> None:
    chunks, strings = at_rest[python].dump.chunks, at_rest[python].dump.strings
    [mapped] = np.flatnonzero((chunks.kind == MAPPING) & (chunks.size == 24 << 20))
    [shared] = np.flatnonzero(chunks.kind == SHARED)

    assert (chunks.resident_bytes[mapped], chunks.dirty_bytes[mapped]) == (5 << 20, 5 << 20)
    assert strings[int(chunks.label[shared])].startswith("psm_")
    assert (chunks.size[shared], chunks.resident_bytes[shared]) == (3 << 20, 1 << 20)
    assert chunks.thread[shared] == 0  # the hook of mmap saw it being taken
    assert not ((chunks.size >= 40 << 20) & (chunks.kind == MAPPING)).any()


def test_what_the_system_says_of_chunks_is_no_more_than_it_says_of_the_process(
    python: str, at_rest: dict[str, AtRest]
) -> None:
    dump = at_rest[python].dump
    chunks = dump.chunks
    assert np.isfinite(chunks.resident_bytes).all()
    assert (chunks.resident_bytes <= chunks.size).all()
    assert (chunks.dirty_bytes <= chunks.resident_bytes).all()
    assert chunks.resident_bytes.sum() <= dump.meta.process.rss_bytes
    heaps = chunks.kind == HEAP
    assert (chunks.trimmable_bytes[heaps] <= chunks.free_bytes[heaps]).all()
    series = dump.series
    assert series.arena_used_bytes[-1] == chunks.used_bytes[chunks.kind == ARENA].sum()
    assert series.glibc_free_bytes[-1] == chunks.free_bytes[heaps].sum()
