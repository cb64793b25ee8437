"""
Who holds most and who gained most: the rows of the top tables.

It knows ways to group stacks and threads and what the groups are called; it refuses to judge.  A gain is the last dump
minus the one it is compared with; of a single dump it is the gain of the low-water mark over the run, so that the
tooth of a sawtooth that happens to stand is not taken for growth.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from posixpath import basename
from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.alignment import match_lines, match_names, match_stacks
from leakscope.analysis.groups import Groups
from leakscope.analysis.places import find_places
from leakscope.analysis.series import QUARTERS
from leakscope.analysis.sites import NO_PYTHON, Tally, age_profile, blocks_by_thread, named_groups, tally, thread_name
from leakscope.analysis.sources import is_command, module_name, plain_function, program_roots, relative_path
from leakscope.model.report import TableRow

if TYPE_CHECKING:
    from collections.abc import Callable

    from leakscope.analysis.facts import Facts
    from leakscope.analysis.places import Places
    from leakscope.model.columns import F8, I8, Column
    from leakscope.model.dump import Dump
    from leakscope.model.report import Grouping

NOT_NATIVE = "(Python, no library)"
_SEPARATOR = "\0"
_LOOKED_AT = 100
LEAST_GAIN_BYTES = 4096


def top_tables(facts: Facts, by: Grouping, top: int) -> tuple[tuple[TableRow, ...], tuple[TableRow, ...]]:
    """
    Rows of the two tables: most live bytes, and biggest gain.

    Parameters
    ----------
    facts : Facts
    by : one of ``GROUPINGS``
    top : int
        Most rows of each.

    Returns
    -------
    live, growing : tuple of TableRow
        Biggest first; only gains above nothing.
    """
    table = _Table(facts, by)
    held, gained = table.held.bytes, table.gained[0]
    biggest = [int(group) for group in np.argsort(-held, kind="stable")[:top] if held[group] >= 1]
    by_gain = np.argsort(-np.nan_to_num(gained, nan=-np.inf), kind="stable")[:top]
    growing = [int(group) for group in by_gain if gained[group] >= table.least_gain[group]]
    return tuple(map(table.row, biggest)), tuple(map(table.row, growing))


@dataclass(frozen=True, slots=True, eq=False)
class _Grouped:
    """The live rows of one dump in groups: by number, and by the names that another run knows them by."""

    by_row: I8
    by_stack: I8 | None
    names: tuple[str, ...]


class _Table:
    def __init__(self, facts: Facts, by: Grouping) -> None:
        self.facts = facts
        self.by = by
        self.grouped = _group(facts.last, by, facts.places)
        self.count = len(self.grouped.names)

    @cached_property
    def held(self) -> Tally:
        return tally(self.facts.last.allocations, self.grouped.by_row, self.count)

    @cached_property
    def gained(self) -> tuple[F8, F8]:
        """Bytes and blocks gained; NaN where unknown."""
        old = self.facts.baseline
        if old is None:
            return self._low_water_gain()
        before = _group(old, self.by, find_places(old.stacks, command=is_command(old.meta)))
        then = tally(old.allocations, before.by_row, len(before.names))
        if self.by == "stack":
            row = match_stacks(old, self.facts.last)
        elif self.by == "line":
            row = match_lines(
                [_line_of(name) for name in before.names], [_line_of(name) for name in self.grouped.names]
            )
        else:
            row = match_names(
                (before.names, self.grouped.names),
                (tuple(map(_loosen, before.names)), tuple(map(_loosen, self.grouped.names))),
            )
        bytes_then = np.where(row >= 0, then.bytes[np.maximum(row, 0)], 0.0)
        blocks_then = np.where(row >= 0, then.blocks[np.maximum(row, 0)], 0.0)
        return self.held.bytes - bytes_then, self.held.blocks - blocks_then

    @cached_property
    def least_gain(self) -> F8:
        """The gain from which on a group is listed: not a trifle, and not within two standard errors of nothing."""
        least: F8 = np.maximum(LEAST_GAIN_BYTES, 2 * np.sqrt(self.held.variance))
        return least

    def _low_water_gain(self) -> tuple[F8, F8]:
        gained, gained_blocks = np.full(self.count, np.nan), np.full(self.count, np.nan)
        if self.grouped.by_stack is None:
            return gained, gained_blocks
        groups = Groups(self.facts.run, self.grouped.by_stack, self.count, self.facts.end_s)
        history, (start, end) = groups.history, self.facts.window
        quarter = (end - start) / QUARTERS
        early = (history.time_s >= start) & (history.time_s <= start + quarter)
        late = (history.time_s >= end - quarter) & (history.time_s <= end)
        if not early.any() or not late.any() or len(history.time_s) < QUARTERS:
            return gained, gained_blocks
        gained = history.bytes[late].min(axis=0) - history.bytes[early].min(axis=0)
        gained_blocks = history.blocks[late].min(axis=0) - history.blocks[early].min(axis=0)
        for group in np.argsort(-np.nan_to_num(gained, nan=-np.inf), kind="stable")[:_LOOKED_AT]:
            # What rises steadily is told as the findings tell it: by its rate over the whole window.
            trend = groups.trend(int(group), self.facts.least_growth)
            if trend.shape == "rising" and gained[group] > 0:
                gained_blocks[group] *= trend.gain / gained[group]
                gained[group] = trend.gain
        return gained, gained_blocks

    @cached_property
    def _rows_by_group(self) -> tuple[Column, Column]:
        order = np.argsort(self.grouped.by_row, kind="stable")
        return order, np.searchsorted(self.grouped.by_row[order], np.arange(self.count + 1))

    def row(self, group: int) -> TableRow:
        order, begin = self._rows_by_group
        rows = order[begin[group] : begin[group + 1]]
        live, threads, stacks = self.facts.last.allocations, self.facts.last.threads, self.facts.last.stacks
        gained_bytes, gained_blocks = (float(gain[group]) for gain in self.gained)
        known = gained_bytes == gained_bytes
        heaviest = int(np.bincount(live.stack[rows], weights=live.weight[rows]).argmax()) if len(rows) else 0
        label, where, made_in = self._words(self.grouped.names[group], heaviest)
        return TableRow(
            label=label, where=where, made_in=made_in,
            bytes=round(float(self.held.bytes[group])), blocks=round(float(self.held.blocks[group])),
            share=float(self.held.bytes[group]) / max(self.facts.live_bytes, 1.0),
            error_bytes=round(float(self.held.variance[group]) ** 0.5),
            growth_bytes=round(gained_bytes) if known else None,
            growth_blocks=round(gained_blocks) if known else None,
            threads=tuple(blocks_by_thread(live, threads, rows)),
            age_bytes=tuple(round(age) for age in age_profile(live, rows, self.facts.last.meta.elapsed_s).tolist()),
            stack=() if self.by == "thread" else tuple(stacks.frames(heaviest)),
        )  # fmt: skip

    def _words(self, name: str, heaviest: int) -> tuple[str, str, str]:
        if self.by not in ("line", "stack"):
            return name, "", ""
        places, roots = self.facts.places, self.facts.roots
        place = self.facts.frame(int(places.place[heaviest]))
        if place is None:
            return NO_PYTHON, "", ""
        made_in = self.facts.frame(int(places.made_in[heaviest]))
        module = self.facts.frame(int(places.imported[heaviest]))
        label = plain_function(place.function) if module is None else f"import {module_name(module.file, roots)}"
        elsewhere = "" if made_in is None or made_in == place else _where(made_in.file, made_in.line, roots)
        return label, _where(place.file, place.line, roots), elsewhere


def _group(dump: Dump, by: Grouping, places: Places) -> _Grouped:
    live = dump.allocations
    if by == "thread":
        by_row, names = named_groups(live.thread, partial(thread_name, dump.threads))
        return _Grouped(by_row, None, names)
    if by == "stack":
        by_stack = np.arange(len(dump.stacks), dtype=np.int64)
        return _Grouped(by_stack[live.stack], by_stack, ("",) * len(by_stack))
    frames = {"library": places.native, "module": places.owner}.get(by, places.place)
    by_stack, names = named_groups(frames, _namer(dump, by))
    return _Grouped(by_stack[live.stack], by_stack, names)


def _namer(dump: Dump, by: Grouping) -> Callable[[int], str]:
    frames, roots = dump.stacks.frame_table, program_roots(dump.meta)

    def name_of(row: int) -> str:
        if row < 0:
            return NOT_NATIVE if by == "library" else NO_PYTHON
        frame = frames[row]
        if by == "library":
            return basename(frame.file)
        if by == "module":
            return module_name(frame.file, roots)
        return _SEPARATOR.join((plain_function(frame.function), relative_path(frame.file, roots), str(frame.line)))

    return name_of


def _line_of(name: str) -> tuple[str, int]:
    """The function and file of a line, and its number; 0 if it has none."""
    function, _, line = name.rpartition(_SEPARATOR)
    return (function, int(line)) if function and line.isdecimal() else (name, 0)


def _loosen(name: str) -> str:
    """The name of a line without its number: the function and the file."""
    return name.rpartition(_SEPARATOR)[0] or name


def _where(file: str, line: int, roots: tuple[str, ...]) -> str:
    return f"{relative_path(file, roots)}:{line}" if line else relative_path(file, roots)
