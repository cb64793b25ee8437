"""
Units that allocators take from below: pymalloc arenas, mappings.

It knows the chunks and who caused them; it refuses to know how full they are, which needs the live blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from leakscope.model.columns import check_columns

if TYPE_CHECKING:
    from leakscope.model.columns import F4, U1, U4, U8, Column

ARENA = 0
"""Chunk kind: an arena of pymalloc."""
MAPPING = 1
"""Chunk kind: memory mapped by the program or its libraries."""


@dataclass(frozen=True, slots=True, eq=False)
class ChunkTable:
    """
    Live chunks, ``c`` rows.

    Attributes
    ----------
    address, size : ndarray of uint64, shape (c,)
        The chunk, in bytes.
    kind : ndarray of uint8, shape (c,)
        Index into ``DumpMeta.chunk_kinds``: `ARENA` or `MAPPING`.
    stack : ndarray of uint32, shape (c,)
        Node of the stack table that made the allocator ask for it.
    thread : ndarray of uint32, shape (c,)
        Row of the owner thread.
    born_s : ndarray of float32, shape (c,)
        Seconds since recording began.
    """

    address: U8
    size: U8
    kind: U1
    stack: U4
    thread: U4
    born_s: F4

    def __post_init__(self) -> None:
        columns: dict[str, Column] = {
            "address": self.address, "size": self.size, "kind": self.kind, "stack": self.stack,
            "thread": self.thread, "born_s": self.born_s,
        }  # fmt: skip
        check_columns("ChunkTable", columns)

    def __len__(self) -> int:
        return len(self.address)
