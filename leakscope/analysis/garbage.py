"""
What only a collection would free: cycles that nobody holds, and what hangs on them.

It knows the collector's own rule, applied to columns, and the cycles it finds; it refuses to collect anything: both
views of the heap, as it is and as it would be, come from one dump.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from leakscope import kernels
from leakscope.analysis.audit import edges_of, unexplained_references
from leakscope.model.heap import FROZEN, HAS_FINALIZER, LEGACY_DEL, TRACKED

if TYPE_CHECKING:
    from leakscope.model.columns import U1, Column
    from leakscope.model.heap import HeapGraph

_MOST_NAMES = 4
_MOST_GROUPS = 100
_SEED = 20261125


@dataclass(frozen=True, slots=True)
class CycleGroup:
    """
    Cycles made of the same types.

    Attributes
    ----------
    types : tuple of str
        Full names, by how many objects of them there are; at most four.
    more_types : int
        How many other types take part.
    cycles, objects, bytes : int
        Bytes of the objects in the cycles, not of what hangs on them.
    finalizers : bool
        Whether one of the types has a finalizer.
    blocked : bool
        Whether one has a legacy ``tp_del``, which keeps the collector from freeing the cycle.
    example : int
        One of the objects.
    """

    types: tuple[str, ...]
    more_types: int
    cycles: int
    objects: int
    bytes: int
    finalizers: bool
    blocked: bool
    example: int


@dataclass(frozen=True, slots=True, eq=False)
class Garbage:
    """
    What a collection would do to one heap.

    Attributes
    ----------
    freed : ndarray of bool, shape (n,)
        Objects that would go.
    objects, bytes : int
        Of those.
    cycles : tuple of CycleGroup
        Biggest first.
    frozen_objects, frozen_bytes : int
        In the permanent generation, which no collection looks at.
    frozen_garbage_objects, frozen_garbage_bytes : int
        What a collection would free beside that if nothing were frozen.
    enabled : bool
        Whether the collector runs by itself.
    uncollectable : int
        Objects in ``gc.garbage``.
    """

    freed: Column
    objects: int
    bytes: int
    cycles: tuple[CycleGroup, ...]
    frozen_objects: int
    frozen_bytes: int
    frozen_garbage_objects: int
    frozen_garbage_bytes: int
    enabled: bool
    uncollectable: int


def find_garbage(heap: HeapGraph) -> Garbage:
    """
    What only a collection would free.

    Parameters
    ----------
    heap : HeapGraph

    Returns
    -------
    Garbage
    """
    sizes = heap.total_size.astype(np.int64)
    frozen = (heap.flags & FROZEN) != 0
    freed = freed_by_collection(heap, heap.flags)
    thawed = np.zeros_like(freed)
    if frozen.any():
        thawed = freed_by_collection(heap, heap.flags & np.uint8(0xFF ^ FROZEN)) & ~freed
    meta = heap.facts
    return Garbage(
        freed=freed, objects=int(freed.sum()), bytes=int(sizes[freed].sum()), cycles=cycles_among(heap, freed),
        frozen_objects=int(frozen.sum()), frozen_bytes=int(sizes[frozen].sum()),
        frozen_garbage_objects=int(thawed.sum()), frozen_garbage_bytes=int(sizes[thawed].sum()),
        enabled=meta.collector_enabled and (not meta.collector_thresholds or meta.collector_thresholds[0] > 0),
        uncollectable=meta.garbage,
    )  # fmt: skip


def freed_by_collection(heap: HeapGraph, flags: U1) -> Column:
    """
    Objects that a collection of the oldest generation would free, untracked ones included.

    Parameters
    ----------
    heap : HeapGraph
    flags : ndarray of uint8, shape (n,)
        As `HeapGraph.flags`, or a variation.

    Returns
    -------
    ndarray of bool, shape (n,)

    Notes
    -----
    The collector's rule decides about tracked objects.  An untracked one goes with them if no survivor reaches it and
    all its references are accounted for.
    """
    dead: Column = kernels.collectable(heap.refcount, flags, heap.offsets, heap.targets).astype(bool)
    if not dead.any():
        return dead
    tracked = (flags & TRACKED) != 0
    held = np.zeros(heap.count, dtype=bool)
    held[heap.roots.object] = True
    survivors = np.flatnonzero((tracked | held | (heap.refcount == 0) | (unexplained_references(heap) > 0)) & ~dead)
    reached = kernels.reachable(heap.offsets, heap.targets, survivors.astype(np.uint32), dead.astype(np.uint8))
    gone: Column = dead | ~(reached.astype(bool) | tracked)
    return gone


def cycles_among(heap: HeapGraph, members: Column) -> tuple[CycleGroup, ...]:
    """
    Cycles among some objects, those of the same types together, by bytes, biggest first.

    Parameters
    ----------
    heap : HeapGraph
    members : ndarray of bool, shape (n,)
    """
    objects = np.flatnonzero(members)
    if len(objects) == 0:
        return ()
    offsets, targets = subgraph(heap, members, objects)
    component, count = kernels.components(offsets, targets)
    sizes = np.bincount(component, minlength=count)
    source = np.repeat(np.arange(len(objects)), edges_of(offsets))
    cyclic = sizes > 1
    cyclic[component[source[source == targets]]] = True  # an object that refers to itself
    inside = np.flatnonzero(cyclic[component])
    if len(inside) == 0:
        return ()
    component = component.astype(np.int64)
    signature = _signatures(component[inside], heap.type[objects[inside]], count)[component[inside]]
    return _groups(heap, objects[inside], component[inside], signature)


def subgraph(heap: HeapGraph, members: Column, objects: Column) -> tuple[Column, Column]:
    """
    The edges among some objects, which are numbered anew.

    Parameters
    ----------
    heap : HeapGraph
    members : ndarray of bool, shape (n,)
    objects : ndarray of int
        The same, as ascending numbers.

    Returns
    -------
    offsets, targets : ndarray
    """
    number = np.zeros(heap.count, dtype=np.uint32)
    number[objects] = np.arange(len(objects), dtype=np.uint32)
    begin, lengths = heap.offsets[objects].astype(np.int64), edges_of(heap.offsets)[objects]
    ends = np.cumsum(lengths)
    edge = np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(begin - (ends - lengths), lengths)
    inside = members[heap.targets[edge]]
    kept = np.bincount(np.repeat(np.arange(len(objects)), lengths)[inside], minlength=len(objects))
    offsets = np.concatenate([[0], np.cumsum(kept)]).astype(np.uint64)
    return offsets, number[heap.targets[edge[inside]]]


def _signatures(component: Column, types: Column, count: int) -> Column:
    """A number for each component that depends on nothing but the set of its types."""
    pairs = np.unique(component.astype(np.int64) << 32 | types.astype(np.int64))
    random = np.random.default_rng(_SEED).integers(1, 1 << 62, size=int(types.max()) + 1, dtype=np.uint64)
    found = np.zeros(count, dtype=np.uint64)
    np.add.at(found, pairs >> 32, random[pairs & 0xFFFFFFFF])
    return found


def _groups(heap: HeapGraph, objects: Column, component: Column, signature: Column) -> tuple[CycleGroup, ...]:
    _, first, group = np.unique(signature, return_index=True, return_inverse=True)
    group = group.reshape(-1)
    counts = np.bincount(group)
    bytes_ = np.bincount(group, weights=heap.total_size[objects].astype(np.float64))
    pairs = np.unique(group.astype(np.int64) << 32 | component)
    cycles = np.bincount(pairs >> 32, minlength=len(counts))
    found = []
    for each in np.argsort(-bytes_, kind="stable")[:_MOST_GROUPS].tolist():
        members = objects[component == component[first[each]]]  # one cycle stands for all of its kind
        rows, amounts = np.unique(heap.type[members], return_counts=True)
        named = [heap.types.full_name(int(row)) for row in rows[np.argsort(-amounts, kind="stable")]]
        flags = int(np.bitwise_or.reduce(heap.types.flags[rows]))
        found.append(
            CycleGroup(
                types=tuple(named[:_MOST_NAMES]), more_types=max(len(named) - _MOST_NAMES, 0),
                cycles=int(cycles[each]), objects=int(counts[each]), bytes=int(bytes_[each]),
                finalizers=bool(flags & HAS_FINALIZER), blocked=bool(flags & LEGACY_DEL),
                example=int(objects[first[each]]),
            )
        )  # fmt: skip
    return tuple(found)
