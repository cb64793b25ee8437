"""
Memory that allocators hold and nobody uses: how long there was so much of it, in which chunks it is, and who lives
between it.

It knows what allocators say of their chunks and what was measured over time; it refuses to call that a fault: memory
that is needed again in a moment is well kept.

The honest page
---------------
*Over time.*  A sample tells what is free in the arenas of Python's allocator and in malloc's heaps, if it was measured.
If not, a lower bound does: what these hold, less what was there before recording began, less all that is alive, in them
or not.  What lies unused all through a stretch of time is the smallest value in it: a batch that takes the memory
again ends the stretch, a peak that was needed once does not.

*In a chunk* what is free counts as far as it is resident: a heap whose free parts were given back page by page holds
nothing.

*Who lives between it.*  A chunk stays while one block in it is alive, and a heap of malloc shrinks from its end only.
So blocks are counted by the cells they keep: an arena is a cell, of a heap each quarter of a mebibyte is one; only
cells that are mostly free count.  A line keeps a cell if a block of it lies in there.  In a sampled run only some
blocks are seen, and a cell in which none was seen may have one all the same.  Chao's estimate (1984) tells how many:
seen cells, plus ``f1 (f1 - 1) / (2 (f2 + 1))`` where ``f1`` cells had one row and ``f2`` two, and never more than there
are blocks, or cells.  *A worked number.*  Of 44 cells 30 rows hit 24, 19 of them once and 4 twice: 24 + 19 * 18 / 10 =
58, so all 44.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.series import trend
from leakscope.model.chunks import ARENA, HEAP

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from leakscope.model.chunks import ChunkTable
    from leakscope.model.columns import F8, I8, Column
    from leakscope.model.dump import Dump

CELL_BYTES = 256 << 10
"""Length of a cell of a heap."""
LEAST_BYTES, LEAST_SHARE = 8 << 20, 0.25
"""Less than this, or than this part of resident memory, does not matter: every program has that much."""
_MOSTLY_FREE = 0.5
_NO_CELL = -1
_STILL_THERE = 0.75
"""Of the dumps that have nearly as much as the one with most, the last is looked into."""
_LONG, _LATE = 0.25, 0.75
"""Parts of the run: how long memory must lie unused, and until when."""
_FEWEST_POINTS = 3
_LEVEL, _EXPLAINED = 0.25, 0.5
"""Parts of what resident memory rose by: how much live memory may rise with it, and how much must be free."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """
    A time in which a series was never below some value.

    Attributes
    ----------
    start_s, end_s : float
    points : int
        Samples in it.
    least : float
        The smallest value.
    """

    start_s: float
    end_s: float
    points: int
    least: float


@dataclass(frozen=True, slots=True, eq=False)
class Slack:
    """
    Memory that allocators held and nobody used, so much and for so long that it matters.

    Attributes
    ----------
    dump : Dump
        Of the run, the last one that shows it.
    idle : ndarray of float64
        `idle_bytes` of its chunks.
    stretch : Stretch or None
        How long that much lay unused.
    rose_bytes : float
        Otherwise: by how much resident memory rose, while what was alive did not; else zero.
    """

    dump: Dump
    idle: F8
    stretch: Stretch | None
    rose_bytes: float


def find_slack(run: Sequence[Dump], window: tuple[float, float]) -> Slack | None:
    """
    The slack of a run; None if there is none that matters, or nobody can tell.

    Parameters
    ----------
    run : sequence of Dump
        In time order.
    window : (float, float)
        When the program is judged; what comes later is its end.
    """
    idle = [idle_bytes(dump.chunks) for dump in run]
    most = max(float(each.sum()) for each in idle)
    at = max(number for number, each in enumerate(idle) if each.sum() >= _STILL_THERE * most)
    dump, found = run[at], idle[at]
    least = max(LEAST_BYTES, LEAST_SHARE * dump.meta.process.rss_bytes)
    if found.sum() < least:
        return None
    stretch = longest_stretch(*unused_over_time(run[-1]), least)
    if stretch is not None and _is_long(stretch, window[1]):
        return Slack(dump, found, stretch, 0.0)
    rose = _rose_alone(run[-1], window, least)
    return Slack(dump, found, None, rose) if rose and found.sum() >= _EXPLAINED * rose else None


def _is_long(stretch: Stretch, end_s: float) -> bool:
    if stretch.points < _FEWEST_POINTS or stretch.end_s < _LATE * end_s:
        return False
    return stretch.end_s - stretch.start_s >= _LONG * end_s


def _rose_alone(dump: Dump, window: tuple[float, float], least: float) -> float:
    """By how much the low-water mark of resident memory rose while that of live memory did not; zero if it did not."""
    series = dump.series
    held = trend(series.time_s, series.rss_bytes - series.ledger_bytes, *window, least=least)
    live = trend(series.time_s, series.live_bytes, *window, least=least)
    rose = held.step if held.shape in ("rising", "slowing", "uneven") else 0.0
    return rose if rose >= least and live.step <= _LEVEL * rose else 0.0


def unused_over_time(dump: Dump) -> tuple[F8, F8]:
    """
    Free memory that allocators held at each sample, or a lower bound of it; samples that tell nothing are left out.

    Parameters
    ----------
    dump : Dump
        The last one of a run.

    Returns
    -------
    time_s, bytes : ndarray of float64
    """
    series = dump.series
    measured = series.arena_free_bytes + series.glibc_free_bytes
    held = np.fmax(series.arena_bytes, 0) + np.where(np.isfinite(series.glibc_arena_bytes), series.glibc_arena_bytes, 0)
    bound = held - dump.meta.process.began_rss_anon_bytes - series.live_bytes
    unused = np.where(np.isfinite(measured), measured, bound)
    known = np.isfinite(unused)
    return series.time_s[known], np.maximum(unused[known], 0.0)


def longest_stretch(time_s: F8, value: F8, least: float) -> Stretch | None:
    """
    The longest time in which a series never was below a value; None if there is no such time.

    Parameters
    ----------
    time_s, value : ndarray of float64, shape (k,)
        Ascending times.
    least : float
    """
    inside = np.concatenate([[False], value >= least, [False]])
    begins = np.flatnonzero(inside[1:] & ~inside[:-1])
    ends = np.flatnonzero(~inside[1:] & inside[:-1])
    if len(begins) == 0:
        return None
    longest = int(np.argmax(time_s[ends - 1] - time_s[begins]))
    begin, end = int(begins[longest]), int(ends[longest])
    return Stretch(float(time_s[begin]), float(time_s[end - 1]), end - begin, float(value[begin:end].min()))


def idle_bytes(chunks: ChunkTable) -> F8:
    """
    What each chunk has that is free and in memory all the same; zero for other kinds, and where nobody measured it.

    Parameters
    ----------
    chunks : ChunkTable
        ``c`` rows.

    Returns
    -------
    ndarray of float64, shape (c,)
    """
    resident = np.where(np.isfinite(chunks.resident_bytes), chunks.resident_bytes, chunks.size.astype(np.float64))
    idle = np.minimum(chunks.free_bytes, resident - chunks.used_bytes)
    ours = (chunks.kind == ARENA) | (chunks.kind == HEAP)
    return np.where(ours & np.isfinite(idle), np.maximum(idle, 0.0), 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Pins:
    """
    Blocks of one place that keep cells from being given back.

    Attributes
    ----------
    place : int
        Row of the frame table, or -1.
    rows : ndarray of int64
        Their rows in the live table.
    blocks, bytes : float
        How many, and how much; estimates in a sampled run.
    cells : float
        How many cells they keep.
    of_cells : int
        How many there are.
    """

    place: int
    rows: I8
    blocks: float
    bytes: float
    cells: float
    of_cells: int


def pins(dump: Dump, chunks: I8, place_of_stack: Column) -> tuple[Pins, ...]:
    """
    The blocks in mostly free cells of some chunks, by place; who keeps most cells first.

    Parameters
    ----------
    dump : Dump
    chunks : ndarray of int64
        Rows of its chunk table.
    place_of_stack : ndarray of int64
    """
    rows, cell, cells = _cells(dump, chunks)
    live = dump.allocations
    place = place_of_stack[live.stack[rows]]
    found = []
    for each in np.unique(place).tolist():
        mine = place == each
        members = rows[mine]
        blocks = float(live.blocks[members].sum())
        kept = min(_cells_kept(cell[mine], dump.meta.sampled), blocks, float(cells))
        found.append(Pins(each, members, blocks, float(live.weight[members].sum()), kept, cells))
    return tuple(sorted(found, key=lambda pin: (-round(pin.cells), -pin.blocks)))


def _cells_kept(cell: I8, sampled: bool) -> float:
    hits = np.unique(cell, return_counts=True)[1]
    if not sampled:
        return float(len(hits))
    once, twice = int((hits == 1).sum()), int((hits == 2).sum())
    return len(hits) + once * (once - 1) / (2 * (twice + 1))


def _cells(dump: Dump, chunks: I8) -> tuple[I8, I8, int]:
    """Live rows in mostly free cells of some chunks, the number of each row's cell, and how many cells there are."""
    rows: list[I8] = []
    numbers: list[I8] = []
    count = 0
    for members, cell, free in _each(dump, chunks):
        renumbered = np.full(len(free), _NO_CELL, dtype=np.int64)
        renumbered[free] = count + np.arange(int(free.sum()))
        count += int(free.sum())
        inside = free[cell]
        rows.append(members[inside])
        numbers.append(renumbered[cell[inside]])
    empty = np.empty(0, dtype=np.int64)
    return np.concatenate([empty, *rows]), np.concatenate([empty, *numbers]), count


def _each(dump: Dump, chunks: I8) -> Iterator[tuple[I8, I8, Column]]:
    """Of each chunk the live rows in it, their cells, and which of its cells are mostly free."""
    live, table = dump.allocations, dump.chunks
    order = np.argsort(live.address, kind="stable")
    address = live.address[order]
    for chunk in chunks.tolist():
        begin, size = table.address[chunk], int(table.size[chunk])
        first, last = np.searchsorted(address, [begin, begin + np.uint64(size)])
        members = order[first:last].astype(np.int64)
        if table.kind[chunk] == ARENA:
            yield members, np.zeros(len(members), dtype=np.int64), np.array([_is_free(table, chunk)])
            continue
        cell = ((live.address[members] - begin) // np.uint64(CELL_BYTES)).astype(np.int64)
        filled = np.bincount(cell, weights=live.weight[members], minlength=-(-size // CELL_BYTES))
        yield members, cell, filled < (1 - _MOSTLY_FREE) * CELL_BYTES


def _is_free(table: ChunkTable, chunk: int) -> bool:
    return bool(table.free_bytes[chunk] >= _MOSTLY_FREE * float(table.size[chunk]))
