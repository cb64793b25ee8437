"""
Groups of objects or blocks in several dumps of one run: what they are called in all of them, and their sums in each.

It knows types, sites and moments; it refuses to know what is summed and what it means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.lasting import Pace, pace_of
from leakscope.analysis.matching import first_of_name, match_types

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakscope.analysis.walked import Walked
    from leakscope.analysis.working import Work
    from leakscope.model.columns import F8, I8, Column

NO_SITE = -1
_LEAST_GAP = 0.4
"""Part of the usual time between dumps below which two dumps are one moment."""
_WITNESSES = 0.4
"""Part of what was gained that blocks must stand for whose births tell how."""
_TURNOVER = 4.0
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
    live, times = walked[-1].dump.allocations, [each.dump.meta.elapsed_s for each in walked]
    # Where imports may have taken part only dumps after them tell, if there are two.
    after = [at for at, time in enumerate(times) if time >= work.imported_s]
    base = after[0] if mixed and len(after) > 1 else 0
    start = max(times[base], work.imported_s)
    rows = new_rows[live.born_s[new_rows] >= start]
    gain, born = float(values[-1] - values[base]), float(live.blocks[rows].sum())
    telling = born >= _WITNESSES * gain
    if gain <= 0 or (mixed and times[base] < work.imported_s and not telling):
        return Pace("uneven", 0.0, "")
    # Where many more were born than gained others died: then it is a turnover that births tell of.
    known_births = len(rows) and (telling or not mixed) and (born <= _TURNOVER * gain or not alone)
    births = live.born_s[rows].astype(np.float64) if known_births else None
    found = Pace("unknown", 0.0, "")
    for end, step in work.ends(times[-1]):
        # What a dump shows that was taken after the work was done was there when it was done.
        clipped = [min(time, end) for time in times]
        shown = telling_moments(clipped, end if end < times[-1] else float("inf"))
        if mixed:
            shown = [at for at in shown if at in after]
        known = [float(values[at]) for at in shown]
        found = pace_of(known, [clipped[at] for at in shown], births, (start, max(end, start)), step)
        if found.kind == "even":
            break
    return found


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
