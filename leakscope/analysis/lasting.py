"""
Whether what was gained between dumps is gained all the time, or was gained once.

It knows values at a few moments and the births of what was gained; it refuses to know what they are.  Three dumps that
rise at an even pace tell; of two dumps the births between them do, if they are spread; else nobody knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakscope.model.columns import Column

QUARTERS = 4
_SLOWEST = 0.5
"""Later rates over earlier ones from which on growth counts as even."""
_QUARTER_SHARE = 0.25
_SPREAD = 0.3
_COARSE = 0.008
_HIGHEST, _BY_BIRTHS = 0.99, 0.85


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
    values: Sequence[float], times_s: Sequence[float], births_s: Column | None, window_s: tuple[float, float]
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
    """
    if len(values) > 2:
        rates = np.diff(values) / np.maximum(np.diff(times_s), 1e-9)
        half = len(rates) // 2
        early, late = float(np.mean(rates[:half])), float(np.mean(rates[-half:]))
        if (rates > 0).all() and late >= _SLOWEST * early:
            return Pace("even", min(_HIGHEST, 1 - 0.5 / factorial(len(values))), "dumps", len(values))
        return Pace("uneven", 0.0, "dumps", len(values))
    return _pace_of_births(births_s, window_s)


def _pace_of_births(births_s: Column | None, window_s: tuple[float, float]) -> Pace:
    start, end = window_s
    unknown = Pace("unknown", 0.0, "")
    if births_s is None or (end - start) / QUARTERS < _COARSE * end:
        return unknown
    inside = births_s[(births_s >= start) & (births_s <= end)]
    if len(inside) < QUARTERS:
        return unknown
    quarters, _ = np.histogram(inside, bins=QUARTERS, range=(start, end))
    low, high = np.quantile(inside, [0.1, 0.9])
    filled = int((quarters >= _QUARTER_SHARE * len(inside) / QUARTERS).sum())
    spread = filled >= QUARTERS - 1 and high - low >= _SPREAD * (end - start)
    return Pace("even", _BY_BIRTHS, "births") if spread else unknown
