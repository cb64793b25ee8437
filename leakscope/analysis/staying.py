"""
Objects that are new since the first dump and still there: who they are and where they were made.

It knows identity across dumps and sums of groups; it refuses to judge: a cache that fills has new objects as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.between import SITE_BITS, add_up, object_keys, pace_between
from leakscope.analysis.walked import ENOUGH_BIRTHS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakscope.analysis.lasting import Pace
    from leakscope.analysis.walked import Walked
    from leakscope.analysis.working import Work
    from leakscope.model.columns import I8, Column

LEAST_OBJECTS, LEAST_BYTES = 10, 1024
_FEW, _FEW_SHARE = 10, 0.05
"""New objects, and part of the gain, of which fewer tell nothing of the others."""


@dataclass(frozen=True, slots=True, eq=False)
class Staying:
    """
    Objects of one type, made in one site, of which there are more than in the first dump.

    Attributes
    ----------
    type : str
        Full name.
    site : int
        ``NO_SITE`` if nobody knows where they were made, as for most objects of a sampled run.
    counts : tuple of int
        Objects of the group in each dump; a single number for a first and last that were not compared further.
    bytes : int
        What the new ones take, bodies included.
    gained_bytes : int
        What the group takes more than in the first dump.
    objects : ndarray of int64
        Those of the last dump that were not in the first.
    rows : ndarray of int64
        Their blocks in the last dump, where known.
    stayed : float
        Part of those that were new in a dump between the first and the last that is still there in the last, imports
        left out if there are later dumps; NaN if there are hardly any.
    pace : Pace
    """

    type: str
    site: int
    counts: tuple[int, ...]
    bytes: int
    gained_bytes: int
    objects: I8
    rows: I8
    stayed: float
    pace: Pace

    @property
    def gained(self) -> int:
        """Objects gained from the first dump to the last."""
        return self.counts[-1] - self.counts[0]


def staying_objects(walked: Sequence[Walked], site_of_stack: Column, most: int, work: Work) -> tuple[Staying, ...]:
    """
    Groups of objects that became more, by what they gained, biggest first.

    Parameters
    ----------
    walked : sequence of Walked
        At least two dumps of one run.
    site_of_stack : ndarray of int
        Site of each stack of the last dump.
    most : int
        How many groups to give.
    work : Work
        When the program worked.

    Notes
    -----
    What only a collection would free is left out: it does not stay.  So is what is too young to tell who made it.
    """
    first, last = walked[0], walked[-1]
    alive = [np.flatnonzero(~(each.garbage.freed | each.doubtful)) for each in walked]
    keys = [object_keys(each, last, objects, site_of_stack) for each, objects in zip(walked, alive, strict=True)]
    sizes = [each.heap.total_size[objects].astype(np.float64) for each, objects in zip(walked, alive, strict=True)]
    groups, counts = add_up([(key[key >= 0], np.ones(int((key >= 0).sum()))) for key in keys])
    _, held = add_up([(key[key >= 0], size[key >= 0]) for key, size in zip(keys, sizes, strict=True)])
    same = last.same_in(first)
    came, stayed = _came_and_stayed(walked, keys, alive, groups, work)
    gain, gained_bytes = counts[-1] - counts[0], held[-1] - held[0]
    candidates = np.flatnonzero((gain >= LEAST_OBJECTS) & (gained_bytes >= LEAST_BYTES))
    found = []
    for at in candidates[np.argsort(-gained_bytes[candidates], kind="stable")][:most].tolist():
        key = int(groups[at])
        objects = alive[-1][keys[-1] == key]
        objects = objects[same[objects] < 0]
        if len(objects) == 0:
            continue
        rows = last.row[objects]
        rows = rows[rows >= 0]
        found.append(
            Staying(
                type=last.heap.types.full_name(int(last.heap.type[objects[0]])), site=(key & (1 << SITE_BITS) - 1) - 1,
                counts=tuple(counts[:, at].astype(int).tolist()), bytes=int(last.heap.total_size[objects].sum()),
                gained_bytes=int(gained_bytes[at]), objects=objects, rows=rows,
                stayed=stayed[at] / came[at] if came[at] >= max(_FEW, _FEW_SHARE * gain[at]) else float("nan"),
                pace=pace_between(
                    walked, counts[:, at], last.rows_of(objects, ENOUGH_BIRTHS), work,
                    mixed=not key & (1 << SITE_BITS) - 1,
                ),
            )
        )  # fmt: skip
    return tuple(found)


def _came_and_stayed(
    walked: Sequence[Walked], keys: Sequence[I8], alive: Sequence[Column], groups: I8, work: Work
) -> tuple[I8, I8]:
    """By group: objects that were new in dumps between the first and the last, and those of them in the last."""
    came, stayed = np.zeros(len(groups), dtype=np.int64), np.zeros(len(groups), dtype=np.int64)
    between = range(1, len(walked) - 1)
    # What imports made stays whatever the program does with its own.
    late = [at for at in between if walked[at].dump.meta.elapsed_s >= work.all_imported_s]
    for at in late or between:
        new = walked[at].same_in(walked[at - 1])[alive[at]] < 0
        there = np.zeros(walked[at].heap.count, dtype=bool)
        same = walked[-1].same_in(walked[at])
        there[same[same >= 0]] = True
        known = new & (keys[at] >= 0)
        row = np.searchsorted(groups, keys[at][known])
        came += np.bincount(row, minlength=len(groups))
        stayed += np.bincount(row, weights=there[alive[at]][known], minlength=len(groups)).astype(np.int64)
    return came, stayed
