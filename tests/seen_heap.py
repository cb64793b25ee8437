"""
The object graph of a recorded program, asked the way a test thinks: by address, attribute and index.

It knows how edges are stored and named; it refuses to know what a test expects.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leakscope.model.heap import HeapGraph

KIND_NAMES = {0: "", 1: "[]", 2: "{}", 3: "{.}", 4: "{}", 5: "stack"}


@dataclass(frozen=True)
class Seen:
    """One object of a dump."""

    heap: HeapGraph
    number: int

    @property
    def type(self) -> str:
        """Its type's full name."""
        return self.heap.types.full_name(int(self.heap.type[self.number])).removeprefix("builtins.")

    @property
    def address(self) -> int:
        """Its ``id()``."""
        return int(self.heap.address[self.number])

    @property
    def refcount(self) -> int:
        """As the interpreter counts; 0 if immortal."""
        return int(self.heap.refcount[self.number])

    @property
    def total_size(self) -> int:
        """Bytes with everything it owns."""
        return int(self.heap.total_size[self.number])

    @property
    def named(self) -> dict[str, Seen]:
        """What its attributes, slots, locals or fields refer to."""
        names = [self.heap.strings[int(text)] for text in self.heap.shapes.names(int(self.heap.shape[self.number]))]
        edges = [referent for _, referent in self.heap.stored_edges(self.number)]
        return {name: Seen(self.heap, to) for name, to in zip(names, edges, strict=False) if to >= 0}

    @property
    def others(self) -> list[Seen | None]:
        """What its edges after the named ones refer to: items, keys and values in turn; None for an empty place."""
        skip = len(self.heap.shapes.names(int(self.heap.shape[self.number])))
        edges = [referent for _, referent in self.heap.stored_edges(self.number)][skip:]
        return [Seen(self.heap, to) if to >= 0 else None for to in edges]

    @property
    def referents(self) -> list[int]:
        """Addresses of everything it refers to, its type included if it counts, as often as it is counted."""
        begin, end = int(self.heap.offsets[self.number]), int(self.heap.offsets[self.number + 1])
        return sorted(int(self.heap.address[to]) for to in self.heap.targets[begin:end])

    @property
    def text(self) -> str | None:
        """The text of a name, if it was told."""
        at = np.flatnonzero(self.heap.name_object == self.number)
        return self.heap.strings[int(self.heap.name_text[at[0]])] if len(at) else None


def object_at(heap: HeapGraph, address: int) -> Seen:
    """The object with this ``id()``."""
    number = int(np.searchsorted(heap.address, address))
    assert number < len(heap), f"nothing at {address:#x}"
    assert int(heap.address[number]) == address, f"nothing at {address:#x}"
    return Seen(heap, number)


def has_object_at(heap: HeapGraph, address: int) -> bool:
    """Whether the walk found an object there."""
    number = int(np.searchsorted(heap.address, address))
    return number < len(heap) and int(heap.address[number]) == address
