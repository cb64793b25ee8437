"""
What a watched acquire and release cost: rounds of one loop by turns, bare, recorded, and with the pool watched.

    python tests/bench/watched_pool.py [--python BIN] [--rounds 9] [--pairs 100000]

Prints the median of the processor time of a pair, in nanoseconds, with the pool four calls deep.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

PROGRAM = """
import sys, time
import leakscope
class Buffer:
    __slots__ = ("size",)
    def __init__(self, size):
        self.size = size
class Pool:
    def __init__(self):
        self.free = []
    def take(self, size):
        return self.free.pop() if self.free else Buffer(size)
    def give(self, buffer):
        self.free.append(buffer)
if sys.argv[1] == "watched":
    leakscope.watch_pool(Buffer, pool=Pool, acquire="take", release="give", size="size")
pool = Pool()
def pairs(count):
    for _ in range(count):
        pool.give(pool.take(4096))
def deep(depth, count):
    return deep(depth - 1, count) if depth else pairs(count)
deep(4, 1000)
count = int(sys.argv[2])
began = time.process_time_ns()
deep(4, count)
print((time.process_time_ns() - began) / count)
"""


def pair_ns(python: str, mode: str, pairs: int, folder: str) -> float:
    """One round."""
    words = [python, "-c", PROGRAM, mode, str(pairs)]
    if mode != "bare":
        run = ["-m", "leakscope", "run", "--quiet", "--no-report", "--no-heap", "--force", "-o", f"{folder}/run"]
        words = [python, *run, *words[1:]]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=folder)
    return float(done.stdout.split()[-1])


def main() -> None:
    """All rounds, and the medians."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--pairs", type=int, default=100_000)
    options = parser.parse_args()
    modes = ("bare", "recorded", "watched")
    found: dict[str, list[float]] = {mode: [] for mode in modes}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.rounds):
            for mode in modes:
                found[mode].append(pair_ns(options.python, mode, options.pairs, str(Path(folder))))
    for mode, values in found.items():
        print(f"{mode:9} {statistics.median(values):7.0f} ns a pair (from {min(values):.0f} to {max(values):.0f})")


if __name__ == "__main__":
    main()
