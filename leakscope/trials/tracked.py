"""
A block of code, or a function, of which somebody wants to know what it leaves behind.

It knows iterations and the block's end; it refuses to know where that is asked.  What it can tell depends on how often
the work is done.  After eight iterations and more a leak is told from a cache that fills.  In fewer, or in a single
pass, all that was made and is still alive counts, and nobody can tell why it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakscope.errors import UsageError
from leakscope.model.finding import Verdict
from leakscope.trials.excuses import Excuses
from leakscope.trials.holders import with_holders
from leakscope.trials.meter import Meter, Stacks
from leakscope.trials.trend import Trend, trend_of
from leakscope.trials.trial import Plan, Trial, judged
from leakscope.trials.words import page
from leakscope.units import parse_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from leakscope.model.trial import Leak
    from leakscope.trials.meter import Grown


class Tracked:
    """
    What a block of code leaves behind; see ``leakscope.tracking``.

    Parameters
    ----------
    warmup : int
        Iterations that do not count.
    holders : bool
        Ask for the holders of what stays.

    Raises
    ------
    CaptureError
        On entering, if not every block of this process is recorded.
    """

    def __init__(self, *, warmup: int = 1, holders: bool = False) -> None:
        if warmup < 0:
            raise UsageError("warmup must not be below zero", "leave it out, or give a small number")
        self._warmup = warmup
        self._holders = holders
        self._meter: Meter | None = None
        self._excuses: Excuses | None = None
        self._iterations = 0
        self._leaks: tuple[Leak, ...] | None = None

    def __enter__(self) -> Tracked:
        self._meter = Meter(Stacks())
        self._excuses = Excuses()
        self._mark()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None or self._meter is None or self._excuses is None:
            return
        if self._iterations == 0:
            self._mark()
        elif self._iterations <= self._warmup:
            raise UsageError(
                f"the block had {self._iterations} iterations, and {self._warmup} are to warm up", "do more of them"
            )
        rising = [one for one in self._meter.grown() if _rises(one)]
        self._excuses.look(max(self._iterations, 1))
        self.judged([judged(one, self._meter, self._excuses) for one in rising])

    def iteration(self) -> None:
        """One more iteration is over."""
        if self._meter is None or self._leaks is not None:
            raise UsageError(
                "iteration() belongs inside the block", "with leakscope.tracking() as t: ...; t.iteration()"
            )
        self._iterations += 1
        if self._iterations == self._warmup:
            self._meter.restart()  # what was there before says nothing about the iterations that count
        if self._iterations >= self._warmup:
            self._mark()

    def _mark(self) -> None:
        if self._meter is not None and self._excuses is not None:
            self._excuses.empty()
            self._meter.mark()

    def judged(self, leaks: list[Leak]) -> Tracked:
        """With these leaks, most first."""
        leaks = with_holders(leaks) if self._holders else leaks
        self._leaks = tuple(sorted(leaks, key=lambda leak: -leak.bytes_each))
        return self

    @property
    def leaks(self) -> tuple[Leak, ...]:
        """
        What stayed, most first.

        Raises
        ------
        UsageError
            If the block is not over, or was left by an error.
        """
        if self._leaks is None:
            raise UsageError("nothing is known before the block has ended", "ask after the with block")
        return self._leaks

    def assert_no_leaks(self, max_leak: str | int = "0", max_growth: str | int = "64 KiB") -> None:
        """
        Nothing, if what stays is within limits.

        Parameters
        ----------
        max_leak : str or int
            Bytes that may stay with each iteration, or of a single pass, as ``"1 KiB"``.
        max_growth : str or int
            The same for what rose and slowed down.

        Raises
        ------
        AssertionError
            With the places, and who holds what stays if that was asked for.
        """
        for verdicts, limit in (((Verdict.LEAK, Verdict.UNKNOWN), max_leak), ((Verdict.GROWTH,), max_growth)):
            found = [leak for leak in self.leaks if leak.verdict in verdicts]
            most = limit if isinstance(limit, int) else parse_bytes(limit)
            if sum(leak.bytes_each for leak in found) > most:
                raise AssertionError(page(found, most, "iteration" if found[0].repetitions > 2 else "block"))


def repeated(function: Callable[[], object], times: int, warmup: int, *, holders: bool) -> Tracked:
    """
    What a function leaves behind when it is called again and again.

    Parameters
    ----------
    function : callable
    times : int
        Calls that are compared at first; suspicion adds more.
    warmup : int
        Calls that do not count.
    holders : bool
    """

    def step() -> bool:
        function()
        return True

    tracked = Tracked(warmup=warmup, holders=holders)
    trial = Trial(step, Plan(warmup=warmup, repeats=times), Stacks())
    leaks = trial.run()
    if trial.problem:
        raise UsageError(f"the function {trial.problem}", "let it undo what it does, or track fewer iterations")
    return tracked.judged(leaks or [])


def _rises(one: Grown) -> bool:
    return any(trend_of(series) is not Trend.FLAT for series in (one.blocks, one.bytes))
