"""Drawn graphs are what was drawn: edges, names, counts, roots, bodies, and the blocks that the recorder knows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from builders import live, save
from heap_builders import draw, heap, heap_dump, heap_series

from leakscope.formats import open_dump
from leakscope.model import heap as noun


def test_the_line_of_the_house_is_a_graph() -> None:
    drawn = draw("*cache:8 -> entry:100 -> blob:4000; *cache -> index:50 -> entry")
    graph, number = drawn.graph, drawn.number

    assert graph.count == 4
    assert graph.size[[number["cache"], number["blob"]]].tolist() == [8, 4000]
    assert graph.stored_edges(number["cache"]) == [(0, number["entry"]), (1, number["index"])]
    assert graph.refcount[number["entry"]] == 2
    assert graph.roots.object.tolist() == [number["cache"]]
    assert graph.types.full_name(int(graph.type[number["blob"]])) == "app.blob"


def test_attributes_keep_their_names_and_empty_places() -> None:
    drawn = draw("*s=app.Session .user -> u; s .buffers -> 0; s -> other")
    graph = drawn.graph

    shape = int(graph.shape[drawn.number["s"]])
    assert [graph.strings[name] for name in graph.shapes.names(shape)] == ["user", "buffers"]
    assert graph.stored_edges(drawn.number["s"]) == [(0, drawn.number["u"]), (1, -1), (2, drawn.number["other"])]
    assert graph.targets.tolist() == [drawn.number["u"], drawn.number["other"]]


def test_namespaces_have_named_keys_and_plain_dicts_do_not() -> None:
    drawn = draw("<module app.cache> m=module .__dict__ -> ns=ns [_entries] -> d=dict [k] -> v")
    graph = drawn.graph

    names = dict(zip(graph.name_object.tolist(), (graph.strings[int(text)] for text in graph.name_text), strict=True))
    assert names == {drawn.number["'_entries'"]: "_entries"}
    assert graph.stored_edges(drawn.number["d"]) == [(0, drawn.number["'k'"]), (1, drawn.number["v"])]
    assert graph.shapes.kind[graph.shape[drawn.number["ns"]]] == noun.NAMESPACE


def test_many_are_drawn_at_once_and_pairwise() -> None:
    drawn = draw("*jobs=list -> job#3:10 -> blob#3:100+7+8 -> one")

    assert len(drawn.numbers["job"]) == 3
    for job, blob in zip(drawn.numbers["job"], drawn.numbers["blob"], strict=True):
        assert drawn.graph.stored_edges(job) == [(0, blob)]
        assert drawn.graph.total_size[blob] == 115
    assert drawn.graph.refcount[drawn.number["one"]] == 3


def test_instances_of_heap_types_hold_their_type_first() -> None:
    drawn = draw("*a=app.Job -> b", types={"app.Job": noun.HEAP_TYPE})
    graph, number = drawn.graph, drawn.number

    begin, end = graph.offsets[number["a"] : number["a"] + 2].tolist()
    assert graph.targets[begin:end].tolist() == [number["app.Job"], number["b"]]
    assert graph.stored_edges(number["a"]) == [(0, number["b"])]
    assert graph.refcount[number["app.Job"]] == 1


def test_counts_flags_and_roots_are_drawn() -> None:
    drawn = draw("<local jobs serve@app.py:12 worker-1> jobs=list!2 -> a(frozen immortal digest=9 exports=3)")
    graph, number = drawn.graph, drawn.number

    assert graph.refcount[[number["jobs"], number["a"]]].tolist() == [3, 0]
    assert graph.flags[number["a"]] & noun.FROZEN
    assert graph.digest is not None
    assert graph.digest[number["a"]] == 9
    assert (graph.export_object.tolist(), graph.export_count.tolist()) == ([number["a"]], [3])
    assert (graph.roots.kind.tolist(), graph.roots.counted.tolist()) == ([noun.LOCAL], [1])
    assert [graph.strings[int(graph.frames.file[0])], int(graph.frames.line[0])] == ["app.py", 12]
    assert graph.strings[int(graph.frames.thread_name[0])] == "worker-1"


def test_a_drawn_dump_knows_who_made_the_blocks_of_its_objects(tmp_path: Path) -> None:
    made = {"job": ("main@app.py:3 > load@app.py:20", "worker-1")}
    drawn = heap_dump("*jobs=list -> job#3:10+500", made=made, other=live({"b.py:1": 99}))

    found = open_dump(save(drawn, tmp_path / "drawn.lks"))
    graph = found.heap

    assert graph is not None
    rows = {int(address): row for row, address in enumerate(found.allocations.address)}
    for job in np.flatnonzero(graph.size == 10):
        row = rows[int(graph.address[job]) - int(graph.shapes.lead[graph.shape[job]])]
        assert found.stacks.frames(int(found.allocations.stack[row]))[0].line == 20
        assert found.threads.name_of(int(found.allocations.thread[row])) == "worker-1"
    assert set(graph.body_address.tolist()) < set(rows)
    assert len(rows) == 7


def test_a_series_is_one_run_with_a_graph_in_each_dump() -> None:
    first, second = heap_series("*jobs=list -> job#3", "*jobs=list -> job#5", made={"job": "app.py:3"})

    assert first.heap is not None
    assert second.heap is not None
    assert (first.heap.count, second.heap.count) == (4, 6)
    assert second.meta.heap is not None
    assert second.meta.heap.taken_s == second.meta.elapsed_s
    assert len(second.allocations) == 5


def test_an_empty_drawing_is_an_empty_graph() -> None:
    assert heap("").count == 0
    assert len(heap("").total_size) == 0
