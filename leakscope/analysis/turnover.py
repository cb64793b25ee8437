"""
Whether some blocks are just the latest of many: what was made before them where they were made is gone.

It knows births, and what the stacks of these blocks allocated and freed in all; it refuses to know what keeps the
latest.  A cache that is kept short and a leak both have young survivors when little time passed since the imports; only
one of them lets go of most of what was made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from leakscope.analysis.working import Work
    from leakscope.model.columns import I8
    from leakscope.model.dump import Dump

_GONE = 0.25


def turns_over(witness: Dump, rows: I8, last: Dump, work: Work, window_s: tuple[float, float]) -> bool:
    """
    Whether none of some blocks is old, and many that were made where they were are gone.

    Parameters
    ----------
    witness : Dump
        The dump that has the blocks.
    rows : ndarray of int64
        Of its live table.
    last : Dump
        The last dump of the run, whose totals count.
    work : Work
        When the program worked.
    window_s : pair of float
        From when on they can have been born, and until when it may have worked.
    """
    live, stacks = witness.allocations, last.stacks
    born, made_at = live.born_s[rows], np.unique(live.stack[rows])
    made, gone = float(stacks.alloc_bytes[made_at].sum()), float(stacks.free_bytes[made_at].sum())
    if len(born) == 0 or gone <= _GONE * made:
        return False
    window = np.array([window_s[0], float(born.min()), float(born.max())])
    begin, first, end = work.done_until(window) if work.is_clock(window_s[1]) else window
    return bool(first - begin > _GONE * (end - begin))
