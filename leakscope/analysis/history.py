"""
What groups of stacks held over time, put together from the samples of a run and from its dumps.

It knows which numbers were listed and which were not; it refuses to know what growth is.  At each sample only the
biggest stacks were listed; one that is missing held less than the smallest listed one.  It is taken to have held
that, or the least it was ever seen with, whichever is smaller: an upper bound, so growth is rather missed than
made up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.sites import tally
from leakscope.model.series import AGE_CLASSES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakscope.model.columns import F8, I8, Column
    from leakscope.model.dump import Dump


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """
    Live bytes and blocks of ``g`` groups at ``k`` moments.

    Attributes
    ----------
    time_s : ndarray of float64, shape (k,)
        Ascending.
    bytes, blocks : ndarray of float64, shape (k, g)
        NaN where nothing is known: samples of a group that was never listed.
    first_seen_s : ndarray of float64, shape (g,)
        First time a group was listed, or a survivor of it was born; NaN if never.
    """

    time_s: F8
    bytes: F8
    blocks: F8
    first_seen_s: F8


def group_history(run: Sequence[Dump], group_by_stack: I8, groups: int) -> History:
    """
    The history of groups of stacks over one run.

    Parameters
    ----------
    run : sequence of Dump
        Dumps of one run in time order; the series of the last tells of the whole run.
    group_by_stack : ndarray of int64, shape (stacks of the last dump,)
        Group of each stack.
    groups : int
    """
    last = run[-1]
    times, sample_bytes, sample_blocks, first_listed = _from_samples(last, group_by_stack, groups)
    moments = [float(time) for time in times]
    rows_bytes, rows_blocks = list(sample_bytes), list(sample_blocks)
    first_born = np.full(groups, np.nan)
    for dump in run:
        group_by_row = group_by_stack[dump.allocations.stack]
        found = tally(dump.allocations, group_by_row, groups)
        moments.append(dump.meta.elapsed_s)
        rows_bytes.append(found.bytes)
        rows_blocks.append(found.blocks)
        born = np.full(groups, np.inf)
        np.minimum.at(born, group_by_row, dump.allocations.born_s.astype(np.float64))
        first_born = np.fmin(first_born, np.where(np.isfinite(born), born, np.nan))
    at = np.array(moments)
    # At equal times the dump comes last: it knows every stack, the sample only the biggest.
    order = np.argsort(at, kind="stable")
    keep = order[np.append(np.diff(at[order]) > 0, True)]
    return History(
        time_s=at[keep],
        bytes=np.array(rows_bytes).reshape(-1, groups)[keep],
        blocks=np.array(rows_blocks).reshape(-1, groups)[keep],
        first_seen_s=np.fmin(first_listed, first_born),
    )


def ages_at(dump: Dump, stacks: Column, time_s: float) -> F8:
    """
    Bytes of some stacks by age at the last sample up to a time at which ages were taken.

    Parameters
    ----------
    dump : Dump
    stacks : ndarray of int
        Stacks to add up.
    time_s : float

    Returns
    -------
    ndarray of float64, shape (5,)
        In the classes of ``AGE_EDGES_S``; zero if nothing was listed.
    """
    sites, at = dump.series.sites, dump.series.time_s
    taken = ~np.isnan(sites.age_bytes).any(axis=1)
    rows = np.flatnonzero(taken & (at[sites.sample] <= time_s)) if len(sites) else np.empty(0, dtype=np.int64)
    if len(rows) == 0:
        return np.zeros(AGE_CLASSES)
    latest = rows[sites.sample[rows] == sites.sample[rows].max()]
    total: F8 = sites.age_bytes[latest[np.isin(sites.stack[latest], stacks)]].sum(axis=0)
    return total


def _from_samples(dump: Dump, group_by_stack: I8, groups: int) -> tuple[F8, F8, F8, F8]:
    sites = dump.series.sites
    first = np.full(groups, np.nan)
    if len(sites) == 0:
        return np.empty(0), np.empty((0, groups)), np.empty((0, groups)), first
    samples, row = np.unique(sites.sample, return_inverse=True)
    stacks, column = np.unique(sites.stack, return_inverse=True)
    time_s = dump.series.time_s[samples]
    listed_bytes = _matrix(row, column, sites.live_bytes, len(samples), len(stacks))
    listed_blocks = _matrix(row, column, sites.live_blocks, len(samples), len(stacks))
    group = group_by_stack[stacks]
    seen_at = np.where(np.isfinite(listed_bytes), time_s[:, None], np.inf).min(axis=0)
    earliest = np.full(groups, np.inf)
    np.minimum.at(earliest, group, seen_at)
    first = np.where(np.isfinite(earliest), earliest, np.nan)
    return (
        time_s,
        _sum_columns(_filled(listed_bytes), group, groups),
        _sum_columns(_filled(listed_blocks), group, groups),
        first,
    )


def _matrix(row: Column, column: Column, value: F8, rows: int, columns: int) -> F8:
    matrix = np.full((rows, columns), np.nan)
    matrix[row.reshape(-1), column.reshape(-1)] = value
    return matrix


def _filled(listed: F8) -> F8:
    """Missing entries replaced by the most they can have been."""
    smallest_of_stack = np.nanmin(listed, axis=0)
    smallest_at_sample = np.nanmin(listed, axis=1)
    bound = np.minimum(smallest_of_stack[None, :], smallest_at_sample[:, None])
    return np.where(np.isnan(listed), bound, listed)


def _sum_columns(matrix: F8, group: I8, groups: int) -> F8:
    """Columns added up by group; NaN for groups without a column."""
    order = np.argsort(group, kind="stable")
    present, begin = np.unique(group[order], return_index=True)
    sums = np.full((len(matrix), groups), np.nan)
    sums[:, present] = np.add.reduceat(matrix[:, order], begin, axis=1)
    return sums
