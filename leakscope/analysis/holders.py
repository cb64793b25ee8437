"""
Who keeps what alive in one object graph: in-edges, the dominator tree, retained bytes, each computed on first use.

It knows one graph and nothing of threads, stacks and words.  The retained bytes of an object are what goes if it alone
goes; those of a set are summed over its members that have no other member above them in the dominator tree.  This is
exact unless several members together hold something that none of them holds alone.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from leakscope import kernels
from leakscope.analysis.stages import Distances, find_distances

if TYPE_CHECKING:
    from leakscope.model.columns import I8, U4, U8, Column
    from leakscope.model.heap import HeapGraph

NONE = kernels.NONE
_ACCUMULATES, _DEEPEST = 0.7, 1000


class Holders:
    """
    What can be derived from an object graph about who holds what.

    Parameters
    ----------
    heap : HeapGraph
    unexplained : ndarray of int64, shape (n,)
        References to each object that nobody accounts for.
    """

    def __init__(self, heap: HeapGraph, unexplained: I8) -> None:
        self.heap = heap
        self.unexplained = unexplained

    @cached_property
    def distances(self) -> Distances:
        """A shortest way to each object."""
        return find_distances(self.heap, self.unexplained)

    @cached_property
    def referrers(self) -> tuple[U8, U4]:
        """The graph turned around: offsets and sources, multiplicity kept."""
        return kernels.reverse(self.heap.offsets, self.heap.targets)

    @cached_property
    def dominators(self) -> kernels.DominatorTree:
        """Immediate dominator of each object; the number of objects where only the roots together are one."""
        return kernels.dominators(self.heap.offsets, self.heap.targets, self.distances.roots)

    @cached_property
    def retained(self) -> U8:
        """Bytes that go with each object, its own included."""
        return kernels.retained(*self.dominators, self.heap.total_size)

    @cached_property
    def retained_count(self) -> U4:
        """Objects that go with each object, itself included."""
        return kernels.retained(*self.dominators, np.ones(self.heap.count, dtype=np.uint64)).astype(np.uint32)

    @cached_property
    def children(self) -> tuple[U8, U4]:
        """The dominator tree downwards: offsets (one more, for what the roots dominate) and children, ascending."""
        idom, count = self.dominators.idom, self.heap.count
        held = np.bincount(idom[idom != NONE], minlength=count + 1)
        order = np.argsort(idom, kind="stable").astype(np.uint32)[: int(held.sum())]
        return np.concatenate([[0], np.cumsum(held)]).astype(np.uint64), order

    @cached_property
    def tree_position(self) -> U4:
        """Place of each object in a preorder of the dominator tree: what an object dominates comes right behind it."""
        offsets, held = self.children
        tops = held[int(offsets[-2]) :]
        order = kernels.dominators(offsets[:-1], held[: int(offsets[-2])], tops).order
        position = np.empty(self.heap.count, dtype=np.uint32)
        position[order] = np.arange(len(order), dtype=np.uint32)
        return position

    def topmost(self, objects: Column, group: Column | None = None) -> Column:
        """
        Whether each object of a set has no other one of the set, or of its group, above it in the dominator tree.

        Parameters
        ----------
        objects : ndarray of int, shape (k,)
            Without doubles.
        group : ndarray of int, shape (k,), optional
            Their groups, from 0; by default they are one.

        Returns
        -------
        ndarray of bool, shape (k,)
        """
        count = self.heap.count + 1
        begin = self.tree_position[objects].astype(np.int64)
        end = begin + self.retained_count[objects].astype(np.int64)
        base = 0 if group is None else np.asarray(group, dtype=np.int64) * count
        order = np.argsort(begin + base, kind="stable")
        covered_to = np.maximum.accumulate((end + base)[order])
        top = np.ones(len(objects), dtype=bool)
        top[order[1:]] = (begin + base)[order[1:]] >= covered_to[:-1]
        return top

    def retained_by(self, objects: Column, group: Column | None = None, groups: int = 1) -> I8:
        """
        Bytes that go with each group of objects.

        Parameters
        ----------
        objects : ndarray of int, shape (k,)
            Without doubles.
        group : ndarray of int, shape (k,), optional
            Their groups, from 0.
        groups : int
            How many there are.

        Returns
        -------
        ndarray of int64, shape (groups,)
        """
        if len(objects) == 0:
            return np.zeros(groups, dtype=np.int64)
        top = self.topmost(objects, group)
        of_group = np.zeros(int(top.sum()), dtype=np.int64) if group is None else np.asarray(group)[top]
        sums = np.zeros(groups, dtype=np.int64)
        np.add.at(sums, of_group, self.retained[objects[top]].astype(np.int64))
        return sums

    @cached_property
    def retained_by_type(self) -> I8:
        """Bytes that go with all objects of each row of the type table."""
        every = np.arange(self.heap.count)
        return self.retained_by(every, self.heap.type, len(self.heap.types))

    def held_directly(self, number: int) -> Column:
        """What an object alone dominates immediately, ascending; for the number of objects: the tops of the tree."""
        offsets, held = self.children
        return held[int(offsets[number]) : int(offsets[number + 1])]

    def accumulation(self, number: int) -> list[int]:
        """
        The way down from an object to where its memory comes together: always to the largest it dominates, as long as
        that has seven tenths of it.  The last one is the point; the object alone if there is none below, nor within a
        thousand steps: lists and trees have none.

        Parameters
        ----------
        number : int
        """
        way = [number]
        while len(way) <= _DEEPEST:
            below = self.held_directly(way[-1])
            if len(below) == 0:
                return way
            largest = int(below[np.argmax(self.retained[below])])
            if int(self.retained[largest]) < _ACCUMULATES * int(self.retained[way[-1]]):
                return way
            way.append(largest)
        return [number]
