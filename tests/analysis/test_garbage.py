"""What a collection would free, and what keeps it from doing so."""

from __future__ import annotations

import numpy as np
import pytest
from heap_builders import Drawn, draw

from leakscope.analysis.garbage import find_garbage, freed_by_collection
from leakscope.model.heap import HAS_FINALIZER, LEGACY_DEL, HeapGraph


def freed(drawn: Drawn) -> set[str]:
    gone = find_garbage(drawn.graph).freed
    return {name for name, numbers in drawn.numbers.items() if gone[numbers].any()}


def test_a_cycle_nobody_holds_goes_with_what_hangs_on_it() -> None:
    drawn = draw("a -> b -> a; b -> tail=dict -> text=str; *root -> kept -> kept2 -> kept")

    assert freed(drawn) == {name for name in drawn.numbers if name in {"a", "b", "tail", "text"} or name[0] == "'"}


def test_a_cycle_that_native_code_holds_stays() -> None:
    assert freed(draw("a!1 -> b -> a -> text=str")) == set()


def test_a_string_that_a_survivor_holds_as_well_stays() -> None:
    assert freed(draw("a=list -> a; a -> text=str; *root=list -> text")) == {"a"}


def test_a_string_that_native_code_holds_as_well_stays() -> None:
    assert freed(draw("a=list -> a; a -> text=str!1")) == {"a"}


def test_cycles_are_grouped_by_their_types() -> None:
    drawn = draw(
        "node#20=app.Node:100 .d -> data#20=dict:60; data [up] -> node; pair#3=app.Pair:50 .me -> pair; *root=list"
    )

    garbage = find_garbage(drawn.graph)

    node, pair = garbage.cycles
    assert (set(node.types), node.cycles, node.objects, node.bytes) == ({"app.Node", "dict"}, 20, 40, 20 * 160)
    assert (pair.types, pair.cycles, pair.objects, pair.more_types) == (("app.Pair",), 3, 3, 0)
    assert garbage.objects == 43 + 1  # the key that the dictionaries share
    assert garbage.enabled


def test_finalizers_and_what_blocks_the_collector_are_told() -> None:
    types = {"app.F": HAS_FINALIZER, "app.L": LEGACY_DEL}
    drawn = draw("f=app.F .me -> f; l=app.L .me -> l; p=app.P .me -> p", types=types)

    told = {group.types[0]: (group.finalizers, group.blocked) for group in find_garbage(drawn.graph).cycles}

    assert told == {"app.F": (True, False), "app.L": (False, True), "app.P": (False, False)}


def test_what_is_frozen_is_left_and_told_apart() -> None:
    drawn = draw("a=list:100(frozen) -> a; b=list:70 -> b; c=list:30(frozen); *c")

    garbage = find_garbage(drawn.graph)

    assert freed(drawn) == {"b"}
    assert (garbage.frozen_objects, garbage.frozen_bytes) == (2, 130)
    assert (garbage.frozen_garbage_objects, garbage.frozen_garbage_bytes) == (1, 100)


@pytest.mark.parametrize("facts", [{"collector_enabled": False}, {"collector_thresholds": (0, 10, 10)}])
def test_a_collector_without_threshold_is_off(facts: dict[str, object]) -> None:
    assert not find_garbage(draw("*a=list", **facts).graph).enabled  # type: ignore[arg-type]


def test_a_heap_without_garbage_has_none() -> None:
    garbage = find_garbage(draw("*a=list -> b=list -> a").graph)

    assert (garbage.objects, garbage.bytes, garbage.cycles) == (0, 0, ())


@pytest.mark.parametrize("seed", range(40))
def test_what_is_freed_is_what_reference_counts_and_a_stupid_collector_leave(seed: int) -> None:
    # given a random graph of lists and strings, some of them held from outside
    random = np.random.default_rng(seed)
    arrows = [f"n{a}=list -> n{b}=list" for a, b in random.integers(0, 14, (16, 2))]
    arrows += [f"n{a}=list -> s{b}=str" for a, b in random.integers(0, 14, (8, 2))]
    held = [f"*n{number}" if random.random() < 0.5 else f"n{number}=list" for number in random.integers(0, 14, 2)]
    surplus = [f"x{number}=list!1 -> n{random.integers(0, 14)}" for number in range(2)]
    graph = draw("; ".join([*arrows, *held, *surplus])).graph

    assert np.flatnonzero(freed_by_collection(graph, graph.flags)).tolist() == stupidly_freed(graph)


def stupidly_freed(graph: HeapGraph) -> list[int]:
    edges = [
        graph.targets[int(begin) : int(end)].tolist()
        for begin, end in zip(graph.offsets[:-1], graph.offsets[1:], strict=True)
    ]
    within = [0] * graph.count
    for targets in edges:
        for target in targets:
            within[target] += 1
    # Held from outside: what has more references than the graph shows, and what is immortal.
    alive = {each for each in range(graph.count) if not 0 < int(graph.refcount[each]) <= within[each]}
    waiting = list(alive)
    while waiting:
        for target in edges[waiting.pop()]:
            if target not in alive:
                alive.add(target)
                waiting.append(target)
    return sorted(set(range(graph.count)) - alive)
