"""
The account of an object graph: references counted by the interpreter less those found, per object.

It knows numbers above and below zero, where the analysis looks at those above only; it refuses to explain them.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from leakscope import kernels
from leakscope.model.dump import Dump
from leakscope.model.heap import HeapGraph


def graph_of(dump: Dump) -> HeapGraph:
    """The graph of a dump that must have one."""
    assert dump.heap is not None, dump.meta.heap_problem
    return dump.heap


def balance(heap: HeapGraph) -> NDArray[np.int64]:
    """For each object its reference count less edges and counted roots; 0 for immortal ones."""
    missing = heap.refcount.astype(np.int64) - kernels.in_counts(heap.targets, heap.count)
    missing -= np.bincount(heap.roots.object[heap.roots.counted == 1], minlength=heap.count)
    missing[heap.refcount == 0] = 0
    return missing


def by_type(heap: HeapGraph, amounts: NDArray[np.int64]) -> Counter[str]:
    """Sum of the amounts for each type, those of zero left out."""
    found = Counter[str]()
    for number in np.flatnonzero(amounts):
        found[heap.types.full_name(int(heap.type[number]))] += int(amounts[number])
    return found


def unaccounted(dump: Dump) -> Counter[str]:
    """References that nobody accounts for, by type."""
    heap = graph_of(dump)
    return by_type(heap, np.maximum(balance(heap), 0))


def counted_twice(dump: Dump) -> Counter[str]:
    """References found beyond those that the interpreter counts, by type."""
    heap = graph_of(dump)
    return by_type(heap, np.maximum(-balance(heap), 0))
