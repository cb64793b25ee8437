"""
How a group of stacks grows: who of those that it allocated survives.

It knows birth times, ages and sizes; it refuses to decide whether the group grows, which the series shows.

kept
    There are survivors from every quarter of the window: memory comes and stays.
enlarged
    The blocks do not become more but bigger: one buffer, list or dictionary that is moved whenever it is enlarged,
    and so is always young.
backlog
    Old blocks go and more new ones come: a queue that is filled faster than it is emptied.
"""

from __future__ import annotations

from math import exp
from typing import TYPE_CHECKING, Literal

import numpy as np

from leakscope.analysis.series import QUARTERS
from leakscope.model.series import AGE_EDGES_S

if TYPE_CHECKING:
    from typing import TypeAlias

    from leakscope.analysis.groups import Groups
    from leakscope.analysis.series import Trend
    from leakscope.model.columns import F8, I8

Kind: TypeAlias = 'Literal["kept", "enlarged", "backlog"]'

_QUARTER_SHARE = 0.25
"""A quarter of the window has survivors if it has this part of an even share."""
_CHANCE = 0.05
_OLD_SHARE = 0.75
"""An age class can tell of a window if its edge is within this part of it."""
_FEWER = 1.25
_BACKLOG_NOISE = 4.0


def of_all_ages(survivors: F8, rows: I8, gain: float) -> bool:
    """
    Whether survivors come from every quarter of the window.

    Parameters
    ----------
    survivors : ndarray of float64, shape (4,)
        Bytes alive by quarter of birth.
    rows : ndarray of int64, shape (4,)
        Recorded rows behind them.
    gain : float
        Bytes gained over the window.

    Notes
    -----
    Quarters without survivors are forgiven if growth in few and heavy rows would have left them empty by chance (5 %),
    and both halves of the window have some.
    """
    if rows.sum() == 0 or gain <= 0:
        return False
    share = gain / QUARTERS
    empty = survivors < _QUARTER_SHARE * share
    if not empty.any():
        return True
    half = QUARTERS // 2
    expected_rows = float(empty.sum()) * share / float(survivors.sum() / rows.sum())
    return bool(rows[:half].any() and rows[half:].any()) and exp(-expected_rows) >= _CHANCE


def have_stayed(groups: Groups, group: int, trend: Trend, gain: float) -> bool | None:
    """
    Whether what was allocated all through the window was still alive at its end; None if nobody knows, because birth
    times are too coarse for so short a window, or gone with the blocks.

    Parameters
    ----------
    groups : Groups
    group : int
    trend : Trend
        Its window.
    gain : float
        Bytes gained over it.
    """
    if not groups.taken_down(group):
        if groups.birth_step_s > trend.length_s / QUARTERS:
            return None
        return of_all_ages(*groups.survivors(group), gain)
    # The blocks are gone with their birth times.  Of memory that stays, what is older than an edge was there at the
    # beginning or came evenly until then.
    edges = [index for index, edge in enumerate(AGE_EDGES_S) if edge <= _OLD_SHARE * trend.length_s]
    if not edges or gain <= 0:
        return None
    older = float(groups.ages(group)[edges[-1] + 1 :].sum())
    came_before = gain * (1 - AGE_EDGES_S[edges[-1]] / trend.length_s)
    times, values = groups.values(group)
    at_start = values[times >= trend.start_s]
    return bool(older - float(at_start[0] if len(at_start) else 0.0) >= _QUARTER_SHARE * came_before)


def kind_of_growth(groups: Groups, group: int, trend: Trend, gain: float) -> Kind | Literal[""]:
    """
    How a group grows; empty if nobody but chance can be seen at work.

    Parameters
    ----------
    groups : Groups
    group : int
    trend : Trend
        Of the group, not short.
    gain : float
        Bytes gained over its window.
    """
    stayed = have_stayed(groups, group, trend, gain)
    if stayed:
        return "kept"
    if _is_enlarged(groups, group, trend):
        return "enlarged"
    steps = np.diff(trend.minima)
    clear = trend.rate_low > 0 and steps.min() > 0 and trend.step > _BACKLOG_NOISE * trend.noise
    return ("kept" if stayed is None else "backlog") if clear else ""


def _is_enlarged(groups: Groups, group: int, trend: Trend) -> bool:
    times = groups.history.time_s
    inside = (times >= trend.start_s) & (times <= trend.end_s) & np.isfinite(groups.history.bytes[:, group])
    held, blocks = groups.history.bytes[inside, group], groups.history.blocks[inside, group]
    if len(held) < 2 or blocks[0] <= 0:
        return False
    # The low-water mark of the blocks, so that a buffer that is being copied does not count twice.
    return bool(blocks[len(blocks) // 2 :].min() <= _FEWER * blocks[0] + 0.5 and held[-1] >= _FEWER * held[0])
