"""
When a program worked: from when on it was past its imports, and when it ran out of work.

It knows births, counters of allocations and of processor time; it refuses to know what the work was.  What counts is
work done, not seconds: a run of a tenth of a second may be all load, and an hour may be all sleep.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from leakscope.analysis.places import Places
    from leakscope.model.dump import Dump

_NEARLY_ALL = 0.99
"""Part of all allocations after which a program is done."""
_LONGEST_TAIL_S, _LONGEST_TAIL_SHARE = 0.3, 0.25
"""A program that is done sooner than this before its end is not: it does other things."""
_MARGIN_SHARE, _MARGIN_S = 0.05, 0.02
_LATE_IMPORTS = 0.05
"""Part of the imports that may come later than when they are said to be over."""


@dataclass(frozen=True, slots=True)
class Work:
    """
    When a program worked.

    Attributes
    ----------
    imported_s : float
        When its imports were over, but for a few late ones; zero if it had none.
    all_imported_s : float
        When the last one was over for sure: blocks are sampled, and modules set up more than they keep.
    done_s : float
        When nearly all that it ever allocated had been; the last moment if it allocated to the end.
    step_s : float
        How well that is known.
    idle_from_s : float
        When it ran out of work; infinite if it did not.
    """

    imported_s: float = 0.0
    all_imported_s: float = 0.0
    done_s: float = float("inf")
    step_s: float = 0.0
    idle_from_s: float = float("inf")

    def ends(self, last_s: float) -> tuple[tuple[float, float], ...]:
        """
        Moments up to which it may have worked, the last one first: a sleep between requests looks idle, too; and how
        well each is known.
        """
        ends = [(last_s, 0.0)]
        if last_s - self.done_s <= max(_LONGEST_TAIL_S, _LONGEST_TAIL_SHARE * last_s):
            ends.append((min(self.done_s, last_s), self.step_s))
        return tuple(dict.fromkeys([*ends, (min(self.idle_from_s, last_s), 0.0)]))


def find_work(dump: Dump, places: Places, idle_from_s: float) -> Work:
    """
    When the program worked, as its last dump tells.

    Parameters
    ----------
    dump : Dump
    places : Places
        Of its stacks.
    idle_from_s : float
        When it ran out of work; infinite if it did not.
    """
    live = dump.allocations
    imported = places.importing[live.stack]
    births = live.born_s[imported].astype(np.float64)
    done_s, step_s = _done(dump)
    if len(births) == 0:
        return Work(0.0, 0.0, done_s, step_s, idle_from_s)
    over_s = float(births.max()) * (1 + _MARGIN_SHARE) + _MARGIN_S
    return Work(float(np.quantile(births, 1 - _LATE_IMPORTS)), over_s, done_s, step_s, idle_from_s)


def _done(dump: Dump) -> tuple[float, float]:
    series = dump.series
    known = np.flatnonzero(np.isfinite(series.alloc_blocks))
    if len(known) < 2:
        return float("inf"), 0.0
    times, made = series.time_s[known], series.alloc_blocks[known] - series.alloc_blocks[known[0]]
    at = int(np.argmax(made >= _NEARLY_ALL * made[-1]))
    return float(times[at]), float(times[at] - times[max(at - 1, 0)])
