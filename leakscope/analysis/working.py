"""
When a program worked: from when on it was past its imports, and when it ran out of work.

It knows births, counters of allocations and of processor time; it refuses to know what the work was.  What counts is
work done, not seconds: a run of a tenth of a second may be all load, and an hour may be all sleep.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from leakscope.analysis.places import Places
    from leakscope.model.columns import F8, Column
    from leakscope.model.dump import Dump

_NEARLY_ALL = 0.99
"""Part of all allocations after which a program is done."""
_LONGEST_TAIL_S, _LONGEST_TAIL_SHARE = 0.3, 0.25
"""A program that is done sooner than this before its end is not: it does other things."""
_MARGIN_SHARE, _MARGIN_S = 0.05, 0.02
_LATE_IMPORTS = 0.05
"""Part of the imports that may come later than when they are said to be over."""


@dataclass(frozen=True, slots=True, eq=False)
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
    log_s, log_blocks : ndarray of float64
        Moments, and blocks asked for until then; empty if nobody kept that.
    """

    imported_s: float = 0.0
    all_imported_s: float = 0.0
    done_s: float = float("inf")
    step_s: float = 0.0
    idle_from_s: float = float("inf")
    log_s: F8 = field(default_factory=lambda: np.empty(0))
    log_blocks: F8 = field(default_factory=lambda: np.empty(0))

    def is_clock(self, last_s: float) -> bool:
        """
        Whether work done is a better measure of time than seconds: it is known, and went on until the last moment or
        until the program had nothing to do.  On a loaded machine seconds pass while the program waits for its turn.
        """
        if len(self.log_s) < 2:
            return False
        return self._worked_to_the_end(last_s) or self.idle_from_s <= self.done_s

    def done_until(self, times_s: Column) -> F8:
        """Blocks that had been asked for at some moments."""
        done: F8 = np.interp(np.asarray(times_s, dtype=np.float64), self.log_s, self.log_blocks)
        return done

    def _worked_to_the_end(self, last_s: float) -> bool:
        return last_s - self.done_s <= max(_LONGEST_TAIL_S, _LONGEST_TAIL_SHARE * last_s)

    def ends(self, last_s: float) -> tuple[tuple[float, float], ...]:
        """
        Moments up to which it may have worked, the last one first: a sleep between requests looks idle, too; and how
        well each is known.
        """
        ends = [(last_s, 0.0)]
        if self._worked_to_the_end(last_s):
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
    times, made = _made(dump)
    done_s, step_s = _done(times, made)
    log = (times, made) if dump.work is not None else (np.empty(0), np.empty(0))
    if len(births) == 0:
        return Work(0.0, 0.0, done_s, step_s, idle_from_s, *log)
    over_s = float(births.max()) * (1 + _MARGIN_SHARE) + _MARGIN_S
    return Work(float(np.quantile(births, 1 - _LATE_IMPORTS)), over_s, done_s, step_s, idle_from_s, *log)


def _done(times: F8, made: F8) -> tuple[float, float]:
    if len(times) < 2:
        return float("inf"), 0.0
    made = made - made[0]
    at = int(np.argmax(made >= _NEARLY_ALL * made[-1]))
    return float(times[at]), float(times[at] - times[max(at - 1, 0)])


def _made(dump: Dump) -> tuple[F8, F8]:
    """Moments, and how many blocks had been asked for: the program's own log is finer than the samples."""
    if dump.work is not None and len(dump.work) > 1:
        last_s, total = dump.meta.elapsed_s, float(dump.meta.totals.alloc_blocks)
        at_end = max(total, float(dump.work.alloc_blocks[-1]))
        return np.append(dump.work.time_s, max(last_s, float(dump.work.time_s[-1]))), np.append(
            dump.work.alloc_blocks, at_end
        )
    series = dump.series
    known = np.flatnonzero(np.isfinite(series.alloc_blocks))
    return series.time_s[known], series.alloc_blocks[known]
