"""
Everything derived from one or several dumps, computed once, when first asked for.

It knows which derivation needs which; it refuses to judge.  The dumps may be of several runs: then the run given last
is the one that is judged, and the first one is what it is compared with.
"""

from __future__ import annotations

from functools import cached_property
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.alignment import split_into_runs
from leakscope.analysis.groups import WARM_UP, Groups
from leakscope.analysis.growing import Grown, find_growth
from leakscope.analysis.handles import LostHandles, lost_handles
from leakscope.analysis.lending import PoolUse, find_lending
from leakscope.analysis.places import NOWHERE, find_places
from leakscope.analysis.pool_places import find_pool_places
from leakscope.analysis.residence import Residence, where_memory_went
from leakscope.analysis.sampling import row_variances
from leakscope.analysis.series import SURE, Trend, held_for_half, level_since, trend
from leakscope.analysis.sites import Sites, find_sites, named_groups
from leakscope.analysis.slack import Slack, find_slack
from leakscope.analysis.sources import is_command, plain_function, program_roots, started_tool
from leakscope.analysis.unaccounted import Unaccounted
from leakscope.analysis.walked import Walked, walked_dumps
from leakscope.analysis.working import Work, find_work

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakscope.analysis.places import Places
    from leakscope.model.allocations import AllocationTable, Frame
    from leakscope.model.columns import F8, I8, Column
    from leakscope.model.dump import Dump

LEAST_GROWTH_BYTES = 64 * 1024
"""Growth below this is not worth a sentence: interpreters gain as much by themselves."""
LEAST_GROWTH_SHARE = 0.001
"""Nor is growth below this part of all live bytes."""
_IMPORTS = -2
_LEVEL = 0.02
"""Part of its highest value by which a total may change and still be level."""
_STILL_LEVEL = 0.25
"""The same, where sampling error explains it."""
_LAST_REASONS = ("exit", "death")
_LONGEST_END_S, _LONGEST_END_SHARE = 0.5, 0.1
"""How long the end of a program may take: whichever is longer, seconds or part of the run."""
_STILL_FULL = 0.95
_IDLE_RATE = 0.05
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
        """What the last dump is compared with: the end of the first run given, else the first dump of its own."""
        if len(self.runs) > 1:
            return self.runs[0][-1]
        return self.run[0] if len(self.run) > 1 else None

    @cached_property
    def roots(self) -> tuple[str, ...]:
        """Folders that the program's files are named relative to."""
        return program_roots(self.last.meta)

    @cached_property
    def tool(self) -> str:
        """The installed package that was started with ``-m``; "" if the program is no such tool."""
        frames = self.last.stacks.frame_table
        return started_tool(self.last.meta, [frames.strings[int(name)] for name in np.unique(frames.file)])

    @cached_property
    def places(self) -> Places:
        """The frame to show for each stack."""
        return find_places(self.last.stacks, command=is_command(self.last.meta))

    @cached_property
    def sites(self) -> Sites:
        """Pairs of the frame to show and the frame that asked."""
        return find_sites(self.places)

    @cached_property
    def walked(self) -> tuple[Walked, ...]:
        """Dumps of the run that have an object graph, in time order; a graph is decoded when it is first asked."""
        return walked_dumps(self.run)

    @property
    def walked_running(self) -> Walked | None:
        """
        The last dump with an object graph that was taken while the program ran: at its end, what it held in local
        variables may be garbage.
        """
        running = [each for each in self.walked if each.dump.meta.reason not in _LAST_REASONS]
        return running[-1] if running else None

    @cached_property
    def unaccounted(self) -> Unaccounted:
        """What nobody accounts for, compared between the dumps that have an object graph."""
        return Unaccounted(self.walked, self.sites.by_stack, self.work)

    @cached_property
    def pool_places(self) -> I8:
        """The frame to show for each stack when it is about handles of pools."""
        return find_pool_places(self.last, self.places, command=is_command(self.last.meta))

    @cached_property
    def lost_handles(self) -> tuple[LostHandles, ...]:
        """Handles of pools that became more and are no backlog."""
        return lost_handles(self.run, self.pool_places, self.work)

    @cached_property
    def work(self) -> Work:
        """When the program worked."""
        return find_work(self.last, self.places, self.idle_from_s)

    @cached_property
    def by_site(self) -> Groups:
        """Stacks grouped by site."""
        return Groups(self.run, self.sites.by_stack, len(self.sites), self.end_s)

    @cached_property
    def imports(self) -> Column:
        """For each site whether imports made all of it: they are one function, and happen once."""
        imported = np.ones(len(self.sites), dtype=bool)
        np.minimum.at(imported, self.sites.by_stack, self.places.importing)
        return imported

    @cached_property
    def function_of_site(self) -> I8:
        """For each site, the number of the function its place is in."""
        frames, place = self.last.stacks.frame_table, self.sites.place
        known = np.maximum(place, 0)
        if len(frames) == 0:
            return np.zeros(len(place), dtype=np.int64)
        function, _ = named_groups(frames.function[known], lambda string: plain_function(frames.strings[string]))
        key = function << 32 | frames.file[known].astype(np.int64)
        key = np.where(self.imports, _IMPORTS, key)
        return np.unique(np.where(place >= 0, key, NOWHERE), return_inverse=True)[1].reshape(-1).astype(np.int64)

    @cached_property
    def by_function(self) -> Groups:
        """Stacks grouped by the function their place is in."""
        count = int(self.function_of_site.max()) + 1
        return Groups(self.run, self.function_of_site[self.sites.by_stack], count, self.end_s)

    @cached_property
    def live_bytes(self) -> float:
        """Bytes alive in the last dump."""
        return float(self.last.allocations.weight.sum())

    @cached_property
    def live_error(self) -> float:
        """Standard error of `live_bytes`, from sampling."""
        return sqrt(float(row_variances(self.last.allocations).sum()))

    @property
    def live_at_end_s(self) -> float:
        """Bytes alive at ``end_s``."""
        series = self.last.series
        known = np.flatnonzero(np.isfinite(series.live_bytes) & (series.time_s <= self.end_s))
        return float(series.live_bytes[known[-1]]) if len(known) else self.live_bytes

    @property
    def least_growth(self) -> float:
        """Smallest gain that counts."""
        return max(LEAST_GROWTH_BYTES, LEAST_GROWTH_SHARE * self.live_bytes)

    @cached_property
    def residence(self) -> Residence:
        """Where the resident memory of the last dump went."""
        return where_memory_went(self.last)

    @cached_property
    def slack(self) -> Slack | None:
        """Memory that allocators hold and nobody uses, if there is so much of it that it matters."""
        return find_slack(self.run, (max(self.work.imported_s, WARM_UP * self.end_s), self.end_s))

    @cached_property
    def lending(self) -> tuple[PoolUse, ...]:
        """The pools that the program told of, and what keeps their chunks."""
        return find_lending(self.run, self.walked, self.walked_running)

    @cached_property
    def end_s(self) -> float:
        """
        Until when to look: the last dump, or the last moment before the program began to take down what it had built.

        It did if at the end of a run live memory is below what it was for most of the time shortly before; a tooth of
        a sawtooth that ends there is taken for that as well, which does no harm to its low-water marks.
        """
        end, series = self.last.meta.elapsed_s, self.last.series
        start = end - max(_LONGEST_END_S, _LONGEST_END_SHARE * end)
        known = np.isfinite(series.live_bytes)
        times, live = series.time_s[known], series.live_bytes[known]
        late = slice(max(int(np.searchsorted(times, start, "right")) - 1, 0), None)
        times, live = times[late], live[late]
        if self.last.meta.reason not in _LAST_REASONS or len(live) < 2:
            return end
        still_full = live >= _STILL_FULL * held_for_half(np.maximum(times, start), live)
        return end if still_full[-1] else float(times[np.flatnonzero(still_full)[-1]])

    @cached_property
    def window(self) -> tuple[float, float]:
        """The time over which the process as a whole is judged."""
        start = self.run[0].meta.elapsed_s if len(self.run) > 1 else WARM_UP * self.end_s
        return min(start, self.end_s), self.end_s

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

    @cached_property
    def rose(self) -> float:
        """What all live memory gained, if it surely rises; else infinite."""
        total = self.total_trend("live_bytes")
        return total.gain if total.shape == "rising" and total.rate_low > 0 else float("inf")

    def level_since(self) -> float:
        """When live memory levelled off, within two percent and sampling error; NaN if unknown."""
        series = self.last.series
        known = np.isfinite(series.live_bytes) & (series.time_s <= self.end_s)
        value = series.live_bytes[known]
        highest = float(value.max(initial=0.0))
        tolerance = max(_LEVEL * highest, min(2 * SURE * self.live_error, _STILL_LEVEL * highest))
        return level_since(series.time_s[known], value, tolerance)

    @cached_property
    def idle_from_s(self) -> float:
        """
        When the program ran out of work: the earliest time from which on it took a twentieth of the processor time per
        second that it had taken before.  Infinite if there is none, or nobody knows.
        """
        series = self.last.series
        known = np.isfinite(series.cpu_s) & (series.time_s <= self.end_s)
        times, cpu = series.time_s[known], series.cpu_s[known]
        if len(cpu) < 2 or cpu[-1] - cpu[0] < _LEAST_CPU_S:
            return float("inf")
        before = (cpu[1:-1] - cpu[0]) / np.maximum(times[1:-1] - times[0], 1e-9)
        after = (cpu[-1] - cpu[1:-1]) / np.maximum(times[-1] - times[1:-1], 1e-9)
        idle = np.flatnonzero(after < _IDLE_RATE * before)
        return float(times[1:-1][idle[0]]) if len(idle) else float("inf")

    @cached_property
    def growth(self) -> tuple[Grown, ...]:
        """Functions whose memory grows or may grow, by gain, biggest first."""
        found = find_growth(self.by_site, self.by_function, self.function_of_site, self.least_growth, self.idle_from_s)
        return tuple(grown for grown in found if not self.imports[list(grown.sites)].all())

    def heaviest_stack(self, live: AllocationTable, rows: I8, sites: Sequence[int]) -> int:
        """
        The stack with most of some rows; without rows, the one of these sites that has allocated most so far.

        Parameters
        ----------
        live : AllocationTable
            Of any dump of the run.
        rows : ndarray of int64
        sites : sequence of int
        """
        if len(rows):
            stacks, row = np.unique(live.stack[rows], return_inverse=True)
            return int(stacks[np.argmax(np.bincount(row.reshape(-1), weights=live.weight[rows]))])
        members = np.flatnonzero(np.isin(self.sites.by_stack, sites))
        return int(members[np.argmax(self.last.stacks.alloc_bytes[members])])

    def frame(self, row: int) -> Frame | None:
        """A frame of the last dump; None for `NOWHERE`."""
        return self.last.stacks.frame_table[row] if row >= 0 else None
