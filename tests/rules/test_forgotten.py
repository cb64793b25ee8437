"""LS401: handles that never come back are told with their way between threads; those in use or in a queue are not."""

from __future__ import annotations

import pytest
from builders import Moment, dump, live, series
from pool_builders import lent, returned

from leakscope.analysis.facts import Facts
from leakscope.model.finding import Finding, Verdict
from leakscope.rules import forgotten
from leakscope.verdict import judge

POOL, SIZE = "app:Buffer", 64 << 10
HANDED = ("handed off", "serve@server.py:41", "loop-1")
USED = ("touched", "answer@server.py:57", "worker-2")
WORK = live({"main@app.py:3": (100, 64)})


def out(count: int, *touches: tuple[str, str, str], site: str = "read@server.py:33", state: str = "held") -> Moment:
    return lent({site: (count, SIZE)}, pool=POOL, thread="loop-1", touches=touches, state=state)


def back(count: int, site: str = "read@server.py:33") -> Moment:
    return returned({site: (count, SIZE)}, pool=POOL, thread="loop-1", by="worker-2")


def found(*moments: Moment) -> tuple[Finding, ...]:
    return forgotten.check(Facts(series(*(WORK + moment for moment in moments))))


def test_handles_that_are_held_on_one_path_are_a_leak_with_the_hand_off_and_the_path() -> None:
    [finding] = found(*(out(n, HANDED, USED) + back(900) for n in (100, 200, 300, 400)))

    assert finding.verdict is Verdict.LEAK
    assert finding.sentence == (
        "400 of 4,000 app:Buffer handles (64.0 KiB each, 25.0 MiB) acquired by thread loop-1 at server.py:33 and "
        "handed to worker-2 at server.py:41 are never released; they are still held, and the path through "
        "server.py:57 lacks the release."
    )
    assert finding.growth is not None
    assert (finding.count, finding.growth.count, finding.bytes) == (400, 300, 400 * SIZE)
    assert finding.threads is not None
    assert dict(finding.threads.allocated_by) == {"loop-1": 4000}
    assert dict(finding.threads.released_by) == {"worker-2": 3600}
    assert (finding.subject.kind, finding.subject.line, finding.subject.pool) == ("buffers", 33, POOL)


def test_handles_that_nobody_touched_after_the_hand_off_are_said_to_be_so() -> None:
    [finding] = found(*(out(n, HANDED) + back(900) for n in (100, 200, 300)))

    assert " and handed to others at server.py:41 are never released; " in finding.sentence
    assert finding.sentence.endswith("they are still held, and nothing touched them since.")


def test_dropped_handles_are_told_with_who_dropped_them() -> None:
    gone = ("collected", "work@server.py:60", "worker-2")

    [finding] = found(*(out(50, gone, state="collected without release") + back(900) for _ in range(4)))

    assert finding.count == 200
    assert finding.sentence.endswith("never released; all were dropped without it by thread worker-2 at server.py:60.")


def test_a_place_that_never_releases_anything_is_told() -> None:
    assert len(found(*(out(n) for n in (100, 200, 300)))) == 1


@pytest.mark.parametrize(
    "moments",
    [
        [out(n) + back(900) for n in (5, 7, 3)],
        [out(n) + back(900) for n in (200, 200, 200)],
        [out(n) + back(900) for n in (100, 180, 200, 201)],
        [out(n) + back(900) for n in (100, 300, 200)],
        [out(n) + back(900) for n in (1, 4, 9)],
        [out(2, state="collected without release") + back(900) for _ in range(4)],
    ],
    ids=["a handful in flight", "level", "slowing", "up and down", "few", "few dropped"],
)
def test_handles_in_use_are_left_in_peace(moments: list[Moment]) -> None:
    assert found(*moments) == ()


def test_a_queue_that_grows_longer_is_no_leak() -> None:
    """At each dump all that were out before have come back, and more wait: `site` makes other handles of them."""
    waiting = [out(n, site=f"read@server.py:33 > step{n}@app.py:{n}") for n in (100, 200, 300)]
    same_place = [out(100 * n, ("touched", f"step@app.py:{n}", "loop-1")) + back(900) for n in (1, 2, 3)]

    assert found(*waiting) == ()
    assert found(*same_place) == ()


def test_one_dump_tells_nothing_of_handles_of_one_moment() -> None:
    assert forgotten.check(Facts([dump(WORK + out(500) + back(100))])) == ()


def test_two_paths_are_two_findings_and_the_report_keeps_both() -> None:
    other = ("touched", "refuse@server.py:80", "worker-2")
    moments = [out(n, HANDED, USED) + out(2 * n, HANDED, other) + back(900) for n in (100, 200, 300)]

    report = judge(series(*(WORK + moment for moment in moments)))

    ours = [finding for finding in report.findings if finding.code == "LS401"]
    assert [finding.count for finding in ours] == [600, 300]
    assert len({finding.fingerprint for finding in ours}) == 2
    assert report.verdict is Verdict.LEAK
