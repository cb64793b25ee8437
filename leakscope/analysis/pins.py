"""
Who lives between the free parts of chunks and keeps them from going back.

It knows where blocks and objects lie; it refuses to know how much is free and whether that matters.

The honest page
---------------
A chunk stays while one block in it is alive, and a heap of malloc shrinks from its end only.  So blocks are not counted
by number but by the *cells* they keep: an arena is a cell, of a heap each quarter of a mebibyte is one; only cells that
are mostly free count.  Who has a block in a cell keeps it.  A cell of a heap in which nobody lives is kept by who lives
next above it; what nobody lives above is the end of the heap, which malloc keeps for later or gives back by itself.

In an exact run the blocks are known, and are told by the line that made them.  In a sampled run few of them are; but
all objects are, from the object graph, with their bodies, and are told by their type, and by the line that made those
of them that were sampled.  Without a graph a sampled run counts the cells of the blocks it saw: at least so many.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.walked import ENOUGH_BIRTHS
from leakscope.model.chunks import ARENA

if TYPE_CHECKING:
    from leakscope.analysis.walked import Walked
    from leakscope.model.chunks import ChunkTable
    from leakscope.model.columns import F8, I8, U8, Column
    from leakscope.model.dump import Dump

CELL_BYTES = 256 << 10
"""Length of a cell of a heap."""
NO_PLACE = -1
_MOSTLY_FREE = 0.5
_NEARLY_ALL = 0.75


@dataclass(frozen=True, slots=True, eq=False)
class Pins:
    """
    Blocks of one place, or objects of one type, that keep cells from being given back.

    Attributes
    ----------
    place : int
        Row of the frame table; `NO_PLACE` if told by type, or nobody knows.
    type : str
        Full name; "" if told by place.
    rows : ndarray of int64
        Rows of the live table that tell who made them.
    objects : ndarray of int64
        The objects, if told by type.
    blocks, bytes : float
        How many of them, and how much; estimates if told by place in a sampled run.
    cells, of_cells : int
        How many cells they keep, and how many there are.
    together : bool
        Whether the objects are those that one container holds.
    """

    place: int
    type: str
    rows: I8
    objects: I8
    blocks: float
    bytes: float
    cells: int
    of_cells: int
    together: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class _Lying:
    """What lies where: addresses ascending, with a group number each, and bytes."""

    address: U8
    group: I8
    bytes: F8
    origin: I8  # row or object


def pins(dump: Dump, walked: Walked | None, chunks: I8, place_of_stack: Column) -> tuple[Pins, ...]:
    """
    Who keeps the mostly free cells of some chunks; who keeps most of them first.

    Parameters
    ----------
    dump : Dump
    walked : Walked or None
        The same with its object graph, if it has one.
    chunks : ndarray of int64
        Rows of its chunk table.
    place_of_stack : ndarray of int64
    """
    by_type = dump.meta.sampled and walked is not None
    lying = _objects(walked) if by_type and walked is not None else _blocks(dump, place_of_stack)
    inside, pairs, cells = _cells(dump.chunks, chunks, lying)
    found = []
    for group in np.unique(lying.group[inside]).tolist():
        of_group = pairs[1] == group
        origin, kept = lying.origin[inside[of_group]], len(np.unique(pairs[0][of_group]))
        if by_type and walked is not None:
            found.append(_of_type(walked, group, origin, pairs[0][of_group], cells))
        else:
            origin = np.unique(origin)
            live, none = dump.allocations, np.empty(0, dtype=np.int64)
            blocks, size = float(live.blocks[origin].sum()), float(live.weight[origin].sum())
            found.append(Pins(group, "", origin, none, blocks, size, kept, cells))
    return tuple(sorted(found, key=lambda pin: (-pin.cells, -pin.blocks)))


def _of_type(walked: Walked, kind: int, objects: I8, kept: I8, cells: int) -> Pins:
    """The pins of one type: all objects of it, or those of one container that keep nearly as many cells."""
    parents = walked.holders.distances.parent[objects]
    pairs = np.unique(np.stack([parents.astype(np.int64), kept]), axis=1)
    holders, kept_by = np.unique(pairs[0], return_counts=True)
    best = int(np.argmax(kept_by))
    together = holders[best] < walked.heap.count and bool(kept_by[best] >= _NEARLY_ALL * len(np.unique(kept)))
    if together:
        objects, kept = objects[parents == holders[best]], kept[parents == holders[best]]
    objects = np.unique(objects)
    size = float(walked.heap.total_size[objects].sum())
    return Pins(
        NO_PLACE, walked.heap.types.full_name(kind), walked.rows_of(objects, ENOUGH_BIRTHS), objects,
        float(len(objects)), size, len(np.unique(kept)), cells, together,
    )  # fmt: skip


def highest_known(dump: Dump, walked: Walked | None, chunk: int) -> int:
    """
    The highest address in a chunk at which something is known to live; its beginning if there is none.

    Parameters
    ----------
    dump : Dump
    walked : Walked or None
        The same with its object graph, if it has one.
    chunk : int
        Row of its chunk table.
    """
    begin, size = int(dump.chunks.address[chunk]), int(dump.chunks.size[chunk])
    known = [dump.allocations.address]
    if walked is not None:
        known += [walked.heap.address, walked.heap.body_address]
    found = np.concatenate(known)
    found = found[(found >= begin) & (found < begin + size)]
    return int(found.max()) if len(found) else begin


def _blocks(dump: Dump, place_of_stack: Column) -> _Lying:
    live = dump.allocations
    order = np.argsort(live.address, kind="stable").astype(np.int64)
    return _Lying(live.address[order], place_of_stack[live.stack[order]].astype(np.int64), live.weight[order], order)


def _objects(walked: Walked) -> _Lying:
    """Objects and their bodies, by type."""
    heap = walked.heap
    own = heap.address - heap.shapes.lead[heap.shape].astype(np.uint64)
    number = np.concatenate([np.arange(heap.count), heap.body_owner.astype(np.int64)])
    address = np.concatenate([own, heap.body_address])
    size = np.concatenate([heap.size, heap.body_size]).astype(np.float64)
    order = np.argsort(address, kind="stable")
    number = number[order]
    return _Lying(address[order], heap.type[number].astype(np.int64), size[order], number)


def _cells(table: ChunkTable, chunks: I8, lying: _Lying) -> tuple[I8, tuple[I8, I8], int]:
    """What keeps mostly free cells, with doubles; pairs of cell and group that keeps it; how many cells are kept."""
    inside: list[I8] = []
    kept: list[I8] = []
    keepers: list[I8] = []
    count = 0
    for chunk in chunks.tolist():
        begin, size = table.address[chunk], int(table.size[chunk])
        first, last = np.searchsorted(lying.address, [begin, begin + np.uint64(size)])
        members = np.arange(first, last, dtype=np.int64)
        if table.kind[chunk] == ARENA:
            cell, free = np.zeros(len(members), dtype=np.int64), np.array([_is_free(table, chunk)])
        else:
            cell = ((lying.address[members] - begin) // np.uint64(CELL_BYTES)).astype(np.int64)
            filled = np.bincount(cell, weights=lying.bytes[members], minlength=-(-size // CELL_BYTES))
            free = filled < (1 - _MOSTLY_FREE) * CELL_BYTES
        alone = np.setdiff1d(np.flatnonzero(free), cell)
        above = np.searchsorted(cell, alone)
        alone, above = alone[above < len(members)], above[above < len(members)]
        inside += [members[free[cell]], members[above]]
        kept += [count + cell[free[cell]], count + alone]
        keepers += [lying.group[members[free[cell]]], lying.group[members[above]]]
        count += len(free)
    free_cells = np.unique(np.concatenate([np.empty(0, dtype=np.int64), *kept]))
    everything = [np.concatenate([np.empty(0, dtype=np.int64), *each]) for each in (inside, kept, keepers)]
    return everything[0], (everything[1], everything[2]), len(free_cells)


def _is_free(table: ChunkTable, chunk: int) -> bool:
    return bool(table.free_bytes[chunk] >= _MOSTLY_FREE * float(table.size[chunk]))
