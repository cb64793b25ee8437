"""
What nobody accounts for, compared between dumps: references, blocks and buffer exports that became more.

It knows sums of groups in each dump, and who the new ones are; it refuses to call that a leak.  Dumps between the first
and the last are only looked at where these two differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.between import SITE_BITS, add_up, birth_weights, object_keys, pace_between, pace_of_births
from leakscope.analysis.lasting import Pace
from leakscope.analysis.matching import match_blocks
from leakscope.analysis.walked import ENOUGH_BIRTHS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakscope.analysis.walked import Walked
    from leakscope.analysis.working import Work
    from leakscope.model.columns import F8, I8, Column

LEAST_GAIN = 10
"""References, exports or blocks; fewer are not worth a line."""
_MOST_GROUPS = 40
"""Groups looked into, those that gained most."""
_SITE_MASK = (1 << SITE_BITS) - 1


@dataclass(frozen=True, slots=True, eq=False)
class GainedReferences:
    """
    Objects of one type, made in one site, with more unexplained references than in the first dump.

    Attributes
    ----------
    type : str
        Full name.
    site : int
        `NO_SITE` if nobody knows where they were made, as for most objects of a sampled run.
    values : tuple of int
        Unexplained references of the group in each dump.
    objects : ndarray of int64
        Of the last dump, those that have more than they had.
    more : ndarray of int64
        By how many each.
    new_objects : int
        How many of them were not in the first dump.
    rows : ndarray of int64
        Blocks of the last dump that tell who made them: theirs, or those of what they hold.
    pace : Pace
    apart : bool
        Whether they are objects whose counters move in every program.
    """

    type: str
    site: int
    values: tuple[int, ...]
    objects: I8
    more: I8
    new_objects: int
    rows: I8
    pace: Pace
    apart: bool

    @property
    def gained(self) -> int:
        """References gained from the first dump to the last."""
        return self.values[-1] - self.values[0]


@dataclass(frozen=True, slots=True, eq=False)
class GainedBlocks:
    """
    Blocks of one domain, made in one site, that belong to no object and became more.

    Attributes
    ----------
    domain : str
        One of ``DumpMeta.domains``.
    site : int
    blocks, bytes : tuple of float
        In each dump.
    rows : ndarray of int64
        Blocks of the last dump that were not in the first.
    pace : Pace
    """

    domain: str
    site: int
    blocks: tuple[float, ...]
    bytes: tuple[float, ...]
    rows: I8
    pace: Pace

    @property
    def gained_blocks(self) -> float:
        """Blocks gained from the first dump to the last."""
        return self.blocks[-1] - self.blocks[0]

    @property
    def gained_bytes(self) -> float:
        """Bytes gained from the first dump to the last."""
        return self.bytes[-1] - self.bytes[0]


@dataclass(frozen=True, slots=True, eq=False)
class GainedExports:
    """
    Buffers of one type, made in one site, with more exports than views.

    Attributes
    ----------
    type : str
    site : int
    values : tuple of int
        Unexplained exports in each dump.
    objects : ndarray of int64
        Buffers of the last dump that have unexplained exports.
    rows : ndarray of int64
        Blocks that tell who made them.
    pace : Pace
    """

    type: str
    site: int
    values: tuple[int, ...]
    objects: I8
    rows: I8
    pace: Pace

    @property
    def gained(self) -> int:
        """Exports gained from the first dump to the last."""
        return self.values[-1] - self.values[0]


def gained_references(walked: Sequence[Walked], site_of_stack: Column, work: Work) -> tuple[GainedReferences, ...]:
    """
    Groups of objects that gained references which nobody accounts for, most first.

    Parameters
    ----------
    walked : sequence of Walked
        At least two dumps of one run.
    site_of_stack : ndarray of int
        Site of each stack of the last dump.
    work : Work
        When the program worked.
    """
    amounts = [each.unexplained for each in (walked[0], walked[-1])]
    grown, _ = _grown(_sums((walked[0], walked[-1]), amounts, site_of_stack))
    if len(grown) == 0:
        return ()
    keys, values = _sums(walked, [each.unexplained for each in walked], site_of_stack)
    last = walked[-1]
    key_of = object_keys(last, last, np.arange(last.heap.count), site_of_stack)
    same = last.same_in(walked[0])
    before = np.where(same >= 0, walked[0].unexplained[np.maximum(same, 0)], 0)
    more = last.unexplained - before
    found = []
    for key in grown.tolist():
        objects = np.flatnonzero((key_of == key) & (more > 0) & ~last.doubtful)
        if len(objects) == 0:
            continue
        of_group = values[:, int(np.searchsorted(keys, key))]
        new = objects[same[objects] < 0]
        rows = last.rows_of(objects)
        found.append(
            GainedReferences(
                type=last.heap.types.full_name(int(last.heap.type[objects[0]])), site=(key & _SITE_MASK) - 1,
                values=tuple(of_group.astype(int).tolist()), objects=objects, more=more[objects],
                new_objects=len(new), rows=rows,
                pace=pace_between(walked, of_group, last.rows_of(new, ENOUGH_BIRTHS), work, mixed=not key & _SITE_MASK),
                apart=bool(last.apart[objects[0]]),
            )
        )  # fmt: skip
    return tuple(sorted(found, key=lambda each: -each.gained))


def references_so_far(only: Walked, site_of_stack: Column) -> tuple[GainedReferences, ...]:
    """
    The same of a run too short for a second dump: all that nobody accounts for, imports' references among them.

    Parameters
    ----------
    only : Walked
        The one dump of the run.
    site_of_stack : ndarray of int
        Site of each stack of it.

    Notes
    -----
    Without a dump to compare with nobody knows how they were gained.
    """
    keys, values = _sums((only,), [only.unexplained], site_of_stack)
    key_of = object_keys(only, only, np.arange(only.heap.count), site_of_stack)
    found = []
    for key, value in zip(keys.tolist(), values[0].tolist(), strict=True):
        if value < LEAST_GAIN:
            continue
        objects = np.flatnonzero((key_of == key) & (only.unexplained > 0) & ~only.doubtful)
        found.append(
            GainedReferences(
                type=only.heap.types.full_name(int(only.heap.type[objects[0]])), site=(key & _SITE_MASK) - 1,
                values=(0, int(value)), objects=objects, more=only.unexplained[objects], new_objects=len(objects),
                rows=only.rows_of(objects), pace=Pace("unknown", 0.0, ""), apart=bool(only.apart[objects[0]]),
            )
        )  # fmt: skip
    return tuple(sorted(found, key=lambda each: -each.gained)[:_MOST_GROUPS])


def gained_exports(walked: Sequence[Walked], site_of_stack: Column, work: Work) -> tuple[GainedExports, ...]:
    """
    Groups of buffers that gained exports for which there is no view, most first.

    Parameters
    ----------
    walked : sequence of Walked
    site_of_stack : ndarray of int
    work : Work
        When the program worked.
    """
    amounts = []
    for each in walked:
        amount = np.zeros(each.heap.count, dtype=np.int64)
        amount[each.heap.export_object] = each.exports
        amounts.append(amount)
    grown, _ = _grown(_sums((walked[0], walked[-1]), [amounts[0], amounts[-1]], site_of_stack))
    keys, values = _sums(walked, amounts, site_of_stack)
    last, found = walked[-1], []
    key_of = object_keys(last, last, np.arange(last.heap.count), site_of_stack)
    for key in grown.tolist():
        objects = np.flatnonzero((key_of == key) & (amounts[-1] > 0) & ~last.doubtful)
        of_group, rows = values[:, int(np.searchsorted(keys, key))], last.rows_of(objects)
        found.append(
            GainedExports(
                type=last.heap.types.full_name(int(last.heap.type[objects[0]])), site=(key & _SITE_MASK) - 1,
                values=tuple(of_group.astype(int).tolist()), objects=objects, rows=rows,
                pace=pace_between(walked, of_group, rows, work, mixed=not key & _SITE_MASK),
            )
        )  # fmt: skip
    return tuple(sorted(found, key=lambda each: -each.gained))


def gained_blocks(walked: Sequence[Walked], site_of_stack: Column, work: Work) -> tuple[GainedBlocks, ...]:
    """
    Groups of blocks that belong to no object and became more, by bytes, most first.

    Parameters
    ----------
    walked : sequence of Walked
    site_of_stack : ndarray of int
    work : Work
        When the program worked.
    """
    grown, _ = _grown(_block_sums((walked[0], walked[-1]), site_of_stack, bytes_=False))
    if len(grown) == 0:
        return ()
    keys, blocks = _block_sums(walked, site_of_stack, bytes_=False)
    _, sizes = _block_sums(walked, site_of_stack, bytes_=True)
    last = walked[-1]
    live = last.dump.allocations
    new = last.unreached & ~last.doubtful_rows & (match_blocks(walked[0].dump.allocations, live) < 0)
    key_of = live.domain.astype(np.int64) << SITE_BITS | site_of_stack[live.stack] + 1
    found = []
    for key in grown.tolist():
        rows, at = np.flatnonzero(new & (key_of == key)), int(np.searchsorted(keys, key))
        found.append(
            GainedBlocks(
                domain=last.dump.meta.domains[key >> SITE_BITS], site=(key & _SITE_MASK) - 1,
                blocks=tuple(blocks[:, at].tolist()), bytes=tuple(sizes[:, at].tolist()), rows=rows,
                pace=pace_between(walked, blocks[:, at], rows, work, alone=True),
            )
        )  # fmt: skip
    return tuple(sorted(found, key=lambda each: -each.gained_bytes))


def blocks_since_imports(only: Walked, site_of_stack: Column, work: Work) -> tuple[GainedBlocks, ...]:
    """
    The same of a run too short for a second dump: what was born since the imports were over.

    Parameters
    ----------
    only : Walked
        The one dump of the run.
    site_of_stack : ndarray of int
    work : Work
        When the program worked.
    """
    live = only.dump.allocations
    rows = np.flatnonzero(only.unreached & ~only.doubtful_rows & (live.born_s > work.imported_s))
    key_of = live.domain[rows].astype(np.int64) << SITE_BITS | site_of_stack[live.stack[rows]] + 1
    keys, at = np.unique(key_of, return_inverse=True)
    at = at.reshape(-1)
    counts = np.bincount(at, weights=live.blocks[rows], minlength=len(keys))
    found = []
    for number in np.flatnonzero(counts >= LEAST_GAIN).tolist():
        of_group, key = rows[at == number], int(keys[number])
        found.append(
            GainedBlocks(
                domain=only.dump.meta.domains[key >> SITE_BITS], site=(key & _SITE_MASK) - 1,
                blocks=(0.0, float(counts[number])), bytes=(0.0, float(live.weight[of_group].sum())), rows=of_group,
                pace=pace_of_births(
                    live.born_s[of_group].astype(np.float64), work, only.dump.meta.elapsed_s,
                    birth_weights(only.dump, of_group),
                ),
            )
        )  # fmt: skip
    return tuple(sorted(found, key=lambda each: -each.gained_bytes)[:_MOST_GROUPS])


def _grown(sums: tuple[I8, F8]) -> tuple[I8, F8]:
    """Keys of the groups that have more in the last dump than in the first, and by how much."""
    keys, values = sums
    gain = values[-1] - values[0] if len(keys) else np.empty(0)
    kept = np.flatnonzero(gain >= LEAST_GAIN)
    kept = kept[np.argsort(-gain[kept], kind="stable")][:_MOST_GROUPS]
    return keys[kept], gain[kept]


def _sums(walked: Sequence[Walked], amounts: Sequence[I8], site_of_stack: Column) -> tuple[I8, F8]:
    """Groups and their amounts in each dump: keys ascending, values of shape (dumps, groups)."""
    found = []
    for each, amount in zip(walked, amounts, strict=True):
        objects = np.flatnonzero((amount > 0) & ~each.doubtful)
        keys = object_keys(each, walked[-1], objects, site_of_stack)
        found.append((keys[keys >= 0], amount[objects][keys >= 0]))
    return add_up(found)


def _block_sums(walked: Sequence[Walked], site_of_stack: Column, *, bytes_: bool) -> tuple[I8, F8]:
    found = []
    for each in walked:
        live = each.dump.allocations
        rows = np.flatnonzero(each.unreached & ~each.doubtful_rows)
        keys = live.domain[rows].astype(np.int64) << SITE_BITS | site_of_stack[live.stack[rows]] + 1
        found.append((keys, live.weight[rows] if bytes_ else live.blocks[rows]))
    return add_up(found)
