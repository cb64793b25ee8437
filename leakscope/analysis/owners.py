"""
Further owners of an object: ways from roots to it that share nothing with those already known.

It knows who refers to whom, backwards from the object; it refuses to know words.  A single shortest path misleads
where several owners share an object: each of them alone would let it go, and it would stay.  That every function holds
the namespace of its module makes none of them an owner of what is in there: the module is.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.edge_labels import labels_of_ways
from leakscope.analysis.path_groups import Way

if TYPE_CHECKING:
    from leakscope.analysis.holders import Holders
    from leakscope.analysis.naming import Naming

_MOST_VISITED = 100_000
_MOST_REFERRERS = 10_000


def further_ways(holders: Holders, naming: Naming, way: Way, most: int) -> list[Way]:
    """
    Ways from roots that share no object with a given one, nor with each other, up to where the owners meet.

    Parameters
    ----------
    holders : Holders
    naming : Naming
    way : Way
        A shortest way to the object.
    most : int
        So many further ones.

    Returns
    -------
    list of Way
        Each goes all the way; empty if the object has a single owner.
    """
    meeting = _meeting_point(holders, way)
    if meeting <= 0 or way.objects[meeting] in naming.module_namespaces:
        return []
    blocked = set(way.objects)
    found: list[Way] = []
    while len(found) < most:
        back = _backwards(holders, naming, way.objects[meeting], blocked)
        if not back:
            break
        blocked.update(back)
        objects = (*back, *way.objects[meeting:])
        found.append(Way(objects, _labels(holders, objects)))
    return found


def _meeting_point(holders: Holders, way: Way) -> int:
    """Where on the way the object is that dominates the last one and is held by the roots together alone."""
    at, idom = way.objects[-1], holders.dominators.idom
    while int(idom[at]) < holders.heap.count:
        at = int(idom[at])
    return way.objects.index(at) if at in way.objects else -1


def _backwards(holders: Holders, naming: Naming, number: int, blocked: set[int]) -> list[int]:
    """Objects from a root down to one that refers to ``number``; empty if there are none without those blocked."""
    offsets, referrers = holders.referrers
    is_root = np.zeros(holders.heap.count, dtype=bool)
    is_root[holders.heap.roots.object] = True
    towards: dict[int, int] = {number: -1}
    queue = deque([number])
    while queue and len(towards) < _MOST_VISITED:
        at = queue.popleft()
        begin, end = int(offsets[at]), int(offsets[at + 1])
        module = naming.module_namespaces.get(at)
        some = referrers[begin : min(end, begin + _MOST_REFERRERS)].tolist() if module is None else [module]
        for holder in some:
            if holder in towards or holder in blocked:
                continue
            towards[holder] = at
            if is_root[holder]:
                return _chain(towards, holder, number)
            queue.append(holder)
    return []


def _chain(towards: dict[int, int], root: int, number: int) -> list[int]:
    chain = [root]
    while towards[chain[-1]] != number:
        chain.append(towards[chain[-1]])
    return chain


def _labels(holders: Holders, objects: tuple[int, ...]) -> tuple[int, ...]:
    held = np.array(objects[1:], dtype=np.int64)
    order = np.argsort(held)
    labels = np.empty(len(held), dtype=np.int64)
    labels[order] = labels_of_ways(holders.heap, held[order], np.array(objects[:-1], dtype=np.int64)[order])
    return tuple(labels.tolist())
