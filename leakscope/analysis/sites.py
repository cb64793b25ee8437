"""
Live blocks added up: by stack, by line, by thread, by module, by library; and how old they are.

It knows rows and groups of rows; it refuses to know time series and rules.  A *site* is a pair of frames, the place a
reader should look at and the line in which the memory was asked for, over all the ways to get there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.sampling import row_variances
from leakscope.model.allocations import MAIN_THREAD
from leakscope.model.series import AGE_EDGES_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from leakscope.analysis.places import Places
    from leakscope.model.allocations import AllocationTable, StackTable, ThreadTable
    from leakscope.model.columns import F8, I8, Column

NO_PYTHON = "(no Python code was running)"
MAIN_THREAD_NAME = "MainThread"
"""What the thread in row 0 is called whatever the system calls it."""


@dataclass(frozen=True, slots=True, eq=False)
class Sites:
    """
    Sites of all stacks of one run; ``g`` of them.

    Attributes
    ----------
    by_stack : ndarray of int64, shape (m,)
        Site of each stack.
    place, made_in : ndarray of int64, shape (g,)
        Rows of the frame table, or -1.
    """

    by_stack: I8
    place: I8
    made_in: I8

    def __len__(self) -> int:
        return len(self.place)


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """
    What ``g`` groups hold.

    Attributes
    ----------
    bytes, blocks : ndarray of float64, shape (g,)
    variance : ndarray of float64, shape (g,)
        Of ``bytes``, from sampling.
    """

    bytes: F8
    blocks: F8
    variance: F8


def find_sites(places: Places) -> Sites:
    """
    The distinct pairs of place and making line.

    Parameters
    ----------
    places : Places
        Of ``m`` stacks.
    """
    made_in = np.where(places.made_in >= 0, places.made_in, places.native)
    pairs, by_stack = np.unique(np.stack([places.place, made_in], axis=1), axis=0, return_inverse=True)
    return Sites(by_stack=by_stack.reshape(-1).astype(np.int64), place=pairs[:, 0], made_in=pairs[:, 1])


def sums(group: Column, value: Column, groups: int) -> F8:
    """
    Values added up by group.

    Parameters
    ----------
    group : ndarray of int, shape (n,)
        Below ``groups``.
    value : ndarray of float, shape (n,)
    groups : int

    Returns
    -------
    ndarray of float64, shape (groups,)
    """
    return np.bincount(group, weights=value, minlength=groups).astype(np.float64, copy=False)


def tally(allocations: AllocationTable, group_by_row: Column, groups: int) -> Tally:
    """
    Live bytes and blocks of each group.

    Parameters
    ----------
    allocations : AllocationTable
        ``n`` rows.
    group_by_row : ndarray of int, shape (n,)
        Group of each row, below ``groups``.
    groups : int

    Returns
    -------
    Tally
    """
    return Tally(
        bytes=sums(group_by_row, allocations.weight, groups),
        blocks=sums(group_by_row, allocations.blocks, groups),
        variance=sums(group_by_row, row_variances(allocations), groups),
    )


def births(allocations: AllocationTable, rows: Column, start_s: float, end_s: float, bins: int) -> tuple[F8, I8]:
    """
    Survivors by time of birth.

    Parameters
    ----------
    allocations : AllocationTable
    rows : ndarray of int
        Rows to count.
    start_s, end_s : float
        Window, cut into ``bins`` of equal length; who was born outside is left out.
    bins : int

    Returns
    -------
    survivor_bytes : ndarray of float64, shape (bins,)
    survivor_rows : ndarray of int64, shape (bins,)
        Recorded rows behind them.
    """
    born = allocations.born_s[rows].astype(np.float64)
    # A float of four bytes holds a day to within four milliseconds: the window's ends must not lose what they include.
    inside = (born >= np.float32(start_s)) & (born <= np.nextafter(np.float32(end_s), np.float32(np.inf)))
    width = max((end_s - start_s) / bins, 1e-9)
    cell = np.clip(((born[inside] - start_s) / width).astype(np.int64), 0, bins - 1)
    weights = allocations.weight[rows][inside]
    return sums(cell, weights, bins), np.bincount(cell, minlength=bins).astype(np.int64)


def age_profile(allocations: AllocationTable, rows: Column, now_s: float) -> F8:
    """
    Live bytes by age, in the classes of ``AGE_EDGES_S``.

    Parameters
    ----------
    allocations : AllocationTable
    rows : ndarray of int
        Rows to count.
    now_s : float
        When the dump was taken.

    Returns
    -------
    ndarray of float64, shape (5,)
    """
    age = now_s - allocations.born_s[rows].astype(np.float64)
    group = np.searchsorted(AGE_EDGES_S, age, side="right")
    return sums(group, allocations.weight[rows], len(AGE_EDGES_S) + 1)


def blocks_by_thread(allocations: AllocationTable, threads: ThreadTable, rows: Column) -> dict[str, float]:
    """
    Blocks by the name of the owner thread, most first.

    Parameters
    ----------
    allocations : AllocationTable
    threads : ThreadTable
    rows : ndarray of int
        Rows to count.
    """
    counts = np.bincount(allocations.thread[rows], weights=allocations.blocks[rows], minlength=len(threads))
    named: dict[str, float] = {}
    for thread in np.flatnonzero(counts):
        name = thread_name(threads, int(thread))
        named[name] = named.get(name, 0.0) + float(counts[thread])
    return dict(sorted(named.items(), key=lambda item: (-item[1], item[0])))


def thread_name(threads: ThreadTable, thread: int) -> str:
    """The name of a thread; the main thread always has its own."""
    return MAIN_THREAD_NAME if thread == MAIN_THREAD else threads.name_of(thread)


def named_groups(ids: Column, name_of: Callable[[int], str]) -> tuple[I8, tuple[str, ...]]:
    """
    Ids merged by what they are called.

    Parameters
    ----------
    ids : ndarray of int, shape (n,)
        Anything: frames, threads.
    name_of : callable
        Asked once per distinct id.

    Returns
    -------
    group : ndarray of int64, shape (n,)
    names : tuple of str
        Of each group.
    """
    distinct, row = np.unique(ids, return_inverse=True)
    numbers: dict[str, int] = {}
    group_of = np.array([numbers.setdefault(name_of(int(each)), len(numbers)) for each in distinct], dtype=np.int64)
    if len(distinct) == 0:
        return np.empty(0, dtype=np.int64), ()
    return group_of[row.reshape(-1)], tuple(numbers)


def freed_by_others(stacks: StackTable, nodes: Column) -> tuple[float, float]:
    """
    Blocks of some stacks freed by the thread that allocated them, and by another.

    Parameters
    ----------
    stacks : StackTable
    nodes : ndarray of int
    """
    freed, foreign = float(stacks.free_blocks[nodes].sum()), float(stacks.foreign_blocks[nodes].sum())
    return max(freed - foreign, 0.0), foreign
