"""LS402: each place that misuses handles is told once, with the release before; what is released once is not told."""

from __future__ import annotations

from builders import Moment, live, series
from pool_builders import lent, returned

from leakscope.analysis.facts import Facts
from leakscope.model.finding import Finding, Verdict
from leakscope.rules import misused

POOL = "app:Packet"
WORK = live({"main@app.py:3": (100, 64)})
FIRST = ("released", "send@net.py:20", "sender")
AGAIN = ("released", "retry@net.py:31", "retrier")
LATE = ("touched", "show@net.py:50", "retrier")


def wrong(count: int, state: str, *touches: tuple[str, str, str]) -> Moment:
    return lent({"deliver@net.py:9": (count, 100)}, pool=POOL, thread="sender", touches=touches, state=state)


def found(*moments: Moment) -> tuple[Finding, ...]:
    return misused.check(Facts(series(*(WORK + moment for moment in moments))))


def test_a_second_release_is_a_leak_with_the_first_one_and_both_threads() -> None:
    [finding] = found(wrong(3, "released twice", FIRST, AGAIN), wrong(4, "released twice", FIRST, AGAIN))

    assert finding.verdict is Verdict.LEAK
    assert finding.sentence == (
        "7 app:Packet handles acquired by thread sender at net.py:9 and released by sender at net.py:20 are released a "
        "second time by retrier at net.py:31."
    )
    assert finding.confidence > 0.95


def test_a_use_after_the_release_is_told_apart_from_a_second_release_of_the_same_place() -> None:
    both = wrong(1, "released twice", FIRST, AGAIN) + wrong(1, "used after release", FIRST, LATE)

    sentences = sorted(finding.sentence for finding in found(both))

    assert len(sentences) == 2
    assert sentences[0].endswith("is released a second time by retrier at net.py:31.")
    assert sentences[1].endswith("is used after the release by retrier at net.py:50.")


def test_a_reference_too_many_is_told_if_such_handles_become_more() -> None:
    kept = (("retained", "send@net.py:18", "sender"), ("retained", "send@net.py:19", "sender"), FIRST)
    some = [wrong(n, "retained without release", *kept) + _back(500) for n in (50, 100, 150)]

    [finding] = found(*some)

    assert "are retained more often than released: 2 references are left on each after net.py:20" in finding.sentence
    assert finding.growth is not None
    assert finding.growth.count == 100


def test_references_in_use_and_handles_that_came_back_are_left_in_peace() -> None:
    kept = (("retained", "send@net.py:18", "sender"), FIRST)

    assert found(*(wrong(n, "retained without release", *kept) + _back(500) for n in (40, 60, 35))) == ()
    assert found(_back(500), _back(500)) == ()


def _back(count: int) -> Moment:
    return returned({"deliver@net.py:9": (count, 100)}, pool=POOL, thread="sender")
