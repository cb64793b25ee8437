"""What nobody accounts for, compared between dumps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders import live
from heap_builders import heap_dump, heap_series
from heap_lives import born_at_once, born_evenly, leaking

from leakscope.analysis.between import telling_moments
from leakscope.analysis.facts import Facts
from leakscope.analysis.matching import match_blocks, match_objects
from leakscope.model.dump import Dump

CACHE = "*cache=list -> a"
MADE = {"lost": "step@app.py:7", "a": "main@app.py:1"}


def found(dumps: list[Dump]) -> list[tuple[str, tuple[int, ...], int, int, str]]:
    return [
        (each.type, each.values, len(each.objects), each.new_objects, each.pace.kind)
        for each in Facts(dumps).unaccounted.references
    ]


def test_new_objects_with_a_reference_too_many_are_counted_exactly() -> None:
    dumps = born_evenly(leaking(CACHE, "lost#%d=list!1", (5, 105), MADE))

    assert found(dumps) == [("list", (5, 105), 100, 100, "even")]


def test_one_object_that_gains_references_is_one_object() -> None:
    dumps = born_evenly(leaking(CACHE, "lost=dict!%d", (5, 105), MADE))

    assert found(dumps) == [("dict", (5, 105), 1, 0, "unknown")]


def test_two_dumps_of_what_was_born_at_once_do_not_tell_and_three_do() -> None:
    two = born_at_once(leaking(CACHE, "lost#%d=list!1", (5, 105), MADE))
    three = born_at_once(leaking(CACHE, "lost#%d=list!1", (5, 105, 205), MADE))
    stopped = born_at_once(leaking(CACHE, "lost#%d=list!1", (5, 105, 105), MADE))

    assert [found(dumps)[0][4] for dumps in (two, three, stopped)] == ["unknown", "even", "uneven"]


def test_what_is_unexplained_in_both_dumps_is_not_told() -> None:
    assert found(born_evenly(leaking(CACHE, "lost#%d=list!1", (50, 50), MADE))) == []
    assert found(born_evenly(leaking(CACHE, "lost#%d=list!1", (50, 10), MADE))) == []


def test_objects_that_take_turns_are_no_growth() -> None:
    # given a hundred others in the second dump
    before, after = heap_series(f"{CACHE}; lost#100=list!1", f"{CACHE}; x#200=str; lost#100=list!1", made=MADE)

    assert found(born_evenly([before, after])) == []


def test_types_and_none_are_told_apart() -> None:
    types = {"app.Job": 1}
    drawn = [f"*l=list -> job=app.Job; app.Job=type; none=NoneType!{n}; boss=type!{n}" for n in (1, 50)]

    groups = Facts(born_evenly(heap_series(*drawn, types=types))).unaccounted.references

    assert {each.type: each.apart for each in groups} == {"type": True, "NoneType": True}


def test_sites_are_told_where_blocks_are_recorded_exactly() -> None:
    drawn = [f"*l=list; one#{n}=list!1; two#{2 * n}=list!1" for n in (1, 101)]
    made = {"one": "f@app.py:1", "two": "g@app.py:9"}

    facts = Facts(born_evenly(heap_series(*drawn, made=made)))
    sampled = Facts(born_evenly(heap_series(*drawn, made=made, interval_bytes=2)))

    sites = {facts.frame(int(facts.sites.place[each.site])): each.gained for each in facts.unaccounted.references}
    assert {frame.function: gained for frame, gained in sites.items() if frame} == {"f": 100, "g": 200}
    assert [(each.site, each.gained) for each in sampled.unaccounted.references] == [(-1, 300)]


def test_exports_without_views_are_compared() -> None:
    dumps = born_evenly(leaking("*l=list", "l -> b#%d=bytearray(exports=1)", (10, 60, 110), {"b": "f@app.py:3"}))

    (gained,) = Facts(dumps).unaccounted.exports
    assert (gained.type, gained.values, len(gained.objects), gained.pace.kind) == (
        "bytearray",
        (10, 60, 110),
        110,
        "even",
    )


def test_blocks_without_an_object_are_compared_by_domain_and_site() -> None:
    text = [live({"f@app.py:3": (count, 70)}) for count in (10, 110)]
    native = [live({"g@app.py:9": (count, 1000)}, domain="native") for count in (3, 20)]
    others = [one + other for one, other in zip(text, native, strict=True)]

    facts = Facts(born_evenly(heap_series(CACHE, CACHE, made=MADE, others=others)))

    assert [(each.domain, each.blocks, each.bytes, len(each.rows)) for each in facts.unaccounted.blocks] == [
        ("native", (3, 20), (3000, 20_000), 17), ("obj", (10, 110), (700, 7700), 100),
    ]  # fmt: skip


def test_objects_bodies_and_young_blocks_are_reached_and_mappings_are_nobodys_business() -> None:
    dump = heap_dump(
        "*l=list:56+800 -> a:100", made={"l": "f@a.py:1", "a": "f@a.py:2"},
        other=live({"m@a.py:3": (2, 1 << 20)}, domain="mapping"),
    )  # fmt: skip
    old, young = born_evenly([dump])[0], dump

    assert not Facts([old]).walked[0].unreached.any()
    assert not Facts([young]).walked[0].unreached.any()
    assert Facts([young]).walked[0].doubtful.all()
    assert sorted(Facts([old]).walked[0].row.tolist()) == sorted(
        np.flatnonzero(np.isin(old.allocations.size, (56, 100))).tolist()
    )


def test_what_was_too_young_to_tell_in_the_first_dump_is_not_new_in_the_second() -> None:
    # given a hundred blocks born just before the first dump, which the second one knows to be without an object
    text = live({"f@app.py:3": (100, 70)})
    dumps = leaking(CACHE, "lost#%d=list!1", (100, 100), MADE, others=[text, text])

    facts = Facts(dumps)

    assert facts.walked[1].doubtful_rows.all()
    assert (facts.unaccounted.references, facts.unaccounted.blocks, facts.unaccounted.staying) == ((), (), ())


def test_an_address_alone_is_no_identity() -> None:
    before, after = born_evenly(heap_series(*["*l=list -> a#3"] * 2, made={"a": "f@a.py:1"}))
    walked = Facts([before, after]).walked
    rows, births = (walked[0].row, walked[1].row), (before.allocations.born_s, after.allocations.born_s)

    same = match_objects(walked[0].heap, walked[1].heap, births, rows)
    reborn = match_objects(walked[0].heap, walked[1].heap, (births[0], births[1] + 1), rows)

    assert same.tolist() == [0, 1, 2, 3]
    assert reborn.tolist() == [0, -1, -1, -1]  # nobody knows when the list was born
    assert (match_blocks(before.allocations, after.allocations) >= 0).all()


def test_dumps_without_a_graph_are_left_out_and_one_is_not_compared() -> None:
    first, last = born_evenly(leaking(CACHE, "lost#%d=list!1", (5, 105), MADE))
    bare = replace(first, load_heap=None)

    facts = Facts([bare, last])

    assert [each.dump for each in facts.walked] == [last]
    assert (facts.unaccounted.references, facts.unaccounted.blocks, facts.unaccounted.staying) == ((), (), ())
    assert (facts.unaccounted.exports, facts.unaccounted.threads_gained) == ((), 0)


def test_of_many_dumps_some_are_looked_into_the_first_and_the_last_among_them() -> None:
    dumps = leaking(CACHE, "lost#%d=list!1", range(1, 10), MADE)

    walked = Facts(dumps).walked

    assert len(walked) == 5
    assert (walked[0].dump, walked[-1].dump) == (dumps[0], dumps[-1])


def test_types_that_do_not_tell_what_they_hold_are_known_by_their_silence() -> None:
    drawn = [f"*l=list -> row#{n}=ext.Row; l -> job#{n}=app.Job .x -> s#{n}=str" for n in (1, 61)]
    opaque = Facts(heap_series(*drawn, types={"app.Job": 32})).unaccounted
    speaking = Facts(heap_series(*[d.replace("ext.Row", "ext.Row .x -> l") for d in drawn])).unaccounted

    assert opaque.possible_holders(100) == ("ext.Row", 60)
    assert opaque.possible_holders(121) is None
    assert speaking.possible_holders(60) is None


def test_new_objects_are_grouped_and_those_that_go_again_are_known() -> None:
    # given a list that keeps what it gets, and one whose items are exchanged
    drawn = [f"*l=list -> kept#{n}:500; *m=list; gap#{n}=str; m -> came#{n + 20}:90" for n in (10, 40, 70)]
    made = {"kept": "keep@a.py:1", "came": "go@a.py:2"}

    groups = {each.type: each for each in Facts(born_evenly(heap_series(*drawn, made=made))).unaccounted.staying}

    kept, came = groups["app.kept"], groups["app.came"]
    assert (kept.type, kept.counts, kept.gained_bytes, len(kept.objects)) == ("app.kept", (10, 40, 70), 30_000, 60)
    assert kept.pace.kind == "even"
    assert kept.stayed > came.stayed


def test_what_came_late_and_went_does_not_stay_because_something_came_early_and_did() -> None:
    # given ten items from imports, then a cache that turns over: none of the third dump's is in the fourth
    early = "*l=list -> item#%d=app.Item"
    drawn = [early % 5, early % 15, f"{early % 15}; *m=list -> late#100=app.Item"]
    drawn.append(f"{early % 15}; *m=list; gap#130=str; m -> late#105=app.Item")

    (group,) = (each for each in Facts(heap_series(*drawn)).unaccounted.staying if each.type == "app.Item")

    assert group.counts == (5, 15, 115, 120)
    assert group.stayed == pytest.approx(10 / 110)


def test_what_a_collection_would_free_does_not_stay() -> None:
    dumps = born_evenly(leaking("*l=list", "n#%d=list:100 -> n", (1, 50), {"n": "f@a.py:1"}))

    assert Facts(dumps).unaccounted.staying == ()


@pytest.mark.parametrize(
    ("times", "idle_from", "shown"),
    [
        ([1, 2, 3], np.inf, [0, 1, 2]),
        ([1, 3, 4, 4.1], np.inf, [0, 1, 3]),  # the one at exit comes right after the last one in time
        ([1, 1.1, 2, 3], np.inf, [0, 2, 3]),
        ([1, 2, 3, 9, 12], 2.5, [0, 1, 2]),
        ([1, 2], 0.5, [0, 1]),
        ([1, 1.01], np.inf, [0, 1]),
    ],
)
def test_dumps_at_rest_and_on_the_heels_of_others_tell_nothing(
    times: list[float], idle_from: float, shown: list[int]
) -> None:
    assert telling_moments(times, idle_from) == shown
