"""The tables about objects, and what they add up to."""

from __future__ import annotations

import numpy as np
import pytest
from builders import dump, live
from heap_builders import heap_dump, heap_series
from heap_lives import born_evenly, sampled

from leakscope.analysis.facts import Facts
from leakscope.analysis.heap_tables import heap_report
from leakscope.model.dump import Dump
from leakscope.model.heap_report import HeapReport

MADE = {"entry": "main@app.py:3 > fill@app/cache.py:41", "blob": "main@app.py:3 > fill@app/cache.py:44"}
DRAWING = "<module app.cache> m=module:50 -> cache:8 -> entry#10:100 .blob -> blob#10=bytes:4000; node=list:70 -> node"


def tables(*dumps: Dump, collected: bool = False, top: int = 10) -> HeapReport:
    report = heap_report(Facts(dumps), top=top, tables=True, collected=collected)
    assert report is not None
    return report


def one(drawing: str = DRAWING, **options: object) -> Dump:
    return born_evenly([heap_dump(drawing, made=MADE, **options)])[0]  # type: ignore[arg-type]


def test_a_type_retains_what_would_go_with_its_objects() -> None:
    rows = {row.label: (row.objects, row.bytes, row.retained_bytes) for row in tables(one()).by_type}

    assert rows["app.entry"] == (10, 1000, 41_000)
    assert rows["bytes"] == (10, 40_000, 40_000)
    assert rows["app.cache"] == (1, 8, 41_008)
    assert rows["module"] == (1, 50, 41_058)


def test_lines_and_modules_retain_what_the_objects_they_made_do() -> None:
    report = tables(one())

    assert [(row.label, row.where, row.retained_bytes) for row in report.by_stack] == [
        ("fill", "app/cache.py:41", 41_000), ("fill", "app/cache.py:44", 40_000),
    ]  # fmt: skip
    assert [(row.label, row.objects, row.retained_bytes) for row in report.by_module] == [("app.cache", 20, 41_000)]


def test_a_sampled_run_knows_too_few_makers_for_these_tables() -> None:
    report = tables(*sampled([one()], 2))

    assert (report.by_stack, report.by_module) == ((), ())
    assert report.by_type


def test_the_tree_goes_down_to_what_is_big_and_tells_those_alike_together() -> None:
    drawn = [(row.depth, row.label, row.objects) for row in tables(one()).dominators]

    assert drawn == [(0, "module app.cache", 1), (1, "cache", 1), (2, "app.entry", 10)]


def test_after_a_collection_what_it_frees_is_in_no_table() -> None:
    before, after = tables(one()), tables(one(), collected=True)

    assert (before.collection.objects, before.collection.bytes) == (1, 70)
    assert after.collection == before.collection
    assert (before.objects - after.objects, before.bytes - after.bytes) == (1, 70)
    assert "list" in {row.label for row in before.by_type}
    assert "list" not in {row.label for row in after.by_type}
    assert (len(before.cycles), after.cycles) == (1, ())


def test_a_single_dump_has_what_nobody_accounts_for_as_context() -> None:
    text = live({"main@app.py:3 > log@app/log.py:9": (100, 70)}, thread="writer")
    report = tables(one(DRAWING + "; lost#7=list!2; kind=type!3; b=bytearray!1(exports=1)", other=text))

    lost = [(row.type, row.references, row.objects) for row in report.references]
    assert lost == [("list", 14, 7), ("bytearray", 1, 1)]
    assert report.apart_references == 3
    assert [(row.type, row.references) for row in report.exports] == [("bytearray", 1)]
    (unreached,) = report.unreached
    assert (unreached.where, unreached.bytes, unreached.growth_bytes) == ("app/log.py:9", 7000, None)
    assert unreached.threads == ("writer",)
    assert dict(report.unreached_bytes) == {"obj": 7000}
    assert (report.compared_with, report.staying) == (None, ())


def test_several_dumps_have_what_became_more_with_maker_and_holder() -> None:
    texts = [live({"main@app.py:3 > log@app/log.py:9": (count, 70)}) for count in (100, 200)]
    first = DRAWING.replace("node=list:70 -> node", "lost#7=list!1")
    second = first + "; cache -> entry2#50=app.entry:100; lost2#60=list!1"
    made = {**MADE, "entry2": MADE["entry"], "lost2": "main@app.py:3 > call@app/c.py:5"}
    report = tables(*born_evenly(heap_series(first, second, made=made, others=texts)))

    assert (report.source, report.compared_with) == (1, 0)
    (staying,) = [row for row in report.staying if row.type == "app.entry"]
    assert (staying.growth_objects, staying.growth_bytes, staying.where) == (50, 5000, "app/cache.py:41")
    assert staying.holder == "module app.cache -> cache -> entry"
    assert staying.stayed is None
    (lost,) = report.references
    assert (lost.type, lost.references, lost.where) == ("list", 60, "app/c.py:5")
    assert lost.holder == "a reference that nobody accounts for (C code) -> list"
    (unreached,) = report.unreached
    assert (unreached.growth_bytes, unreached.growth_blocks) == (7000, 100)


def test_waste_is_told_from_a_good_part_on() -> None:
    report = tables(one("*l=list -> s#100=str:2000(digest=5); *d=dict:60+200000 -> x; l -> t#20=str:60(digest=6)"))

    waste = [(row.kind, row.label, row.objects) for row in report.waste]
    assert waste == [("sparse", "dict", 1), ("copies", "str", 100)]


def test_only_the_summary_is_made_unless_tables_are_asked_for() -> None:
    report = heap_report(Facts([one()]), top=10, tables=False, collected=False)

    assert report is not None
    assert report.objects == 23
    assert (report.by_type, report.dominators, report.references, report.unreached) == ((), (), (), ())


def test_without_a_graph_there_is_nothing_to_report() -> None:
    assert heap_report(Facts([dump(live({"f@a.py:1": 5}))]), top=10, tables=True, collected=False) is None


@pytest.mark.parametrize("seed", range(20))
def test_what_a_type_retains_is_what_cannot_be_reached_without_its_objects(seed: int) -> None:
    # given a random tree, in which no two objects together hold what neither holds alone
    random = np.random.default_rng(seed)
    named = [f"n{at}=t.T{at % 3}:{16 * (at + 1)}" for at in range(14)]
    arrows = [f"{named[random.integers(0, at)]} -> {named[at]}" for at in range(1, 14)]
    drawing = "; ".join([f"*{named[0]}", *arrows])
    graph = heap_dump(drawing).heap
    assert graph is not None

    rows = {row.label: row.retained_bytes for row in tables(born_evenly([heap_dump(drawing)])[0]).by_type}

    for name, retained in rows.items():
        gone = {each for each in range(graph.count) if graph.types.full_name(int(graph.type[each])) == name}
        seen, waiting = set(), [int(root) for root in graph.roots.object if int(root) not in gone]
        while waiting:
            at = waiting.pop()
            if at not in seen:
                seen.add(at)
                begin, end = int(graph.offsets[at]), int(graph.offsets[at + 1])
                waiting += [int(to) for to in graph.targets[begin:end] if int(to) not in gone]
        assert retained == sum(int(graph.total_size[each]) for each in range(graph.count) if each not in seen)
