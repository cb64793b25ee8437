"""
Whether a number that was taken after each repetition of the same work rises, and goes on rising.

It knows series of numbers; it refuses to know what was counted.  The rule: cut the series into four quarters and look
at the least of each.  Minima forgive jitter and whatever is flushed now and then; a last step that is less than half of
the first is a cache that fills.  Fewer than eight numbers can arouse suspicion only.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ENOUGH = 8
"""Fewest numbers, two to a quarter, that can tell a steady rise."""
_SLOWING = 0.5


class Trend(Enum):
    """What a series does."""

    FLAT = "flat"
    RISING = "rising"
    """Too few numbers to be sure."""
    SLOWING = "slowing"
    STEADY = "steady"


def trend_of(series: Sequence[int]) -> Trend:
    """
    What a series does.

    Parameters
    ----------
    series : sequence of int
        One number for each repetition, in order.

    Examples
    --------
    >>> trend_of([3, 4, 5, 6, 7, 8, 9, 10])
    <Trend.STEADY: 'steady'>
    >>> trend_of([3, 40, 60, 70, 75, 78, 79, 80])
    <Trend.SLOWING: 'slowing'>
    """
    if len(series) < ENOUGH:
        half = len(series) // 2
        rises = half > 0 and min(series[half:]) > min(series[:half])
        return Trend.RISING if rises else Trend.FLAT
    first, second, third, fourth = _quarters(series)
    if not first < second < third < fourth:
        return Trend.FLAT
    return Trend.STEADY if fourth - third >= _SLOWING * (second - first) else Trend.SLOWING


def gain_each(series: Sequence[int]) -> float:
    """
    How much a series gains with each repetition, between the least of the first and of the last part.

    Parameters
    ----------
    series : sequence of int
    """
    if len(series) < ENOUGH:
        return (series[-1] - series[0]) / max(len(series) - 1, 1)
    quarters = _quarters(series)
    return (quarters[-1] - quarters[0]) / (3 * (len(series) // 4))


def _quarters(series: Sequence[int]) -> tuple[int, int, int, int]:
    """The least of each quarter; what is left over is taken from the beginning."""
    width = len(series) // 4
    first, second, third, fourth = (min(series[len(series) - width * at :][:width]) for at in (4, 3, 2, 1))
    return first, second, third, fourth
