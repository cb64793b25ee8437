"""
Memory that allocators hold and nobody uses: how long there was so much of it, and in which chunks it is.

It knows what allocators say of their chunks and what was measured over time; it refuses to call that a fault: memory
that is needed again in a moment is well kept.

The honest page
---------------
*Over time.*  A dump tells what is free in the arenas of Python's allocator and in malloc's heaps; samples do so only
now and then, since reading the books takes time.  Between, what is resident less what is alive is known at each sample,
and it changes as the free memory does: a batch that takes it again raises what is alive, and nothing else; memory that
goes back lowers what is resident.  So the nearest dumps before and after are carried on by that change, and the lower
of the two counts.  What lies unused all through a stretch of time is the smallest value in it.  *A worked number.*  A
dump has 55 MiB free, 66 MiB resident and 2 MiB alive; later 66 MiB are resident and 30 MiB alive: 27 MiB are free.

*In a chunk* what is free counts as far as it is resident: a heap whose free parts were given back page by page holds
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.occupancy import idle_bytes
from leakscope.analysis.series import trend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakscope.model.columns import F8
    from leakscope.model.dump import Dump

LEAST_BYTES, LEAST_SHARE = 8 << 20, 0.25
"""Less than this, or than this part of resident memory, does not matter: every program has that much."""
_STILL_THERE = 0.75
"""Of the dumps that have nearly as much as the one with most, the last is looked into."""
_LONG, _LATE = 0.25, 0.75
"""Parts of the run: how long memory must lie unused, and until when."""
_FEWEST_POINTS = 3
_SOME_PEAKS, _WENT_BACK, _MARKS = 2, 0.5, (0.5, 0.6)
"""
How many peaks must have gone back; how much of what is free now must not have been resident after them; and, in parts
of the highest live memory, what a peak must exceed and fall below.
"""
_ENDS = ("exit", "death")
_LEVEL, _EXPLAINED = 0.25, 0.5
"""Parts of what resident memory rose by: how much live memory may rise with it, and how much must be free."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """
    A time in which a series was never below some value.

    Attributes
    ----------
    start_s, end_s : float
    points : int
        Samples in it.
    least : float
        The smallest value.
    """

    start_s: float
    end_s: float
    points: int
    least: float


@dataclass(frozen=True, slots=True, eq=False)
class Slack:
    """
    Memory that allocators held and nobody used, so much and for so long that it matters.

    Attributes
    ----------
    dump : Dump
        Of the run, the last one that shows it.
    idle : ndarray of float64
        `idle_bytes` of its chunks.
    stretch : Stretch or None
        How long that much lay unused.
    rose_bytes : float
        Otherwise: by how much resident memory rose, while what was alive did not; else zero.
    peaks : int
        Otherwise: how many peaks live memory had, of which earlier ones left less behind; else zero.
    """

    dump: Dump
    idle: F8
    stretch: Stretch | None
    rose_bytes: float = 0.0
    peaks: int = 0


def find_slack(run: Sequence[Dump], window: tuple[float, float]) -> Slack | None:
    """
    The slack of a run; None if there is none that matters, or nobody can tell.

    Parameters
    ----------
    run : sequence of Dump
        In time order.
    window : (float, float)
        From after the imports until what is the program's end.
    """
    idle = [np.nan_to_num(idle_bytes(dump.chunks)) for dump in run]
    most = max(float(each.sum()) for each in idle)
    shown = [number for number, each in enumerate(idle) if each.sum() >= _STILL_THERE * most]
    # At the end of a program those who kept the memory may be gone already.
    at = max(
        shown, key=lambda number: (run[number].meta.reason not in _ENDS, run[number].load_heap is not None, number)
    )
    dump, found = run[at], idle[at]
    process = dump.meta.process
    least = max(LEAST_BYTES, LEAST_SHARE * (process.rss_bytes - process.ledger_bytes))
    if found.sum() < least:
        return None
    stretch = longest_stretch(*unused_over_time(run), least)
    if stretch is not None and _is_long(stretch, window[1]):
        return Slack(dump, found, stretch)
    rose = _rose_alone(run[-1], window, least)
    if rose and found.sum() >= _EXPLAINED * rose:
        return Slack(dump, found, None, rose)
    peaks = _peaks(run[-1], window[0], float(found.sum())) if dump is run[-1] else 0
    return Slack(dump, found, None, 0.0, peaks) if peaks else None


def _is_long(stretch: Stretch, end_s: float) -> bool:
    if stretch.points < _FEWEST_POINTS or stretch.end_s < _LATE * end_s:
        return False
    return stretch.end_s - stretch.start_s >= _LONG * end_s


def _rose_alone(dump: Dump, window: tuple[float, float], least: float) -> float:
    """By how much the low-water mark of resident memory rose while that of live memory did not; zero if it did not."""
    series = dump.series
    held = trend(series.time_s, series.rss_bytes - series.ledger_bytes, *window, least=least)
    live = trend(series.time_s, series.live_bytes, *window, least=least)
    rose = held.step if held.shape in ("rising", "slowing", "uneven") else 0.0
    return rose if rose >= least and live.step <= _LEVEL * rose else 0.0


def _peaks(dump: Dump, start_s: float, idle: float) -> int:
    """
    How many peaks live memory had, if what some of them had taken went back, and now it does not; else zero.

    A peak is where live memory gets above the upper mark and then below the lower one.
    """
    series = dump.series
    known = np.isfinite(series.live_bytes) & np.isfinite(series.rss_bytes) & (series.time_s >= start_s)
    live, resident = series.live_bytes[known], (series.rss_bytes - series.ledger_bytes)[known]
    if len(live) == 0 or np.ptp(live) < _WENT_BACK * idle:
        return 0
    lower, upper = (live.min() + mark * np.ptp(live) for mark in _MARKS)
    marked = np.flatnonzero((live > upper) | (live < lower))
    above = live[marked] > upper
    falls = marked[1:][above[:-1] & ~above[1:]]
    lows = [float(resident[begin:end].min()) for begin, end in pairwise(falls)]
    went_back = [low <= resident[-1] - _WENT_BACK * idle for low in lows]
    return len(falls) if sum(went_back) >= _SOME_PEAKS else 0


def unused_over_time(run: Sequence[Dump]) -> tuple[F8, F8]:
    """
    Free memory that allocators held at each sample, as far as that is known.

    Parameters
    ----------
    run : sequence of Dump
        In time order.

    Returns
    -------
    time_s, bytes : ndarray of float64
    """
    series = run[-1].series
    resident = series.rss_bytes - series.ledger_bytes
    beside = resident - series.live_bytes
    measured = [dump for dump in run if np.isfinite(dump.chunks.free_bytes).any()]
    carried = np.full((2, len(series)), np.nan)
    for dump in measured:
        after = series.time_s >= dump.meta.elapsed_s
        for side, where in ((0, after), (1, ~after & ~np.isfinite(carried[1]))):
            carried[side, where] = _idle_and_beside(dump) + beside[where]
    # The books of samples count what is not resident as well, and are missing mostly.
    unused = np.fmin(np.fmin(carried[0], carried[1]), series.arena_free_bytes + series.glibc_free_bytes)
    unused = np.minimum(unused, resident)
    known = np.isfinite(unused)
    return series.time_s[known], np.maximum(unused[known], 0.0)


def _idle_and_beside(dump: Dump) -> float:
    process = dump.meta.process
    beside = process.rss_bytes - process.ledger_bytes - dump.meta.totals.live_bytes
    return float(np.nansum(idle_bytes(dump.chunks))) - beside


def longest_stretch(time_s: F8, value: F8, least: float) -> Stretch | None:
    """
    The longest time in which a series never was below a value; None if there is no such time.

    Parameters
    ----------
    time_s, value : ndarray of float64, shape (k,)
        Ascending times.
    least : float
    """
    inside = np.concatenate([[False], value >= least, [False]])
    begins = np.flatnonzero(inside[1:] & ~inside[:-1])
    ends = np.flatnonzero(~inside[1:] & inside[:-1])
    if len(begins) == 0:
        return None
    longest = int(np.argmax(time_s[ends - 1] - time_s[begins]))
    begin, end = int(begins[longest]), int(ends[longest])
    return Stretch(float(time_s[begin]), float(time_s[end - 1]), end - begin, float(value[begin:end].min()))
