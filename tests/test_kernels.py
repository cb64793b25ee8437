"""The graph kernels against their stupid twins, on thousands of small graphs, and on graphs of a million objects."""

from __future__ import annotations

import gc
import itertools
import sys
import weakref
from collections.abc import Iterator
from random import Random
from typing import Any

import graphs
import numpy as np
import pytest
from graphs import columns, u4, u8

from leakscope import kernels
from leakscope.errors import DumpFormatError

MILLION = 1_000_000


def seeded(count: int) -> Any:
    """``count`` random graphs with roots, as (seed, graph, roots)."""
    for seed in range(count):
        random = Random(seed)
        graph = graphs.random_graph(random)
        yield seed, graph, graphs.random_roots(random, graph)


# ------------------------------------------------------------------------------------------------------- twins


def test_immediate_dominators_are_those_of_leaving_one_object_out() -> None:
    for seed, graph, roots in seeded(3000):
        tree = kernels.dominators(*columns(graph), u4(roots))

        expected = graphs.immediate_dominators(graph, roots)
        assert tree.idom.tolist() == [expected.get(v, kernels.NONE) for v in range(len(graph))], seed
        assert sorted(tree.order.tolist()) == sorted(expected), seed
        behind = {object_: place for place, object_ in enumerate(tree.order.tolist())}
        assert all(behind.get(expected[object_], -1) < place for object_, place in behind.items()), seed


def test_an_object_retains_what_cannot_be_reached_without_it() -> None:
    for seed, graph, roots in seeded(1500):
        sizes = [Random(seed).randrange(1 << 40) for _ in graph]

        tree = kernels.dominators(*columns(graph), u4(roots))

        sums = kernels.retained(tree.idom, tree.order, u8(sizes))
        assert sums.tolist() == graphs.retained_sizes(graph, roots, sizes), seed


def test_components_are_the_objects_that_reach_each_other_and_references_lead_to_lower_ones() -> None:
    for seed, graph, _ in seeded(3000):
        component, count = kernels.components(*columns(graph))

        members: dict[int, set[int]] = {}
        for object_, number in enumerate(component.tolist()):
            members.setdefault(number, set()).add(object_)
        assert set(map(frozenset, members.values())) == graphs.component_sets(graph), seed
        assert sorted(members) == list(range(count)), seed
        for source, target in ((s, t) for s, targets in enumerate(graph) for t in targets):
            assert component[target] <= component[source], seed


def test_distances_are_those_of_one_level_after_the_other_in_each_stage() -> None:
    for seed, graph, roots in seeded(3000):
        random = Random(seed)
        stages = [roots, *(graphs.random_roots(random, graph) for _ in range(random.randint(0, 3)))]

        ways = kernels.distances(*columns(graph), [u4(stage) for stage in stages])

        taken: dict[int, tuple[int, int]] = {}
        for number, stage in enumerate(stages):
            taken |= {o: (distance, number) for o, distance in graphs.levels(graph, stage, taken).items()}
        for object_, (parent, distance, number) in enumerate(
            zip(ways.parent.tolist(), ways.distance.tolist(), ways.stage.tolist(), strict=True)
        ):
            nothing = (kernels.NONE, kernels.UNREACHED)
            assert (distance, number) == taken.get(object_, nothing), seed
            if object_ not in taken:
                assert parent == kernels.NONE, seed
            elif distance == 0:
                assert parent == len(graph), seed
                assert object_ in stages[number], seed
            else:
                assert object_ in graph[parent], seed
                assert (ways.distance[parent], ways.stage[parent]) == (distance - 1, number), seed


def test_what_is_reachable_is_reached_without_entering_what_is_avoided() -> None:
    for seed, graph, roots in seeded(2000):
        avoid = [object_ for object_ in range(len(graph)) if Random(seed + object_).random() < 0.2]

        mask = kernels.reachable(*columns(graph), u4(roots), np.isin(np.arange(len(graph)), avoid).astype(np.uint8) * 7)

        assert set(np.flatnonzero(mask).tolist()) == graphs.reach(graph, roots, avoid), seed
        assert set(mask.tolist()) <= {0, 1}


def test_reversing_a_graph_keeps_every_reference_and_counts_are_its_lengths() -> None:
    for seed, graph, _ in seeded(1000):
        offsets, targets = columns(graph)

        back = kernels.reverse(offsets, targets)

        expected = [[s for s, refs in enumerate(graph) for t in refs if t == v] for v in range(len(graph))]
        assert [column.tolist() for column in back] == [column.tolist() for column in columns(expected)], seed
        assert kernels.in_counts(targets, len(graph)).tolist() == [len(sources) for sources in expected], seed


def test_what_a_collection_would_find_is_the_largest_part_that_nobody_else_refers_to() -> None:
    for seed, graph, _ in seeded(3000):
        random = Random(seed)
        flags = [random.choice([1, 1, 1, 1, 1, 0, 3, 1 | 16]) for _ in graph]
        inside = [target for targets in graph for target in targets]
        extra = random.choice([0.1, 0.3])
        counts = [inside.count(v) + (random.random() < extra) for v in range(len(graph))]
        immortal = {v for v in range(len(graph)) if random.random() < 0.05}

        mask = kernels.collectable(
            u4(0 if v in immortal else counts[v] for v in range(len(graph))),
            np.array(flags, np.uint8),
            *columns(graph),
        )

        # A count of 0 says immortal; a mortal object that nobody refers to is on no heap.
        asked = {v for v in range(len(graph)) if flags[v] & 3 == 1 and v not in immortal and counts[v] > 0}
        assert set(np.flatnonzero(mask).tolist()) == graphs.uncollected(graph, counts, asked), seed


# ------------------------------------------------------------------------------------------- the collector itself


class Node:
    """Something that the collector tracks, with a list that it tracks as well."""

    __slots__ = ("__weakref__", "references")

    def __init__(self) -> None:
        self.references: list[Node] = []


@pytest.fixture
def asked_only() -> Iterator[None]:
    """The collector runs when it is asked to, and not before: what it has seen once is older."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("asked_only")
def test_the_collector_finds_what_the_columns_say() -> None:
    found = 0
    for seed in range(100):
        random = Random(seed)
        nodes = [Node() for _ in range(random.randint(1, 30))]
        for node in nodes:
            node.references.append(node)  # so that none is freed without the collector's help
        for _ in range(random.randint(0, 2 * len(nodes))):
            random.choice(nodes).references.append(random.choice(nodes))
        outside = random.sample(nodes, random.randint(0, 1))
        everything: list[object] = [object(), *itertools.chain.from_iterable((node, node.references) for node in nodes)]
        del node, nodes
        row = {id(thing): at for at, thing in enumerate(everything)}
        graph = [[row[id(other)] for other in gc.get_referents(thing) if id(other) in row] for thing in everything]
        # The first is held by the list and by the asking alone: so much too much is in every count.
        counts = [sys.getrefcount(everything[at]) for at in range(len(everything))]
        counts = [count - counts[0] for count in counts]
        weak = {at: weakref.ref(thing) for at, thing in enumerate(everything) if isinstance(thing, Node)}
        tracked = np.array([gc.is_tracked(thing) for thing in everything], np.uint8)

        mask = kernels.collectable(u4(counts), tracked, *columns(graph))

        del everything
        gc.collect(0)  # the youngest generation is enough: nothing here is older
        assert {at: reference() is None for at, reference in weak.items()} == {at: bool(mask[at]) for at in weak}, seed
        assert all(node.references for node in outside)
        found += int(mask.sum())
    assert found > 500


def test_more_references_than_the_count_says_are_no_reason_to_call_something_garbage() -> None:
    graph = [[1, 1], [0]]

    mask = kernels.collectable(u4([1, 1]), np.ones(2, np.uint8), *columns(graph))

    assert mask.tolist() == [0, 0]


def test_references_of_untracked_and_frozen_objects_keep_what_they_refer_to() -> None:
    ring_and_holder = [[1], [0], [0]]
    counts = u4([2, 1, 1])
    for holder, expected in ((0, [0, 0, 0]), (3, [0, 0, 0]), (1, [0, 0, 0])):
        flags = np.array([1, 1, holder], np.uint8)
        assert kernels.collectable(counts, flags, *columns(ring_and_holder)).tolist() == expected
    in_a_ring = [[1], [0, 2], [0]]
    assert kernels.collectable(u4([2, 1, 1]), np.ones(3, np.uint8), *columns(in_a_ring)).tolist() == [1, 1, 1]


# ----------------------------------------------------------------------------------------------------- large ones


def chain(both_ways: bool, closed: bool) -> tuple[Any, Any]:
    """A million objects in a row, as columns."""
    following = np.roll(np.arange(MILLION, dtype=np.uint32), -1)
    if both_ways:
        targets = np.stack([following, np.roll(np.arange(MILLION, dtype=np.uint32), 1)], axis=1)
    else:
        targets = following[:, None]
    keep = np.ones(targets.shape, bool)
    if not closed:
        keep[-1, 0] = False
        keep[0, 1:] = False
    return np.concatenate([[0], np.cumsum(keep.sum(axis=1))]).astype(np.uint64), targets[keep]


@pytest.mark.parametrize("both_ways", [False, True], ids=["one way", "both ways"])
@pytest.mark.parametrize("closed", [False, True], ids=["chain", "ring"])
def test_a_million_objects_in_a_row_take_no_recursion_and_no_patience(both_ways: bool, closed: bool) -> None:
    offsets, targets = chain(both_ways, closed)
    everyone = np.arange(MILLION, dtype=np.uint32)
    first = u4([0])

    tree = kernels.dominators(offsets, targets, first)
    ways = kernels.distances(offsets, targets, [first])
    component, count = kernels.components(offsets, targets)

    if not (closed and both_ways):
        assert (tree.idom[1:] == everyone[:-1]).all()
        assert kernels.retained(tree.idom, tree.order, np.ones(MILLION, np.uint64))[0] == MILLION
        assert (ways.distance == everyone).all()
    else:  # from both sides: nobody holds anything alone but the root
        assert (tree.idom[1:] == 0).all()
        assert ways.distance.max() == MILLION // 2
    assert count == (1 if closed or both_ways else MILLION)
    assert component.max() == count - 1


def test_a_comb_on_a_long_chain_does_not_make_every_object_walk_the_chain() -> None:
    # A chain, at its end as many teeth, and object 1 refers to each tooth as well: seen from the far end of the chain,
    # where the search finds a tooth, its dominator is at the near one.  The plain walk takes hours.
    half = MILLION // 2
    chain_targets = np.arange(1, half + 1)
    teeth = np.arange(half + 1, 2 * half + 1)
    targets = np.concatenate([[1, 2], teeth, chain_targets[2:], teeth])
    degrees = np.zeros(2 * half + 1, np.int64)
    degrees[:half], degrees[1], degrees[half] = 1, 1 + half, half

    tree = kernels.dominators(np.r_[0, np.cumsum(degrees)].astype(np.uint64), targets.astype(np.uint32), u4([0]))

    assert (tree.idom[teeth] == 1).all()
    assert (tree.idom[1 : half + 1] == chain_targets - 1).all()


# --------------------------------------------------------------------------------------------------- bad columns


def calls(offsets: Any, targets: Any, roots: Any) -> dict[str, Any]:
    n = max(len(offsets) - 1, 0)
    return {
        "dominators": lambda: kernels.dominators(offsets, targets, roots),
        "distances": lambda: kernels.distances(offsets, targets, [roots]),
        "reachable": lambda: kernels.reachable(offsets, targets, roots, np.zeros(n, np.uint8)),
        "components": lambda: kernels.components(offsets, targets),
        "reverse": lambda: kernels.reverse(offsets, targets),
        "collectable": lambda: kernels.collectable(np.ones(n, np.uint32), np.ones(n, np.uint8), offsets, targets),
    }


@pytest.mark.parametrize(
    ("offsets", "targets", "message"),
    [
        ([], [], "offsets is empty"),
        ([1, 1], [0], r"offsets does not begin with 0 \(at byte 0\)"),
        ([0, 2, 1, 2], [0, 0], r"offsets descends \(at byte 16\)"),
        ([0, 1, 1], [0, 0], r"offsets ends with 1 and there are 2 references \(at byte 16\)"),
        ([0, 1, 1 << 63], [0, 0], "offsets ends with"),
        ([0, 1, 2], [1, 2], r"targets names object 2 of 2 \(at byte 4\)"),
        ([0], [0], "offsets ends with 0 and there are 1 references"),
    ],
)
def test_columns_that_are_no_graph_are_refused_with_the_place(offsets: Any, targets: Any, message: str) -> None:
    for call in calls(u8(offsets), u4(targets), u4([])).values():
        with pytest.raises(DumpFormatError, match=message):
            call()


def test_roots_that_are_no_objects_are_refused_with_the_place() -> None:
    for name in ("dominators", "distances", "reachable"):
        with pytest.raises(DumpFormatError, match=r"roots names object 2 of 2 \(at byte 8\)"):
            calls(*columns([[1], []]), u4([0, 1, 2]))[name]()


def test_columns_of_different_heaps_are_refused() -> None:
    offsets, targets = columns([[1], []])
    byte, number = np.zeros(1, np.uint8), u4([0])
    with pytest.raises(DumpFormatError, match="avoid has 1 items instead of 2"):
        kernels.reachable(offsets, targets, number, byte)
    with pytest.raises(DumpFormatError, match="refcount has 1 items instead of 2"):
        kernels.collectable(number, np.zeros(2, np.uint8), offsets, targets)
    with pytest.raises(DumpFormatError, match="flags has 1 items instead of 2"):
        kernels.collectable(u4([1, 1]), byte, offsets, targets)
    with pytest.raises(DumpFormatError, match="size has 1 items instead of 2"):
        kernels.retained(u4([2, 0]), u4([0, 1]), u8([1]))
    with pytest.raises(DumpFormatError, match="order names object 2 of 2"):
        kernels.retained(u4([2, 0]), u4([0, 2]), u8([1, 1]))
    with pytest.raises(DumpFormatError, match="targets names object 1 of 1"):
        kernels.in_counts(u4([0, 1]), 1)
    with pytest.raises(DumpFormatError, match="0 to 255 stages"):
        kernels.distances(offsets, targets, [number] * 256)


def test_columns_that_are_not_aligned_or_not_contiguous_are_read_as_well() -> None:
    offsets, targets = columns([[1, 2], [2], [0]])
    skewed = np.frombuffer(b"x" + targets.tobytes(), np.uint32, offset=1)
    strided = np.repeat(offsets, 2)[::2]
    assert not skewed.flags.aligned
    assert not strided.flags.c_contiguous

    tree = kernels.dominators(strided, skewed, u4([0]))

    assert tree.idom.tolist() == [3, 0, 0]
