"""
Everything derived from one or several dumps, computed once, when first asked for.

It knows which derivation needs which; it refuses to judge.  The dumps may be of several runs: then the run given last
is the one that is judged, and the first one is what it is compared with.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.alignment import split_into_runs
from leakscope.analysis.groups import WARM_UP, Groups
from leakscope.analysis.growing import Grown, find_growth
from leakscope.analysis.places import NOWHERE, find_places
from leakscope.analysis.residence import Residence, where_memory_went
from leakscope.analysis.series import Trend, level_since, trend
from leakscope.analysis.sites import Sites, find_sites
from leakscope.analysis.sources import is_command, program_roots

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakscope.analysis.places import Places
    from leakscope.model.allocations import Frame
    from leakscope.model.columns import F8, I8
    from leakscope.model.dump import Dump

LEAST_GROWTH_BYTES = 64 * 1024
"""Growth below this is not worth a sentence: interpreters gain as much by themselves."""
LEAST_GROWTH_SHARE = 0.001
"""Nor is growth below this part of all live bytes."""
_IDLE_SHARE = 0.02
_LEAST_CPU_S = 0.05


class Facts:
    """
    What can be derived from dumps.

    Parameters
    ----------
    dumps : sequence of Dump
        At least one; of one run in any order, of several runs in the order to compare.
    """

    def __init__(self, dumps: Sequence[Dump]) -> None:
        if not dumps:
            raise ValueError("Facts: at least one dump is needed")
        self.runs = split_into_runs(dumps)
        self.dumps = tuple(dump for run in self.runs for dump in run)
        self.run = self.runs[-1]
        self.last = self.run[-1]

    @property
    def baseline(self) -> Dump | None:
        """What the last dump is compared with: the first of its run, else the last of the first run given."""
        if len(self.run) > 1:
            return self.run[0]
        return self.runs[0][-1] if len(self.runs) > 1 else None

    @cached_property
    def roots(self) -> tuple[str, ...]:
        """Folders that the program's files are named relative to."""
        return program_roots(self.last.meta)

    @cached_property
    def places(self) -> Places:
        """The frame to show for each stack."""
        return find_places(self.last.stacks, command=is_command(self.last.meta))

    @cached_property
    def sites(self) -> Sites:
        """Pairs of the frame to show and the frame that asked."""
        return find_sites(self.places)

    @cached_property
    def by_site(self) -> Groups:
        """Stacks grouped by site."""
        return Groups(self.run, self.sites.by_stack, len(self.sites))

    @cached_property
    def function_of_site(self) -> I8:
        """For each site, the number of the function its place is in."""
        frames, place = self.last.stacks.frame_table, self.sites.place
        key = frames.function.astype(np.int64) << 32 | frames.file.astype(np.int64)
        named = np.where(place >= 0, key[np.maximum(place, 0)], NOWHERE) if len(key) else place
        return np.unique(named, return_inverse=True)[1].reshape(-1).astype(np.int64)

    @cached_property
    def by_function(self) -> Groups:
        """Stacks grouped by the function their place is in."""
        count = int(self.function_of_site.max()) + 1
        return Groups(self.run, self.function_of_site[self.sites.by_stack], count)

    @cached_property
    def live_bytes(self) -> float:
        """Bytes alive in the last dump."""
        return float(self.last.allocations.weight.sum())

    @property
    def least_growth(self) -> float:
        """Smallest gain that counts."""
        return max(LEAST_GROWTH_BYTES, LEAST_GROWTH_SHARE * self.live_bytes)

    @cached_property
    def residence(self) -> Residence:
        """Where the resident memory of the last dump went."""
        return where_memory_went(self.last)

    @cached_property
    def window(self) -> tuple[float, float]:
        """The time over which the process as a whole is judged."""
        end = self.last.meta.elapsed_s
        return (self.run[0].meta.elapsed_s if len(self.run) > 1 else WARM_UP * end), end

    def total_trend(self, name: str) -> Trend:
        """
        What a total of the process did.

        Parameters
        ----------
        name : str
            A column of ``Series``: ``live_bytes``, ``rss_bytes``, ...
        """
        start, end = self.window
        series = self.last.series
        value: F8 = getattr(series, name)
        return trend(series.time_s, value, start, end, least=self.least_growth)

    def level_since(self, name: str) -> float:
        """When a total of the process levelled off, within two percent; NaN if unknown."""
        series = self.last.series
        value: F8 = getattr(series, name)
        finite = value[np.isfinite(value)]
        if len(finite) == 0:
            return float("nan")
        return level_since(series.time_s, value, 0.02 * float(finite.max()))

    @cached_property
    def idle_from_s(self) -> float:
        """When the program ran out of work, by its processor time; infinite if it never did or nobody knows."""
        series = self.last.series
        known = np.isfinite(series.cpu_s)
        times, cpu = series.time_s[known], series.cpu_s[known]
        if len(cpu) < 2 or cpu[-1] - cpu[0] < _LEAST_CPU_S:
            return float("inf")
        idle = cpu[-1] - cpu < _IDLE_SHARE * (cpu[-1] - cpu[0])
        return float(times[int(np.argmax(idle))])

    @cached_property
    def growth(self) -> tuple[Grown, ...]:
        """Functions whose memory grows or may grow, by gain, biggest first."""
        return find_growth(self.by_site, self.by_function, self.function_of_site, self.least_growth, self.idle_from_s)

    def frame(self, row: int) -> Frame | None:
        """A frame of the last dump; None for `NOWHERE`."""
        return self.last.stacks.frame_table[row] if row >= 0 else None
