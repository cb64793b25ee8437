"""
Large buffers kept by small views, compared between dumps: groups of them, and how they were gained.

It knows types, the line that took the views and sums in each dump; it refuses to judge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.between import NO_SITE, pace_between
from leakscope.analysis.lasting import Pace
from leakscope.analysis.pinned import acquirers
from leakscope.analysis.walked import ENOUGH_BIRTHS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakscope.analysis.walked import Walked
    from leakscope.analysis.working import Work
    from leakscope.model.columns import I8, Column

Key = tuple[str, str, int]  # type of the views, of the buffers, site


@dataclass(frozen=True, slots=True, eq=False)
class Pinning:
    """
    Buffers of one type that views of one type, taken in one place, keep alive.

    Attributes
    ----------
    view_type, buffer_type : str
    site : int
        Where the views were taken; `NO_SITE` if nobody knows.
    stack : int or None
        The stack that took most of the views, where the recorder saw them being acquired.
    counts, bytes : tuple of int
        Buffers of the group in each dump, and what they take.
    buffers, views : ndarray of int64
        Of the last dump: the buffers, and one view of each.
    view_count, seen : int
        All views of them, and the bytes that they see.
    export_rows : ndarray of int64
        Rows of the export table of those that the recorder saw being acquired.
    pace : Pace
        How the group was gained.
    """

    view_type: str
    buffer_type: str
    site: int
    stack: int | None
    counts: tuple[int, ...]
    bytes: tuple[int, ...]
    buffers: I8
    views: I8
    view_count: int
    seen: int
    export_rows: I8
    pace: Pace

    @property
    def gained(self) -> int:
        """Buffers gained from the first dump to the last."""
        return self.counts[-1] - self.counts[0]

    @property
    def gained_bytes(self) -> int:
        """Bytes gained from the first dump to the last."""
        return self.bytes[-1] - self.bytes[0]


def pinned_groups(walked: Sequence[Walked], site_of_stack: Column, work: Work) -> tuple[Pinning, ...]:
    """
    What is pinned in the last dump, by groups, biggest first.

    Parameters
    ----------
    walked : sequence of Walked
        Dumps of one run, in time order.
    site_of_stack : ndarray of int
        Site of each stack of the last dump.
    work : Work
        When the program worked.
    """
    if not walked or len(walked[-1].pinned) == 0:
        return ()
    groups = [_groups(each, site_of_stack) for each in walked]
    found = []
    for key, rows in groups[-1].items():
        found.append(_pinning(walked, key, rows, [each.get(key, rows[:0]) for each in groups], work))
    return tuple(sorted(found, key=lambda each: -each.bytes[-1]))


def _groups(of: Walked, site_of_stack: Column) -> dict[Key, I8]:
    """Rows of what is pinned in a dump by what they have in common."""
    pinned, heap = of.pinned, of.heap
    if len(pinned) == 0:
        return {}
    stacks = _stacks(of)
    site = np.where(stacks >= 0, site_of_stack[np.maximum(stacks, 0)], NO_SITE)
    key = np.stack([heap.type[pinned.view], heap.type[pinned.buffer], site], axis=1).astype(np.int64)
    rows, group = np.unique(key, axis=0, return_inverse=True)
    found: dict[Key, I8] = {}
    for at, (view, buffer, where) in enumerate(rows.tolist()):
        name: Key = (heap.types.full_name(view), heap.types.full_name(buffer), where)
        members = np.flatnonzero(group.reshape(-1) == at)
        found[name] = np.concatenate([found[name], members]) if name in found else members
    return found


def _stacks(of: Walked) -> I8:
    """Who took the view of each: whoever was seen to acquire the memory, else who made the view."""
    exports = of.dump.buffers.exports if of.dump.buffers is not None else None
    made = np.full(len(of.pinned), -1, dtype=np.int64) if of.dump.meta.sampled else of.stack[of.pinned.view]
    if exports is None:
        return made
    rows = acquirers(of.heap, of.pinned.buffer, exports)
    return np.where(rows >= 0, exports.stack[np.maximum(rows, 0)].astype(np.int64), made) if len(exports) else made


def _pinning(walked: Sequence[Walked], key: Key, rows: I8, per_dump: Sequence[I8], work: Work) -> Pinning:
    last = walked[-1]
    pinned = last.pinned
    buffers, views = pinned.buffer[rows], pinned.view[rows]
    exports = last.dump.buffers.exports if last.dump.buffers is not None else None
    export_rows = acquirers(last.heap, buffers, exports)
    export_rows = export_rows[export_rows >= 0]
    stack = None
    if exports is not None and len(export_rows):
        stacks, counts = np.unique(exports.stack[export_rows], return_counts=True)
        stack = int(stacks[np.argmax(counts)])
    amounts = [len(each) for each in per_dump]
    pace = Pace("unknown", 0.0, "")
    if len(walked) > 1:
        born = last.rows_of(np.concatenate([buffers, views]), ENOUGH_BIRTHS)
        pace = pace_between(walked, np.array(amounts, dtype=float), born, work, mixed=key[2] == NO_SITE)
    return Pinning(
        view_type=key[0], buffer_type=key[1], site=key[2], stack=stack, counts=tuple(amounts),
        bytes=tuple(int(each.pinned.bytes[of].sum()) for each, of in zip(walked, per_dump, strict=True)),
        buffers=buffers, views=views, view_count=int(pinned.views[rows].sum()), seen=int(pinned.seen[rows].sum()),
        export_rows=export_rows, pace=pace,
    )  # fmt: skip
