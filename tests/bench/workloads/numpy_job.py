"""NumPy: large temporaries (mmap), middling ones (malloc) and many small arrays (NumPy's own cache)."""

from __future__ import annotations

import zlib

import numpy as np
from _workload import main


def large(turn: int) -> float:
    """Chain of operations over 8 MiB columns."""
    column = np.arange(1_000_000, dtype=np.float64) + turn
    scaled = np.sqrt(column * 2.5 + 1.0)
    kept = scaled[scaled > 100.0]
    return float(np.floor(kept[::1000].sum()))


def middling(rng: np.random.Generator) -> int:
    """Sort, group and bin a 100 KiB column."""
    values = rng.integers(0, 1000, size=12_800)
    order = np.argsort(values, kind="stable")
    groups = np.bincount(values[order], minlength=1000)
    return int(np.cumsum(groups)[500]) + int(np.unique(values).size)


def small(turn: int) -> int:
    """Build many three-vectors and small matrices."""
    total = 0
    for i in range(600):
        vector = np.array([i, turn, i - turn])
        total += int(np.outer(vector, vector).trace())
    return total


def work(scale: float) -> int:
    """Checksum over all three sizes."""
    rng = np.random.default_rng(7)
    total = 0
    for turn in range(int(22 * scale)):
        parts = (large(turn), sum(middling(rng) for _ in range(15)), small(turn))
        total = zlib.crc32(repr(parts).encode(), total)
    return total


if __name__ == "__main__":
    main(work)
