"""References and exports that nobody accounts for."""

from __future__ import annotations

import numpy as np
import pytest
from heap_builders import draw, heap

from leakscope.analysis.audit import is_type_object, moves_in_every_program, unexplained_exports, unexplained_references
from leakscope.model.heap import HEAP_TYPE, HeapGraph


def unexplained(drawing: str, **options: object) -> dict[str, int]:
    drawn = draw(drawing, **options)  # type: ignore[arg-type]
    found = unexplained_references(drawn.graph)
    return {name: int(found[numbers].sum()) for name, numbers in drawn.numbers.items()}


def test_what_edges_and_roots_account_for_is_explained() -> None:
    assert set(unexplained("*cache -> a -> b; cache -> b; <local x f@a.py:1> a").values()) == {0}


def test_what_nobody_accounts_for_is_counted_per_reference() -> None:
    found = unexplained("*cache=list -> a!2 -> b; lost#3=list!1")

    assert found == {"cache": 0, "a": 2, "b": 0, "lost": 3}


def test_a_list_that_holds_an_object_twice_holds_two_references() -> None:
    assert unexplained("*l=list -> x; l -> x")["x"] == 0


def test_roots_that_are_not_counted_explain_nothing() -> None:
    assert unexplained("<module app> m=module!1; <static type> t=type!1") == {"m": 1, "t": 1}


def test_immortal_objects_are_skipped() -> None:
    assert unexplained("*l=list -> one=int(immortal); none=NoneType!7(immortal)")["none"] == 0


def test_instances_account_for_references_to_their_type() -> None:
    drawn = draw("*l=list -> job#5=app.Job", types={"app.Job": HEAP_TYPE})

    assert unexplained_references(drawn.graph).sum() == 0
    assert is_type_object(drawn.graph).nonzero()[0].tolist() == drawn.numbers["app.Job"]


def test_none_and_code_are_known_by_their_types() -> None:
    drawn = draw("*l=list -> none=NoneType!3; l -> code=code!2; l -> other=app.code!2")

    assert moves_in_every_program(drawn.graph).nonzero()[0].tolist() == [*drawn.numbers["none"], *drawn.numbers["code"]]


def test_views_explain_exports_and_containers_do_not() -> None:
    graph = heap("*l=list -> b=bytearray(exports=2); *m=managedbuffer -> b; *d=dict -> b")

    assert unexplained_exports(graph).tolist() == [1]


def test_instances_of_python_classes_are_no_views() -> None:
    graph = heap("*j=app.Job .buffer -> b=bytearray(exports=1)", types={"app.Job": 32})

    assert unexplained_exports(graph).tolist() == [1]


def test_without_exports_there_is_nothing_to_say() -> None:
    assert len(unexplained_exports(heap("*l=list -> b=bytearray"))) == 0


@pytest.mark.parametrize("seed", range(30))
def test_the_audit_is_what_counting_one_by_one_gives(seed: int) -> None:
    # given a random drawing with random surplus references
    random = np.random.default_rng(seed)
    arrows = [f"n{a}=list -> n{b}=list" for a, b in random.integers(0, 12, (30, 2))]
    surplus = [f"x{number}=list!{random.integers(0, 4)}" for number in range(6)]
    graph = heap("; ".join([*arrows, *surplus, "*n0", "<local v f@a.py:1> n1"]))

    assert unexplained_references(graph).tolist() == stupid_audit(graph)


def stupid_audit(graph: HeapGraph) -> list[int]:
    found = [0] * graph.count
    for target in graph.targets.tolist():
        found[target] += 1
    for number, counted in zip(graph.roots.object.tolist(), graph.roots.counted.tolist(), strict=True):
        found[number] += counted
    return [max(0, count - seen) if count else 0 for count, seen in zip(graph.refcount.tolist(), found, strict=True)]
