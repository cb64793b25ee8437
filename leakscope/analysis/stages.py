"""
How near to the roots each object is, and what kind of root is nearest: a shortest way for everything.

It knows the order in which roots answer the question why something is still there; it refuses to say it in words.
What a module holds is said to be held by the module, however near a frame is; references that nobody accounts for
explain only what nothing else does; and what is left is held by cycles alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from leakscope import kernels
from leakscope.model.heap import FRAME, LOCAL, THREAD

if TYPE_CHECKING:
    from leakscope.model.columns import I8, U1, U4, Column
    from leakscope.model.heap import HeapGraph

GLOBAL, THREADS, UNACCOUNTED, CYCLES = range(4)
"""Stages: modules, types and the interpreter; frames and threads; references that nobody accounts for; cycles."""
OF_THREADS = (LOCAL, FRAME, THREAD)
"""Kinds of roots that belong to a thread."""


@dataclass(frozen=True, slots=True, eq=False)
class Distances:
    """
    A shortest way to each object.

    Attributes
    ----------
    parent : ndarray of uint32, shape (n,)
        The object before it on the way; n for roots.
    distance : ndarray of uint32, shape (n,)
        References from the root.
    stage : ndarray of uint8, shape (n,)
    roots : ndarray of uint32
        Everything that counts as a root: those recorded, and where the last two stages begin.
    """

    parent: U4
    distance: U4
    stage: U1
    roots: U4


def find_distances(heap: HeapGraph, unexplained: I8) -> Distances:
    """
    Shortest ways from the roots, stage after stage; every object has one.

    Parameters
    ----------
    heap : HeapGraph
    unexplained : ndarray of int64, shape (n,)
        References to each object that nobody accounts for.

    Notes
    -----
    Linear; twice if there is anything that only cycles hold.
    """
    recorded, of_threads = heap.roots.object, np.isin(heap.roots.kind, OF_THREADS)
    stages: list[U4] = [
        recorded[~of_threads], recorded[of_threads], np.flatnonzero(unexplained > 0).astype(np.uint32),
    ]  # fmt: skip
    ways = kernels.distances(heap.offsets, heap.targets, stages)
    rest = np.flatnonzero(ways.stage == kernels.UNREACHED)
    if len(rest):
        stages.append(_beginnings(heap, rest))
        ways = kernels.distances(heap.offsets, heap.targets, stages)
    late = np.flatnonzero((ways.parent == heap.count) & (ways.stage >= UNACCOUNTED))
    roots = np.unique(np.concatenate([recorded, late.astype(np.uint32)]))
    return Distances(parent=ways.parent, distance=ways.distance, stage=ways.stage, roots=roots)


def _beginnings(heap: HeapGraph, rest: Column) -> U4:
    """One object of each cycle that nothing in the rest but itself leads to."""
    place = np.full(heap.count, kernels.NONE, dtype=np.uint32)
    place[rest] = np.arange(len(rest), dtype=np.uint32)
    source, target = edges_from(heap, rest)
    inside = place[target] != kernels.NONE
    source, target = place[source[inside]], place[target[inside]]
    offsets = np.concatenate([[0], np.cumsum(np.bincount(source, minlength=len(rest)))]).astype(np.uint64)
    component, count = kernels.components(offsets, target)
    led_to = np.zeros(count, dtype=bool)
    crossing = component[source] != component[target]
    led_to[component[target[crossing]]] = True
    first = np.full(count, len(rest), dtype=np.int64)
    np.minimum.at(first, component, np.arange(len(rest)))
    return rest[np.sort(first[~led_to])].astype(np.uint32)


def edges_from(heap: HeapGraph, holders: Column) -> tuple[Column, Column]:
    """
    The edges of some objects: who refers, and to whom.

    Parameters
    ----------
    heap : HeapGraph
    holders : ndarray of int, ascending

    Returns
    -------
    (ndarray of int64, ndarray of uint32)
    """
    begin = heap.offsets[holders].astype(np.int64)
    count = heap.offsets[holders + 1].astype(np.int64) - begin
    ends = np.cumsum(count)
    total = int(ends[-1]) if len(ends) else 0
    at = np.arange(total) + np.repeat(begin - (ends - count), count)
    return np.repeat(np.asarray(holders, dtype=np.int64), count), heap.targets[at]
