"""Small graphs drawn at random or by hand, and the stupid twins of the graph kernels.

A twin says in a few lines what a kernel must answer, at any cost: what an object retains is what can no longer be
reached when it is left out.  Graphs are lists of lists here, columns only on the way into a kernel.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from random import Random

import numpy as np
import numpy.typing as npt

Graph = list[list[int]]
U1 = npt.NDArray[np.uint8]
U4 = npt.NDArray[np.uint32]
U8 = npt.NDArray[np.uint64]


def columns(graph: Graph) -> tuple[U8, U4]:
    """Offsets and targets."""
    offsets = np.cumsum([0, *map(len, graph)], dtype=np.uint64)
    return offsets, u4(target for targets in graph for target in targets)


def u4(numbers: Iterable[int]) -> U4:
    return np.fromiter(numbers, np.uint32)


def u8(numbers: Iterable[int]) -> U8:
    return np.fromiter(numbers, np.uint64)


def random_graph(random: Random, most: int = 12) -> Graph:
    """0 to ``most`` objects, sparse to dense, with self loops, repeated references and parts that nobody reaches."""
    n = random.randint(0, most)
    if n == 0:
        return []
    if random.random() < 0.3:  # a ring or a chain with chords, both ways: what goes deep
        graph = [[v + 1] if v + 1 < n else [] for v in range(n)]
        if random.random() < 0.7:
            graph[-1].append(0)
        for _ in range(random.randint(0, n)):
            graph[random.randrange(n)].insert(0, random.randrange(n))
        return graph
    density = random.choice([0.5, 1.0, 1.5, 2.5, 4.0])
    graph = [[] for _ in range(n)]
    for _ in range(int(n * density)):
        graph[random.randrange(n)].append(random.randrange(n))
    return graph


def random_roots(random: Random, graph: Graph, most: int = 4) -> list[int]:
    """Some objects, one of them twice at times; none at times."""
    return [random.randrange(len(graph)) for _ in range(random.randint(0, most))] if graph else []


def reach(graph: Graph, roots: Iterable[int], without: Collection[int] = ()) -> set[int]:
    """What can be reached from the roots without entering ``without``."""
    reached: set[int] = set()
    ahead = [root for root in roots if root not in without]
    while ahead:
        object_ = ahead.pop()
        if object_ not in reached:
            reached.add(object_)
            ahead += [target for target in graph[object_] if target not in without]
    return reached


def immediate_dominators(graph: Graph, roots: Sequence[int]) -> dict[int, int]:
    """By leaving one object out at a time.  The number of objects stands for the roots together."""
    reached = reach(graph, roots)
    lost = {object_: reached - reach(graph, roots, [object_]) for object_ in reached}
    above = {object_: {d for d in reached if d != object_ and object_ in lost[d]} for object_ in reached}
    # Dominators of an object are in a row; the last of them has the most above itself.
    return {o: max(above[o], key=lambda d: len(above[d]), default=len(graph)) for o in reached}


def retained_sizes(graph: Graph, roots: Sequence[int], sizes: Sequence[int]) -> list[int]:
    """Bytes that can no longer be reached without the object."""
    reached = reach(graph, roots)
    return [
        sum(sizes[o] for o in reached - reach(graph, roots, [left_out])) if left_out in reached else 0
        for left_out in range(len(graph))
    ]


def component_sets(graph: Graph) -> set[frozenset[int]]:
    """Objects that reach each other."""
    reaches = [reach(graph, [object_]) for object_ in range(len(graph))]
    return {
        frozenset(other for other in reaches[object_] if object_ in reaches[other]) for object_ in range(len(graph))
    }


def levels(graph: Graph, roots: Iterable[int], taken: Collection[int]) -> dict[int, int]:
    """Distance of everything that is reached without entering what is taken, one level after the other."""
    known: dict[int, int] = {}
    level, distance = {root for root in roots if root not in taken}, 0
    while level:
        known |= dict.fromkeys(level, distance)
        level = {target for object_ in level for target in graph[object_] if target not in taken} - set(known)
        distance += 1
    return known


def uncollected(graph: Graph, refcounts: Sequence[int], asked: Collection[int]) -> set[int]:
    """The largest part of ``asked`` that only refers to itself: nobody else has a reference into it."""
    part = set(asked)
    while True:
        inside = [target for object_ in part for target in graph[object_]]
        held = {object_ for object_ in part if inside.count(object_) < refcounts[object_]}
        if not held:
            return part
        part -= held
