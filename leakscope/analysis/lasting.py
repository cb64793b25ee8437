"""
Whether what was gained between dumps is gained all the time, or was gained once.

It knows values at a few moments and the births of what was gained; it refuses to know what they are.  Three dumps that
rise at an even pace tell; else the births do, if they are spread and go on until the work ends; else nobody knows.
Moments before the growth began say nothing about its pace.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial, sqrt
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakscope.model.columns import Column

QUARTERS = 4
_SLOWEST = 0.5
"""Later rates over earlier ones from which on growth counts as even."""
_HARDLY = 0.25
"""The same below which, measured in work, growth has all but ended."""
_QUARTER_SHARE = 0.25
_COARSE, _FINEST_S = 0.008, 0.001
"""How well births are known, as part of the time, and at best."""
_LEAST_BIRTHS = 8
_QUIET = 0.25
"""Part of the time of growth that may pass without any before the end."""
_STILL = 0.05
"""Part of the gain below which growth had not begun."""
_LONG, _BRIEF_S, _BRIEF_SHARE = 0.3, 0.05, 0.1
_HIGHEST, _BY_BIRTHS, _BY_LATE_BIRTHS = 0.99, 0.85, 0.7
"""Confidence; late are births in less than three tenths of the time."""


@dataclass(frozen=True, slots=True)
class Pace:
    """
    How something was gained.

    Attributes
    ----------
    kind : {"even", "uneven", "unknown"}
        All the time; once, or ever more slowly; or the dumps cannot tell.
    confidence : float
        That it is even; 0 for the others.
    witness : {"dumps", "births", ""}
    dumps : int
        How many were looked at.
    """

    kind: Literal["even", "uneven", "unknown"]
    confidence: float
    witness: Literal["dumps", "births", ""]
    dumps: int = 0


def pace_of(
    values: Sequence[float],
    times_s: Sequence[float],
    births_s: Column | None,
    window_s: tuple[float, float],
    step_s: float = 0.0,
    least: float | None = None,
    weights: Column | None = None,
) -> Pace:
    """
    How something was gained from the first dump to the last.

    Parameters
    ----------
    values, times_s : sequence of float
        How much there was at each dump, and when.
    births_s : ndarray of float or None
        When those were born that were gained; None if nobody knows.
    window_s : pair of float
        From when on and until when they can have been born.
    step_s : float
        How well the end of the window is known.
    least : float, optional
        Time between first and last birth that tells early from late; by default what the precision of births allows.
        All times may be measured in work done instead of seconds: then this must be given.
    weights : ndarray of float, optional
        How much each birth stands for, in any unit: a run is sampled more finely at first.  By default all count alike.
    """
    before = _moments_before_growth(values)
    values, times_s = values[before:], times_s[before:]
    if len(values) > 2:
        rates = np.diff(values) / np.maximum(np.diff(times_s), 1e-9)
        half = len(rates) // 2
        early, late = float(np.mean(rates[:half])), float(np.mean(rates[-half:]))
        if not (rates > 0).all():
            return Pace("uneven", 0.0, "dumps", len(values))
        if late >= _SLOWEST * early:
            return Pace("even", min(_HIGHEST, 1 - 0.5 / factorial(len(values))), "dumps", len(values))
        if least is not None and late < _HARDLY * early:
            # Work does not rest: what is young then has taken the place of what went.
            return Pace("uneven", 0.0, "dumps", len(values))
        # Dumps may lie close together, and the program may have rested between two.
        by_births = _pace_of_births(births_s, weights, window_s, step_s, least)
        return by_births if by_births.kind == "even" else Pace("uneven", 0.0, "dumps", len(values))
    return _pace_of_births(births_s, weights, window_s, step_s, least)


def _moments_before_growth(values: Sequence[float]) -> int:
    """How many moments to leave out, so that the first one left is the last before growth began."""
    if len(values) == 0:
        return 0
    grown = np.subtract(values, values[0]) > _STILL * (values[-1] - values[0])
    return max(int(np.argmax(grown)) - 1, 0) if grown.any() else 0


def _pace_of_births(
    births_s: Column | None,
    weights: Column | None,
    window_s: tuple[float, float],
    step_s: float,
    least: float | None,
) -> Pace:
    start, end = window_s
    unknown = Pace("unknown", 0.0, "")
    if births_s is None:
        return unknown
    counted = (births_s >= start) & (births_s <= end)
    inside = births_s[counted]
    if len(inside) < _LEAST_BIRTHS:
        return unknown
    first, last = float(inside.min()), float(inside.max())
    blur = 0.0 if least is not None else min(step_s, max(_BRIEF_S, _BRIEF_SHARE * end))
    if end - last > _QUIET * (end - first) + blur:
        return unknown
    length = last - first
    if length < (2 * QUARTERS * max(_COARSE * end, _FINEST_S) if least is None else least):
        # Too brief to tell early from late: as much as can be said is that it went on until all work was done.
        brief = length >= _LONG * (end - start) or end - start <= _BRIEF_S
        return Pace("even", _BY_LATE_BIRTHS, "births") if brief else unknown
    weight = np.ones(len(inside)) if weights is None else weights[counted].astype(np.float64)
    quarters, _ = np.histogram(inside, bins=QUARTERS, range=(first, last), weights=weight)
    filled = int((quarters >= _QUARTER_SHARE * weight.sum() / QUARTERS).sum())
    half = QUARTERS // 2
    early, late = float(quarters[:half].sum()), float(quarters[half:].sum())
    error = sqrt(float((weight[inside >= (first + last) / 2] ** 2).sum()))
    steady = late + error >= _SLOWEST * early  # few are fewer by accident
    if filled < QUARTERS - 1 or not steady:
        return unknown
    return Pace("even", _BY_BIRTHS if length >= _LONG * (end - start) else _BY_LATE_BIRTHS, "births")
