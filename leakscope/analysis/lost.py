"""
Whether blocks are lost for good: nothing in the memory of the program leads to them.

It knows what the search for pointers found at the program's end; it refuses to know who asked for the blocks.  A part
of what leaks is still reached: by numbers that look like addresses, by what freed memory still holds, and where
malloc's heaps could not be followed by other blocks that are lost themselves.  What has an owner is reached as good as
always.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from leakscope.model.allocations import POINTED

if TYPE_CHECKING:
    from leakscope.model.allocations import AllocationTable
    from leakscope.model.columns import I8

_LEAST_SEEN, _LEAST_LOST = 8, 4
_LOST, _OWNED = 0.1, 0.03
"""Parts of some blocks without a pointer to them from which on they are lost, and below which they have an owner."""
_YES, _NO = POINTED.index("yes"), POINTED.index("no")


def are_lost(live: AllocationTable, rows: I8) -> Literal["lost", "owned", "unknown"]:
    """
    Whether some blocks are lost.

    Parameters
    ----------
    live : AllocationTable
    rows : ndarray of int64
        Of it.
    """
    share = lost_share(live, rows)
    if share != share:
        return "unknown"
    if share >= _LOST and int((live.pointed[rows] == _NO).sum()) >= _LEAST_LOST:
        return "lost"
    return "owned" if share < _OWNED else "unknown"


def lost_share(live: AllocationTable, rows: I8) -> float:
    """
    Part of some blocks to which nothing points; NaN if too few of them were looked at.

    Parameters
    ----------
    live : AllocationTable
    rows : ndarray of int64
        Of it.
    """
    answers = live.pointed[rows]
    looked = np.isin(answers, (_YES, _NO))
    if int(looked.sum()) < _LEAST_SEEN:
        return float("nan")
    return float(np.mean(answers[looked] == _NO))
