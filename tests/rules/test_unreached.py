"""LS602: strings and bytes that nobody refers to, in which words, and when it keeps quiet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from builders import column, live
from heap_builders import heap_series
from heap_lives import born_at_once, born_evenly, sampled

from leakscope.analysis.facts import Facts
from leakscope.model.allocations import POINTED
from leakscope.model.dump import Dump
from leakscope.model.finding import Finding, Verdict
from leakscope.rules.unreached import check

SITE = "main@app.py:3 > step@app.py:12"


def findings(dumps: Sequence[Dump]) -> tuple[Finding, ...]:
    return check(Facts(dumps))


def lost(*counts: int, site: str = SITE, domain: str = "obj", drawing: str = "*cache=list -> a") -> list[Dump]:
    moments = [live({site: (count, 70)}, domain=domain, thread="worker-1") for count in counts]
    return heap_series(*[drawing] * len(counts), made={"a": "main@app.py:1"}, others=moments)


def test_objects_that_nobody_refers_to_leak() -> None:
    (finding,) = findings(born_evenly(lost(4, 404)))

    assert finding.sentence == (
        "400 strings, bytes, numbers or the like (27.3 KiB) made by `step` in app.py:12 leak: nothing in the program "
        "refers to them, and they are still there, allocated by thread worker-1."
    )
    assert (finding.verdict, finding.code) == (Verdict.LEAK, "LS602")
    assert finding.growth is not None
    assert (finding.growth.count, finding.growth.bytes) == (400, 28000)
    subject = finding.subject
    assert (subject.kind, subject.type, subject.function, subject.line) == ("blocks", None, "step", 12)
    assert finding.holders == (("nothing in the program",),)
    assert "leakscope show drawn-0002.lks --by stack" in finding.advice[0]


def test_two_dumps_without_spread_births_are_no_proof_and_three_are() -> None:
    (doubt,) = findings(born_at_once(lost(4, 304)))
    (sure,) = findings(born_at_once(lost(4, 304, 604)))

    assert (doubt.verdict, sure.verdict) == (Verdict.UNKNOWN, Verdict.LEAK)
    assert doubt.sentence.endswith("; a run of 8 min 54 s, with 4.5 times the work, would tell.")


def test_as_few_as_free_lists_keep_are_a_doubt() -> None:
    (few,) = findings(born_evenly(lost(4, 254)))
    (more,) = findings(born_evenly(lost(4, 260)))

    assert (few.verdict, more.verdict) == (Verdict.UNKNOWN, Verdict.LEAK)
    assert few.sentence.endswith(
        "; up to 255 may be dead ones kept for reuse: a run with 1.1 times the work would tell."
    )


def test_as_few_are_no_news_if_they_are_small_or_something_points_to_them() -> None:
    *before, last = born_evenly(lost(4, 254))
    owned = column(np.full(len(last.allocations), POINTED.index("yes")), "u1")
    searched = replace(last, allocations=replace(last.allocations, pointed=owned))

    assert findings([*before, searched]) == ()
    assert findings(born_evenly(lost(4, 204))) == ()


def test_few_that_nothing_points_to_leak_all_the_same() -> None:
    *before, last = born_at_once(lost(4, 104))
    nowhere = column(np.full(len(last.allocations), POINTED.index("no")), "u1")
    searched = replace(last, allocations=replace(last.allocations, pointed=nowhere))

    (finding,) = findings([*before, searched])
    assert finding.verdict is Verdict.LEAK
    assert "leak: nothing in the program leads to them any more" in finding.sentence


def test_sampled_recordings_say_about() -> None:
    (finding,) = findings(sampled(born_evenly(lost(40, 2040, 4040)), 10))

    assert finding.sentence.startswith("about ")
    assert finding.evidence[0].error > 0


def test_quiet_twins() -> None:
    imported = "<module>@app.py:1 > _find@<frozen importlib._bootstrap>:9 > <module>@/usr/lib/python3.11/re.py:5"
    twins = {
        "the same blocks in both": born_evenly(lost(104, 104)),
        "fewer": born_evenly(lost(104, 4)),
        "gained once": born_evenly(lost(4, 104, 104)),
        "a handful": born_evenly(lost(4, 10)),
        "memory of native code": born_evenly(lost(4, 104, domain="native")),
        "memory of the interpreter": born_evenly(lost(4, 104, domain="mem")),
        "made by an import": born_evenly(lost(4, 104, site=imported)),
        "too young to tell": lost(4, 104),
        "sampled too thinly": sampled(born_evenly(lost(4, 34)), 10),
        "a single dump": born_evenly(lost(104)),
    }

    assert {name: findings(dumps) for name, dumps in twins.items()} == dict.fromkeys(twins, ())


def test_strings_of_walked_objects_are_nobodys_loss() -> None:
    drawn = [f"*cache=list -> text#{n}=str:70" for n in (4, 104, 204)]

    assert findings(born_evenly(heap_series(*drawn, made={"text": SITE}))) == ()


def test_objects_that_do_not_tell_what_they_hold_may_be_the_holders() -> None:
    moments = [live({SITE: (count, 70)}) for count in (4, 54, 104)]
    drawn = [f"*cache=list -> row#{n}=ext.Row" for n in (4, 54, 104)]

    assert findings(born_evenly(heap_series(*drawn, others=moments))) == ()
