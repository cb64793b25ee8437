"""
The chunk table against the allocators' own books, over a run with churn.

A program lets threads take and give back blocks of pymalloc and malloc, mappings and shared memory for ``--rounds``
rounds.  After each round it rests, with its threads parked, and has ``sys._debugmallocstats`` and ``malloc_info`` say
how full they are; a dump is asked for, and its table compared with what they said, and with ``smaps`` as psutil reads
it: all must be equal to the byte.  Then a dump is taken while the threads go on: what it says of used bytes must lie
between what the allocators said before and after it, give or take what threads take meanwhile and a hundredth of
malloc's heaps, or be unknown.  All of this twice: with objects, where the books are read in the copy that walks them
while it lives, and without, in the program itself.

    python tests/acceptance/chunk_books.py [--python BIN ...] [--rounds 6]
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import psutil
from allocator_books import UNHOOKED, PymallocAccount, read_malloc_info
from recording import label

from leakscope.errors import LeakscopeError
from leakscope.formats import open_dump
from leakscope.model.chunks import ARENA, HEAP, MAPPING, SHARED
from leakscope.model.dump import Dump

PROGRAM = (
    UNHOOKED
    + """
import ctypes, mmap, os, random, signal, sys, threading, time
from multiprocessing import resource_tracker, shared_memory
libc = ctypes.CDLL(None)
libc.fopen.restype = libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = libc.fflush.argtypes = (ctypes.c_void_p,)
libc.malloc_info.argtypes = (ctypes.c_int, ctypes.c_void_p)
account, fd = libc.fopen(b"malloc_info", b"w"), os.open("ready", os.O_WRONLY)
malloc_info, fflush, write, pause = libc.malloc_info, libc.fflush, os.write, signal.pause
THREADS = 4
meet, part = threading.Barrier(THREADS + 1), threading.Barrier(THREADS + 1)
state = {"go": False, "on": True}

def churn(seed):
    draw, objects, blocks = random.Random(seed), [], []
    while True:
        meet.wait()
        rounds = 0
        while rounds < 4000 or state["on"]:
            rounds += 1
            for kept, most in (objects, 4000), (blocks, 2000):
                if len(kept) > most or (kept and draw.random() < 0.45):
                    at = draw.randrange(len(kept))
                    kept[at], kept[-1] = kept[-1], kept[at]
                    gone = kept.pop()
                    if kept is blocks:
                        libc.free(gone)
                else:
                    size = int(2 ** draw.uniform(3, 15))
                    kept.append(bytes(size) if kept is objects else libc.malloc(size))
        gone = None
        part.wait()

def say(word):
    malloc_info(0, account)
    fflush(account)
    pymalloc_says()
    write(fd, word)

def resume(*_):
    state["go"] = True

def rest():
    state["go"] = False
    say(b".")
    say(b".")
    say(b"!")
    while not state["go"]:
        pause()

signal.signal(signal.SIGUSR1, resume)
for seed in range(THREADS):
    threading.Thread(target=churn, args=(seed,), daemon=True).start()
kept = []
while True:
    state["on"] = False
    meet.wait()
    part.wait()
    mapped = mmap.mmap(-1, (16 + len(kept)) << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    mapped[: 3 << 20] = bytes(3 << 20)
    shared = shared_memory.SharedMemory(create=True, size=(1 + len(kept)) << 20)
    resource_tracker.unregister(shared._name, "shared_memory")
    shared.buf[: 1 << 19] = bytes(1 << 19)
    os.unlink("/dev/shm/" + shared.name)
    kept.append((mapped, shared))
    rest()
    state["on"] = True
    meet.wait()
    state["go"] = False
    while not state["go"]:
        time.sleep(0.01)
    state["on"] = False
    part.wait()
    rest()
"""
)
HEAD = (
    "| round | arenas | heaps | pymalloc used | table | free | malloc free; used | table | smaps, chunks: bytes off |\n"
    "|---|---|---|---|---|---|---|---|---|"
)
BURST_BYTES = 1 << 20
"""What the threads may have taken or given back while an account is given or a table read."""
SHARE = 0.01
"""Of a heap that may be skipped where a thread is at work."""


@dataclass
class Books:
    """What was compared on one interpreter."""

    rows: list[tuple[str, ...]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


class Run:
    """The program under the recorder, resting or not."""

    def __init__(self, python: str, folder: Path, *own: str) -> None:
        self.folder = folder
        os.mkfifo(folder / "ready")
        (folder / "program.py").write_text(PROGRAM)
        command = [python, "-m", "leakscope", "run", "--quiet", "--no-report", *own, "-o", "run", "program.py"]
        self._said = (folder / "said").open("wb")
        self.process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stderr=self._said)
        self._ready = (folder / "ready").open("rb", buffering=0)
        self.dumps = 0

    def rested(self) -> tuple[PymallocAccount, int, int]:
        """Waits for a rest; what pymalloc said, and used and free bytes of malloc's arenas."""
        for word in b"..!":
            assert self._ready.read(1) == bytes([word]), (self.folder / "said").read_text()[-2000:]
        arenas = read_malloc_info((self.folder / "malloc_info").read_text())
        free = sum(arena.free + arena.fast for arena in arenas)
        pymalloc = PymallocAccount.read((self.folder / "said").read_text())
        return pymalloc, sum(arena.system for arena in arenas) - free, free

    @property
    def program(self) -> int:
        """Process id of the program."""
        return int(Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()[0])

    def resume(self) -> None:
        """Lets the program go on."""
        os.kill(self.program, signal.SIGUSR1)

    def dump(self) -> Dump:
        """A dump that is asked for now."""
        self.dumps += 1
        self.process.send_signal(signal.SIGUSR2)
        while True:
            found = [dump for path in sorted((self.folder / "run").glob("*.lks")) if (dump := asked_for(path))]
            if len(found) == self.dumps:
                return found[-1]
            assert self.process.poll() is None

    def end(self) -> None:
        """Kills the program."""
        os.kill(self.program, signal.SIGKILL)
        self.process.wait(60)
        self._said.close()


def asked_for(path: Path) -> Dump | None:
    """The dump, if a signal asked for it and it is still there."""
    try:
        dump = open_dump(path)
    except LeakscopeError:
        return None
    return dump if dump.meta.reason == "signal" else None


def compare(python: str, rounds: int, folder: Path, *own: str) -> Books:
    """All rounds on one interpreter."""
    books, run = Books(), Run(python, folder, *own)
    for number in range(1, rounds + 1):
        before = run.rested()
        at_rest = run.dump()
        books.rows.append(rest_row(number, at_rest, before, run.program, books.wrong))
        run.resume()
        moving = run.dump()
        run.resume()
        after = run.rested()
        books.rows.append(moving_row(number, moving, before, after, books.wrong))
        run.resume()
    run.end()
    return books


def rest_row(
    number: int, dump: Dump, said: tuple[PymallocAccount, int, int], program: int, wrong: list[str]
) -> tuple[str, ...]:
    """Differences at rest; they must be none."""
    chunks, (pymalloc, _, malloc_free) = dump.chunks, said
    arenas, heaps = chunks.kind == ARENA, chunks.kind == HEAP
    used = float(chunks.used_bytes[arenas].sum()) - pymalloc.used
    free = float(chunks.free_bytes[arenas].sum()) - pymalloc.free
    malloc = float(chunks.free_bytes[heaps].sum()) - malloc_free
    maps = {int(each.addr.split("-")[0], 16): each for each in psutil.Process(program).memory_maps(grouped=False)}
    # Others share a mapping with their neighbours.
    sizes_of_maps = {begin: each.size for begin, each in maps.items()}
    whole = [sizes_of_maps.get(int(at)) == int(size) for at, size in zip(chunks.address, chunks.size, strict=True)]
    alone = np.flatnonzero(np.isin(chunks.kind, (HEAP, MAPPING, SHARED)) & whole)
    resident = sum(abs(float(chunks.resident_bytes[row]) - maps[int(chunks.address[row])].rss) for row in alone)
    if used or free or malloc or resident:
        wrong.append(f"round {number} at rest: {used:+.0f}, {free:+.0f}, {malloc:+.0f}, {resident:.0f}")
    sizes = f"{pymalloc.used:,}", f"{used:+,.0f}", f"{free:+,.0f}", f"{malloc_free:,}", f"{malloc:+,.0f}"
    return (
        f"{number} at rest",
        str(int(arenas.sum())),
        str(int(heaps.sum())),
        *sizes,
        f"{len(alone)}: {resident:,.0f}",
    )


def moving_row(
    number: int,
    dump: Dump,
    before: tuple[PymallocAccount, int, int],
    after: tuple[PymallocAccount, int, int],
    wrong: list[str],
) -> tuple[str, ...]:
    """How far the table of a program that goes on lies outside of what was said before and after."""
    chunks = dump.chunks
    arenas, heaps = np.flatnonzero(chunks.kind == ARENA), np.flatnonzero(chunks.kind == HEAP)
    unknown = int(np.isnan(chunks.used_bytes[arenas]).sum()) + int(np.isnan(chunks.used_bytes[heaps]).sum())
    used, malloc = float(chunks.used_bytes[arenas].sum()), float(chunks.used_bytes[heaps].sum())
    out = outside(used, before[0].used, after[0].used), outside(malloc, before[1], after[1])
    bounds = BURST_BYTES, BURST_BYTES + SHARE * max(before[1], after[1])
    wrong += [
        f"round {number}: {off:,.0f} bytes outside" for off, bound in zip(out, bounds, strict=True) if off > bound
    ]
    counts = f"{number} going on, {unknown} unknown", str(len(arenas)), str(len(heaps))
    return (*counts, f"{used:,.0f}", f"{out[0]:,.0f} outside", "", f"{malloc:,.0f}", f"{out[1]:,.0f} outside", "")


def outside(value: float, one: float, other: float) -> float:
    """How far a value lies outside of two others; 0 if between them, or unknown."""
    return max(min(one, other) - value, value - max(one, other), 0.0) if value == value else 0.0


def main() -> int:
    """Print a table an interpreter; 0 if all agree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", action="append", help="interpreter with leakscope; may be repeated")
    parser.add_argument("--rounds", type=int, default=6)
    options = parser.parse_args()
    failed = False
    for python in options.python or [sys.executable]:
        for where, own in ("in the copy", ()), ("in the program", ("--no-heap",)):
            with tempfile.TemporaryDirectory() as folder:
                books = compare(python, options.rounds, Path(folder), *own)
            print(f"Python {label(python)}, books read {where}\n\n{HEAD}")
            for row in books.rows:
                print(f"| {' | '.join(row)} |")
            print("\n".join(["", *books.wrong]), flush=True)
            failed |= bool(books.wrong)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
