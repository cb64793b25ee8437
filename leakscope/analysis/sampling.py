"""
How far an estimate from sampled blocks can be off.

It knows the sampler's promise and what follows from it; it refuses to know stacks, time and rules.

The honest page
---------------
The recorder draws sample points at exponentially distributed distances, ``interval`` bytes apart on average, along
the bytes that are asked for.  A block of ``s`` bytes is recorded if at least one point falls into it, so with

    ``p(s) = 1 - exp(-s / interval)``,

independently of every other block, and of how long it lives.  Its row then weighs ``w = s / p`` bytes.  Blocks of
``exact_bytes`` or more are always recorded, ``p = 1`` and ``w = s``; in an exact run that holds for all of them.

*Unbiased.*  A sum of weights estimates the bytes without bias, whatever subset of blocks is summed (one stack, one
thread, those born after second 10), because each row is worth ``s / p`` with probability ``p``.

*Variance.*  One block contributes ``s^2 (1 - p) / p``.  Only recorded ones can be summed, each standing for ``1 / p``
such blocks, and ``s^2 (1 - p) / p^2 = w^2 - w s``.  Hence the unbiased estimate of the variance of a sum of weights is

    ``sum(w * (w - s))``

over its rows: zero for exact rows.  For a sum of blocks instead of bytes the row counts ``n = w / s`` and the same
steps give ``sum(n * (n - 1))``.

*When only totals are left* (the series keeps bytes and blocks of a stack, not its rows), blocks of one stack are taken
to be of one size, ``s = bytes / blocks``; then ``w - s`` is known and the variance is ``bytes * (w - s)``.  For blocks
much smaller than the interval ``w - s`` is about ``interval - s / 2`` whatever ``s`` is, so mixing sizes hardly
matters there; it never exceeds ``bytes * interval``.

*A worked number.*  A stack holds 4,000 blocks of 5.4 KiB, 21.1 MiB, recorded at 64 KiB: p = 0.081, w = 66.7 KiB, some
324 rows.  The standard error is sqrt(21.1 MiB * 61.3 KiB) = 1.1 MiB, 5.3 %.  The same stack recorded with 512 KiB:
15.4 %.  A stack that holds a single interval's worth of bytes is known to within 100 %: about one row.

What is assumed: rows are independent (one block hit by two points is one row, allowed for by ``p``), and the process'
random numbers are good.  What is lost: blocks born and freed between two samples leave only totals behind.
"""

from __future__ import annotations

from math import exp, sqrt
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from leakscope.model.allocations import AllocationTable
    from leakscope.model.columns import F8


def row_variances(allocations: AllocationTable) -> F8:
    """
    What each live row adds to the variance of a sum of weights it is part of.

    Parameters
    ----------
    allocations : AllocationTable
        ``n`` rows.

    Returns
    -------
    ndarray of float64, shape (n,)
        Bytes squared; zero for rows recorded exactly.
    """
    excess = np.maximum(allocations.weight - allocations.size, 0.0)
    variances: F8 = allocations.weight * excess
    return variances


def excess_weight(size_bytes: float, interval_bytes: int, exact_bytes: int) -> float:
    """
    Bytes by which the weight of a recorded block exceeds its size: variance per estimated byte.

    Parameters
    ----------
    size_bytes : float
        Size of the block; zero or less counts as the smallest possible.
    interval_bytes, exact_bytes : int
        As in ``DumpMeta``.

    Returns
    -------
    float
        ``s / p(s) - s``; zero from ``exact_bytes`` on and in exact runs, never above ``interval_bytes``.
    """
    if interval_bytes <= 1 or size_bytes >= exact_bytes:
        return 0.0
    size = max(size_bytes, 1.0)
    return size / (1.0 - exp(-size / interval_bytes)) - size


def error_of_total(total_bytes: float, blocks: float, interval_bytes: int, exact_bytes: int) -> float:
    """
    Standard error of an estimated total of which only bytes and blocks are known.

    Parameters
    ----------
    total_bytes, blocks : float
        The estimates.
    interval_bytes, exact_bytes : int
        As in ``DumpMeta``.

    Returns
    -------
    float
        Bytes; zero in exact runs.
    """
    if total_bytes <= 0 or blocks <= 0:
        return 0.0
    return sqrt(total_bytes * excess_weight(total_bytes / blocks, interval_bytes, exact_bytes))
