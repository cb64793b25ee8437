"""
Groups of objects or blocks in several dumps of one run: what they are called in all of them, and their sums in each.

It knows types, sites and moments; it refuses to know what is summed and what it means.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.lasting import Pace, pace_of
from leakscope.analysis.matching import first_of_name, match_types

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakscope.analysis.walked import Walked
    from leakscope.analysis.working import Work
    from leakscope.model.columns import F8, I8, Column
    from leakscope.model.dump import Dump

NO_SITE = -1
_LEAST_GAP = 0.4
"""Part of the usual time between dumps below which two dumps are one moment."""
_WITNESSES = 0.4
"""Part of what was gained that blocks must stand for whose births tell how."""
_TURNOVER = 4.0
_TELLING = 8
"""Different moments of birth that tell early from late."""
SITE_BITS = 32
"""Bits of a group's key below its type or domain."""


def object_keys(of: Walked, last: Walked, objects: Column, site_of_stack: Column) -> I8:
    """
    The group of each object: its type as the last dump numbers it, and the site that made it.

    Parameters
    ----------
    of, last : Walked
        The dump of the objects, and the last one.
    objects : ndarray of int
    site_of_stack : ndarray of int
        Site of each stack of the last dump.

    Returns
    -------
    ndarray of int64
        Type above, site plus one below; negative where the last dump has no such type.  In a sampled run most sites
        are unknown, so all are taken to be.
    """
    if of is last:
        type_row = first_of_name(of.heap.types)[of.heap.type[objects]]
    else:
        type_row = match_types(of.heap.types, last.heap.types)[of.heap.type[objects]]
    if last.dump.meta.sampled:
        return type_row << SITE_BITS
    stack = of.stack[objects]
    site = np.where(stack >= 0, site_of_stack[np.maximum(stack, 0)], NO_SITE)
    keys: I8 = type_row << SITE_BITS | site + 1
    return keys


def add_up(found: Sequence[tuple[Column, Column]]) -> tuple[I8, F8]:
    """
    Amounts of each dump by group: keys ascending, and amounts of shape (dumps, groups).

    Parameters
    ----------
    found : sequence of pair of ndarray
        For each dump keys and amounts.
    """
    keys: I8 = np.unique(np.concatenate([keys for keys, _ in found])).astype(np.int64)
    values = np.zeros((len(found), len(keys)))
    for row, (each, amount) in enumerate(found):
        values[row] = np.bincount(np.searchsorted(keys, each), weights=amount, minlength=len(keys))
    return keys, values


def pace_between(
    walked: Sequence[Walked], values: Column, new_rows: Column, work: Work, *, mixed: bool = False, alone: bool = False
) -> Pace:
    """
    How a group was gained, see `lasting`.

    Parameters
    ----------
    walked : sequence of Walked
    values : ndarray of float
        Of the group in each dump.
    new_rows : ndarray of int
        Blocks of the last dump that it gained.
    work : Work
        When the program worked.
    mixed : bool
        Whether nobody knows where the group was made, so that imports may have made it.
    alone : bool
        Whether the blocks are the group, not what its objects hold besides.
    """
    live, times = walked[-1].dump.allocations, [each.taken_s for each in walked]
    births, weights = live.born_s[new_rows].astype(np.float64), birth_weights(walked[-1].dump, new_rows)
    group = _Group(times, values, births, weights, live.blocks[new_rows], mixed, alone)
    after = int(np.searchsorted(times, work.all_imported_s))
    # Where imports may have taken part dumps after them tell better, if there are two of them.
    bases = [after, 0] if mixed and 0 < after < len(times) - 1 else [0]
    found = [group.pace(base, work) for base in bases]
    return next((pace for pace in found if pace.kind == "even"), found[0])


def birth_weights(dump: Dump, rows: Column) -> F8:
    """
    What the birth of each of some live blocks stands for, so that times that were sampled more finely count no more.

    In bytes that were asked for, of which one block counts at most as one interval: a big one is one birth, too.

    Parameters
    ----------
    dump : Dump
    rows : ndarray of int
    """
    if not dump.meta.sampled:
        return np.ones(len(rows))
    weights: F8 = np.minimum(dump.allocations.weight[rows], float(dump.meta.interval_bytes))
    return weights


def pace_of_births(births_s: F8, work: Work, last_s: float, weights: F8 | None = None) -> Pace:
    """
    How something was gained since the imports were over, if there is but one dump.

    Parameters
    ----------
    births_s : ndarray of float64
        Of what was gained.
    work : Work
        When the program worked.
    last_s : float
        When the dump was taken.
    weights : ndarray of float64, optional
        See `birth_weights`.
    """
    if work.is_clock(last_s):
        return pace_by_work([], [], births_s, (work.imported_s, last_s), work, weights)
    found = Pace("unknown", 0.0, "")
    for end, step in work.ends(last_s):
        found = pace_of([], [], births_s, (work.imported_s, max(end, work.imported_s)), step, weights=weights)
        if found.kind == "even":
            break
    return found


@dataclass(frozen=True, slots=True)
class _Group:
    """A group in each dump, and the blocks that it gained; see `pace_between`."""

    times: Sequence[float]
    values: Column
    births: F8
    weights: F8
    blocks: F8
    mixed: bool
    alone: bool

    def pace(self, base: int, work: Work) -> Pace:
        """How it was gained from one dump on."""
        times, start = self.times, max(self.times[base], work.imported_s)
        recent = self.births >= start
        gain, born = float(self.values[-1] - self.values[base]), float(self.blocks[recent].sum())
        telling = born >= _WITNESSES * gain
        if gain <= 0 or (self.mixed and times[base] < work.all_imported_s and not telling):
            return Pace("uneven", 0.0, "")
        # Where many more were born than gained others died: then it is a turnover that births tell of.
        known = bool(recent.any()) and (telling or not self.mixed) and (born <= _TURNOVER * gain or not self.alone)
        births, weights = (self.births[recent], self.weights[recent]) if known else (None, None)
        if work.is_clock(times[-1]):
            return self._pace_by_work(base, births, weights, start, work)
        found = Pace("unknown", 0.0, "")
        for end, step in work.ends(times[-1]):
            # What a dump shows that was taken after the work was done was there when it was done.
            clipped = [min(time, end) for time in times]
            shown = [at for at in telling_moments(clipped, end if end < times[-1] else float("inf")) if at >= base]
            if self.mixed:
                shown = [at for at in shown if times[at] >= work.all_imported_s]
            values = [float(self.values[at]) for at in shown]
            window = (start, max(end, start))
            found = pace_of(values, [clipped[at] for at in shown], births, window, step, weights=weights)
            if found.kind == "even":
                break
        return found

    def _pace_by_work(self, base: int, births: F8 | None, weights: F8 | None, start: float, work: Work) -> Pace:
        times = self.times
        done = work.done_until(np.asarray(times)).tolist()
        shown = [at for at in telling_moments(done, float("inf")) if at >= base]
        if self.mixed:
            shown = [at for at in shown if times[at] >= work.all_imported_s]
        values = [float(self.values[at]) for at in shown]
        return pace_by_work(values, [times[at] for at in shown], births, (start, times[-1]), work, weights)


def pace_by_work(
    values: Sequence[float],
    times_s: Sequence[float],
    births_s: F8 | None,
    window_s: tuple[float, float],
    work: Work,
    weights: F8 | None = None,
) -> Pace:
    """
    How something was gained, measured by the work done instead of by seconds; see `lasting.pace_of`.

    Parameters
    ----------
    values, times_s, births_s, window_s, weights
        As there.
    work : Work
        With a log.
    """
    start, end = window_s
    told = births_s is not None and len(np.unique(births_s[(births_s >= start) & (births_s <= end)])) >= _TELLING
    births = work.done_until(births_s) if told and births_s is not None else None
    begin, done = work.done_until(np.array([start, end])).tolist()
    return pace_of(
        values, work.done_until(np.asarray(times_s)).tolist(), births, (begin, done), least=0.0, weights=weights
    )


def telling_moments(times_s: Sequence[float], idle_from_s: float) -> list[int]:
    """
    Which dumps tell how fast something was gained: none after the first at rest, none that follows on another's heels.

    Parameters
    ----------
    times_s : sequence of float
        Ascending.
    idle_from_s : float

    Returns
    -------
    list of int
        Numbers of dumps, the first one among them, and at least two if there are.
    """
    at_work = sum(time < idle_from_s for time in times_s)
    shown = list(range(min(max(at_work + 1, 2), len(times_s))))
    while len(shown) > 2:
        gaps = np.diff([times_s[at] for at in shown])
        nearest = int(np.argmin(gaps))
        if gaps[nearest] >= _LEAST_GAP * float(np.median(gaps)):
            break
        # Of two that are close the first and the last dump stay.
        shown.pop(nearest if nearest == len(gaps) - 1 else nearest + 1)
    return shown
