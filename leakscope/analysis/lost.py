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
    from leakscope.analysis.working import Work
    from leakscope.model.allocations import AllocationTable
    from leakscope.model.columns import I8

_LEAST_SEEN, _LEAST_LOST = 8, 4
_LOST, _OWNED = 0.1, 0.03
"""Parts of some blocks without a pointer to them from which on they are lost, and below which they have an owner."""
_LEAST_LOST_OBJECTS, _LOST_OBJECTS = 4, 0.5
_ALL_ALONG = 0.25
"""Part of the work over which lost objects must have been made for it to be no single occasion."""
_YES, _NO, _LINKED = (POINTED.index(word) for word in ("yes", "no", "linked"))


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
    looked = np.isin(answers, (_YES, _NO, _LINKED))
    if int(looked.sum()) < _LEAST_SEEN:
        return float("nan")
    return float(np.mean(answers[looked] == _NO))


def lost_objects(live: AllocationTable, rows: I8) -> I8:
    """
    Those of some objects' blocks to which nothing leads but the collector's list, in which every object is.

    Parameters
    ----------
    live : AllocationTable
    rows : ndarray of int64
        Blocks that are objects, not what belongs to one.

    Returns
    -------
    ndarray of int64
        None if these are too few of those that were looked at: then they may be accidents.
    """
    answers = live.pointed[rows]
    lost = rows[np.isin(answers, (_NO, _LINKED))]
    looked = int(np.isin(answers, (_YES, _NO, _LINKED)).sum())
    enough = len(lost) >= _LEAST_LOST_OBJECTS and len(lost) >= _LOST_OBJECTS * looked
    return lost if enough else lost[:0]


def made_all_along(live: AllocationTable, rows: I8, work: Work, end_s: float) -> bool:
    """
    Whether some blocks were made over a good part of the work, not on a single occasion.

    Parameters
    ----------
    live : AllocationTable
    rows : ndarray of int64
        Of it.
    work : Work
        When the program worked.
    end_s : float
        Until when it may have.
    """
    if len(rows) == 0:
        return False
    born = live.born_s[rows]
    window = np.array([work.imported_s, min(work.done_s, end_s), float(born.min()), float(born.max())])
    begin, end, first, last = work.done_until(window) if work.is_clock(end_s) else window
    return bool(last - first >= _ALL_ALONG * (end - begin) > 0)
