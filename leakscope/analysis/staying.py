"""
Objects that are new since the first dump and still there: who they are and where they were made.

It knows identity across dumps and sums of groups; it refuses to judge: a cache that fills has new objects as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.between import SITE_BITS, add_up, object_keys, pace_between
from leakscope.analysis.matching import match_objects
from leakscope.analysis.walked import ENOUGH_BIRTHS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakscope.analysis.lasting import Pace
    from leakscope.analysis.walked import Walked
    from leakscope.analysis.working import Work
    from leakscope.model.columns import I8, Column

LEAST_OBJECTS, LEAST_BYTES = 10, 1024


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
        Part of those that were new in the second dump that is still there in the last; NaN with two dumps.
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
    same = _same(first, last)
    stayed = _stayed(walked, keys, alive) if len(walked) > 2 else None
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
                stayed=float("nan") if stayed is None else stayed.get(key, 0.0),
                pace=pace_between(
                    walked, counts[:, at], last.rows_of(objects, ENOUGH_BIRTHS), work,
                    mixed=not key & (1 << SITE_BITS) - 1,
                ),
            )
        )  # fmt: skip
    return tuple(found)


def _same(old: Walked, new: Walked) -> I8:
    births = (old.dump.allocations.born_s, new.dump.allocations.born_s)
    return match_objects(old.heap, new.heap, births, (old.row, new.row))


def _stayed(walked: Sequence[Walked], keys: Sequence[I8], alive: Sequence[Column]) -> dict[int, float]:
    """By group: part of what was new in the second dump that is still there in the last."""
    second, last = walked[1], walked[-1]
    new = np.zeros(second.heap.count, dtype=bool)
    new[alive[1]] = True
    new &= _same(walked[0], second) < 0
    there = np.zeros(second.heap.count, dtype=bool)
    same = _same(second, last)
    there[same[same >= 0]] = True
    candidates = new[alive[1]] & (keys[1] >= 0)
    groups, at = np.unique(keys[1][candidates], return_inverse=True)
    at = at.reshape(-1)
    share = np.bincount(at, weights=there[alive[1]][candidates]) / np.maximum(np.bincount(at), 1)
    return dict(zip(groups.tolist(), share.tolist(), strict=True))
