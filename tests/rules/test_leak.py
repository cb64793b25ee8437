"""LS601: references that nobody accounts for, in which words, and when it keeps quiet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from builders import column
from heap_builders import heap_series
from heap_lives import born_at_once, born_evenly, leaking, sampled

from leakscope.analysis.facts import Facts
from leakscope.model.allocations import POINTED
from leakscope.model.dump import Dump
from leakscope.model.finding import Finding, Verdict
from leakscope.rules.leak import check

STD = "/usr/lib/python3.11"
MADE = {"lost": ("main@app.py:3 > step@app.py:12", "worker-1")}


def findings(dumps: Sequence[Dump]) -> tuple[Finding, ...]:
    return check(Facts(dumps))


def lost(*counts: int, what: str = "lost#%d=list:56!1", before: str = "*cache=list") -> list[Dump]:
    return leaking(before, what, counts, MADE)


def test_new_objects_that_are_made_all_the_time_and_held_by_nobody_leak() -> None:
    (finding,) = findings(born_evenly(lost(4, 104)))

    assert finding.sentence == (
        "100 list objects made by `step` in app.py:12 have leaked since the first dump: each has one "
        "reference too many, which nothing in the program holds, allocated by thread worker-1."
    )
    assert (finding.verdict, finding.code, finding.count, finding.bytes) == (Verdict.LEAK, "LS601", 100, 5600)
    assert finding.growth is not None
    assert (finding.growth.count, finding.growth.between) == (100, (0, 1))
    subject = finding.subject
    assert (subject.kind, subject.type, subject.function, subject.line) == ("references", "list", "step", 12)
    assert (subject.file, subject.thread) == ("app.py", "worker-1")
    assert [frame.line for frame in finding.stack] == [12, 3]
    assert finding.holders == (("a reference that nobody accounts for (C code)", "list"),)
    assert finding.threads is not None
    assert dict(finding.threads.allocated_by) == {"worker-1": 100}
    assert "leakscope path drawn-0002.lks 0x7f" in finding.advice[0]
    assert {evidence.stance for evidence in finding.evidence} == {"for", "against"}


def test_three_dumps_that_rise_evenly_are_enough_whoever_was_born_when() -> None:
    (finding,) = findings(born_at_once(lost(4, 104, 204)))

    assert finding.verdict is Verdict.LEAK
    assert finding.confidence > 0.9


def in_two_goes(dumps: Sequence[Dump], answer: str, share: float = 0.8) -> list[Dump]:
    """The same dumps; what is new was born at two moments so far apart between them, and memory was searched."""
    *before, last = born_at_once(dumps)
    live = last.allocations
    new = live.born_s >= before[-1].meta.elapsed_s
    apart = share * (last.meta.elapsed_s - before[-1].meta.elapsed_s) / 2
    born = live.born_s + new * np.where(np.cumsum(new) > new.sum() / 2, apart, -apart)
    pointed = column(np.full(len(live), POINTED.index(answer)), "u1")
    return [*before, replace(last, allocations=replace(live, born_s=column(born, "f4"), pointed=pointed))]


@pytest.mark.parametrize("answer", ["no", "linked"])
def test_objects_to_which_nothing_leads_leak_however_their_births_are_spread(answer: str) -> None:
    (finding,) = findings(in_two_goes(lost(4, 104), answer))

    assert (finding.verdict, finding.confidence) == (Verdict.LEAK, 0.9)
    told = {evidence.claim: evidence.value for evidence in finding.evidence}
    assert told["of them seen with nothing that leads to them"] == 100
    assert findings(in_two_goes(lost(4, 104), "yes"))[0].verdict is Verdict.UNKNOWN


def test_objects_that_were_lost_on_one_occasion_are_a_doubt() -> None:
    (finding,) = findings(in_two_goes(lost(4, 104), "linked", share=0.05))

    assert finding.verdict is Verdict.UNKNOWN


def test_a_counter_that_rises_on_an_object_that_stays_costs_no_memory() -> None:
    (finding,) = findings(born_evenly(lost(2, 52, 102, what="lost=app.Config!%d")))
    unknown_maker = born_evenly(leaking("*cache=list", "lost=app.Config!%d", (2, 52, 102), {}))

    assert finding.sentence == (
        "1 app.Config object made by `step` in app.py:12 gains references that nothing in the program holds, +100 "
        "between the dumps: it can never be freed any more, but no memory is lost by it."
    )
    assert finding.verdict is Verdict.BOUNDED
    assert findings(unknown_maker) == ()


def test_two_dumps_without_spread_births_are_no_proof() -> None:
    (finding,) = findings(born_at_once(lost(4, 104)))

    assert finding.verdict is Verdict.UNKNOWN
    assert finding.sentence.endswith("; a run of 8 min 54 s, with 4.5 times the work, would tell.")
    assert finding.confidence == 0
    assert findings(born_evenly(lost(2, 52, what="lost=app.Config!%d"))) == ()


def test_sampled_recordings_find_it_too() -> None:
    (finding,) = findings(sampled(born_evenly(lost(4, 504, 1004)), 20))

    assert "1,000 list objects made by `step` in app.py:12 have leaked" in finding.sentence


def test_objects_from_a_line_that_was_not_recorded_are_told_without_one() -> None:
    (finding,) = findings(born_evenly(leaking("*cache=list", "lost#%d=list:56!1", (4, 54, 104), {})))

    assert "100 list objects made by a line that was not recorded have leaked" in finding.sentence
    assert (finding.stack, finding.threads, finding.subject.function) == ((), None, None)


def test_what_is_held_as_well_leaks_as_well() -> None:
    (finding,) = findings(born_evenly(lost(4, 104, what="cache -> lost#%d=list:56!1")))

    assert finding.count == 100


def test_quiet_twins() -> None:
    imported = {"lost": f"<module>@app.py:1 > _find@<frozen importlib._bootstrap>:9 > <module>@{STD}/decimal.py:5"}
    twins = {
        "the same references in both": born_evenly(lost(104, 104)),
        "fewer references": born_evenly(lost(104, 4)),
        "held by a list": born_evenly(lost(4, 104, what="cache -> lost#%d=list:56")),
        "gained once": born_evenly(lost(4, 104, 104)),
        "ever more slowly": born_evenly(lost(4, 104, 130)),
        "a handful": born_evenly(lost(4, 13)),
        "None": born_evenly(lost(4, 104, what="lost=NoneType!%d")),
        "a type": born_evenly(lost(4, 104, what="lost=type!%d")),
        "made by an import": born_evenly(leaking("*c=list", "lost#%d=list!1", (4, 104), imported)),
        "a single dump": born_evenly(lost(104)),
    }

    assert {name: findings(dumps) for name, dumps in twins.items()} == dict.fromkeys(twins, ())


def test_objects_that_do_not_tell_what_they_hold_may_be_the_holders() -> None:
    silent = [f"*cache=list -> row#{n}=ext.Row; lost#{n}=list!1" for n in (4, 54, 104)]
    speaking = [f"*cache=list -> row#{n}=ext.Row .x -> cache; lost#{n}=list!1" for n in (4, 54, 104)]

    assert findings(born_evenly(heap_series(*silent, made=MADE))) == ()
    assert len(findings(born_evenly(heap_series(*speaking, made=MADE)))) == 1


def test_threads_that_were_started_account_for_what_starting_one_takes() -> None:
    def started(threads: int) -> str:
        frames = "; ".join(f"<local self run@t.py:1 w{number}> c=list" for number in range(threads))
        return f"*c=list; lost#{3 * threads}=tuple!1; {frames}"

    assert findings(born_evenly(heap_series(*map(started, (1, 11, 21)), made=MADE))) == ()
