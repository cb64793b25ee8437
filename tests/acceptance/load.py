"""
A program under load, made to be killed: it counts what it keeps in a shared file that survives it.

Three threads churn small objects, pass buffers, and use native memory and mappings, while the main thread keeps blocks
and writes down how many: the count is raised after each block, so the truth is never behind by more than one.

    python load.py COUNTS SECONDS
"""

from __future__ import annotations

import ctypes
import mmap
import os
import queue
import struct
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

LAYOUT = struct.Struct("qqq")
"""Process id, blocks kept, blocks kept that are large."""
SMALL, LARGE = 700, 100_000
UNKNOWN = -1
"""Count while the kept blocks are being let go."""
PAGE_BYTES = 4096

KEPT: list[bytes] = []


def churn(stop: threading.Event) -> None:
    """Small objects of many kinds, none of which stays."""
    while not stop.is_set():
        rows = [{"number": i, "name": f"row {i}", "pair": (i, [i])} for i in range(300)]
        "".join(row["name"] for row in rows)  # type: ignore[misc]


def pass_buffers(stop: threading.Event) -> None:
    """Buffers made here and freed by a thread of their own."""
    line: queue.Queue[bytearray | None] = queue.Queue(maxsize=8)
    consumer = threading.Thread(target=lambda: [None for _ in iter(line.get, None)], name="consumer", daemon=True)
    consumer.start()
    size = 4096
    while not stop.is_set():
        line.put(bytearray(size))
        size = 4096 if size > 1 << 20 else size * 2
    line.put(None)


def use_native(stop: threading.Event) -> None:
    """Native blocks and mappings, taken and given back."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.free.argtypes = (ctypes.c_void_p,)
    while not stop.is_set():
        blocks = [libc.malloc(size) for size in (100, 5000, 200_000)]
        with mmap.mmap(-1, 1 << 20) as mapping:
            mapping[:8] = b"mappings"
        for block in blocks:
            libc.free(block)


def keep(counts: mmap.mmap, seconds: float) -> None:
    """Keep a block every now and then until the time is over; write down how many."""
    end = time.monotonic() + seconds
    large = 0
    while time.monotonic() < end:
        for _ in range(20):
            KEPT.append(bytes(SMALL))  # <- small
            counts[: LAYOUT.size] = LAYOUT.pack(os.getpid(), len(KEPT), large)
        KEPT.append(bytes(LARGE))  # <- large
        large += 1
        counts[: LAYOUT.size] = LAYOUT.pack(os.getpid(), len(KEPT), large)
        if large % 50 == 0:
            counts[: LAYOUT.size] = LAYOUT.pack(os.getpid(), UNKNOWN, 0)
            del KEPT[:]
            large = 0
            counts[: LAYOUT.size] = LAYOUT.pack(os.getpid(), 0, 0)
        time.sleep(0.002)


def main(path: str, seconds: float) -> None:
    """Run all of it."""
    with open(path, "r+b") as file:
        counts = mmap.mmap(file.fileno(), PAGE_BYTES)
    stop = threading.Event()
    jobs: list[Callable[[threading.Event], Any]] = [churn, pass_buffers, use_native]
    threads = [threading.Thread(target=job, args=(stop,), name=job.__name__) for job in jobs]
    for thread in threads:
        thread.start()
    keep(counts, seconds)
    stop.set()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
