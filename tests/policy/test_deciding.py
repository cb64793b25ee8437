"""What follows from findings: the table of a gate, a row at a time."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from gating import KIB, finding, report, trial

from leakscope.model.finding import Growth, Subject
from leakscope.model.gate import GateResult, Outcome, Trial
from leakscope.model.policy import DEFAULT_LIMITS, Baseline, BaselineEntry, Limit, Policy, Suppression
from leakscope.model.report import Source
from leakscope.policy import gate

ONCE = Policy(repeats=1)


def outcomes(result: GateResult) -> dict[str, Outcome]:
    return {decision.finding.fingerprint: decision.outcome for decision in result.decisions}


def test_nothing_found_passes() -> None:
    result = gate([trial()])

    assert (result.status, result.exit_code, result.undecided) == ("passed", 0, False)


def test_nothing_found_is_found_twice_where_the_program_can_do_more() -> None:
    first, second = trial(work=100, live=(0, 9000)), trial(work=200, live=(0, 9100))

    assert gate([first]).undecided
    assert not gate([first], ONCE).undecided
    assert (gate([first, second]).status, gate([first, second]).undecided) == ("passed", False)
    assert not gate([replace(first, whole=False)]).undecided


def test_what_two_rules_tell_by_turns_fails_if_it_accounts_for_what_all_memory_gains() -> None:
    def run(name: str, work: int, gain: int) -> Trial:
        return trial(finding(name, gain=gain * work), work=work, live=(0, 2 * KIB * work))

    big = [run("a", 100, 2000), run("b", 200, 2000), run("c", 400, 2000)]
    small = [run("a", 100, 100), run("b", 200, 100), run("c", 400, 100)]

    assert gate(big[:2]).undecided
    assert set(outcomes(gate(big)).values()) == {Outcome.NEW}
    assert gate(big).decisions[0].reason == (
        "new, and live memory as a whole grows with the work by as much: 2.0 KiB per iteration more"
    )
    assert (gate(small).status, set(outcomes(gate(small)).values())) == ("inconclusive", {Outcome.UNCONFIRMED})


def test_what_was_built_before_it_was_taken_down_counts_as_the_end() -> None:
    def run(work: int, built: int | None) -> Trial:
        return replace(trial(work=work, live=(0, 50)), whole=False, built_bytes=built)

    grows = [run(100, 200 * KIB), run(200, 400 * KIB), run(400, 800 * KIB)]

    assert gate(grows[:1]).undecided
    assert gate(grows).status == "inconclusive"
    assert gate([run(100, 200 * KIB), run(200, 201 * KIB)]).status == "passed"
    assert (gate([run(100, None)]).status, gate([run(100, None)]).undecided) == ("passed", False)


def test_memory_that_grows_with_the_work_and_has_no_name_is_inconclusive_unless_it_slows() -> None:
    def run(work: int, live: int) -> Trial:
        return trial(work=work, live=(0, live))

    grows = [run(100, 200 * KIB), run(200, 400 * KIB), run(400, 800 * KIB)]
    fills = [run(100, 200 * KIB), run(200, 400 * KIB), run(400, 500 * KIB)]

    assert gate(grows[:2]).undecided
    assert (gate(grows).status, gate(grows).undecided) == ("inconclusive", False)
    assert gate(grows).sentence == (
        "inconclusive for thin evidence in 3 runs, in which live memory gained 2.0 KiB per iteration more: "
        "that is a leak's way, but no place stands out"
    )
    assert gate(fills).status == "passed"
    known = Baseline((BaselineEntry("a", "LS601", "", "", "2026-01-01"),))
    assert (
        gate([trial(finding(), work=n, live=(0, n * KIB)) for n in (100, 200, 400)], baseline=known).status == "passed"
    )


def test_a_leak_fails_at_once_if_one_run_is_all_there_is() -> None:
    result = gate([trial(finding())], ONCE)

    assert (result.status, result.exit_code) == ("failed", 1)
    assert outcomes(result) == {"a": Outcome.NEW}


def test_a_leak_of_one_run_is_a_suspect_where_a_second_is_allowed() -> None:
    result = gate([trial(finding())])

    assert (result.status, result.undecided) == ("passed", True)
    assert outcomes(result) == {"a": Outcome.SUSPECT}


def test_a_leak_that_grows_with_the_work_fails() -> None:
    result = gate([trial(finding(gain=100), work=10), trial(finding(gain=200), work=20)])

    assert (result.status, result.undecided) == ("failed", False)
    assert result.decisions[0].rate == 10.0
    assert "10 B per iteration more, from 10 iterations to 20 iterations" in result.decisions[0].reason


def test_a_one_time_cost_passes_and_is_told() -> None:
    same = [trial(finding(gain=100), work=work) for work in (10, 20, 40)]

    undecided = gate(same[:2])
    result = gate(same)

    assert undecided.undecided
    assert (result.status, result.undecided) == ("passed", False)
    assert outcomes(result) == {"a": Outcome.UNCONFIRMED}
    assert "one-time cost" in result.decisions[0].reason


def test_a_leak_without_told_work_fails_if_it_comes_back_under_the_same_name() -> None:
    assert gate([trial(finding("a")), trial(finding("a"))]).status == "failed"
    other = gate([trial(finding("a")), trial(finding("b")), trial()])
    assert (other.status, set(outcomes(other).values())) == ("passed", {Outcome.UNCONFIRMED})


def test_a_leak_that_one_of_three_runs_misses_still_fails() -> None:
    result = gate([trial(finding(gain=100), work=1), trial(work=2), trial(finding(gain=390), work=4)])

    assert result.status == "failed"
    assert result.decisions[0].seen_in == (0, 2)


def test_what_the_baseline_knows_passes_and_what_it_knows_in_vain_is_stale() -> None:
    known = tuple(BaselineEntry(name, "LS601", "", "ours", "2026-01-01") for name in ("a", "gone"))

    result = gate([trial(finding("a"))], ONCE, Baseline(known))

    assert (result.status, outcomes(result)) == ("passed", {"a": Outcome.KNOWN})
    assert [entry.fingerprint for entry in result.stale] == ["gone"]
    assert result.sentence == "passed: no new leak in 1 run; 1 known"


def test_a_new_leak_beside_a_known_one_fails() -> None:
    known = Baseline((BaselineEntry("a", "LS601", "", "", "2026-01-01"),))

    assert gate([trial(finding("a"), finding("b"))], ONCE, known).status == "failed"


def test_a_suppression_passes_with_its_reason() -> None:
    policy = replace(ONCE, suppressions=(Suppression("by design", module="app"),))

    result = gate([trial(finding())], policy)

    assert (result.status, outcomes(result)) == ("passed", {"a": Outcome.SUPPRESSED})
    assert result.decisions[0].reason == "suppressed by policy (module app): by design"


@pytest.mark.parametrize("verdict", ["FRAGMENTATION", "POOLING", "BOUNDED"])
def test_fragmentation_pooling_and_bounds_inform(verdict: str) -> None:
    result = gate([trial(finding(verdict=verdict))], ONCE)

    assert (result.status, outcomes(result)) == ("passed", {"a": Outcome.TOLD})


def test_fragmentation_fails_if_the_policy_limits_it() -> None:
    limited = replace(ONCE, limits=(*DEFAULT_LIMITS, Limit("verdict", "FRAGMENTATION", bytes=KIB)))

    assert gate([trial(finding(verdict="FRAGMENTATION"))], limited).status == "failed"


def test_growth_fails_above_its_limit_alone_or_together() -> None:
    small = [finding(name, gain=40 * KIB, verdict="GROWTH") for name in "ab"]

    assert gate([trial(small[0])], ONCE).status == "passed"
    assert gate([trial(*small)], ONCE).status == "failed"


def test_the_limit_of_a_type_comes_before_that_of_a_module_and_that_before_the_verdicts() -> None:
    module = Limit("module", "app", bytes=200 * KIB)
    kind = Limit("type", "app.A", count=5)

    assert gate([trial(finding())], replace(ONCE, limits=(*DEFAULT_LIMITS, module))).status == "passed"
    assert gate([trial(finding())], replace(ONCE, limits=(*DEFAULT_LIMITS, module, kind))).status == "failed"


def test_a_limit_per_iteration_is_held_against_what_more_work_adds() -> None:
    runs = [trial(finding(gain=5000 + 100 * work, verdict="GROWTH"), work=work) for work in (10, 20)]

    def with_limit(most: int) -> Policy:
        return Policy(limits=(Limit("verdict", "GROWTH", bytes=most, per="iteration"),), repeats=2)

    assert gate(runs, with_limit(100)).status == "passed"
    assert gate([runs[0], trial(finding(gain=11000, verdict="GROWTH"), work=20)], with_limit(100)).status == "failed"


def test_an_absolute_limit_means_the_work_of_the_first_run() -> None:
    runs = [trial(finding(gain=50 * KIB * n, verdict="GROWTH"), work=n) for n in (1, 2, 4)]

    assert gate(runs).status == "passed"


def test_the_total_has_limits_too() -> None:
    policy = Policy(limits=(Limit("total", "*", bytes=KIB, per="iteration"),), repeats=2)

    def run(live: int, work: int) -> Trial:
        return Trial(report(live=(0, live)), work)

    assert gate([run(9000, 8), run(9000 + 8 * KIB, 16)], policy).status == "passed"
    failed = gate([run(9000, 8), run(9000 + 9 * KIB, 16)], policy)
    assert failed.status == "failed"
    assert failed.breaches[0].sentence == (
        "all live memory together gained 1.1 KiB per iteration; the limit is 1.0 KiB per iteration"
    )


@pytest.mark.parametrize(("said", "status"), [("tell", "inconclusive"), ("pass", "passed"), ("fail", "failed")])
def test_thin_evidence_asks_for_longer_runs_and_then_is_what_the_policy_says(said: str, status: str) -> None:
    policy = Policy(repeats=1, inconclusive=said)  # type: ignore[arg-type]
    thin = [trial(verdict="UNKNOWN", work=work, live=(0, 100 * work)) for work in (1, 64, 4096)]

    assert gate(thin[:1], policy).undecided
    assert gate(thin[:2], policy).undecided
    assert (gate(thin, policy).undecided, gate(thin, policy).status) == (False, status)
    assert gate([*thin[:2], trial(work=4096)], policy).status == "passed"


def test_memory_that_is_no_more_after_more_work_does_not_leak_whatever_one_run_leaves_open() -> None:
    runs = [trial(verdict="UNKNOWN", work=work, live=(0, 10_000 + 7 * work)) for work in (100, 200)]

    assert gate(runs[:1]).undecided
    assert (gate(runs).status, gate(runs).undecided) == ("passed", False)


def test_a_doubt_that_grows_with_the_work_is_growth_and_one_that_does_not_stays_a_doubt() -> None:
    def doubt(gain: int, work: int) -> Trial:
        return trial(finding(gain=gain, verdict="UNKNOWN"), work=work, live=(0, gain))

    grows = [doubt(100 * KIB, 100), doubt(200 * KIB, 200)]
    fills = [doubt(100 * KIB, 100), doubt(101 * KIB, 200), doubt(101 * KIB, 400)]

    assert gate(grows[:1]).undecided
    assert outcomes(gate(grows)) == {"a": Outcome.NEW}
    assert gate(grows).decisions[0].finding.verdict.value == "GROWTH"
    assert (outcomes(gate(fills)), gate(fills).status) == ({"a": Outcome.DOUBT}, "passed")


def test_a_short_run_that_finds_nothing_is_followed_by_a_longer_one() -> None:
    def run(elapsed_s: float, work: int | None) -> Trial:
        source = Source("1.lks", "cpython", "3.11", ("a.py",), 1, 1, "exit", 0.0, elapsed_s, 1)
        return Trial(report(sources=(source,)), work)

    assert gate([run(0.2, 100)]).undecided
    assert not gate([run(0.2, None)]).undecided
    assert not gate([replace(run(2.0, 100), whole=False)]).undecided
    assert not gate([run(0.2, 100), run(1.1, 800)]).undecided
    assert not gate([run(0.2, 100), run(0.4, 200), run(0.8, 400)]).undecided


def test_of_a_server_its_load_must_be_long_enough_and_its_start_does_not_count() -> None:
    def run(load_s: float, work: int) -> Trial:
        sources = [
            Source("1.lks", "cpython", "3.11", ("a.py",), 1, 1, "signal", 0.0, 5.0 + at_s, 1) for at_s in (0.0, load_s)
        ]
        return Trial(report(sources=tuple(sources)), work, served=True)

    assert gate([run(2.0, 100), run(0.5, 200)]).undecided
    assert not gate([run(0.5, 100), run(2.0, 400)]).undecided


def test_imports_that_follow_the_first_dump_in_one_run_and_precede_it_in_another_grow_with_no_work() -> None:
    def run(gained: int, work: int) -> Trial:
        return trial(replace(finding(gain=300_000, count=5000), growth=Growth(gained * 60, gained, (0, 1))), work=work)

    assert gate([run(100, 10), run(4000, 20), run(100, 40)]).status == "passed"


def test_two_lines_with_one_fingerprint_are_added_up_whichever_is_the_bigger() -> None:
    def run(first: int, second: int, work: int) -> Trial:
        return trial(finding(gain=first), finding(gain=second, sentence="The other line."), work=work)

    result = gate([run(1000, 400, 10), run(1000, 1800, 20)])

    assert (result.status, result.decisions[0].finding.bytes) == ("failed", 2800)
    assert result.decisions[0].finding.sentence == "The other line."


def test_one_object_that_grows_is_measured_in_bytes() -> None:
    assert gate([trial(finding(gain=100 * n, count=1), work=n) for n in (10, 20)]).status == "failed"
    assert gate([trial(finding(gain=100 + n, count=1), work=n) for n in (10, 20, 40)]).status == "passed"


def test_as_many_blocks_that_are_bigger_with_more_work_grow() -> None:
    where = Subject("blocks", function="fill", file="app/a.py", line=7)

    assert gate([trial(finding(gain=100 * n, count=50, subject=where), work=n) for n in (10, 20)]).status == "failed"


def test_runs_that_were_too_short_do_not_count_among_the_repeats() -> None:
    runs = [trial(verdict="UNKNOWN", work=1), trial(finding(gain=640), work=64), trial(finding(gain=1280), work=128)]

    assert gate(runs[:2], Policy(repeats=2)).undecided
    assert gate(runs, Policy(repeats=2)).status == "failed"


def test_thin_evidence_of_a_program_that_cannot_do_more_is_final() -> None:
    result = gate([trial(verdict="UNKNOWN")])

    assert (result.undecided, result.exit_code) == (False, 3)


def test_a_doubt_beside_something_sure_does_not_make_a_run_inconclusive() -> None:
    result = gate([trial(finding(verdict="BOUNDED"), finding("b", verdict="UNKNOWN"))], ONCE)

    assert (result.status, outcomes(result)) == ("passed", {"a": Outcome.TOLD, "b": Outcome.DOUBT})


def test_a_known_doubt_is_no_doubt() -> None:
    known = Baseline((BaselineEntry("a", "LS601", "", "", "2026-01-01"),))

    assert gate([trial(finding(verdict="UNKNOWN"))], ONCE, known).status == "passed"


def test_scaling_agrees_with_the_plain_definition_on_random_amounts() -> None:
    draw = random.Random(6)
    for _ in range(500):
        work, factor = draw.randint(1, 100), draw.choice([2, 4])
        first, second = draw.randint(1, 1000), draw.randint(0, 4000)
        runs = [
            trial(finding(gain=gain, count=gain), work=at)
            for gain, at in ((first, work), (second, work * factor))
        ]  # fmt: skip

        pace, further = first / work, (second - first) / (work * factor - work)
        assert (gate(runs, Policy(repeats=2)).status == "failed") == (further >= pace / 2)
