"""LS604: buffers that are exported to nobody."""

from __future__ import annotations

from collections.abc import Sequence

from heap_builders import heap_series
from heap_lives import born_at_once, born_evenly, leaking

from leakscope.analysis.facts import Facts
from leakscope.model.dump import Dump
from leakscope.model.finding import Finding, Verdict
from leakscope.rules.exports import check
from leakscope.verdict import judge

MADE = {"buffer": "main@app.py:3 > send@app.py:12"}


def findings(dumps: Sequence[Dump]) -> tuple[Finding, ...]:
    return check(Facts(dumps))


def exported(*counts: int, what: str = "pool -> buffer#%d=bytearray:57(exports=1)") -> list[Dump]:
    return leaking("*pool=list", what, counts, MADE)


def test_exports_without_views_are_told() -> None:
    (finding,) = findings(born_evenly(exported(4, 104)))

    assert finding.sentence == (
        "104 bytearray objects made by `send` in app.py:12 stay exported: 100 buffers were handed out since the first "
        "dump and never released, allocated by the main thread."
    )
    assert (finding.verdict, finding.code, finding.subject.kind) == (Verdict.LEAK, "LS604", "buffers")


def test_one_buffer_that_is_handed_out_again_and_again() -> None:
    (finding,) = findings(born_at_once(exported(4, 54, 104, what="pool -> buffer=bytearray:57(exports=%d)")))

    assert "1 bytearray object made by `send` in app.py:12 stays exported: 100 buffers were handed out" in (
        finding.sentence
    )


def test_two_dumps_without_spread_births_are_no_proof() -> None:
    (finding,) = findings(born_at_once(exported(4, 104)))

    assert finding.verdict is Verdict.UNKNOWN


def test_the_reference_that_an_export_holds_is_not_blamed_twice() -> None:
    dumps = born_evenly(exported(4, 104, what="buffer#%d=bytearray:57!1(exports=1)"))

    assert [found.code for found in judge(dumps).findings] == ["LS604"]


def test_quiet_twins() -> None:
    views = [f"*pool=list -> buffer#{n}=bytearray(exports=1); pool -> v#{n}=managedbuffer -> buffer" for n in (4, 104)]
    twins = {
        "held by views": born_evenly(heap_series(*views, made=MADE)),
        "the same in both": born_evenly(exported(104, 104)),
        "gained once": born_evenly(exported(4, 104, 104)),
        "a handful": born_evenly(exported(4, 10)),
        "a single dump": born_evenly(exported(104)),
    }

    assert {name: findings(dumps) for name, dumps in twins.items()} == dict.fromkeys(twins, ())
