"""
Units that allocators take from below: arenas of pymalloc, heaps of glibc, mappings, shared memory, chunks of pools.

It knows the chunks, who caused them and how full they are; it refuses to know what lies in them, which needs the live
blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from leakscope.model.columns import check_columns

if TYPE_CHECKING:
    from leakscope.model.columns import F4, F8, U1, U4, U8, Column

ARENA = 0
"""Chunk kind: an arena of pymalloc."""
MAPPING = 1
"""Chunk kind: memory mapped by the program or its libraries; large blocks of malloc are not among them."""
HEAP = 2
"""Chunk kind: a heap of glibc's malloc, the main one or one of a further arena."""
SHARED = 3
"""Chunk kind: shared memory that processes may have in common."""
POOL = 4
"""Chunk kind: a chunk of a pool."""
CHUNK_KINDS = ("arena", "mapping", "heap", "shared", "pool")
"""Names of the kinds."""
NO_THREAD = 0xFFFFFFFF
"""Nobody saw which thread made the allocator take it."""


@dataclass(frozen=True, slots=True, eq=False)
class ChunkTable:
    """
    Live chunks, ``c`` rows.

    NaN is what nobody measured.  Used and free bytes need not add up to the size: the allocator's own headers and the
    ends that it cannot use are neither.

    Attributes
    ----------
    address, size : ndarray of uint64, shape (c,)
        The chunk, in bytes.
    kind : ndarray of uint8, shape (c,)
        Index into ``DumpMeta.chunk_kinds``, in the order of `CHUNK_KINDS`.
    stack : ndarray of uint32, shape (c,)
        Node of the stack table that made the allocator ask for it; the root also if nobody saw it being taken.
    thread : ndarray of uint32, shape (c,)
        Row of the owner thread; `NO_THREAD` if nobody saw it being taken.
    born_s : ndarray of float32, shape (c,)
        Seconds since recording began; 0 for what was there before, or was first seen by its existence.
    used_bytes, free_bytes : ndarray of float64, shape (c,)
        Handed out by the allocator; and what it can hand out without asking for more.
    largest_free_bytes : ndarray of float64, shape (c,)
        The largest free run in it: of an arena whole pools, of a heap one free piece.
    resident_bytes, dirty_bytes, swapped_bytes : ndarray of float64, shape (c,)
        What the system says of it: in memory, of that written to, in swap.
    trimmable_bytes : ndarray of float64, shape (c,)
        Heaps of malloc: resident bytes of whole pages that are free, which ``malloc_trim`` would give back.  NaN for
        other kinds.
    attached_threads : ndarray of float64, shape (c,)
        Heaps of malloc: threads that allocate from its arena now; 0 if all that did have ended.  NaN for other kinds.
    label : ndarray of uint32, shape (c,)
        String id: ``main``, ``arena 2``, ``arena 2, heap 3``; the name of shared memory or of a pool; else empty.
    """

    address: U8
    size: U8
    kind: U1
    stack: U4
    thread: U4
    born_s: F4
    used_bytes: F8
    free_bytes: F8
    largest_free_bytes: F8
    resident_bytes: F8
    dirty_bytes: F8
    swapped_bytes: F8
    trimmable_bytes: F8
    attached_threads: F8
    label: U4

    def __post_init__(self) -> None:
        columns: dict[str, Column] = {
            "address": self.address, "size": self.size, "kind": self.kind, "stack": self.stack,
            "thread": self.thread, "born_s": self.born_s, "label": self.label,
        }  # fmt: skip
        check_columns("ChunkTable", columns | {name: getattr(self, name) for name in MEASURES})

    def __len__(self) -> int:
        return len(self.address)


MEASURES = (
    "used_bytes", "free_bytes", "largest_free_bytes", "resident_bytes", "dirty_bytes", "swapped_bytes",
    "trimmable_bytes", "attached_threads",
)  # fmt: skip
"""Columns of amounts that are NaN where nobody measured them."""
