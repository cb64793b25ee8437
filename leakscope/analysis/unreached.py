"""
Live blocks that no walked object explains: strings, bytes and numbers that nobody refers to, and memory of C code.

It knows which block is an object's, which belongs to one, and when a block is too young to tell; it refuses to accuse:
the interpreter and its libraries keep memory of their own, and only what is gained between dumps says anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from leakscope.model.columns import I8, Column
    from leakscope.model.dump import Dump
    from leakscope.model.heap import HeapGraph

TOO_YOUNG_S = 0.003
"""Blocks born this long before the heap was frozen, or later, say nothing about objects."""
OBJECT_DOMAIN = "obj"
UNKNOWN, TOO_YOUNG = -1, -2
"""No row of the live table."""
_BIRTHS_ARE_COARSE = 0.008
"""Exact recordings keep the time of birth to within this part of it."""
_NO_OBJECTS = ("mapping",)


def unreached_blocks(dump: Dump, heap: HeapGraph) -> Column:
    """
    Whether each live block is neither an object's nor belongs to one.

    Parameters
    ----------
    dump : Dump
    heap : HeapGraph
        Of the same dump.

    Returns
    -------
    ndarray of bool, shape (live blocks,)
        False for mappings and for what is too young to tell.
    """
    live, domains = dump.allocations, dump.meta.domains
    unreached = live.born_s.astype(np.float64) < heap.facts.taken_s - too_young_s(dump, heap)
    unreached &= ~np.isin(live.domain, [domains.index(name) for name in _NO_OBJECTS if name in domains])
    if len(live) == 0:
        return unreached
    order = np.argsort(live.address, kind="stable")
    begin, end = live.address[order], (live.address + live.size)[order]
    for inside in (heap.address, heap.body_address):
        # Wherever in the block it lies: objects have a header before them, and some live in blocks of many.
        at = np.searchsorted(begin, inside, side="right") - 1
        explained = at[(at >= 0) & (inside < end[np.maximum(at, 0)])]
        unreached[order[explained]] = False
    return unreached


def blocks_of_objects(dump: Dump, heap: HeapGraph) -> I8:
    """
    The live block of each object: who made it, when, on which thread.

    Parameters
    ----------
    dump : Dump
    heap : HeapGraph
        Of the same dump.

    Returns
    -------
    ndarray of int64, shape (n,)
        As in `blocks_at`.
    """
    return blocks_at(dump, heap, heap.address - heap.shapes.lead[heap.shape].astype(np.uint64))


def blocks_at(dump: Dump, heap: HeapGraph, addresses: Column) -> I8:
    """
    The live block that begins at each address.

    Parameters
    ----------
    dump : Dump
    heap : HeapGraph
        Of the same dump.
    addresses : ndarray of uint64, shape (k,)

    Returns
    -------
    ndarray of int64, shape (k,)
        Row of the live table; `UNKNOWN` where the block was not recorded, `TOO_YOUNG` where it cannot be told whose
        it is.
    """
    live = dump.allocations
    if len(live) == 0:
        return np.full(len(addresses), UNKNOWN, dtype=np.int64)
    order = np.argsort(live.address, kind="stable")
    begins = live.address[order]
    at = np.minimum(np.searchsorted(begins, addresses), len(order) - 1)
    row = order[at]
    young = live.born_s[row].astype(np.float64) >= heap.facts.taken_s - too_young_s(dump, heap)
    return np.where(begins[at] != addresses, UNKNOWN, np.where(young, TOO_YOUNG, row)).astype(np.int64)


def too_young_s(dump: Dump, heap: HeapGraph) -> float:
    """How long before the heap was frozen a block must have been born to be one that the walk can have met."""
    coarse = 0.0 if dump.meta.sampled else _BIRTHS_ARE_COARSE
    return max(TOO_YOUNG_S, coarse * heap.facts.taken_s)
