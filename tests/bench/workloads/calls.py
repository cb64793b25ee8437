"""Function calls: a bushy recursion that hardly allocates, then one 4000 deep with small objects on each level.

Tools that keep a shadow stack pay for the first part, tools that walk the whole stack pay for the second.
"""

from __future__ import annotations

import sys

from _workload import main

DEPTH = 4000


def fibonacci(n: int) -> int:
    """Fibonacci number, the slow way: two calls per value and nothing else."""
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


def descend(level: int, seed: int) -> int:
    """Go down to level 0 holding a small object on each level; most levels also call a leaf function."""
    label = f"{seed}:{level}"
    below = descend(level - 1, seed) if level else seed
    return (below * 31 + measure(label)) & 0xFFFFFFFF


def measure(label: str) -> int:
    """Length of a label: a call at every depth."""
    return len(label)


def work(scale: float) -> int:
    """Checksum over both recursions."""
    sys.setrecursionlimit(DEPTH + 500)
    total = 0
    for turn in range(max(1, int(16 * scale))):
        total = (total * 7 + fibonacci(26)) & 0xFFFFFFFF
        for dive in range(8):
            total ^= descend(DEPTH, turn * 100 + dive)
    return total


if __name__ == "__main__":
    main(work)
