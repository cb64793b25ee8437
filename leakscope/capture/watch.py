"""
Watching one recorded process from its start to its end: samples, dumps, requests.

It knows one ledger, one sampler, one folder and one schedule, and when each has its turn; it refuses to know who
started the process and who else is watched.  It works in a thread of its own.  Whatever goes wrong in here is kept for
the end of the run: the program must not notice.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from leakscope.capture.dumps import DumpFolder, Schedule
from leakscope.capture.sampler import Sampler
from leakscope.capture.taking import Taking
from leakscope.model.recording import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from leakscope._core import Ledger
    from leakscope.capture.budget import Budget
    from leakscope.capture.meta import RunFacts
    from leakscope.model.config import CaptureConfig
    from leakscope.model.dump import Death

WAITING, RECORDING, NOT_PYTHON, FAILED = range(4)
"""Phases of a ledger: before the program's code, from then on; never, for two reasons."""
BEFORE_TEAR_DOWN = 1
"""Why the recorder itself asks for a dump: the program is over, the interpreter is about to take it apart."""
ALL_REQUESTS = 2**30
"""A ticket that answers every request to come: a process that lives on must not wait for somebody who went away."""
TICK_S = 0.1
"""Longest sleep; also how long the end of the process may go unnoticed here."""
START_TICK_S = 0.005
SHORTEST_TICK_S = 0.001
FEW_THREADS = 8
PROGRESS_EVERY_S = 0.25
MOST_PROBLEMS = 10


class Watch:
    """
    One recorded process.

    Parameters
    ----------
    ledger : Ledger
        Closed by the watch when it is over.
    pid : int
        As seen from here.
    folder : DumpFolder
    facts : RunFacts
    config : CaptureConfig
    budget : Budget
        Processor time for sampling, shared by all watches.
    progress : callable, optional
        Called a few times a second with a `Progress`, in the watch's thread.
    """

    def __init__(
        self,
        ledger: Ledger,
        pid: int,
        folder: DumpFolder,
        facts: RunFacts,
        config: CaptureConfig,
        budget: Budget,
        progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self.pid = pid
        self.folder = folder
        self.problems: list[Exception] = []
        self._ledger = ledger
        self._budget = budget
        self._progress = progress
        self._next_progress_s = 0.0
        self._sampler = Sampler(ledger, pid, config, budget)
        self._schedule = Schedule(config)
        self._taking = Taking(ledger, pid, folder, facts, config, self._sampler, self._note)
        self._ticket = ledger.answered()
        self._lock = threading.Lock()
        self._over = False
        self._torn_down = False
        self._thread = threading.Thread(target=self._run, name=f"leakscope-watch-{pid}")

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def state(self) -> Mapping[str, Any]:
        """The ledger's state."""
        return self._ledger.state()

    def finished(self) -> bool:
        """Whether the interpreter came to its own end; without that a program left in another way."""
        return self._torn_down

    @property
    def over(self) -> bool:
        """Whether the process is gone, or is let go."""
        return self._over

    def want(self, reason: str) -> None:
        """Take a dump soon; none if nothing is recorded (yet)."""
        with self._lock:
            if not self._over and not self._torn_down and self._records(self.state()):
                self._taking.want(reason)

    def finish(self, death: Death | None) -> Mapping[str, Any]:
        """
        Take the last dump: the process is gone, or is let go.

        Parameters
        ----------
        death : Death or None
            How it died, unless it ended by itself.

        Returns
        -------
        mapping
            The ledger's last state.
        """
        with self._lock:
            self._over = True
            state = self.state()
            if self._records(state) and (not self._torn_down or self._taking.answering):
                violent = death is not None and death.kind != "exit"
                self._taking.take_last("death" if violent else "exit", death, time.monotonic())
            self._ledger.answer_request(ALL_REQUESTS, "")
        return state

    def abandon(self) -> None:
        """Stop watching without a last dump; nothing if it is over already."""
        with self._lock:
            if not self._over:
                self._over = True
                self._ledger.answer_request(ALL_REQUESTS, "")

    def _run(self) -> None:
        # Nobody waits for this thread: it finds out within a tick that all is over, and then lets the ledger go.
        while not self._over:
            self._turn()
        with self._lock:
            self._ledger.close()

    def _turn(self) -> None:
        try:
            self._ticket = self._ledger.wait_request(self._ticket, self._pause_s())
            with self._lock:
                if not self._over:
                    self._tick()
        except Exception as error:  # noqa: BLE001 - told at the end; the program and the last dump go on
            self._note(error)
            time.sleep(TICK_S)

    def _pause_s(self) -> float:
        state = self._ledger.state()
        if state["phase"] == WAITING:
            return START_TICK_S
        # Hundreds of followed children must not keep a processor busy with looking whether something is due.
        tick_s = min(max(threading.active_count() / FEW_THREADS, 1.0) * TICK_S, 1.0)
        if self._torn_down or state["phase"] != RECORDING:
            return tick_s
        elapsed_s = float(state["elapsed_s"])
        sample_s, dump_s = self._sampler.next_s(elapsed_s), self._schedule.next_s()
        wanted_s = sample_s if dump_s is None else min(sample_s, dump_s)
        return min(max(wanted_s - elapsed_s, SHORTEST_TICK_S), tick_s)

    def _tick(self) -> None:
        state = self._ledger.state()
        if self._ticket != self._ledger.answered() and not self._taking.answering:
            self._answer(state)
        if state["phase"] == WAITING:
            self._sampler.peek()
        if not self._records(state):
            return
        # What is left after the dump before tear-down tells of the interpreter taking itself apart, not of the program.
        if not self._torn_down:
            elapsed_s = float(state["elapsed_s"])
            rss = self._measure(elapsed_s, int(state["ledger_bytes"]))
            reason = self._schedule.due(elapsed_s, rss)
            if reason is not None:
                self._taking.want(reason)
            self._tell(elapsed_s, rss)
        self._taking.step(time.monotonic())

    @staticmethod
    def _records(state: Mapping[str, Any]) -> bool:
        return bool(state["phase"] == RECORDING)

    def _note(self, problem: Exception) -> None:
        """Keep what went wrong for the end, once each: on a full disk all dumps of an hour fail in the same words."""
        known = any(type(each) is type(problem) and str(each) == str(problem) for each in self.problems)
        if not known and len(self.problems) < MOST_PROBLEMS:
            self.problems.append(problem)

    def _answer(self, state: Mapping[str, Any]) -> None:
        """Take the dump that the program waits for; an empty answer says that there is none."""
        if not self._records(state):
            self._ledger.answer_request(self._ticket, "")
            return
        at_exit = state["request_reason"] == BEFORE_TEAR_DOWN
        if at_exit:
            self._torn_down = True
        self._taking.answer(self._ticket, "exit" if at_exit else "request", time.monotonic())

    def _measure(self, elapsed_s: float, ledger_bytes: int) -> int | None:
        began = time.thread_time()
        rss = self._sampler.look(elapsed_s)
        if self._sampler.due(elapsed_s):
            self._sampler.sample(elapsed_s, ledger_bytes)
        self._budget.spend(time.thread_time() - began)
        return rss

    def _tell(self, elapsed_s: float, rss: int | None) -> None:
        latest = self._sampler.latest
        if self._progress is None or latest is None or elapsed_s < self._next_progress_s:
            return
        self._next_progress_s = elapsed_s + PROGRESS_EVERY_S
        dump = self.folder.dumps[-1] if self.folder.dumps else None
        self._progress(Progress(elapsed_s, rss, int(latest.values["live_bytes"]), latest.sites.biggest, dump))
