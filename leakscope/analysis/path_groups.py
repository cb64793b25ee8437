"""
Ways from the roots to many objects, merged: a thousand leaked nodes are one path with a count.

It knows which ways are alike: same root, same names of edges, same types, all but indexes and keys that are no names.
What merely leads through more of the same (nodes of a list, of a tree, of nested containers) is cut out first, so that
a list of a million nodes is one path, too.  It refuses to know words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from leakscope import kernels
from leakscope.analysis.edge_labels import labels_of_ways
from leakscope.analysis.root_rows import same_roots

if TYPE_CHECKING:
    from leakscope.analysis.holders import Holders
    from leakscope.analysis.naming import Naming
    from leakscope.model.columns import I8, Column

_NESTED = 3
"""So many containers in one another are passed over; those deeper inside count as objects."""
_LOOPS = 4
"""A way that meets a type again within so many steps has come no further."""
_PRIME, _MIX, _TURN = np.uint64(0x100000001B3), np.uint64(0x9E3779B97F4A7C15), np.uint64(29)
_MODULE, _CLASS, _FUNCTION = 1 << 40, 2 << 40, 3 << 40


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """
    One way from a root.

    Attributes
    ----------
    objects : tuple of int
        From the root to the last one.
    labels : tuple of int
        What the edge to each but the first is called, see `edge_labels`.
    """

    objects: tuple[int, ...]
    labels: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class PathGroup:
    """
    Objects whose ways are alike.

    Attributes
    ----------
    way : Way
        The shortest of them.
    members : ndarray of int64
        The objects at their ends.
    roots : ndarray of int64
        The objects at their beginnings.
    retained_bytes : int
        What would go with the members.
    """

    way: Way
    members: I8
    roots: I8
    retained_bytes: int


def group_paths(holders: Holders, naming: Naming, objects: Column) -> list[PathGroup]:
    """
    Groups of objects with ways alike, that which retains most first.

    Parameters
    ----------
    holders : Holders
    naming : Naming
    objects : ndarray of int
        Without doubles.

    Notes
    -----
    Linear in the objects on all the ways, but for a logarithm of the longest.
    """
    if len(objects) == 0:
        return []
    wanted = np.sort(objects).astype(np.int64)
    tree = _Ways.leading_to(holders, naming, wanted)
    place = np.searchsorted(tree.nodes, wanted)
    _, group = np.unique(tree.signatures()[place], return_inverse=True)
    group = group.reshape(-1)
    order = np.lexsort((wanted, holders.distances.distance[wanted], group))
    pieces = np.split(order, np.flatnonzero(np.diff(group[order])) + 1)
    roots = tree.nodes[tree.root_of()[place]]
    retained = holders.retained_by(wanted, group, len(pieces))
    groups = [
        PathGroup(tree.way(int(place[piece[0]])), np.sort(wanted[piece]), _distinct(roots[piece]), int(retained[at]))
        for at, piece in enumerate(pieces)
    ]
    return sorted(groups, key=lambda each: (-each.retained_bytes, -len(each.members), each.way.objects))


def _distinct(objects: I8) -> I8:
    # Most groups have one member: there may be many thousands of them.
    return objects if len(objects) == 1 else np.unique(objects)


@dataclass(frozen=True, slots=True, eq=False)
class _Ways:
    """All objects on the ways to some; positions among them are local numbers."""

    holders: Holders
    naming: Naming
    nodes: I8
    up: I8
    """Local number of the parent; -1 for roots."""
    label: I8

    @classmethod
    def leading_to(cls, holders: Holders, naming: Naming, wanted: Column) -> _Ways:
        heap, parent = holders.heap, holders.distances.parent
        nodes = _with_ancestors(parent, wanted)
        above = parent[nodes].astype(np.int64)
        held = above < heap.count
        up = np.full(len(nodes), -1, dtype=np.int64)
        up[held] = np.searchsorted(nodes, above[held])
        label = np.zeros(len(nodes), dtype=np.int64)
        label[held] = labels_of_ways(heap, nodes[held], above[held])
        label[~held] = same_roots(heap, nodes[~held], holders.distances.stage[nodes[~held]])
        return cls(holders, naming, nodes, up, label)

    def way(self, at: int) -> Way:
        """The way to the node with a local number."""
        objects, labels = [int(self.nodes[at])], []
        while self.up[at] >= 0:
            labels.append(int(self.label[at]))
            at = int(self.up[at])
            objects.append(int(self.nodes[at]))
        return Way(tuple(reversed(objects)), tuple(reversed(labels)))

    def root_of(self) -> I8:
        """Local number of the root above each node."""
        jump = np.where(self.up >= 0, self.up, np.arange(len(self.nodes)))
        while True:
            further = jump[jump]
            if np.array_equal(further, jump):
                return jump
            jump = further

    def signatures(self) -> Column:
        """A number for each node: equal for ways alike."""
        kind, passed = self._kinds(), self._passed_over()
        above, hop = self.up.copy(), _mixed(self.label, kind)
        # Whatever containers are between a node and the next one above that counts belong to the step between them.
        while True:
            between = np.flatnonzero((above >= 0) & passed[above])
            if len(between) == 0:
                break
            over = above[between]
            hop[between] = hop[between] * _PRIME + _mixed(self.label[over], kind[over])
            above[between] = self.up[over]
        return _along(above, hop, self._cut_back(above, kind, passed))

    def _cut_back(self, above: I8, kind: I8, passed: Column) -> I8:
        """For each node the one above it that it is no further than; -1 if it is further than all."""
        back = np.full(len(kind), -1, dtype=np.int64)
        at = above
        for _ in range(_LOOPS):
            again = (back < 0) & (at >= 0) & (kind[at] == kind) & ~passed
            back[again] = at[again]
            at = np.where(at >= 0, above[at], -1)
        return back

    def _passed_over(self) -> Column:
        heap = self.naming.heap
        container = self.naming.is_container[heap.shape[self.nodes]]
        deep = container.copy()
        for _ in range(_NESTED):
            deep &= (self.up >= 0) & deep[self.up]
        return container & ~deep

    def _kinds(self) -> I8:
        """A number for each node: equal for what is called alike."""
        naming, heap = self.naming, self.naming.heap
        kind = naming.type_group[heap.type[self.nodes]].copy()
        modules = np.isin(self.nodes, np.fromiter(naming.modules, np.int64, len(naming.modules)))
        kind[modules] = _MODULE + self.nodes[modules]
        for at in np.flatnonzero(np.isin(self.nodes, np.fromiter(naming.types, np.int64, len(naming.types)))):
            kind[at] = _CLASS + naming.type_group[naming.types[int(self.nodes[at])]]
        functions = np.flatnonzero(naming.is_function[heap.shape[self.nodes]])
        kind[functions] = _FUNCTION + naming.function_identity(self.nodes[functions])
        return kind


def _with_ancestors(parent: Column, objects: Column) -> I8:
    """The objects and everything above them, ascending."""
    count = len(parent)
    held = parent < count
    offsets = np.concatenate([[0], np.cumsum(held)]).astype(np.uint64)
    nowhere = np.zeros(count, dtype=np.uint8)
    mask = kernels.reachable(offsets, parent[held], objects.astype(np.uint32), nowhere)
    return np.flatnonzero(mask).astype(np.int64)


def _mixed(label: Column, kind: Column) -> Column:
    mixed: Column = (label.astype(np.int64).astype(np.uint64) * _MIX) ^ (kind.astype(np.uint64) + _PRIME)
    mixed = (mixed ^ (mixed >> _TURN)) * _MIX
    mixed ^= mixed >> _TURN
    return mixed


def _along(above: I8, hop: Column, back: I8) -> Column:
    """
    A hash of the steps from the root to each node; what is cut back has that of the node it is cut back to.

    Each node's hash is that of the one above it, times a prime, plus its own step.  Such maps add up, so that the way
    of every node doubles in length with each turn.
    """
    jump = np.where(back >= 0, back, above)
    times = np.where(back >= 0, np.uint64(1), _PRIME)
    plus = np.where(back >= 0, np.uint64(0), hop)
    while True:
        on = np.flatnonzero(jump >= 0)
        if len(on) == 0:
            return plus
        over = jump[on]
        plus[on] += times[on] * plus[over]
        times[on] = times[on] * times[over]
        jump[on] = jump[over]
