"""What objects keep alive, alone and together, and how near the roots they are: drawn, and against stupid twins."""

from __future__ import annotations

import random
from collections import deque

import numpy as np
import pytest
from heap_builders import Drawn, draw

from leakscope.analysis.audit import unexplained_references
from leakscope.analysis.holders import Holders
from leakscope.analysis.stages import CYCLES, GLOBAL, THREADS, UNACCOUNTED


def holders(drawn: Drawn) -> Holders:
    return Holders(drawn.graph, unexplained_references(drawn.graph))


def test_what_two_hold_is_retained_by_neither() -> None:
    drawn = draw(
        "*cache:8 -> entry:100 -> blob:4000; *cache -> index:50 -> entry; *other:20 -> shared:300; index -> shared"
    )

    found, number = holders(drawn), drawn.number

    retained = {name: int(found.retained[number[name]]) for name in ("cache", "entry", "index", "other", "shared")}
    assert retained == {"cache": 4158, "entry": 4100, "index": 50, "other": 20, "shared": 300}
    assert found.retained_count[number["cache"]] == 4


def test_a_set_retains_what_its_topmost_members_do() -> None:
    drawn = draw("*list=list:10 -> node1:100 -> node2:100 -> node3:100; *node9:100")
    found, number = holders(drawn), drawn.number
    nodes = np.array([number[f"node{at}"] for at in (3, 1, 9, 2)])

    assert found.topmost(nodes).tolist() == [False, True, True, False]
    assert found.retained_by(nodes).tolist() == [400]
    assert found.retained_by(nodes, np.array([0, 0, 1, 1]), 2).tolist() == [300, 300]


def test_types_retain_what_their_instances_do() -> None:
    drawn = draw("*list=list:10 -> job#4:100 -> blob#4:1000; list -> job5:100 -> blob5:1000; *blob5")
    found = holders(drawn)

    by_type = {found.heap.types.full_name(row): int(held) for row, held in enumerate(found.retained_by_type)}
    assert by_type == {"list": 10 + 500 + 4000, "app.job": 500 + 4000, "app.blob": 5000}


def test_stages_ask_modules_first_and_cycles_last() -> None:
    drawn = draw("""
        <module app> m=module .__dict__ -> ns=ns [far] -> far1 -> far2 -> both
        <local x f@a.py:1 T1> l -> both; l -> own
        hidden!1 -> below; below -> both
        a -> b -> a; b -> c; d -> d
    """)
    found, number = holders(drawn).distances, drawn.number

    stage = {name: int(found.stage[number[name]]) for name in ("both", "own", "hidden", "below", "a", "c", "d")}
    assert stage == {
        "both": GLOBAL, "own": THREADS, "hidden": UNACCOUNTED, "below": UNACCOUNTED,
        "a": CYCLES, "c": CYCLES, "d": CYCLES,
    }  # fmt: skip
    assert found.parent[number["both"]] == number["far2"]
    assert found.distance[number["both"]] == 4
    assert found.parent[number["b"]] == number["a"]
    assert (found.parent == drawn.graph.count).sum() == 5


def test_memory_comes_together_where_no_child_has_most_of_it() -> None:
    drawn = draw("*m:10 -> d:10 -> list:10 -> job#10:100; d -> small:200")
    found, number = holders(drawn), drawn.number

    assert found.accumulation(number["m"]) == [number["m"], number["d"], number["list"]]


def test_memory_comes_together_nowhere_in_a_long_list() -> None:
    drawn = draw("*n0=app.Node:10; " + "; ".join(f"n{at} -> n{at + 1}=app.Node:10" for at in range(2000)))

    assert holders(drawn).accumulation(drawn.number["n0"]) == [drawn.number["n0"]]


def test_what_only_c_code_or_a_cycle_holds_is_in_the_tree_all_the_same() -> None:
    drawn = draw("hidden:10!1 -> blob:1000; a:1 -> b:2 -> a; b -> tail:500")
    found, number = holders(drawn), drawn.number

    assert found.retained[number["hidden"]] == 1010
    assert found.retained[number["a"]] == 503


def random_drawing(seed: int) -> Drawn:
    """Objects, edges anywhere, some roots, some references that nobody accounts for."""
    chance = random.Random(seed)
    count = chance.randint(1, 14)
    nodes = [f"{'*' if chance.random() < 0.15 else ''}n{at}:{chance.randint(1, 50)}" for at in range(count)]
    held = [f"n{at}:1!{1 if chance.random() < 0.1 else 0}" for at in range(count)]
    lines = [node + held[at].partition(":1")[2] for at, node in enumerate(nodes)]
    lines += [f"n{chance.randrange(count)} -> n{chance.randrange(count)}" for _ in range(chance.randint(0, 2 * count))]
    return draw("; ".join(lines))


def reached(found: Holders, without: set[int]) -> set[int]:
    graph = found.heap
    queue = deque(root for root in found.distances.roots.tolist() if root not in without)
    seen = set(queue)
    while queue:
        at = queue.popleft()
        for to in graph.targets[int(graph.offsets[at]) : int(graph.offsets[at + 1])].tolist():
            if to not in seen | without:
                seen.add(to)
                queue.append(to)
    return seen


@pytest.mark.parametrize("seed", range(200))
def test_retained_bytes_are_what_removing_frees(seed: int) -> None:
    found = holders(random_drawing(seed))
    everything = reached(found, set())

    assert everything == set(range(found.heap.count))
    for at in range(found.heap.count):
        gone = everything - reached(found, {at})
        assert int(found.retained[at]) == int(found.heap.total_size[sorted(gone)].sum())


@pytest.mark.parametrize("seed", range(200))
def test_topmost_members_are_those_that_no_other_member_dominates(seed: int) -> None:
    found, chance = holders(random_drawing(seed)), random.Random(seed)
    count = found.heap.count
    objects = np.array(chance.sample(range(count), chance.randint(1, count)))
    group = np.array([chance.randrange(3) for _ in objects])
    gone = {at: reached(found, set()) - reached(found, {at}) for at in range(count)}

    expected = [
        not any(at in gone[int(other)] for other in objects[group == group[row]] if other != at)
        for row, at in enumerate(objects.tolist())
    ]

    assert found.topmost(objects, group).tolist() == expected


@pytest.mark.parametrize("seed", range(100))
def test_the_children_in_the_tree_are_those_with_that_dominator(seed: int) -> None:
    found = holders(random_drawing(seed))

    for at in range(found.heap.count + 1):
        assert found.held_directly(at).tolist() == np.flatnonzero(found.dominators.idom == at).tolist()
