"""
Which live blocks lie in which chunk, and who has most in each.

It knows addresses and sizes; it refuses to judge: a chunk with one block in it may be young.

The honest page
---------------
*A block lies in the innermost chunk around it*: chunks of a pool lie in mappings or heaps.  A block of the domain
``mapping`` is a chunk itself, and lies in none.

*What is idle* is what is in memory and not used, ``resident - used``.  Pages are whole and blocks are not: of a chunk
whose pages are all resident it is exact but for the allocator's headers; where only some are, used blocks lie in
resident pages, so it is what these hold besides, headers included.  Never more than the allocator calls free.

*In a sampled run* small blocks are seen by chance.  Weights estimate bytes of one place over all chunks without bias;
of one chunk they are coarse: a mebibyte of small blocks has 16 rows at an interval of 64 KiB, an error of a quarter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from leakscope.model.chunks import ARENA, HEAP

if TYPE_CHECKING:
    from leakscope.analysis.walked import Walked
    from leakscope.model.chunks import ChunkTable
    from leakscope.model.columns import F8, I8, Column
    from leakscope.model.dump import Dump

NO_CHUNK = -1
NO_TYPE = -1
_MAPPING_DOMAIN = "mapping"


@dataclass(frozen=True, slots=True, eq=False)
class Occupant:
    """
    Blocks of one place in one chunk.

    Attributes
    ----------
    place : int
        Number of the place.
    rows : ndarray of int64
        Of the live table.
    blocks, bytes : float
        Estimates in a sampled run.
    """

    place: int
    rows: I8
    blocks: float
    bytes: float


def chunk_of_blocks(dump: Dump) -> I8:
    """
    For each live block the row of the innermost chunk that it lies in, or `NO_CHUNK`.

    Parameters
    ----------
    dump : Dump
    """
    live, chunks = dump.allocations, dump.chunks
    mapping = [number for number, name in enumerate(dump.meta.domains) if name == _MAPPING_DOMAIN]
    found = innermost(live.address, chunks.address, chunks.size)
    return np.where(np.isin(live.domain, mapping), NO_CHUNK, found)


def innermost(address: Column, begin: Column, size: Column) -> I8:
    """
    For each address the row of the span with the greatest beginning that contains it, or `NO_CHUNK`.

    Parameters
    ----------
    address : ndarray of uint64, shape (n,)
    begin, size : ndarray of uint64, shape (c,)
        Spans in any order; they may lie in each other.
    """
    if len(begin) == 0:
        return np.full(len(address), NO_CHUNK, dtype=np.int64)
    # Of two that begin at once the shorter one comes later.
    order = np.lexsort((-size.astype(np.int64), begin))
    first, end = begin[order], (begin + size)[order]
    around = np.append(_around(first.tolist(), end.tolist()), NO_CHUNK)
    at = np.searchsorted(first, address, side="right").astype(np.int64) - 1
    while True:
        outside = (at != NO_CHUNK) & (address >= end[at])
        if not outside.any():
            break
        at = np.where(outside, around[at], at)
    return np.where(at == NO_CHUNK, NO_CHUNK, order[at])


def _around(first: list[int], end: list[int]) -> I8:
    """For each span in order the nearest earlier one that reaches beyond its beginning."""
    around = np.full(len(first), NO_CHUNK, dtype=np.int64)
    for row in range(1, len(first)):
        other = row - 1
        # What does not reach this beginning reaches no later one, but what it lies in may.
        while other != NO_CHUNK and end[other] <= first[row]:
            other = int(around[other])
        around[row] = other
    return around


def occupants(dump: Dump, chunk_of_block: I8, chunk: int, place_of_stack: I8) -> tuple[Occupant, ...]:
    """
    Who has something in a chunk, most bytes first.

    Parameters
    ----------
    dump : Dump
    chunk_of_block : ndarray of int64
        From `chunk_of_blocks`.
    chunk : int
        Row of the chunk table.
    place_of_stack : ndarray of int64
        Number of the place of each stack.
    """
    live = dump.allocations
    rows = np.flatnonzero(chunk_of_block == chunk)
    place = place_of_stack[live.stack[rows]]
    found = []
    for each in np.unique(place).tolist():
        mine = rows[place == each]
        found.append(Occupant(each, mine, float(live.blocks[mine].sum()), float(live.weight[mine].sum())))
    return tuple(sorted(found, key=lambda occupant: (-occupant.bytes, occupant.place)))


def type_of_blocks(walked: Walked) -> I8:
    """
    For each live block the type of the object that it is, or is a body of; `NO_TYPE` if it is none.

    Parameters
    ----------
    walked : Walked
    """
    heap = walked.heap
    found = np.full(len(walked.dump.allocations), NO_TYPE, dtype=np.int64)
    for row, of in ((walked.body_row, heap.type[heap.body_owner]), (walked.row, heap.type)):
        known = row >= 0
        found[row[known]] = of[known]
    return found


def idle_bytes(chunks: ChunkTable) -> F8:
    """
    What each arena or heap has in memory and does not use; NaN for other kinds, and where nobody measured it.

    Parameters
    ----------
    chunks : ChunkTable
        ``c`` rows.

    Returns
    -------
    ndarray of float64, shape (c,)
    """
    idle = np.minimum(chunks.free_bytes, chunks.resident_bytes - chunks.used_bytes)
    with_books = (chunks.kind == ARENA) | (chunks.kind == HEAP)
    return np.where(with_books, np.where(idle < 0, 0.0, idle), np.nan)
