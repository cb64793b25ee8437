"""
Large buffers that nothing but small views keeps alive, in one dump.

It knows how a view holds its buffer (a memoryview through a managed buffer, a NumPy array by its base, any number of
them in a row) and that every counted reference to the buffer must be one of these; it refuses to judge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from leakscope import kernels

if TYPE_CHECKING:
    from leakscope.model.buffers import ExportTable
    from leakscope.model.columns import I8, Column
    from leakscope.model.heap import HeapGraph

LEAST_BYTES = 4096
"""Buffers below this are not worth a line."""
SMALL = 8
"""A view is small if its buffer is at least so many times as large."""
UNKNOWN_STACK = -1
_MANAGED = "managedbuffer"
_LONGEST_CHAIN = 64


@dataclass(frozen=True, slots=True, eq=False)
class Pinned:
    """
    Buffers that only small views hold, ``k`` rows.

    Attributes
    ----------
    buffer : ndarray of int64, shape (k,)
        The objects whose memory it is, ascending.
    bytes : ndarray of int64, shape (k,)
        What each takes; of those whose memory lies elsewhere (``mmap``) what was handed out.
    view : ndarray of int64, shape (k,)
        One of the views of each that somebody else holds.
    views, seen : ndarray of int64, shape (k,)
        How many there are of each, and how many bytes they see together.
    """

    buffer: I8
    bytes: I8
    view: I8
    views: I8
    seen: I8

    def __len__(self) -> int:
        return len(self.buffer)


def find_pinned(heap: HeapGraph, exports: ExportTable | None) -> Pinned:
    """
    The buffers of a dump that only small views hold.

    Parameters
    ----------
    heap : HeapGraph
    exports : ExportTable or None
        Of the same dump.
    """
    chain = _Chain(heap)
    if len(chain.views) == 0:
        nothing = np.empty(0, dtype=np.int64)
        return Pinned(nothing, nothing, nothing, nothing, nothing)
    tops, ends = chain.tops()
    keys, first, group = np.unique(ends, return_index=True, return_inverse=True)
    views = np.bincount(group.reshape(-1), minlength=len(keys))
    seen = np.bincount(group.reshape(-1), weights=chain.sees[tops], minlength=len(keys))
    size = _sizes(heap, keys, exports)
    # Each counted reference to the buffer is a view's: nobody else keeps it.
    alone = (heap.refcount[keys] > 0) & (heap.refcount[keys] == chain.holders[keys])
    kept = np.flatnonzero(alone & (size >= LEAST_BYTES) & (seen * SMALL <= size))
    return Pinned(
        keys[kept].astype(np.int64), size[kept], tops[first[kept]].astype(np.int64), views[kept].astype(np.int64),
        seen[kept].astype(np.int64),
    )  # fmt: skip


def acquirers(heap: HeapGraph, objects: I8, exports: ExportTable | None) -> I8:
    """
    Row of the export table that tells who acquired each object's memory; -1 if none does.

    Parameters
    ----------
    heap : HeapGraph
    objects : ndarray of int64
    exports : ExportTable or None
    """
    if exports is None or len(exports) == 0:
        return np.full(len(objects), -1, dtype=np.int64)
    order = np.argsort(exports.exporter, kind="stable")
    begins, wanted = exports.exporter[order], heap.address[objects]
    at = np.minimum(np.searchsorted(begins, wanted), len(order) - 1)
    return np.where(begins[at] == wanted, order[at], -1).astype(np.int64)


class _Chain:
    """Views, and what each of them leads to."""

    def __init__(self, heap: HeapGraph) -> None:
        self.heap = heap
        managed = np.array([heap.types.full_name(row) == _MANAGED for row in range(len(heap.types))], dtype=bool)
        link = np.zeros(heap.count, dtype=bool)
        link[heap.window_object] = True
        link |= managed[heap.type]
        begin = heap.offsets[:-1].astype(np.int64) + heap.shapes.owns_type[heap.shape]
        link &= begin < heap.offsets[1:].astype(np.int64)
        self.link = link
        self.views: I8 = np.flatnonzero(link)
        # The first reference that a view stores is the one to what it looks at.
        self.next = np.arange(heap.count, dtype=np.int64)
        self.next[self.views] = heap.targets[begin[self.views]]
        self.holders = kernels.in_counts(self.next[self.views].astype(heap.targets.dtype), heap.count)
        # A managed buffer that somebody else holds shows all of its memory.
        self.sees = np.full(heap.count, np.inf)
        self.sees[heap.window_object] = heap.window_bytes

    def tops(self) -> tuple[I8, Column]:
        """Views that others than views hold, and where their chains end; of chains that end in an object only."""
        held = self.heap.refcount[self.views].astype(np.int64) > self.holders[self.views]
        tops = self.views[held]
        ends = self.next[tops]
        for _ in range(_LONGEST_CHAIN):
            if not self.link[ends].any():
                break
            ends = self.next[ends]
        done = ~self.link[ends]
        return tops[done], ends[done]


def _sizes(heap: HeapGraph, objects: Column, exports: ExportTable | None) -> I8:
    size = heap.total_size[objects].astype(np.int64)
    rows = acquirers(heap, objects, exports)
    if exports is not None and (rows >= 0).any():
        handed = np.where(rows >= 0, exports.bytes[np.maximum(rows, 0)].astype(np.int64), 0)
        size = np.maximum(size, handed)
    return size
