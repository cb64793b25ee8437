"""
Watching one recorded process from its start to its end: samples, dumps, requests.

It knows one ledger, one sampler, one folder and one schedule, and when each has its turn; it refuses to know who
started the process and who else is watched.  It works in a thread of its own.  Whatever goes wrong in here is kept for
the end of the run: the program must not notice.
"""

from __future__ import annotations

import platform
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from leakscope import native
from leakscope.capture import process
from leakscope.capture.dumps import BASELINE_KEPT_FROM_S, DumpFolder, Schedule
from leakscope.capture.sampler import Sampler
from leakscope.model.dump import DumpMeta, Health, LedgerTotals, ProcessMemory
from leakscope.model.meta_text import write_meta
from leakscope.model.recording import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from leakscope._core import Ledger
    from leakscope.capture.budget import Budget
    from leakscope.model.config import CaptureConfig
    from leakscope.model.dump import Death

WAITING, RECORDING, FINISHED, NOT_PYTHON, FAILED = range(5)
"""Phases of a ledger: before the program's code, while it runs, after the interpreter; never, for two reasons."""
BEFORE_TEAR_DOWN = 1
"""Why the recorder itself asks for a dump: the program is over, the interpreter is about to take it apart."""
TICK_S = 0.1
"""Longest sleep; also how long the end of the process may go unnoticed here."""
START_TICK_S = 0.01
SHORTEST_TICK_S = 0.001
PROGRESS_EVERY_S = 0.25


@dataclass(frozen=True, slots=True)
class RunFacts:
    """
    What all dumps of a run have in common.

    Attributes
    ----------
    argv : tuple of str
        The program and its arguments.
    cwd : str
    """

    argv: tuple[str, ...]
    cwd: str


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
        self._facts = facts
        self._config = config
        self._budget = budget
        self._progress = progress
        self._next_progress_s = 0.0
        self._sampler = Sampler(ledger, pid, config, budget)
        self._schedule = Schedule(config)
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

    def dump(self, reason: str) -> Path | None:
        """Take a dump now; None if nothing is recorded (yet) or it failed."""
        with self._lock:
            return None if self._over else self._dump(reason)

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
            # After the dump before tear-down the ledger only tells of the interpreter taking itself apart.
            if not self._torn_down:
                violent = death is not None and death.kind != "exit"
                self._last_dump(state, "death" if violent else "exit", death)
        return state

    def abandon(self) -> None:
        """Stop watching without a last dump."""
        with self._lock:
            self._over = True

    def _run(self) -> None:
        # Nobody waits for this thread: it finds out within a tick that all is over, and then lets the ledger go.
        try:
            while not self._over:
                ticket = self._ledger.wait_request(self._pause_s())
                with self._lock:
                    if not self._over:
                        self._tick(ticket)
        except Exception as error:  # noqa: BLE001 - told at the end; the program and the last dump go on
            self.problems.append(error)
        while not self._over:
            self._ledger.wait_request(TICK_S)
        with self._lock:
            self._ledger.close()

    def _pause_s(self) -> float:
        state = self._ledger.state()
        if state["phase"] == WAITING:
            return START_TICK_S
        wanted = [time_s for time_s in (self._sampler.next_s(), self._schedule.next_s()) if time_s is not None]
        return min(max(min(wanted) - float(state["elapsed_s"]), SHORTEST_TICK_S), TICK_S)

    def _tick(self, ticket: int) -> None:
        state = self._ledger.state()
        if state["phase"] in {RECORDING, FINISHED}:
            elapsed_s = float(state["elapsed_s"])
            rss = self._measure(elapsed_s, int(state["ledger_bytes"]))
            reason = self._schedule.due(elapsed_s, rss)
            if reason is not None:
                self._dump(reason)
            self._tell(elapsed_s, rss)
        if ticket:
            self._answer(ticket, state)

    def _answer(self, ticket: int, state: Mapping[str, Any]) -> None:
        """Take the dump that the program waits for; an empty answer says that there is none."""
        if state.get("request_reason") == BEFORE_TEAR_DOWN:
            path = self._last_dump(state, "exit", None)
            self._torn_down = path is not None
        else:
            path = self._dump("request")
        self._ledger.answer_request(ticket, "" if path is None else str(path.absolute()))

    def _last_dump(self, state: Mapping[str, Any], reason: str, death: Death | None) -> Path | None:
        if float(state["elapsed_s"]) < BASELINE_KEPT_FROM_S:
            self.folder.drop_baseline()
        return self._dump(reason, death)

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

    def _dump(self, reason: str, death: Death | None = None) -> Path | None:
        state = self._ledger.state()
        if state["phase"] not in {RECORDING, FINISHED}:
            return None
        try:
            sample = self._sampler.sample(float(state["elapsed_s"]), int(state["ledger_bytes"]))
            number, path = self.folder.next_dump()
            meta = self._meta(state, number, reason, death)
            native.write_dump(self._ledger, str(path), meta, self._sampler.series.columns(sample))
            self.folder.took(path, reason)
        except Exception as error:  # noqa: BLE001 - told at the end; the program and its exit code come first
            self.problems.append(error)
            return None
        return path

    def _meta(self, state: Mapping[str, Any], number: int, reason: str, death: Death | None) -> str:
        health = Health(**{name: int(state[name]) for name in Health.__dataclass_fields__})
        meta = DumpMeta(
            leakscope=native.version(),
            runtime="CPython",
            runtime_version=str(state["python"]),
            argv=self._facts.argv,
            cwd=self._facts.cwd,
            pid=self.pid,
            number=number,
            reason=reason,
            taken_unix_s=time.time(),
            elapsed_s=float(state["elapsed_s"]),
            interval_bytes=self._config.interval_bytes,
            exact_bytes=self._config.exact_bytes,
            max_frames=self._config.max_frames,
            platform=f"{sys.platform}-{platform.machine()}",
            domains=native.domains(),
            chunk_kinds=native.chunk_kinds(),
            death=death,
            process=_process_memory(state, self._sampler),
            totals=_ledger_totals(self._sampler.totals),
        )
        return write_meta(meta, health)


def _process_memory(state: Mapping[str, Any], sampler: Sampler) -> ProcessMemory:
    resident = sampler.resident or process.Resident(0, 0, 0, 0)
    return ProcessMemory(
        rss_bytes=resident.rss_bytes,
        rss_anon_bytes=resident.anon_bytes,
        rss_file_bytes=resident.file_bytes,
        rss_shmem_bytes=resident.shmem_bytes,
        ledger_bytes=int(state["ledger_bytes"]),
        began_rss_anon_bytes=int(state["began_rss_anon_bytes"]),
        malloc_heap_bytes=sampler.malloc_heap_bytes,
    )


def _ledger_totals(totals: Mapping[str, int]) -> LedgerTotals:
    prefix = "live_bytes."
    by_domain = {name.removeprefix(prefix): value for name, value in totals.items() if name.startswith(prefix)}
    names = [name for name in LedgerTotals.__dataclass_fields__ if name != "live_bytes_by_domain"]
    return LedgerTotals(**{name: totals[name] for name in names}, live_bytes_by_domain=by_domain)
