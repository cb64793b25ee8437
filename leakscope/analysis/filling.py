"""
Containers that say how much they keep at most, and are not full yet: what grows in them will stop.

It knows the bounds that the walk brought along and who is held by whom; it refuses to believe in bounds that nobody
declared.  One more bound is known without a word: what each of some old objects gets once, as a cached property, ends
when all of them have got it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.audit import edges_of
from leakscope.model.heap import ITEMS, NAMESPACE, PAIRS

if TYPE_CHECKING:
    from leakscope.analysis.walked import Walked
    from leakscope.model.columns import I8

_STEPS = 6
"""So many steps above an object its container is looked for."""
_MOSTLY = 0.75
_EACH = 2.0
"""So many objects of a kind on each owner are still something that it gets once."""
_ENOUGH = 8
"""Sampled objects that tell on what they hang."""


@dataclass(frozen=True, slots=True, eq=False)
class Filling:
    """
    A container with a bound that holds most of some objects.

    Attributes
    ----------
    container : int
        The object.
    items, bound : int
        What it keeps now, and at most.
    """

    container: int
    items: int
    bound: int


def bounded_container(walked: Walked, objects: I8) -> Filling | None:
    """
    The one container with a bound that alone holds most of some objects, full or not.

    Parameters
    ----------
    walked : Walked
    objects : ndarray of int64
    """
    heap = walked.heap
    if len(heap.bound_object) == 0 or len(objects) == 0:
        return None
    bounded = np.zeros(heap.count + 1, dtype=bool)
    bounded[heap.bound_object] = True
    parent = np.append(walked.holders.distances.parent, heap.count).astype(np.int64)
    at, above = objects.astype(np.int64), np.full(len(objects), -1, dtype=np.int64)
    for _ in range(_STEPS):
        at = np.minimum(parent[at], heap.count)
        above = np.where((above < 0) & bounded[at], at, above)
    containers, counts = np.unique(above[above >= 0], return_counts=True)
    if len(containers) == 0 or counts.max() < _MOSTLY * len(objects):
        return None
    container = int(containers[np.argmax(counts)])
    bound = int(heap.bound_items[np.searchsorted(heap.bound_object, container)])
    items = items_of(walked, container)
    return Filling(container, items, bound) if items > 0 else None


@dataclass(frozen=True, slots=True)
class Completing:
    """
    Old objects, each of which gets something of its own.

    Attributes
    ----------
    type : str
        Of most of these objects.
    more_types : int
        How many others there are.
    having, there : int
        How many have got it; how many were there at the first dump and still are.
    """

    type: str
    more_types: int
    having: int
    there: int


def completed_objects(first: Walked, last: Walked, objects: I8) -> Completing | None:
    """
    Those to which most of some objects belong, no more than a few to each, if they were there at the first dump.

    Parameters
    ----------
    first, last : Walked
        Of one run.
    objects : ndarray of int64
        Some objects of the last one, as they were sampled: all of their type that hang beside them are counted.
    """
    heap, parent = last.heap, last.holders.distances.parent
    owners = parent[objects].astype(np.int64)
    owners = owners[owners < heap.count]
    if first is last or len(objects) < _ENOUGH or len(owners) < _MOSTLY * len(objects):
        return None
    old = last.same_in(first) >= 0
    if float(np.mean(old[owners])) < _MOSTLY:
        return None
    kinds, counts = np.unique(heap.type[owners[old[owners]]], return_counts=True)
    there = np.flatnonzero(old & np.isin(heap.type, kinds))
    alike = np.flatnonzero(np.isin(heap.type, np.unique(heap.type[objects])) & np.isin(parent, there))
    having = len(np.unique(parent[alike]))
    if len(alike) > _EACH * having:
        return None
    names = [heap.types.full_name(int(kind)) for kind in kinds[np.argsort(-counts, kind="stable")]]
    return Completing(names[0], len(names) - 1, having, len(there))


def items_of(walked: Walked, container: int) -> int:
    """How many items a container has: its own, or those of the biggest dictionary it refers to directly."""
    heap, edges = walked.heap, edges_of(walked.heap.offsets)
    kind = heap.shapes.kind[heap.shape]
    if kind[container] == ITEMS:
        return int(edges[container]) - int(heap.shapes.owns_type[heap.shape[container]])
    held = heap.targets[int(heap.offsets[container]) : int(heap.offsets[container + 1])]
    tables = held[np.isin(kind[held], (PAIRS, NAMESPACE))]
    return int(edges[tables].max()) // 2 if len(tables) else 0
