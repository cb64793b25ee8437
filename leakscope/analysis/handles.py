"""
Handles of pools that may never come back, by where they were acquired and last seen, compared between dumps.

It knows which handles are out in each dump and how their number went; it refuses to call that a leak.  Handles in use
are out, too, and a backlog makes them more: what was overtaken by younger ones is told from what waits its turn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.between import telling_moments
from leakscope.analysis.lasting import Pace, pace_of
from leakscope.model.pools import COLLECTED, DROPPED, HELD, NOBODY, RELEASED_TWICE, RETAINED, USED_AFTER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakscope.analysis.working import Work
    from leakscope.model.columns import F8, I8, Column
    from leakscope.model.dump import Dump
    from leakscope.model.pools import Pools

LEAST_HANDLES = 10
"""Handles gained; fewer are in use."""
_BACKLOG = 0.8
"""Part of what was acquired since the oldest that is still out, from which on all of it may only wait its turn."""
_LASTING = 0.3
"""Part of the time of work over which handles must have been collected if dumps do not tell."""
_BY_SPAN = 0.8

Key = tuple[int, int, int, bool]


@dataclass(frozen=True, slots=True, eq=False)
class LostHandles:
    """
    Handles of one pool, acquired at one place and last seen at one, that became more.

    Attributes
    ----------
    pool : int
        Row of the pool table of the last dump.
    place, seen : int
        Rows of the frame table: where they were acquired, and last touched; -1 if unknown.
    retained : bool
        Whether they were released, but not as often as retained.
    counts : tuple of int
        In each dump.
    bytes : int
        Of those in the last dump.
    rows : ndarray of int64
        Of the handle table of the last dump.
    dropped : int
        How many of them were collected.
    acquired, released : int
        Handles ever acquired at the place, and those of them that came back.
    pace : Pace
    """

    pool: int
    place: int
    seen: int
    retained: bool
    counts: tuple[int, ...]
    bytes: int
    rows: I8
    dropped: int
    acquired: int
    released: int
    pace: Pace

    @property
    def gained(self) -> int:
        """From the first dump to the last; all of them if there is but one."""
        return self.counts[-1] - self.counts[0] if len(self.counts) > 1 else self.counts[-1]


def lost_handles(run: Sequence[Dump], place_of_stack: Column, work: Work) -> tuple[LostHandles, ...]:
    """
    Groups of handles that became more and are no backlog, most bytes first.

    Parameters
    ----------
    run : sequence of Dump
        Of one run, in time order.
    place_of_stack : ndarray of int
        Row of the frame table to show for each stack of the last dump.
    work : Work
        When the program worked.
    """
    last = run[-1].pools
    if last is None or len(last.handles) == 0:
        return ()
    moments = [_Moment(dump, place_of_stack) for dump in run]
    found = []
    for key in moments[-1].rows:
        counts = tuple(moment.count(key) for moment in moments)
        gained = counts[-1] - counts[0] if len(counts) > 1 else counts[-1]
        if gained < LEAST_HANDLES:
            continue
        group = _group(moments, key, counts, work)
        if group.pace.kind == "even" and not _may_wait(moments, group, work):
            found.append(group)
    return tuple(sorted(found, key=lambda each: -each.bytes))


def faulty_rows(pools: Pools) -> I8:
    """Rows of handles that were released twice or used after their release, most first."""
    rows = np.flatnonzero(np.isin(pools.handles.state, (RELEASED_TWICE, USED_AFTER)))
    return rows[np.argsort(-pools.handles.handles[rows].astype(np.int64), kind="stable")]


def touches_of(pools: Pools, row: int) -> I8:
    """Rows of the touch table about one handle, in their order."""
    begin, end = np.searchsorted(pools.touches.handle, [row, row + 1])
    return np.arange(begin, end)


class _Moment:
    """The handles of one dump that did not come back, by group."""

    def __init__(self, dump: Dump, place_of_stack: Column) -> None:
        self.dump, self.pools, self.place_of_stack = dump, dump.pools, place_of_stack
        self.rows: dict[Key, list[int]] = {}
        if self.pools is None:
            return
        handles = self.pools.handles
        lost = np.flatnonzero(np.isin(handles.state, (HELD, DROPPED, RETAINED)))
        place, seen = place_of_stack[handles.stack[lost]], place_of_stack[self._last_stacks(lost)]
        retained = handles.releases[lost] > 0
        for row, *key in zip(lost.tolist(), handles.pool[lost].tolist(), place.tolist(), seen.tolist(),
                             retained.tolist(), strict=True):  # fmt: skip
            self.rows.setdefault((key[0], key[1], key[2], key[3]), []).append(row)

    def _last_stacks(self, rows: I8) -> Column:
        """Where each handle was last touched, its collection left out; where it was acquired if it never was."""
        assert self.pools is not None
        handles, touches = self.pools.handles, self.pools.touches
        told = np.flatnonzero(touches.kind != COLLECTED)
        stack = handles.stack.copy()
        stack[touches.handle[told]] = touches.stack[told]  # in their order: the last one stays
        return stack[rows]

    def count(self, key: Key) -> int:
        """Handles of a group."""
        rows = self.rows.get(key)
        return 0 if rows is None or self.pools is None else int(self.pools.handles.handles[rows].sum())

    def crossed(self, pool: int, place: int) -> tuple[int, int]:
        """Handles ever acquired at a place, and those of them that came back."""
        if self.pools is None:
            return 0, 0
        cross = self.pools.cross
        here = (cross.pool == pool) & (self.place_of_stack[cross.stack] == place)
        back = here & (cross.released_by != NOBODY)
        return int(cross.handles[here].sum()), int(cross.handles[back].sum())

    def serials(self, pool: int, place: int) -> set[int]:
        """Handles of a place that are out."""
        found = [row for key, rows in self.rows.items() if key[:2] == (pool, place) for row in rows]
        if self.pools is None or not found:
            return set()
        handles = self.pools.handles
        out = np.array(found)[handles.state[found] != DROPPED]
        return set(handles.serial[out].tolist())


def _group(moments: Sequence[_Moment], key: Key, counts: tuple[int, ...], work: Work) -> LostHandles:
    last = moments[-1]
    assert last.pools is not None
    handles, rows = last.pools.handles, np.array(last.rows[key])
    dropped = rows[handles.state[rows] == DROPPED]
    acquired, released = last.crossed(key[0], key[1])
    out = rows[handles.state[rows] != DROPPED]
    pace = _pace([moment.dump.meta.elapsed_s for moment in moments], counts, handles.born_s[out].astype("f8"), work)
    if pace.kind != "even" and len(dropped):
        pace = _pace_of_dropped(float(handles.born_s[dropped].min()), float(handles.last_s[dropped].max()), last, work)
    return LostHandles(
        pool=key[0], place=key[1], seen=key[2], retained=key[3], counts=counts, bytes=int(handles.bytes[rows].sum()),
        rows=rows, dropped=int(handles.handles[dropped].sum()), acquired=acquired, released=released, pace=pace,
    )  # fmt: skip


def _pace(times: Sequence[float], counts: Sequence[int], births: F8, work: Work) -> Pace:
    start = max(times[0] if len(times) > 1 else 0.0, work.imported_s)
    recent = births[births >= start]
    found = Pace("unknown", 0.0, "")
    for end, step in work.ends(times[-1]):
        clipped = [min(time, end) for time in times]
        shown = telling_moments(clipped, end if end < times[-1] else float("inf"))
        values = [float(counts[at]) for at in shown]
        window = (start, max(end, start))
        found = pace_of(values, [clipped[at] for at in shown], recent if len(recent) else None, window, step)
        if found.kind == "even":
            break
    return found


def _pace_of_dropped(first_s: float, last_s: float, last: _Moment, work: Work) -> Pace:
    """Only the first and the last time are known."""
    end = min(last.dump.meta.elapsed_s, work.done_s)
    even = last_s - first_s >= _LASTING * max(end - work.imported_s, 0.001)
    return Pace("even", _BY_SPAN, "births") if even else Pace("unknown", 0.0, "")


def _may_wait(moments: Sequence[_Moment], group: LostHandles, work: Work) -> bool:
    """Whether those that are out may be the youngest ones, which wait their turn: a queue that grows longer."""
    last = moments[-1]
    if group.released == 0 or 2 * group.dropped >= group.counts[-1]:
        return False
    now = last.serials(group.pool, group.place)
    for moment in reversed(moments[:-1]):
        then = moment.serials(group.pool, group.place)
        stayed = len(then & now)
        came_back = group.released - moment.crossed(group.pool, group.place)[1]
        if len(then) >= LEAST_HANDLES and came_back - (len(then) - stayed) >= LEAST_HANDLES:
            return 2 * stayed < len(then)
    assert last.pools is not None
    births = last.pools.handles.born_s[group.rows]
    oldest, end = float(births.min()), last.dump.meta.elapsed_s
    worked = max(end - work.imported_s, 1e-9)
    since = group.acquired * min((end - oldest) / worked, 1.0)
    return len(now) >= _BACKLOG * since
