"""How the parent follows the object graph of a program: a drawn ledger says how far it is, a clock how long it took."""

from __future__ import annotations

from typing import Any

import pytest

from leakscope.capture.heap import (
    BY_REQUEST,
    BY_WISH,
    CLAIM_BY_SCHEDULE_S,
    COMPLETE,
    EMPTY,
    FAILED,
    NOBODY,
    STRAY_S,
    WALK_S,
    WALKING,
    HeapWatch,
    Stage,
)


class DrawnLedger:
    """The area as the program and its parent leave it."""

    def __init__(self) -> None:
        self.wished = False
        self.emptied = 0
        self.damage = ""
        self.area: dict[str, Any] = {
            "owner": NOBODY, "state": EMPTY, "frozen": False, "in_child": False, "copy": 0,
            "wake_signal": 0, "request": False, "objects": 5, "edges": 7, "bodies": 2,
            "collector_enabled": True, "thresholds": (700, 10, 10), "counts": (1, 2, 3),
            "garbage": 0, "values": False, "taken_s": 1.0, "pause_s": 0.01, "walk_s": 0.5,
            "cpu_s": 0.09, "problem": "", "request_problem": "",
        }  # fmt: skip

    def becomes(self, **area: Any) -> None:
        """What the program does with the area."""
        self.area |= area

    def heap_state(self) -> dict[str, Any]:
        return dict(self.area)

    def wish_heap(self) -> None:
        self.wished = True

    def withdraw_heap(self) -> bool:
        """Whether nobody had heard the wish."""
        self.wished = False
        return bool(self.area["owner"] != BY_WISH)

    def empty_heap(self) -> None:
        self.emptied += 1
        self.becomes(owner=NOBODY, state=EMPTY, frozen=False)

    def heap_columns(self, objects: int, edges: int, bodies: int) -> tuple[str, object]:
        return (self.damage, None) if self.damage else ("", (objects, edges, bodies))


@pytest.fixture
def ledger() -> DrawnLedger:
    return DrawnLedger()


@pytest.fixture
def watch(ledger: DrawnLedger) -> HeapWatch:
    return HeapWatch(ledger, 1)  # type: ignore[arg-type]


def frozen(ledger: DrawnLedger, owner: int = BY_WISH) -> None:
    ledger.becomes(owner=owner, state=WALKING, frozen=True)


def test_a_wish_that_somebody_waits_for_by_now_has_its_time_anew(ledger: DrawnLedger, watch: HeapWatch) -> None:
    watch.begin(10.0, BY_WISH, CLAIM_BY_SCHEDULE_S)

    assert watch.hurry(10.9)
    assert watch.step(10.9 + CLAIM_BY_SCHEDULE_S) is Stage.WISHED

    frozen(ledger)
    assert watch.step(12.0) is Stage.FROZEN
    assert not watch.hurry(12.1)


def test_a_wish_is_heard_frozen_walked_and_fetched(ledger: DrawnLedger, watch: HeapWatch) -> None:
    assert watch.begin(10.0, BY_WISH) is Stage.WISHED
    assert ledger.wished
    ledger.becomes(owner=BY_WISH, state=WALKING)
    assert watch.step(10.5) is Stage.WISHED
    frozen(ledger)
    assert watch.step(10.6) is Stage.FROZEN
    ledger.becomes(state=COMPLETE)
    assert watch.step(11.0) is Stage.OVER

    meta, graph = watch.fetch()
    watch.done(11.1)

    assert (meta.problem, meta.objects, meta.collector_thresholds, meta.where) == ("", 5, (700, 10, 10), "process")
    assert graph == (5, 7, 2)
    assert ledger.emptied == 1


def test_the_programs_own_graph_is_followed_from_wherever_it_is(ledger: DrawnLedger, watch: HeapWatch) -> None:
    ledger.becomes(owner=BY_REQUEST, state=COMPLETE, frozen=True)

    assert watch.has_request()
    assert watch.begin(10.0, BY_REQUEST) is Stage.OVER
    assert watch.fetch()[0].problem == ""


def test_a_program_that_does_nothing_is_given_up_and_the_next_time_sooner(
    ledger: DrawnLedger, watch: HeapWatch
) -> None:
    watch.begin(10.0, BY_WISH, CLAIM_BY_SCHEDULE_S)
    assert watch.step(10.9) is Stage.WISHED
    assert watch.step(11.0) is Stage.OVER
    assert watch.fetch()[0].problem == "the program ran no Python code for 1 s"
    watch.done(11.0)
    assert not ledger.wished

    watch.begin(20.0, BY_WISH, CLAIM_BY_SCHEDULE_S)

    assert watch.step(20.3) is Stage.OVER
    assert watch.fetch()[0].problem == "the program still ran no Python code"


def test_a_lock_that_never_comes_is_given_up_and_what_comes_of_it_later_is_swept(
    ledger: DrawnLedger, watch: HeapWatch
) -> None:
    watch.begin(10.0, BY_WISH)
    ledger.becomes(owner=BY_WISH, state=WALKING)
    assert watch.step(19.0) is Stage.WISHED
    assert watch.step(20.0) is Stage.OVER
    assert "interpreter's lock for 10 s" in watch.fetch()[0].problem
    watch.done(20.0)
    assert ledger.emptied == 0

    ledger.becomes(state=FAILED, problem="the interpreter's lock came too late")
    watch.sweep(21.0)
    watch.sweep(21.0 + STRAY_S)

    assert ledger.emptied == 1


@pytest.mark.parametrize(
    ("area", "problem"),
    [
        ({"state": FAILED, "problem": "the walk over the objects died of signal 11"}, "died of signal 11"),
        ({"state": 77}, "failed"),
        ({"owner": NOBODY, "state": EMPTY}, "was lost"),
        ({"owner": BY_REQUEST}, "was lost"),
    ],
)
def test_a_walk_that_fails_says_why(area: dict[str, Any], problem: str, ledger: DrawnLedger, watch: HeapWatch) -> None:
    watch.begin(10.0, BY_WISH)
    frozen(ledger)
    watch.step(10.1)
    ledger.becomes(**area)

    assert watch.step(10.2) is Stage.OVER
    meta, graph = watch.fetch()
    assert problem in meta.problem
    assert graph is None


def test_an_endless_walk_is_given_up_but_not_disturbed(ledger: DrawnLedger, watch: HeapWatch) -> None:
    watch.begin(10.0, BY_WISH)
    frozen(ledger)
    watch.step(10.1)

    assert watch.step(10.0 + WALK_S) is Stage.FROZEN
    assert watch.step(10.1 + WALK_S) is Stage.OVER
    watch.done(150.0)
    assert ledger.emptied == 0
    assert watch.begin(160.0, BY_WISH) is Stage.OVER
    assert watch.fetch()[0].problem == "an earlier walk over the objects still goes on"


def test_an_overrun_area_costs_the_graph_only(ledger: DrawnLedger, watch: HeapWatch) -> None:
    ledger.damage = "the program has overwritten the walk over its objects"
    watch.begin(10.0, BY_WISH)
    ledger.becomes(owner=BY_WISH, state=COMPLETE, frozen=True)
    watch.step(10.1)

    assert watch.fetch()[0].problem == ledger.damage
    watch.done(10.2)
    assert ledger.emptied == 1


def test_walks_that_nobody_asked_for_keep_within_their_share(ledger: DrawnLedger, watch: HeapWatch) -> None:
    assert watch.affordable(0.0)
    watch.begin(10.0, BY_WISH)
    ledger.becomes(owner=BY_WISH, state=COMPLETE, frozen=True)
    watch.step(10.0)
    watch.done(10.0)

    # At the start 0.1 s of pause and processor time are worth 0.4 s ...
    assert not watch.affordable(10.3)
    assert watch.affordable(10.5)
    for _ in range(3):
        watch.begin(20.0, BY_WISH)
        ledger.becomes(owner=BY_WISH, state=COMPLETE, frozen=True)
        watch.step(20.0)
        watch.done(20.0)
    # ... and later they are 5 % of 2 s.
    assert not watch.affordable(21.9)
    assert watch.affordable(22.1)


def test_a_request_without_a_graph_says_why_only_if_it_wanted_one(ledger: DrawnLedger, watch: HeapWatch) -> None:
    ledger.becomes(request=False, request_problem="something from before")
    assert watch.request_problem() == ""
    ledger.becomes(request=True, request_problem="another walk over the objects took too long")
    assert watch.request_problem() == "another walk over the objects took too long"
