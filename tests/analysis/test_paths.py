"""Paths read as a programmer would write them, and those alike are one with a count."""

from __future__ import annotations

import random

import numpy as np
import pytest
from heap_builders import Drawn, draw, heap_dump

from leakscope.analysis.audit import unexplained_references
from leakscope.analysis.holders import Holders
from leakscope.analysis.holding import find_holding
from leakscope.analysis.naming import Naming
from leakscope.analysis.path_groups import group_paths
from leakscope.analysis.stages import UNACCOUNTED
from leakscope.model import heap as noun

MODULE = "<module app.cache> m=module .__dict__ -> ns=ns "


def paths(drawing: str, subject: str, **options: object) -> list[str]:
    """``count x path`` of all objects of a type."""
    holding = find_holding(heap_dump(drawing, **options), subject, 20)  # type: ignore[arg-type]
    assert sum(path.count for path in holding.paths) == holding.count
    return [f"{path.count} x {path.text}" for path in holding.paths]


def test_names_of_modules_and_attributes_of_instances_hide_their_namespaces() -> None:
    drawing = (
        MODULE
        + "[_entries] -> entries=dict [k] -> s=app.Session .__dict__ -> d=ns [buffers] -> b=list -> x#2=bytearray"
    )

    assert paths(drawing, "bytearray") == [
        "2 x module app.cache . _entries [dict value] -> Session . buffers [list item] -> bytearray"
    ]


def test_slots_and_inline_attributes_read_the_same() -> None:
    drawing = MODULE + "[_entries] -> entries=dict [k] -> s=app.Session .buffers -> b=list -> x#2=bytearray"

    assert paths(drawing, "bytearray") == [
        "2 x module app.cache . _entries [dict value] -> Session . buffers [list item] -> bytearray"
    ]


def test_a_local_variable_is_named_with_its_frame_and_thread() -> None:
    drawing = "<local jobs serve@app.py:12 worker-1> jobs=list -> job#3=app.Job"

    assert paths(drawing, "Job") == ["3 x thread worker-1, serve() app.py:12, local jobs [list item] -> Job"]


def test_a_thread_without_a_name_in_the_graph_gets_the_recorders() -> None:
    drawing = "<local jobs serve@app.py:12 worker-1> jobs=list -> job=app.Job"

    assert paths(drawing, "Job", made={"job": ("a.py:1", "worker-1")}, thread_names=False) == [
        "1 x thread worker-1, serve() app.py:12, local jobs [0] -> Job"
    ]


def test_the_same_local_of_many_threads_is_one_path() -> None:
    drawing = "; ".join(
        f"<local job serve@app.py:{at} worker-{at}> job{at}=app.Job .x -> x{at}=app.X" for at in range(5)
    )

    assert paths(drawing, "X") == [
        "5 x 5 threads (worker-0, worker-1, worker-2, ...), serve() app.py:0, local job -> Job . x -> X"
    ]


def test_a_thousand_leaked_nodes_are_one_path() -> None:
    drawing = MODULE + "[_leaked] -> list=list -> node#1000=app.Node:48"

    assert paths(drawing, "Node") == ["1000 x module app.cache . _leaked [list item] -> Node"]


def test_a_linked_list_is_one_path() -> None:
    chain = "; ".join(f"n{at}=app.Node .next -> n{at + 1}=app.Node" for at in range(300))

    assert paths(MODULE + "[head] -> n0=app.Node; " + chain, "Node") == ["301 x module app.cache . head -> Node"]


def test_a_tree_is_one_path_below_its_root() -> None:
    lines = [
        f"n{at}=app.Node .{side} -> n{2 * at + off}=app.Node" for at in range(60) for side, off in (("a", 1), ("b", 2))
    ]

    assert paths(MODULE + "[top] -> n0=app.Node; " + "; ".join(lines), "Node") == [
        "121 x module app.cache . top -> Node"
    ]


def test_a_tree_of_two_types_and_containers_is_few_paths() -> None:
    lines = [f"d{at}=app.Dir .entries -> e{at}=dict -> d{at + 1}=app.Dir; e{at} -> f{at}=app.File" for at in range(40)]

    assert paths(MODULE + "[top] -> d0=app.Dir; " + "; ".join(lines), "File") == [
        "40 x module app.cache . top -> Dir . entries [dict value] -> File"
    ]


def test_deeply_nested_containers_do_not_make_many_paths() -> None:
    lines = "; ".join(f"l{at}=list -> d{at}=dict -> l{at + 1}=list; d{at} -> x{at}=app.X" for at in range(50))

    found = paths(MODULE + "[json] -> l0=list; " + lines, "X")

    assert len(found) <= 6
    assert found[0].endswith(" -> X")


def test_different_attributes_are_different_paths() -> None:
    drawing = MODULE + "[a] -> l=list -> x#5=app.X; ns [b] -> d=dict -> y#2=app.X"

    assert paths(drawing, "X") == [
        "5 x module app.cache . a [list item] -> X",
        "2 x module app.cache . b [dict value] -> X",
    ]


def test_classes_reached_by_their_name_are_named_once() -> None:
    drawing = MODULE + "[Session] -> app.Session=type .__dict__ -> cd=ns [_all] -> all=set -> s#4=app.Session"

    assert paths(drawing, "app.Session", types={"app.Session": noun.HEAP_TYPE}) == [
        "4 x module app.cache . Session . _all [set member] -> Session"
    ]
    assert paths(drawing.replace("[Session]", "[Alias]"), "Session", types={"app.Session": noun.HEAP_TYPE}) == [
        "4 x module app.cache . Alias -> class Session . _all [set member] -> Session"
    ]


def test_classes_without_instances_have_names_too() -> None:
    drawing = (
        MODULE
        + """[Registry] -> r=app.Meta .__mro__ -> mro=tuple; r .__qualname__ -> 'Registry'
        r .__dict__ -> cd=ns [_all] -> l=list -> x#3=app.X"""
    )

    assert paths(drawing, "X") == ["3 x module app.cache . Registry . _all [list item] -> X"]


def test_exceptions_hold_by_their_traceback() -> None:
    drawing = "<thread e> e=ValueError -> tb=traceback .tb_frame -> f=frame .rows -> l=list -> x=app.X"

    [path] = find_holding(heap_dump(drawing), "X", 5).paths

    assert path.text.endswith("ValueError . __traceback__ -> traceback . tb_frame -> frame, local rows [0] -> X")


def test_functions_do_not_own_what_is_in_their_module() -> None:
    drawing = (
        MODULE
        + """[_cache] -> c=dict [k] -> x=app.X
        <frame function f@a.py:7> f=function .__globals__ -> ns
        <module app.api> m2=module .__dict__ -> n2=ns [f] -> f"""
    )

    [path] = find_holding(heap_dump(drawing), "X", 5).paths

    assert path.text == "module app.cache . _cache [dict value] -> X"
    assert path.others == ()


def test_a_closure_is_a_word_and_its_function_has_a_name() -> None:
    drawing = (
        MODULE
        + """[serve] -> f=function .__qualname__ -> 'serve'; f .__closure__ -> c=tuple -> k=cell
        k .cell_contents -> l=list -> job#2=app.Job"""
    )
    nameless = drawing.replace("'serve'", "q=str")

    assert paths(drawing, "Job") == ["2 x module app.cache . serve [closure] [list item] -> Job"]
    assert paths(nameless, "Job") == ["2 x module app.cache . serve -> function [closure] [list item] -> Job"]


def test_suspended_coroutines_have_local_variables() -> None:
    drawing = "<interpreter tasks> t=set -> c#3=coroutine .request -> r#3=app.Request"

    assert paths(drawing, "Request") == ["3 x interpreter, tasks [set member] -> coroutine, local request -> Request"]


def test_keys_and_evaluation_stacks_are_told() -> None:
    drawing = (
        MODULE + "[d] -> d=dict key -> k=app.Key; <frame stack f@a.py:3 T> x=app.Temporary; *g=generator -> y=app.Y"
    )

    assert paths(drawing, "Key") == ["1 x module app.cache . d [dict key] -> Key"]
    assert paths(drawing, "Temporary") == ["1 x thread T, f() a.py:3, evaluation stack -> Temporary"]
    assert paths(drawing, "Y") == ["1 x g -> generator [evaluation stack] -> Y"]


def test_what_only_c_code_or_a_cycle_holds_says_so() -> None:
    drawing = "h=app.Hidden!1 .x -> x=app.X; a=app.A .b -> b=app.B .a -> a; b .y -> y=app.Y"

    assert paths(drawing, "X") == ["1 x a reference that nobody accounts for (C code) -> Hidden . x -> X"]
    assert paths(drawing, "Y") == ["1 x a cycle, and nothing else -> A . b -> B . y -> Y"]


def test_several_owners_are_told() -> None:
    drawing = (
        MODULE
        + """[_cache] -> c=dict [k] -> x=app.X; ns -> far
        <module app.api> m2=module .__dict__ -> ns2=ns [handlers] -> h=app.Handler .last -> x
        <local it main@a.py:7> l=list -> x"""
    )

    [path] = find_holding(heap_dump(drawing), "X", 5).paths

    assert path.text == "module app.cache . _cache [dict value] -> X"
    assert path.others == (
        "thread MainThread, main() a.py:7, local it [list item] -> X",
        "module app.api . handlers -> Handler . last -> X",
    )


def test_a_single_owner_has_no_others() -> None:
    drawing = MODULE + "[_cache] -> c=dict [k] -> x=app.X; ns [also] -> x"

    [path] = find_holding(heap_dump(drawing), "X", 5).paths

    assert path.others == ()


def test_a_path_to_a_single_object_has_the_index_and_the_key_if_it_is_known() -> None:
    drawing = (
        MODULE
        + """[rows] -> l=list -> a; l -> b; l -> x=app.X; ns [by_name] -> d=dict -> c; d [rows] -> y=app.Y
        ns [other] -> e=dict [secret] -> z=app.Z; l -> w#2=app.W"""
    )

    assert paths(drawing, "X") == ["1 x module app.cache . rows [2] -> X"]
    assert paths(drawing, "Y") == ["1 x module app.cache . by_name ['rows'] -> Y"]
    assert paths(drawing, "Z") == ["1 x module app.cache . other [dict value] -> Z"]
    assert paths(drawing, "W") == ["2 x module app.cache . rows [list item] -> W"]


def test_an_unfinished_list_of_paths_says_what_is_left() -> None:
    drawing = MODULE + "; ".join(f"ns [a{at}] -> l{at}=list -> x{at}#{at + 1}=app.X" for at in range(6)).removeprefix(
        "ns "
    )

    holding = find_holding(heap_dump(drawing), "X", 2)

    assert [path.count for path in holding.paths] == [6, 5]
    assert (holding.more_paths, holding.more_count) == (4, 10)


def random_heap(seed: int) -> Drawn:
    chance = random.Random(seed)
    count = chance.randint(3, 40)
    types = ["app.A", "app.B", "list", "dict", "ns", "tuple"]
    names = [f"n{at}={chance.choice(types)}" for at in range(count)]
    lines = [f"<module m{at}> {names[at]}" for at in range(chance.randint(1, 3))] + names
    lines += [
        f"n{chance.randrange(count)} -> n{chance.randrange(count)}" for _ in range(chance.randint(count, 3 * count))
    ]
    return draw("; ".join(lines))


@pytest.mark.parametrize("seed", range(150))
def test_every_object_is_at_the_end_of_exactly_one_path_which_is_real(seed: int) -> None:
    graph = random_heap(seed).graph
    holders = Holders(graph, unexplained_references(graph))

    groups = group_paths(holders, Naming(graph), np.arange(graph.count))

    assert sorted(number for group in groups for number in group.members.tolist()) == list(range(graph.count))
    for group in groups:
        way = group.way
        assert way.objects[-1] in group.members
        assert way.objects[0] in holders.distances.roots
        assert len(way.objects) == int(holders.distances.distance[way.objects[-1]]) + 1
        for holder, held in zip(way.objects, way.objects[1:], strict=False):
            assert held in [to for _, to in graph.stored_edges(holder)]


@pytest.mark.parametrize("seed", range(150))
def test_objects_with_the_same_short_path_are_together(seed: int) -> None:
    """The stupid twin: types and labels along each way that meets no type twice; the like of them are one group."""
    graph = random_heap(seed).graph
    holders, naming = Holders(graph, unexplained_references(graph)), Naming(graph)
    every = np.arange(graph.count)
    group_of = {
        number: at for at, group in enumerate(group_paths(holders, naming, every)) for number in group.members.tolist()
    }
    alone = {at: group_paths(holders, naming, np.array([at]))[0].way for at in every.tolist()}

    by_text: dict[tuple[object, ...], set[int]] = {}
    for number, way in alone.items():
        kinds = [naming.name(each) for each in way.objects]
        if len(set(kinds)) == len(kinds):
            stage = int(holders.distances.stage[number])
            root = way.objects[0] if stage < UNACCOUNTED else -stage
            by_text.setdefault((root, way.labels, tuple(kinds)), set()).add(group_of[number])
    for groups in by_text.values():
        assert len(groups) == 1
    assert len({next(iter(groups)) for groups in by_text.values()}) == len(by_text)
