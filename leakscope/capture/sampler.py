"""
Measuring one recorded process: its ledger, and what the system says about it.

It knows what to read and how often that is affordable; it refuses to know when a dump is due.  It never stops the
process.  Everything cheap is read at each look; the per-stack totals when the series wants a sample; the ages of what
is alive, for which every block is looked at, when the budget allows it without a gap in the series; what takes the
process' memory-map lock, within a budget of time of its own.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from leakscope.capture import process
from leakscope.capture.arenas import arenas
from leakscope.capture.budget import Budget
from leakscope.capture.mappings import mappings
from leakscope.capture.series import MOST_SITES, GrowingSeries, Sample, Sites
from leakscope.capture.thinning import Thinning

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leakscope._core import Ledger
    from leakscope.capture.mappings import Mapping as MemoryMapping
    from leakscope.model.config import CaptureConfig

HEAP_FROM_S = 0.2
"""When the heap of malloc is looked at first."""
SHARES_FROM_S = 1.0
"""Before that the program still starts up, and psutil would be loaded for nothing in a short run."""
HELD_SHARE = 0.005
"""Part of the time that the memory-map lock may be held for looking."""
_LOOK_EVERY_S = 0.2
_DEEP_EVERY_S = 1.0
_AGES_S_PER_BYTE = 1e-9
"""What looking at all live blocks is thought to cost for each byte of the ledger before it was done once."""
_SMALLEST_SHARE_OF_LIVE = 10_000
"""A stack with less than this part of the live bytes is not worth a row."""
_FROM_TOTALS = (
    "live_bytes", "live_blocks", "alloc_blocks", "arena_count", "arena_bytes", "mapping_bytes", "large_mapping_count",
)  # fmt: skip


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

    Attributes
    ----------
    series : GrowingSeries
    resident : Resident or None
        Parts of the resident memory when last seen.
    malloc_heap_bytes : int or None
        The heap of malloc when last seen.
    mappings : list of Mapping
        Those of the process when last seen.
    latest : Sample or None
    totals : mapping of str to int
        The ledger's totals at that sample.
    """

    def __init__(self, ledger: Ledger, pid: int, config: CaptureConfig, budget: Budget) -> None:
        self.series = GrowingSeries(Thinning(config.max_samples, config.sample_every_s))
        self.resident: process.Resident | None = None
        self.malloc_heap_bytes: int | None = None
        self.mappings: list[MemoryMapping] = []
        self.latest: Sample | None = None
        self.totals: Mapping[str, int] = {}
        self._ledger = ledger
        self._pid = pid
        self._budget = budget
        self._held = Budget(HELD_SHARE, grace_s=0.01)
        self._vitals: process.Vitals | None = None
        self._shares: dict[str, float] = {}
        self._ages_s_per_byte = _AGES_S_PER_BYTE
        self._next_look_s = 0.0
        self._next_deep_s = HEAP_FROM_S

    def peek(self) -> None:
        """Look at the resident memory alone: a program that dies at once has at least this."""
        self.resident = process.resident(self._pid) or self.resident

    def look(self, elapsed_s: float) -> int | None:
        """
        Resident memory now, or when it was last seen.

        Parameters
        ----------
        elapsed_s : float
            Seconds since recording began.
        """
        if elapsed_s >= self._next_look_s:
            # Often at first: a program that takes all memory there is may be killed within a second.
            self._next_look_s = elapsed_s + min(max(0.01 * elapsed_s, 0.02), _LOOK_EVERY_S)
            self.peek()
            if elapsed_s >= self._next_deep_s and not self._held.wait_s():
                self._next_deep_s = elapsed_s + _DEEP_EVERY_S
                self._look_deeper(elapsed_s)
        return self.resident.rss_bytes if self.resident else None

    def refresh(self) -> None:
        """Look at what a dump tells of the process: now, whatever it costs, if the process still lives."""
        self.peek()
        began = time.perf_counter()
        self._look_at_arenas()
        self._held.spend(time.perf_counter() - began)

    def next_s(self, elapsed_s: float) -> float:
        """When the next sample is both wanted and affordable, as seen now."""
        return max(self.series.next_s(), elapsed_s + self._budget.wait_s())

    def due(self, elapsed_s: float) -> bool:
        """Whether a sample is wanted and affordable now."""
        return self.series.due(elapsed_s) and not self._budget.wait_s()

    def sample(self, elapsed_s: float, ledger_bytes: int, *, whole: bool = False) -> Sample:
        """
        Measure, and keep the sample if the series wants one.

        Parameters
        ----------
        elapsed_s : float
            Seconds since recording began.
        ledger_bytes : int
            Resident bytes of the ledger.
        whole : bool
            With the ages of what is alive, whatever that costs.
        """
        self.totals = self._ledger.totals()
        at_least = max(1, self.totals["live_bytes"] // _SMALLEST_SHARE_OF_LIVE)
        sites = self._sites(at_least, ledger_bytes, whole)
        values: dict[str, float] = {"time_s": elapsed_s, "ledger_bytes": ledger_bytes}
        values |= {name: self.totals[name] for name in _FROM_TOTALS}
        self._vitals = process.vitals(self._pid) or self._vitals
        if self._vitals is not None:
            values |= {name: getattr(self._vitals, name) for name in ("rss_bytes", "threads", "fds", "cpu_s")}
        # What was taken since the sample before belongs to this one.
        values |= self._shares
        self._shares = {}
        self.latest = Sample(values, sites)
        if self.series.due(elapsed_s):
            self.series.add(self.latest)
        return self.latest

    def _sites(self, at_least: int, ledger_bytes: int, whole: bool) -> Sites:
        cost_s = self._ages_s_per_byte * ledger_bytes
        ages = whole or self._budget.wait_s(after_s=cost_s) <= self.series.step_s
        began = time.thread_time()
        sites = Sites.of(self._ledger.stacks(at_least, MOST_SITES, ages))
        if ages and ledger_bytes:
            self._ages_s_per_byte = (time.thread_time() - began) / ledger_bytes
        return sites

    def _look_at_arenas(self) -> None:
        self.mappings = mappings(self._pid) or []
        found = arenas(self._pid, self.mappings)
        if found is not None:
            self.malloc_heap_bytes = found.resident_bytes
            self._shares |= {"glibc_arena_count": found.count, "glibc_arena_bytes": found.resident_bytes}

    def _look_deeper(self, elapsed_s: float) -> None:
        if elapsed_s >= SHARES_FROM_S:
            process.load_psutil()
        # Time, not processor time: this is how long the program may have to wait for its memory map.
        began = time.perf_counter()
        self._look_at_arenas()
        shares = process.shares(self._pid) if elapsed_s >= SHARES_FROM_S else None
        if shares is not None:
            self._shares |= {"pss_bytes": shares[0], "uss_bytes": shares[1]}
        self._held.spend(time.perf_counter() - began)
