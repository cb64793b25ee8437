"""
The object graph's way out of the program, as the parent sees it: wished for, frozen, walked, fetched.

It knows the states of the ledger's area and how much patience each deserves; it refuses to know what a dump is.
Nothing in here waits: whoever watches the program asks again.
"""

from __future__ import annotations

import contextlib
import os
import signal
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leakscope.model.heap import HeapMeta

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leakscope._core import Ledger

NOBODY, BY_WISH, BY_REQUEST = range(3)
"""Who had the heap frozen that is in the area: nobody, the parent, the program for a dump that it asks for."""
EMPTY, WALKING, COMPLETE, FAILED = range(4)
"""States of the area."""
CLAIM_S = 2.0
"""Within this a program that does anything asks for memory, and notices the wish."""
CLAIM_BY_SCHEDULE_S = 1.0
"""The same for a dump that nobody asked for: there will be others."""
WAKE_S = 0.3
"""A program that did nothing for so long is asked by signal, and again after as long."""
STILL_IDLE_S = 0.2
"""The same for a program that did nothing the last time."""
LOCK_S = 10.0
"""Within this a thread that wants the interpreter's lock gets it."""
WALK_S = 130.0
"""A little more than the walk gives itself."""
STRAY_S = 5.0
"""A graph that nobody has fetched by then belongs to a dump that was given up."""
WALK_SHARE = 0.05
"""Most of the program's time that walks nobody asked for may cost."""
START_SHARE, START_S = 0.25, 0.3
"""The same as long as all walks together cost no more than this: a short run would have nothing to compare."""


class Stage(Enum):
    """How far the graph of a dump is."""

    WISHED = 1
    FROZEN = 2
    OVER = 3


class HeapWatch:
    """
    The area of one ledger, for one dump at a time.

    Parameters
    ----------
    ledger : Ledger
    pid : int
        Of the program.
    """

    def __init__(self, ledger: Ledger, pid: int) -> None:
        self.problem = ""
        self._ledger = ledger
        self._pid = pid
        self._owner = NOBODY
        self._stage = Stage.OVER
        self._since_s = 0.0
        self._claim_s = CLAIM_S
        self._wake_at_s: float | None = None
        self._stray_since_s: float | None = None
        self._idle = False
        self._cost_s = self._spent_s = 0.0
        self._cost_until_s = 0.0
        self._seen: Mapping[str, Any] = {}

    def affordable(self, now_s: float) -> bool:
        """Whether the walks so far were cheap enough for one that nobody asked for."""
        share = START_SHARE if self._spent_s <= START_S else WALK_SHARE
        return now_s - self._cost_until_s >= self._cost_s / share

    def has_request(self) -> bool:
        """Whether the program has had its heap frozen for a dump that it asks for."""
        return bool(self._state()["owner"] == BY_REQUEST)

    def request_problem(self) -> str:
        """Why a request that wants a graph comes without; "" if it does not want one."""
        state = self._state()
        return (str(state["request_problem"]) or "it could not be taken") if state["request"] else ""

    def begin(self, now_s: float, owner: int, claim_s: float = CLAIM_S, *, wake: bool = False) -> Stage:
        """Follow a graph: the program's own, or one that it is now told to make, by signal if it must be woken."""
        self._owner = owner
        self._claim_s = STILL_IDLE_S if self._idle and not wake else claim_s
        self._wake_at_s = now_s + WAKE_S if wake else None
        self.problem = ""
        self._turn_to(Stage.WISHED, now_s)
        if owner == BY_WISH:
            if self._state()["state"] in {COMPLETE, FAILED}:
                self._ledger.empty_heap()
            if self._state()["state"] == WALKING:
                self.give_up("an earlier walk over the objects still goes on")
            else:
                self._ledger.wish_heap()
        return self.step(now_s)

    def hurry(self, now_s: float) -> bool:
        """Somebody waits for it from now on: a program that sleeps is woken.  False if it is past being wished for."""
        if self._stage is not Stage.WISHED or self._owner != BY_WISH:
            return False
        self._claim_s = CLAIM_S
        self._wake_at_s = now_s + WAKE_S
        self._turn_to(Stage.WISHED, now_s)
        return True

    def step(self, now_s: float) -> Stage:
        """How far it is now."""
        if self._stage is Stage.OVER:
            return self._stage
        state = self._state()
        if self._stage is Stage.WISHED:
            self._wait_for_freeze(state, now_s - self._since_s, now_s)
        # Frozen and walked may have come to pass in one.
        if self._stage is Stage.FROZEN:
            self._wait_for_walk(state, now_s - self._since_s, now_s)
        return self._stage

    def copy(self, pid: int) -> int:
        """Process id of the copy of the program that is being walked; that of the program itself if there is none."""
        state = self._state()
        frozen = state["state"] == WALKING and state["frozen"] and state["in_child"]
        return int(state["copy"]) if frozen and _is_child(int(state["copy"]), pid) else pid

    def give_up(self, problem: str) -> None:
        """End it without a graph."""
        if self._stage is Stage.WISHED and self._owner == BY_WISH:
            self._ledger.withdraw_heap()
        self.problem = problem
        self._stage = Stage.OVER

    def fetch(self) -> tuple[HeapMeta, object]:
        """
        What there is to tell of the graph, and its columns; None instead of them if there is a problem.

        The columns lie in the area: call `done` when they are written.
        """
        state, graph = self._seen, None
        if not self.problem:
            self.problem, graph = self._ledger.heap_columns(state["objects"], state["edges"], state["bodies"])
        if self.problem:
            return HeapMeta(problem=self.problem), None
        meta = HeapMeta(
            objects=state["objects"],
            edges=state["edges"],
            bodies=state["bodies"],
            collector_enabled=state["collector_enabled"],
            collector_thresholds=tuple(state["thresholds"]),
            generation_counts=tuple(state["counts"]),
            where="child" if state["in_child"] else "process",
            taken_s=state["taken_s"],
            pause_s=state["pause_s"],
            walk_s=state["walk_s"],
            values=state["values"],
            garbage=state["garbage"],
            problem="",
        )
        return meta, graph

    def done(self, now_s: float) -> None:
        """Give the area's memory back, if what is in it is over."""
        self._stage = Stage.OVER
        state = self._state()
        if state["state"] in {COMPLETE, FAILED} and state["owner"] in {NOBODY, self._owner}:
            self._ledger.empty_heap()
        self._owner = NOBODY

    def sweep(self, now_s: float) -> None:
        """Empty the area of what was finished too late for its dump."""
        state = self._state()
        if self._stage is not Stage.OVER or state["state"] in {EMPTY, WALKING}:
            self._stray_since_s = None
        elif self._stray_since_s is None:
            self._stray_since_s = now_s
        elif now_s - self._stray_since_s >= STRAY_S:
            self._ledger.empty_heap()
            self._stray_since_s = None

    def _state(self) -> Mapping[str, Any]:
        return self._ledger.heap_state()

    def _turn_to(self, stage: Stage, now_s: float) -> None:
        self._stage = stage
        self._since_s = now_s

    def _wait_for_freeze(self, state: Mapping[str, Any], waited_s: float, now_s: float) -> None:
        ours = state["owner"] == self._owner
        if not state["frozen"] and self._wake_at_s is not None and now_s >= self._wake_at_s:
            self._wake_at_s = now_s + WAKE_S
            _wake(self._pid, int(state["wake_signal"]))
        if ours and state["state"] == FAILED:
            self.give_up(str(state["problem"]))
        elif ours and state["frozen"]:
            self._idle = False
            self._turn_to(Stage.FROZEN, now_s)
            if state["in_child"]:
                _offer_to_die(state["copy"], self._pid)
        elif not ours and waited_s >= self._claim_s and self._ledger.withdraw_heap():
            how_long = "still ran no Python code" if self._idle else f"ran no Python code for {self._claim_s:.0f} s"
            self._idle = True
            self.give_up(f"the program {how_long}")
        elif waited_s >= LOCK_S:
            self.give_up("no thread of the program gave up the interpreter's lock for 10 s")

    def _wait_for_walk(self, state: Mapping[str, Any], waited_s: float, now_s: float) -> None:
        if state["owner"] != self._owner or state["state"] == EMPTY:
            self.give_up("the walk over the objects was lost")
        elif state["state"] == COMPLETE:
            self._seen = state
            self._cost_s, self._cost_until_s = state["pause_s"] + state["cpu_s"], now_s
            self._spent_s += self._cost_s
            self._stage = Stage.OVER
        elif state["state"] != WALKING:
            self.give_up(str(state["problem"]) or "the walk over the objects failed")
        elif waited_s >= WALK_S:
            self.give_up("the walk over the objects did not end")


def _wake(program: int, number: int) -> None:
    """Interrupt a program that sleeps, if the recorder still has the signal for that."""
    with contextlib.suppress(OSError, StopIteration, ValueError):
        lines = Path(f"/proc/{program}/status").read_text().splitlines()
        caught = int(next(line for line in lines if line.startswith("SigCgt:")).split()[1], 16)
        if 0 < number <= signal.SIGRTMAX and caught >> (number - 1) & 1:
            os.kill(program, number)


def _offer_to_die(copy: int, program: int) -> None:
    """Let the system kill the copy, not the program, if memory runs out on account of the walk."""
    with contextlib.suppress(OSError):
        if _is_child(copy, program):
            Path(f"/proc/{copy}/oom_score_adj").write_text("1000")


def _is_child(copy: int, program: int) -> bool:
    """Whether a number that comes out of the program's memory is really a living child of it."""
    try:
        fields = Path(f"/proc/{copy}/stat").read_bytes().rpartition(b")")[2].split()
        return int(fields[1]) == program and fields[0] not in {b"Z", b"X"}
    except (OSError, IndexError, ValueError):
        return False
