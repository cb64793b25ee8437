"""Edges are called what a programmer would call them, whether or not places before them are empty."""

from __future__ import annotations

import numpy as np
from heap_builders import Drawn, draw

from leakscope.analysis import edge_labels
from leakscope.analysis.edge_labels import labelled_edges, labels_of_ways
from leakscope.model import heap as noun

SPECIAL = {getattr(edge_labels, name): name for name in "REFERENCE ITEM KEY VALUE MEMBER TEMPORARY TYPE".split()}


def names(drawn: Drawn, holder: str) -> list[tuple[str, str]]:
    """(label, target) of each edge of a node."""
    edges = labelled_edges(drawn.graph, np.array([drawn.number[holder]]))
    node = {number: name for name, number in drawn.number.items()}
    return [
        (drawn.graph.strings[label] if label >= 0 else SPECIAL[label], node[target])
        for label, target in zip(edges.label.tolist(), edges.target.tolist(), strict=True)
    ]


def test_attributes_have_their_names() -> None:
    drawn = draw("*a .x -> b; a .y -> c")

    assert names(drawn, "a") == [("x", "b"), ("y", "c")]


def test_empty_places_do_not_shift_names() -> None:
    drawn = draw("*a .x -> 0; a .y -> b; a .z -> 0; a .w -> c; a -> d")

    assert names(drawn, "a") == [("y", "b"), ("w", "c"), ("REFERENCE", "d")]


def test_an_empty_place_and_a_nameless_edge_are_not_taken_for_names() -> None:
    drawn = draw("*one=app.A .x -> b; one .y -> c; one -> d; *two=app.A .x -> 0; two .y -> e; two -> f")
    edges = labelled_edges(drawn.graph, np.array(sorted([drawn.number["one"], drawn.number["two"]])))

    labels = [drawn.graph.strings[label] if label >= 0 else SPECIAL[label] for label in edges.label.tolist()]
    assert labels == ["x", "y", "REFERENCE", "y", "REFERENCE"]


def test_containers_mask_indexes_and_keys() -> None:
    drawn = draw("*l=list -> a; l -> b; *d=dict [k] -> a; d key -> b; *s=set -> a; *t=tuple -> b; *g=generator -> a")

    assert names(drawn, "l") == [("ITEM", "a"), ("ITEM", "b")]
    assert names(drawn, "d") == [("KEY", "'k'"), ("VALUE", "a"), ("KEY", "b")]
    assert names(drawn, "s") == [("MEMBER", "a")]
    assert names(drawn, "t") == [("ITEM", "b")]
    assert names(drawn, "g") == [("TEMPORARY", "a")]


def test_values_of_namespaces_have_the_names_of_their_keys() -> None:
    drawn = draw("*n=ns [x] -> a; n [y] -> b")

    assert names(drawn, "n") == [("KEY", "'x'"), ("x", "a"), ("KEY", "'y'"), ("y", "b")]


def test_a_list_with_attributes_has_both() -> None:
    drawn = draw("*l=list .__dict__ -> n=ns; l -> a; *m=list .__dict__ -> 0; m -> b")

    assert names(drawn, "l") == [("__dict__", "n"), ("ITEM", "a")]
    assert names(drawn, "m") == [("ITEM", "b")]


def test_the_type_of_an_object_is_no_attribute() -> None:
    drawn = draw("*a=app.Job .x -> b; *c=app.Job .x -> 0", types={"app.Job": noun.HEAP_TYPE})

    assert names(drawn, "a") == [("TYPE", "app.Job"), ("x", "b")]
    assert names(drawn, "c") == [("TYPE", "app.Job")]


def test_the_best_of_several_edges_names_the_way() -> None:
    drawn = draw("*d=dict key -> a; d [k] -> a; *e=list -> b; *o=app.A .x -> b")
    children = np.array(sorted([drawn.number["a"], drawn.number["b"]]))
    parents = np.where(children == drawn.number["a"], drawn.number["d"], drawn.number["o"])

    labels = dict(zip(children.tolist(), labels_of_ways(drawn.graph, children, parents).tolist(), strict=True))

    assert labels[drawn.number["a"]] == edge_labels.VALUE
    assert drawn.graph.strings[labels[drawn.number["b"]]] == "x"


def test_many_ways_are_named_at_once() -> None:
    drawn = draw("*list=list -> job#500=app.Job .user -> user#500; job .other -> 0")
    users = np.array(drawn.numbers["user"])

    labels = labels_of_ways(drawn.graph, users, np.array(drawn.numbers["job"]))

    assert {drawn.graph.strings[label] for label in labels.tolist()} == {"user"}
