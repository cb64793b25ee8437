"""
Measuring one recorded process: its ledger, and what the system says about it.

It knows what to read and how often that is affordable; it refuses to know when a dump is due.  It never stops the
process.  Everything cheap is read at each look; the per-stack totals when the series wants a sample and the budget
allows it; proportional and unique memory, which take the process' memory-map lock, within a budget of their own.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from leakscope.capture import process
from leakscope.capture.budget import Budget
from leakscope.capture.series import MOST_SITES, GrowingSeries, Sample, Sites
from leakscope.capture.thinning import Thinning

if TYPE_CHECKING:
    from leakscope._core import Ledger
    from leakscope.model.config import CaptureConfig

SHARES_FROM_S = 1.0
"""Before that the program still starts up, and psutil would be loaded for nothing in a short run."""
_SMALLEST_SHARE_OF_LIVE = 10_000
"""A stack with less than this part of the live bytes is not worth a row."""


class Sampler:
    """
    The series of one process, and the latest facts about it.

    Parameters
    ----------
    ledger : Ledger
    pid : int
        As seen from here.
    config : CaptureConfig
    budget : Budget
        Processor time for all samplers together.
    """

    def __init__(self, ledger: Ledger, pid: int, config: CaptureConfig, budget: Budget) -> None:
        self.series = GrowingSeries(Thinning(config.max_samples, config.sample_every_s))
        self.resident: process.Resident | None = None
        self.latest: Sample | None = None
        self._ledger = ledger
        self._pid = pid
        self._budget = budget
        self._lock_budget = Budget(grace_s=0.02)
        self._vitals: process.Vitals | None = None

    def look(self) -> int | None:
        """Resident memory now; the latest known once the process is gone."""
        self.resident = process.resident(self._pid) or self.resident
        return self.resident.rss_bytes if self.resident else None

    def next_s(self) -> float:
        """When the next sample is both wanted and affordable."""
        return max(self.series.next_s(), self._budget.solvent_at())

    def due(self, elapsed_s: float) -> bool:
        """Whether a sample is wanted and affordable now."""
        return elapsed_s >= self._budget.solvent_at() and self.series.due(elapsed_s)

    def sample(self, elapsed_s: float, ledger_bytes: int) -> Sample:
        """
        Measure, and keep the sample if the series wants one.

        Parameters
        ----------
        elapsed_s : float
            Seconds since recording began.
        ledger_bytes : int
            Resident bytes of the ledger.
        """
        totals = self._ledger.totals()
        at_least = max(1, totals["live_bytes"] // _SMALLEST_SHARE_OF_LIVE)
        sites = Sites.of(self._ledger.stacks(at_least, MOST_SITES))
        values: dict[str, float] = {"time_s": elapsed_s, "ledger_bytes": ledger_bytes}
        for name in ("live_bytes", "live_blocks", "alloc_blocks", "arena_count", "arena_bytes"):
            values[name] = totals[name]
        for name in ("mapping_bytes", "large_mapping_count"):
            values[name] = totals[name]
        values |= self._vital_values()
        values |= self._share_values(elapsed_s)
        self.latest = Sample(values, sites)
        if self.series.due(elapsed_s):
            self.series.add(self.latest)
        return self.latest

    def _vital_values(self) -> dict[str, float]:
        self._vitals = process.vitals(self._pid) or self._vitals
        if self._vitals is None:
            return {}
        return {name: getattr(self._vitals, name) for name in ("rss_bytes", "threads", "fds", "cpu_s")}

    def _share_values(self, elapsed_s: float) -> dict[str, float]:
        if elapsed_s < max(SHARES_FROM_S, self._lock_budget.solvent_at()):
            return {}
        process.load_psutil()
        began = time.perf_counter()
        found = process.shares(self._pid)
        # Time, not processor time: this is how long the program may have to wait for its memory map.
        self._lock_budget.spend(time.perf_counter() - began)
        return {} if found is None else {"pss_bytes": found[0], "uss_bytes": found[1]}
