"""
A trial: the same work again and again, a little at first, and where something rises until it is proved or acquitted.

It knows the order of suspicion and proof; it refuses to know what the work is.

1. After some repetitions to warm up, a few are counted.  Where nothing rises, that is all.
2. Where something rises, the caches of the standard library are emptied from now on before each count, and the work is
   repeated eight times more: the least of each quarter must rise, and not slow down.
3. What still rises is repeated sixteen times more, if the time allows, with the same question.
4. What lies in a cache with a bound is no leak, however steadily it fills.  A bound that a program keeps by hand cannot
   be seen, only reached: what is left of the suspicion is repeated 128 times more, if the time allows.
"""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from leakscope.model.finding import Verdict
from leakscope.trials.caches import forget_names
from leakscope.trials.excuses import Excuses
from leakscope.trials.meter import Meter, blocks_of
from leakscope.trials.trend import ENOUGH, Trend, trend_of
from leakscope.trials.words import leak_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from leakscope.model.trial import Leak
    from leakscope.trials.meter import Grown, Stacks

CONFIRMING = 8
FURTHER = 16
LAST = 128
_LAST_EVERY = 4
_SELDOM = 2
"""Counting costs more than most tests do: for a first suspicion every second repetition is enough."""
_TIMES_LONGER, _LONGER_S = 20, 1.0
"""A repetition that takes this many times what the first one took, and so much processor time more, runs away: work
that wraps what it wrapped before doubles with each, and the thirtieth would take years."""
_ONE_PASS = 2
_UNPROVED = "seen too seldom to tell a leak from a cache"


@dataclass(frozen=True, slots=True)
class Plan:
    """
    How much a trial does.

    Attributes
    ----------
    warmup : int
        Repetitions that are not counted.
    repeats : int
        Repetitions counted at first; suspicion adds more.
    most_s : float
        Seconds after which no further repetitions are begun that are not needed for an answer.
    """

    warmup: int = 1
    repeats: int = 4
    most_s: float = 10.0


class Trial:
    """
    Work that is repeated and judged.

    Parameters
    ----------
    step : callable
        Does the work once; False: it cannot be repeated.
    plan : Plan
    stacks : Stacks

    Raises
    ------
    CaptureError
        If not every block of this process is recorded.

    Attributes
    ----------
    repetitions : int
        How many there were.
    problem : str
        Why the work was not repeated as often as was needed although it could be; "" if it was, or could not.
    """

    def __init__(self, step: Callable[[], bool], plan: Plan, stacks: Stacks) -> None:
        self._step = step
        self._plan = plan
        self._meter = Meter(stacks)
        self._excuses: Excuses | None = None
        self.repetitions = 0
        self.problem = ""
        self._first_s: float | None = None

    def run(self) -> list[Leak] | None:
        """
        What the work leaves behind each time, most first; None if it could not be repeated.

        Objects that were there before, garbage included, are frozen meanwhile, so that a collection looks at new ones
        only.
        """
        gc.freeze()
        try:
            return self._run()
        finally:
            gc.unfreeze()

    def _run(self) -> list[Leak] | None:
        began_s = time.monotonic()
        if not self._repeat(self._plan.warmup, counted=False):
            return None
        self._mark()
        if not self._repeat(max(self._plan.repeats, _SELDOM), every=_SELDOM):
            return None
        if not self._rising(*Trend):
            return []
        return self._prove(began_s)

    def _prove(self, began_s: float) -> list[Leak] | None:
        gc.unfreeze()
        self._excuses = excuses = Excuses()
        gc.freeze()
        if not self._repeat(1, counted=False):
            return None
        self._meter.restart()
        done = self.repetitions
        if not self._repeat(CONFIRMING):
            return None
        proved = self._rising(Trend.STEADY, Trend.SLOWING)
        if proved and self._affords(FURTHER, began_s):
            if not self._repeat(FURTHER):
                return None
            proved = self._rising(Trend.STEADY, Trend.SLOWING)
        if proved and self._affords(LAST, began_s):
            if self._repeat_last():
                proved = self._still_rising(proved)
            else:
                self.problem = ""  # what piles up may be what stops it: proved it is all the same
        if not proved:
            return []
        gc.unfreeze()
        excuses.look(self.repetitions - done)
        leaks = [judged(one, self._meter, excuses) for one in proved]
        return sorted(leaks, key=lambda leak: (leak.verdict is not Verdict.LEAK, -leak.bytes_each))

    def _repeat(self, times: int, *, counted: bool = True, every: int = 1) -> bool:
        for number in range(1, times + 1):
            if not self._once():
                return False
            self.repetitions += 1
            if counted and number % every == 0:
                self._mark()
        return True

    def _mark(self) -> None:
        """Before anybody is suspected, only what costs nothing to make again is forgotten."""
        if self._excuses is not None:
            self._excuses.empty()
        else:
            forget_names()
        self._meter.mark()

    def _affords(self, times: int, began_s: float) -> bool:
        spent_s = time.monotonic() - began_s
        return spent_s * (1 + times / max(self.repetitions, 1)) <= self._plan.most_s

    def _repeat_last(self) -> bool:
        """Into a series of their own; what stayed since the proof began is what is told."""
        began_s = self._meter.began_s
        self._meter.restart()
        self._meter.began_s = began_s
        return self._repeat(LAST, every=_LAST_EVERY)

    def _still_rising(self, proved: list[Grown]) -> list[Grown]:
        """Those whose place goes on as steadily; the numbers that are told are those of the proof."""
        steady = {(one.place.file, one.place.function) for one in self._rising(Trend.STEADY)}
        return [one for one in proved if (one.place.file, one.place.function) in steady]

    def _once(self) -> bool:
        began_s = time.process_time()
        if not self._step():
            return False
        spent_s = time.process_time() - began_s
        if self._first_s is None:
            self._first_s = spent_s
        elif spent_s > _TIMES_LONGER * self._first_s + _LONGER_S:
            self.problem = f"takes ever longer when repeated: {self._first_s:.2g} s at first, {spent_s:.2g} s at last"
        return not self.problem

    def _rising(self, *trends: Trend) -> list[Grown]:
        wanted = set(trends) - {Trend.FLAT}
        return [one for one in self._meter.grown() if trend_of(one.blocks) in wanted or trend_of(one.bytes) in wanted]


def judged(one: Grown, meter: Meter, excuses: Excuses) -> Leak:
    """
    A place that rises, in words, and with the reasons why it may be no leak.

    Parameters
    ----------
    one : Grown
    meter : Meter
    excuses : Excuses
    """
    blocks = blocks_of([stack for stack, gain in one.stacks.items() if gain > 0], meter.began_s)
    reason = excuses.excuse(one, blocks, meter.stacks)
    if reason:
        verdict = Verdict.BOUNDED
    elif len(one.blocks) < ENOUGH:
        verdict, reason = Verdict.UNKNOWN, _UNPROVED if len(one.blocks) > _ONE_PASS else ""
    elif Trend.STEADY in {trend_of(one.blocks), trend_of(one.bytes)}:
        verdict = Verdict.LEAK
    else:
        verdict, reason = Verdict.GROWTH, "it slows down"
    return leak_of(one, verdict, blocks, len(one.blocks) * meter.width, meter.stacks, reason)
