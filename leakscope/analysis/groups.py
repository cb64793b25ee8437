"""
Groups of stacks of one run: what they held over time, what they hold, and who survives in them.

It knows one way of grouping and everything measured about each group; it refuses to know what the groups are called
and whether one of them is to blame.

When a program comes to its end it takes down what it built, and the last dump is too late for who lived there.  So
groups are looked at until ``end_s``, the last moment before the end began.  Of a group that was taken down since, the
birth times are gone with the blocks; what is left are the age classes of the samples.
"""

from __future__ import annotations

from functools import cached_property
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.history import History, ages_at, group_history
from leakscope.analysis.sampling import excess_weight, row_variances
from leakscope.analysis.series import QUARTERS, Trend, trend
from leakscope.analysis.sites import Tally, births, tally

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakscope.model.columns import F8, I8, Column
    from leakscope.model.dump import Dump

WARM_UP = 0.1
"""Part of a group's life that is not looked at: what starts must first fill."""
_SHARED = 4
"""Rows per birth time from which on it is coarse."""
_STILL_THERE = 0.75
"""A group counts as taken down if less than this part of it is left in the last dump."""


class Groups:
    """
    Groups of stacks of one run.

    Parameters
    ----------
    run : sequence of Dump
        One run in time order; the last one is judged.
    by_stack : ndarray of int64, shape (stacks of the last dump,)
        Group of each stack.
    count : int
        How many groups.
    end_s : float, optional
        Until when to look; by default until the last dump.
    """

    def __init__(self, run: Sequence[Dump], by_stack: I8, count: int, end_s: float | None = None) -> None:
        self.run = tuple(run)
        self.last = self.run[-1]
        self.by_stack = by_stack
        self.count = count
        self.end_s = self.last.meta.elapsed_s if end_s is None else min(end_s, self.last.meta.elapsed_s)

    @cached_property
    def by_row(self) -> I8:
        """Group of each live row of the last dump."""
        return self.by_stack[self.last.allocations.stack]

    @cached_property
    def tally(self) -> Tally:
        """What each group holds in the last dump."""
        return tally(self.last.allocations, self.by_row, self.count)

    @cached_property
    def history(self) -> History:
        """What each group held over the run, the end included."""
        return group_history(self.run, self.by_stack, self.count)

    @property
    def start_s(self) -> float:
        """When there was something to judge: the first dump of several, else the beginning."""
        return self.run[0].meta.elapsed_s if len(self.run) > 1 else 0.0

    def rows(self, group: int) -> I8:
        """Live rows of a group in the last dump."""
        order, begin = self._rows_by_group
        return order[begin[group] : begin[group + 1]]

    def stacks(self, group: int) -> Column:
        """Stacks of a group."""
        return np.flatnonzero(self.by_stack == group)

    @cached_property
    def held_at_end(self) -> F8:
        """Bytes of each group at the end of the window; zero if nothing is known."""
        return self._last_known(self.history.bytes)

    @cached_property
    def blocks_at_end(self) -> F8:
        """Blocks of each group at the end of the window; zero if nothing is known."""
        return self._last_known(self.history.blocks)

    def _last_known(self, values: F8) -> F8:
        held = np.zeros(self.count)
        for row in values[self.history.time_s <= self.end_s]:
            held = np.where(np.isfinite(row), row, held)
        return held

    def held(self, group: int) -> tuple[float, float]:
        """Bytes and blocks at the end of the window."""
        return float(self.held_at_end[group]), float(self.blocks_at_end[group])

    def taken_down(self, group: int) -> bool:
        """Whether most of what a group held at the end of the window was freed before the last dump."""
        return float(self.tally.bytes[group]) < _STILL_THERE * self.held(group)[0]

    def window(self, group: int) -> tuple[float, float]:
        """
        The time over which a group is judged.

        From the first dump of several, else from the beginning, but not before the group's own warm-up is over.
        """
        start = self.start_s
        seen = float(self.history.first_seen_s[group])
        if len(self.run) == 1 or seen > start:
            start = max(start, seen + WARM_UP * (self.end_s - seen))
        return min(start, self.end_s), self.end_s

    def values(self, group: int) -> tuple[F8, F8]:
        """Times up to the end of the window at which something is known about a group, and its bytes then."""
        known = np.isfinite(self.history.bytes[:, group]) & (self.history.time_s <= self.end_s)
        return self.history.time_s[known], self.history.bytes[known, group]

    def trend(self, group: int, least: float) -> Trend:
        """
        What a group did in its window.

        Parameters
        ----------
        group : int
        least : float
            Smallest gain that counts.
        """
        start, end = self.window(group)
        times, values = self.values(group)
        return trend(times, values, start, end, error=self.gain_error(group), least=least)

    @cached_property
    def birth_step_s(self) -> float:
        """
        How coarse birth times are, in seconds: an exact recording keeps them in few bits.

        Where most rows share their birth time with others it is the usual distance of two; else zero.
        """
        born = np.unique(self.last.allocations.born_s)
        if len(self.last.allocations) < _SHARED * len(born):
            return 0.0
        return float(np.median(np.diff(born))) if len(born) > 1 else float("inf")

    def survivors(self, group: int) -> tuple[F8, I8]:
        """Bytes alive in the last dump by the quarter of the window they were born in, and the rows behind them."""
        start, end = self.window(group)
        return births(self.last.allocations, self.rows(group), start, end, QUARTERS)

    def ages(self, group: int) -> F8:
        """Bytes at the end of the window by the age classes of the samples."""
        return ages_at(self.last, self.stacks(group), self.end_s)

    def gain_error(self, group: int) -> float:
        """
        Standard error of what a group gained in its window.

        Rows alive at both ends have the same error there: only who was born or died in between counts.  The born are
        known; who died held what the born hold beyond the gain, in blocks of the usual size.
        """
        start, end = self.window(group)
        live, rows, meta = self.last.allocations, self.rows(group), self.last.meta
        born = rows[live.born_s[rows] >= start]
        times, values = self.values(group)
        inside = values[(times >= start) & (times <= end)]
        gain = float(inside[-1] - inside[0]) if len(inside) else 0.0
        held, blocks = self.held(group)
        excess = excess_weight(held / blocks if blocks > 0 else 0.0, meta.interval_bytes, meta.exact_bytes)
        if self.taken_down(group):
            return sqrt(max(gain, 0.0) * excess)
        died = max(float(live.weight[born].sum()) - gain, 0.0)
        return sqrt(float(self._row_variances[born].sum()) + died * excess)

    @cached_property
    def _row_variances(self) -> F8:
        return row_variances(self.last.allocations)

    @cached_property
    def _rows_by_group(self) -> tuple[I8, I8]:
        order = np.argsort(self.by_row, kind="stable").astype(np.int64)
        begin = np.searchsorted(self.by_row[order], np.arange(self.count + 1))
        return order, begin.astype(np.int64)
