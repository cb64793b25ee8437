"""A program and its child processes: what several of them say about one place."""

from __future__ import annotations

from dataclasses import replace

from gating import KIB, finding, report, trial

from leakscope.model.gate import GateResult, Outcome, Trial
from leakscope.model.report import Report, Sparkline
from leakscope.policy import gate
from leakscope.policy.families import by_name


def child(gain: int = 0, *, life_s: float = 5.0, **changes: str) -> Report:
    """A child process in which `work` gained so much, watched for so long."""
    found = [finding("work", gain, **changes)] if gain else []
    return report(*found, sparklines=(Sparkline("live_bytes", "live", "bytes", (1.0, 1.0 + life_s), (0, 1)),))


def run(work: float | None, *children: Report, own: int = 0, **changes: object) -> Trial:
    """A run of a program with these children; it gains that much in `work` itself."""
    found = [finding("work", own)] if own else []
    return replace(trial(*found, work=work), children=children, **changes)


def outcome(result: GateResult) -> tuple[str, list[Outcome]]:
    return result.status, [decision.outcome for decision in result.decisions]


def test_workers_that_share_the_work_fail_if_each_gains_more_with_more_work() -> None:
    first = run(100, child(80 * KIB), child(120 * KIB))
    second = run(200, child(210 * KIB), child(190 * KIB))

    result = gate([first, second])

    assert outcome(result) == ("failed", [Outcome.NEW])
    told = result.decisions[0].finding
    assert told.sentence.startswith("In 2 child processes: ")
    assert told.bytes == 200 * KIB


def test_a_child_for_each_task_gains_the_same_however_many_there_are() -> None:
    first = run(2, *[child(100 * KIB)] * 2)
    runs = [first, run(4, *[child(100 * KIB)] * 4), run(8, *[child(100 * KIB)] * 8)]

    assert outcome(gate(runs)) == ("passed", [Outcome.UNCONFIRMED])


def test_growth_of_children_that_cannot_be_told_to_do_more_is_a_doubt_and_a_leak_is_none() -> None:
    grown = [run(None, child(100 * KIB, verdict="GROWTH"))] * 2
    leaked = [run(None, child(100 * KIB))] * 2

    assert outcome(gate(grown)) == ("passed", [Outcome.DOUBT])
    assert outcome(gate(leaked)) == ("failed", [Outcome.NEW])


def test_the_program_speaks_for_its_children() -> None:
    found = by_name(run(100, child(50 * KIB), own=150 * KIB))["work"]

    assert not found.sentence.startswith("In ")
    assert found.bytes == 100 * KIB


def test_what_informs_is_not_asked_of_children() -> None:
    assert by_name(run(100, child(50 * KIB, verdict="POOLING"))) == {}


def test_children_that_were_watched_briefly_are_worth_a_longer_run() -> None:
    brief, long = ([run(100, child(life_s=life_s)), run(200, child(life_s=life_s))] for life_s in (0.5, 5.0))

    assert gate(brief).undecided
    assert not gate(long).undecided
    assert not gate([*brief, run(400, child(life_s=0.5))]).undecided


def test_runs_of_brief_children_that_say_nothing_do_not_count_among_the_repeats() -> None:
    silent = [run(100, child(life_s=0.5)), run(200, child(life_s=0.5))]
    runs = [*silent, run(400, child(400 * KIB))]

    suspected = gate(runs)

    assert suspected.undecided
    assert outcome(suspected)[1] == [Outcome.SUSPECT]
    assert outcome(gate([*runs, run(800, child(800 * KIB))])) == ("failed", [Outcome.NEW])
