"""
The chunks of a watched pool: large blocks that it takes from below, and who keeps each of them.

It knows two ways from a pool to its chunks, and from a handle to its chunk; it refuses to know whether a chunk that is
kept is a fault.

* A chunk is a large block that was asked for while a handle was being lent: the stack that lends is on the way of its
  own stack.  This needs no object graph, and finds chunks in which nothing is lent any more.
* A handle lies in the chunk that is fewest references away: handle -> its chunk -> the memory, or handle -> view -> the
  memory.  Other chunks are further, through the arena that has them all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from leakscope.model.allocations import ROOT_STACK
from leakscope.model.pools import DROPPED, HELD, RETAINED, WATCHED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakscope.analysis.walked import Walked
    from leakscope.model.columns import F8, I8, Column
    from leakscope.model.dump import Dump
    from leakscope.model.pools import Pools

LEAST_CHUNK_BYTES = 1 << 20
"""Smaller blocks are no chunks."""
_STEPS = 4
_NO_CHUNK = -1


@dataclass(frozen=True, slots=True, eq=False)
class PoolChunks:
    """
    The chunks of one pool in one dump, ``c`` rows.

    Attributes
    ----------
    pool : int
        Row of the pool table.
    name : str
    rows : ndarray of int64, shape (c,)
        Of the live table.
    lent_bytes : ndarray of float64, shape (c,)
        What is lent of each; NaN if nobody knows.
    handles : tuple of ndarray of int64
        Of each chunk the rows of the handles that lie in it.
    used_bytes, dropped_bytes : float
        Lent of all chunks; and lost in handles that were collected without release.
    """

    pool: int
    name: str
    rows: I8
    lent_bytes: F8
    handles: tuple[I8, ...]
    used_bytes: float
    dropped_bytes: float

    def __len__(self) -> int:
        return len(self.rows)


def pool_chunks(dump: Dump, walked: Walked | None) -> tuple[PoolChunks, ...]:
    """
    The chunks of each watched pool.

    Parameters
    ----------
    dump : Dump
    walked : Walked or None
        The same with its object graph, if it has one.
    """
    if dump.pools is None:
        return ()
    pools, found = dump.pools, []
    chunk_of_handle = _chunk_of_handles(walked, pools) if walked is not None else None
    for pool in np.flatnonzero(pools.pools.kind == WATCHED).tolist():
        rows = _taken_while_lending(dump, pools.cross.stack[pools.cross.pool == pool])
        out = (pools.handles.pool == pool) & np.isin(pools.handles.state, (HELD, RETAINED))
        handles, lent = _in_each(rows, out, pools, chunk_of_handle)
        dropped = (pools.handles.pool == pool) & (pools.handles.state == DROPPED)
        found.append(
            PoolChunks(
                pool=pool, name=dump.strings[int(pools.pools.name[pool])], rows=rows, lent_bytes=lent, handles=handles,
                used_bytes=float(pools.handles.bytes[out].sum()),
                dropped_bytes=float(pools.handles.bytes[dropped].sum()),
            )
        )  # fmt: skip
    return tuple(found)


def _taken_while_lending(dump: Dump, lending: Column) -> I8:
    """Large live blocks below a stack that lends."""
    live, lends = dump.allocations, set(lending.tolist())
    large = np.flatnonzero(live.size >= LEAST_CHUNK_BYTES)
    below = {stack: _is_below(dump, stack, lends) for stack in np.unique(live.stack[large]).tolist()}
    return large[[below[stack] for stack in live.stack[large].tolist()]].astype(np.int64)


def _is_below(dump: Dump, stack: int, ancestors: set[int]) -> bool:
    while stack != ROOT_STACK:
        if stack in ancestors:
            return True
        stack = int(dump.stacks.parent[stack])
    return False


def _in_each(rows: I8, out: Column, pools: Pools, chunk_of_handle: I8 | None) -> tuple[tuple[I8, ...], F8]:
    """Handles that lie in each chunk, and their bytes."""
    none: I8 = np.empty(0, dtype=np.int64)
    if chunk_of_handle is None:
        return (none,) * len(rows), np.full(len(rows), np.nan)
    handles: Sequence[I8] = [np.flatnonzero(out & (chunk_of_handle == row)).astype(np.int64) for row in rows.tolist()]
    return tuple(handles), np.array([float(pools.handles.bytes[each].sum()) for each in handles])


def _chunk_of_handles(walked: Walked, pools: Pools) -> I8:
    """For each handle the live row of the large block that is fewest references away, or `_NO_CHUNK`."""
    heap = walked.heap
    chunk = _nearest_large_block(walked)
    at = np.minimum(np.searchsorted(heap.address, pools.handles.address), heap.count - 1)
    there = heap.address[at] == pools.handles.address
    return np.where(there, chunk[at], _NO_CHUNK)


def _nearest_large_block(walked: Walked) -> I8:
    """For each object the live row of the nearest large body, within a few references; `_NO_CHUNK` if there is none."""
    heap = walked.heap
    edges: I8 = heap.offsets[1:].astype(np.int64) - heap.offsets[:-1].astype(np.int64)
    source = np.repeat(np.arange(heap.count), edges)
    nearest = np.full(heap.count, _NO_CHUNK, dtype=np.int64)
    bodies = np.flatnonzero((heap.body_size >= LEAST_CHUNK_BYTES) & (walked.body_row >= 0))
    nearest[heap.body_owner[bodies]] = walked.body_row[bodies]
    for _ in range(_STEPS):
        onward = (nearest[heap.targets] >= 0) & (nearest[source] < 0)
        nearest[source[onward]] = nearest[heap.targets[onward]]
    return nearest
