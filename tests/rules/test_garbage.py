"""LS603: what waits for the collector, and what piles up without it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from heap_builders import heap_series
from heap_lives import born_at_once, born_evenly

from leakscope.analysis.facts import Facts
from leakscope.model.dump import Dump
from leakscope.model.finding import Finding, Verdict
from leakscope.model.heap import HAS_FINALIZER, LEGACY_DEL
from leakscope.rules.garbage import check
from leakscope.verdict import judge

MADE = {"node": "main@app.py:3 > tie@app.py:12", "kept": "main@app.py:4"}


def findings(dumps: Sequence[Dump]) -> tuple[Finding, ...]:
    return check(Facts(dumps))


def tied(*counts: int, size: int = 20_000, enabled: bool = True, **options: object) -> list[Dump]:
    drawn = [f"*l=list -> kept:1000; node#{count}=app.Node:{size} .up -> node" for count in counts]
    return heap_series(*drawn, made=MADE, heap_facts={"collector_enabled": enabled}, **options)  # type: ignore[arg-type]


def test_much_that_waits_for_the_collector_is_no_leak_and_said_to_be_none() -> None:
    (finding,) = findings(born_evenly(tied(100)))

    assert finding.sentence == (
        "1.9 MiB in 100 objects are held by nothing but their own cycles (app.Node) and wait for the collector, which "
        "is on: no leak; most were made by `tie` in app.py:12."
    )
    assert (finding.verdict, finding.code, finding.growth) == (Verdict.BOUNDED, "LS603", None)


def test_what_waited_while_the_program_ran_is_told_with_the_time() -> None:
    running, last = born_evenly(tied(100, 1))
    ended = replace(last, meta=replace(last.meta, reason="exit"))
    (finding,) = findings([running, ended])

    assert finding.sentence.startswith(
        "1.9 MiB in 100 objects were held by nothing but their own cycles (app.Node), 1 min before the end, and waited "
    )


def test_what_piles_up_without_the_collector_is_a_leak() -> None:
    (finding,) = findings(born_evenly(tied(4, 104, enabled=False)))

    assert finding.sentence == (
        "2.0 MiB in 104 blocks made by `tie` in app.py:12 pile up in cycles (app.Node): the collector is off, and only "
        "a collection would free them."
    )
    assert (finding.verdict, finding.subject.function) == (Verdict.LEAK, "tie")
    assert finding.growth is not None
    assert (finding.growth.bytes, finding.growth.count) == (2_000_000, 100)


def test_one_dump_is_enough_if_it_was_born_all_the_time() -> None:
    assert findings(born_evenly(tied(100, enabled=False)))[0].verdict is Verdict.LEAK
    assert findings(born_at_once(tied(100, enabled=False)))[0].verdict is Verdict.UNKNOWN


def test_finalizers_and_what_blocks_a_collection_are_evidence() -> None:
    for flag, claim in ((HAS_FINALIZER, "cycles with finalizers"), (LEGACY_DEL, "legacy tp_del")):
        (finding,) = findings(born_evenly(tied(100, types={"app.Node": flag | 1})))

        assert any(claim in evidence.claim for evidence in finding.evidence)


def test_growth_that_a_collection_would_free_is_blamed_once() -> None:
    report = judge(born_evenly(tied(*range(4, 124, 15), enabled=False)))

    assert [found.code for found in report.findings] == ["LS603"]
    assert report.findings[0].verdict is Verdict.LEAK


def test_growth_that_a_collection_would_free_is_no_growth_while_the_collector_is_on() -> None:
    report = judge(born_evenly(tied(*range(4, 124, 15))))

    assert [found.verdict for found in report.findings] == [Verdict.BOUNDED]


def test_what_becomes_garbage_when_the_program_ends_is_neither_growth_explained_nor_a_leak() -> None:
    # given what a list holds until the last dump, at exit, when the list is gone
    for enabled in (True, False):
        held = [f"*l=list -> node#{n}=app.Node:20000 .up -> node" for n in range(4, 124, 15)]
        last = "*l=list; node#124=app.Node:20000 .up -> node"
        dumps = born_evenly(heap_series(*held, last, made=MADE, heap_facts={"collector_enabled": enabled}))
        dumps[-1] = replace(dumps[-1], meta=replace(dumps[-1].meta, reason="exit"))

        assert findings(dumps) == ()
        assert [found.code for found in judge(dumps).findings] == ["LS501"]


def test_quiet_twins() -> None:
    held = [f"*l=list -> node#{n}=app.Node:20000 .up -> node" for n in (4, 104)]
    twins = {
        "held by a list": born_evenly(heap_series(*held, made=MADE, heap_facts={"collector_enabled": False})),
        "little": born_evenly(tied(10)),
        "made once": born_evenly(tied(4, 104, 104, enabled=False)),
        "little, without the collector": born_evenly(tied(2, enabled=False)),
    }

    assert {name: findings(dumps) for name, dumps in twins.items()} == dict.fromkeys(twins, ())
