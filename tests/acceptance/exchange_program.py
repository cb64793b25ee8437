"""
Threads that allocate, exchange and release buffers at random, and keep a book of it: the truth for `thread_exchange`.

Each thread takes buffers of 4 KiB to 32 MiB from a pool, puts them into the queue of another thread, and does with what
comes out of its own queue what chance wants: release it, retain and release it twice, hand it on, keep it, or drop it.
Every thread counts what it did itself; together that is the truth, printed as JSON at the end.

    python exchange_program.py [threads] [seconds] [most steps of a thread] [seed]
"""

from __future__ import annotations

import json
import queue
import random
import sys
import threading
import time
from collections import Counter

import leakscope

LEAST_BYTES, MOST_BYTES = 4 << 10, 32 << 20
MOST_OUT = 1000
"""Buffers that are out at once, and not kept: beyond that threads only do something with those there are."""
MOST_KEPT = 2
"""Buffers that a thread keeps, and that it drops."""
MOSTLY_SMALL = 8


class Buffer:
    """A counted buffer; whoever acquired it is the truth's business."""

    __slots__ = ("acquired_by", "count", "lock", "memory")

    def __init__(self, size: int, acquired_by: str) -> None:
        self.memory = bytearray(size)  # <- memory
        self.count, self.acquired_by, self.lock = 1, acquired_by, threading.Lock()

    def retain(self) -> None:
        """One reference more."""
        with self.lock:
            self.count += 1

    def release(self) -> None:
        """One less."""
        with self.lock:
            self.count -= 1
            if self.count == 0:
                self.memory = bytearray()

    def read(self) -> int:
        """A use."""
        return len(self.memory)


leakscope.watch_pool(
    Buffer, retain="retain", release="release", touch="read", size=lambda buffer: len(buffer.memory), name="buffers"
)


class Out:
    """How many buffers are out, and not kept: all that memory is touched."""

    def __init__(self) -> None:
        self.count, self.lock = 0, threading.Lock()

    def more(self) -> bool:
        """One more, if there may be."""
        with self.lock:
            there_may = self.count < MOST_OUT
            self.count += there_may
            return there_may

    def less(self) -> None:
        """One less."""
        with self.lock:
            self.count -= 1


class Trader(threading.Thread):
    """One thread and its book."""

    def __init__(self, number: int, seed: int, traders: list[Trader]) -> None:
        super().__init__(name=f"trader-{number:04}")
        self.random, self.traders = random.Random(seed * 100_003 + number), traders
        self.mail: queue.Queue[Buffer] = queue.Queue()
        self.kept: list[Buffer] = []
        self.acquired: Counter[str] = Counter()
        self.released: dict[str, list[int]] = {}
        self.dropped: dict[str, list[int]] = {}

    def run(self) -> None:
        """Trade until the time or the steps are over."""
        GO.wait()
        end = time.monotonic() + SECONDS
        for _ in range(STEPS):
            if time.monotonic() > end:
                break
            if OUT.more():
                self.give(self.take())
            self.answer()

    def take(self) -> Buffer:
        """A new buffer; small ones are more common, as everywhere: a third of a MiB on average."""
        size = round(LEAST_BYTES * (MOST_BYTES / LEAST_BYTES) ** self.random.random() ** MOSTLY_SMALL)
        self.acquired["handles"] += 1
        self.acquired["bytes"] += size
        return Buffer(size, self.name)

    def give(self, buffer: Buffer) -> None:
        """To somebody, perhaps to oneself."""
        self.random.choice(self.traders).mail.put(buffer)

    def answer(self) -> None:
        """Do something with what comes next."""
        try:
            buffer = self.mail.get(timeout=0.01)
        except queue.Empty:
            return
        chance = self.random.random()
        if chance < 0.55:
            self.release(buffer)
        elif chance < 0.75:
            buffer.retain()
            buffer.read()
            buffer.release()
            self.release(buffer)
        elif chance < 0.95:
            self.give(buffer)
        elif chance < 0.975 and len(self.kept) < MOST_KEPT:
            self.kept.append(buffer)
            OUT.less()
        elif sum(handles for handles, _ in self.dropped.values()) < MOST_KEPT:
            _note(self.dropped, buffer)
            OUT.less()
        else:
            self.release(buffer)

    def release(self, buffer: Buffer) -> None:
        """The last reference."""
        _note(self.released, buffer)
        buffer.release()
        OUT.less()


def _note(book: dict[str, list[int]], buffer: Buffer) -> None:
    entry = book.setdefault(buffer.acquired_by, [0, 0])
    entry[0] += 1
    entry[1] += len(buffer.memory)


def truth() -> dict[str, object]:
    """What all threads did, and what is still out."""
    held: dict[str, list[int]] = {}
    for trader in TRADERS:
        for buffer in [*trader.kept, *trader.mail.queue]:
            _note(held, buffer)
    dropped: dict[str, list[int]] = {}
    for trader in TRADERS:
        for name, (handles, size) in trader.dropped.items():
            entry = dropped.setdefault(name, [0, 0])
            entry[0] += handles
            entry[1] += size
    return {
        "acquired": [sum(trader.acquired[what] for trader in TRADERS) for what in ("handles", "bytes")],
        "crossed": {name: trader.released for trader in TRADERS for name in [trader.name]},
        "held": held,
        "dropped": dropped,
    }


def words(at: int, default: float) -> float:
    """An argument."""
    return float(sys.argv[at]) if len(sys.argv) > at else default


THREADS, SECONDS, STEPS, SEED = int(words(1, 1000)), words(2, 600), int(words(3, 10**9)), int(words(4, 1))
threading.stack_size(256 << 10)
OUT, GO = Out(), threading.Event()
TRADERS: list[Trader] = []
TRADERS.extend(Trader(number, SEED, TRADERS) for number in range(THREADS))
for one in TRADERS:
    one.start()
GO.set()
for one in TRADERS:
    one.join()
leakscope.dump(600.0)
print(json.dumps(truth()))
