"""
Containers that say how much they keep at most, and are not full yet: what grows in them will stop.

It knows the bounds that the walk brought along and who is held by whom; it refuses to believe in bounds that nobody
declared.
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


def items_of(walked: Walked, container: int) -> int:
    """How many items a container has: its own, or those of the biggest dictionary it refers to directly."""
    heap, edges = walked.heap, edges_of(walked.heap.offsets)
    kind = heap.shapes.kind[heap.shape]
    if kind[container] == ITEMS:
        return int(edges[container]) - int(heap.shapes.owns_type[heap.shape[container]])
    held = heap.targets[int(heap.offsets[container]) : int(heap.offsets[container + 1])]
    tables = held[np.isin(kind[held], (PAIRS, NAMESPACE))]
    return int(edges[tables].max()) // 2 if len(tables) else 0
