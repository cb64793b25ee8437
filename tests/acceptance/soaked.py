"""
The program of the soak: threads, forks and as many allocations as asked, and at its end a full account of itself.

Long-lived and short-lived threads keep and drop blocks of random sizes, hand them to each other, and fork children that
do the same and vanish.  When the time is over everything is joined and every kept block is written down: address, size
and the thread that made it.  With what the interpreter itself counts (``sys.getallocatedblocks``) that is the truth the
live table is compared with.

    python soaked.py ACCOUNT MINUTES ALLOCATIONS
"""

from __future__ import annotations

import gc
import json
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import leakscope

KEEPERS = 4
BATCH = 2000
"""Small objects made and dropped in one go."""


class Soak:
    """What all threads share."""

    def __init__(self, minutes: float, allocations: int) -> None:
        self.began = time.monotonic()
        self.seconds = minutes * 60
        self.allocations = allocations
        self.done = 0
        self.forks = 0
        self.short_threads = 0
        self.lock = threading.Lock()
        self.kept: list[tuple[bytes, str]] = []
        self.handed: list[bytearray] = []

    def over(self) -> bool:
        """Whether the time is up and the allocations are made; never later than twice the time."""
        elapsed = time.monotonic() - self.began
        return elapsed > 2 * self.seconds or (elapsed > self.seconds and self.done >= self.allocations)

    def pace(self) -> None:
        """Wait if the allocations run ahead of the clock."""
        ahead = self.done / max(1, self.allocations) - (time.monotonic() - self.began) / self.seconds
        if ahead > 0:
            time.sleep(min(0.5, ahead * self.seconds))

    def count(self, made: int) -> None:
        """Add to the allocations made."""
        with self.lock:
            self.done += made


def keep_and_drop(soak: Soak, number: int) -> None:
    """Keep blocks of random sizes, drop the oldest beyond a few thousand, churn in between."""
    rng = random.Random(number)
    name = threading.current_thread().name
    while not soak.over():
        for _ in range(20):
            block = bytes(rng.choice((40, 400, 4000, 40_000)) + rng.randrange(64))  # <- kept
            with soak.lock:
                soak.kept.append((block, name))
                if len(soak.kept) > 6000:
                    del soak.kept[rng.randrange(3000)]
        rows = [[i, i + 1] for i in range(BATCH)]
        texts = [f"{row[0]}" for row in rows]
        del rows, texts
        soak.count(2 * BATCH + 40)
        soak.pace()


def hand_over(soak: Soak) -> None:
    """Take buffers others made and let them go."""
    while not soak.over():
        with soak.lock:
            soak.handed.clear()
        time.sleep(0.01)


def be_short(soak: Soak) -> None:
    """Make a few buffers for somebody else to free."""
    made = [bytearray(random.randrange(100, 100_000)) for _ in range(10)]
    with soak.lock:
        soak.handed.extend(made)
        soak.short_threads += 1


def fork_children(soak: Soak) -> None:
    """Start a short thread often, a forked child every second, another interpreter twice a minute."""
    turn = 0
    while not soak.over():
        turn += 1
        thread = threading.Thread(target=be_short, args=(soak,), name=f"short-{turn}")
        thread.start()
        thread.join()
        if turn % 20 == 0:
            fork_one(soak)
        if turn % 600 == 0:
            subprocess.run([sys.executable, "-c", "kept = [str(i) for i in range(100_000)]"], check=True)
        time.sleep(0.05)


def fork_one(soak: Soak) -> None:
    """Fork a child that allocates, frees what it inherited, and leaves without ceremony."""
    pid = os.fork()
    if pid == 0:
        soak.kept.clear()
        mine = [bytes(1000) for _ in range(5000)]
        os._exit(0 if mine else 1)
    _, status = os.waitpid(pid, 0)
    assert status == 0, f"a forked child ended with {status}"
    soak.forks += 1


def counted() -> tuple[int, str]:
    """The interpreter's own count of blocks, and a dump of the same moment."""
    gc.collect()
    return sys.getallocatedblocks(), leakscope.dump()


def main(account: str, minutes: float, allocations: int) -> None:
    """Soak, then write the account."""
    soak = Soak(minutes, allocations)
    counted()  # once for what the first call itself leaves behind
    blocks_before, dump_before = counted()
    threads = [
        threading.Thread(target=keep_and_drop, args=(soak, number), name=f"keeper-{number}")
        for number in range(KEEPERS)
    ]
    threads += [threading.Thread(target=hand_over, args=(soak,)), threading.Thread(target=fork_children, args=(soak,))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    soak.handed.clear()
    blocks_after, dump_after = counted()
    Path(account).write_text(
        json.dumps(
            {
                "kept": [(id(block), sys.getsizeof(block), name) for block, name in soak.kept],
                "blocks": blocks_after - blocks_before,
                "between": [dump_before, dump_after],
                "allocations": soak.done,
                "forks": soak.forks,
                "short_threads": soak.short_threads,
            }
        )
    )
    # The kept blocks must be there when the interpreter ends.
    globals()["KEPT"] = soak


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), int(float(sys.argv[3])))
