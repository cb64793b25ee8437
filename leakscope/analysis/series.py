"""
Whether a quantity keeps growing: robust trends of one series.

It knows times and values; it refuses to know what they measure, where they came from and whether growth is bad.

The honest page
---------------
*Minima.*  The window is cut into four blocks of equal time; only the smallest value of each counts.  What a queue, a
batch or a generation of garbage adds on top of what stays is gone at the minimum, so a sawtooth has level minima
however high its teeth are, as long as a tooth is shorter than a block.

*Rising.*  All three steps between the four minima go up, the total gain is above ``least`` and above three standard
errors, and the second half rises at least half as fast as the first.  Of a series without trend all three steps go up
once in 24 times, and half of those fail the other conditions; hence the size floor, and further evidence in the rule.

*Slowing.*  The gain is there but the second half rises less than half as fast as the first, by more than its error: a
cache that fills, a warm-up.  A curve that saturates like ``1 - exp(-t / tau)`` is caught once the window is longer than
``1.39 tau``; before that nobody can tell it from a straight line.

*Rate.*  Theil-Sen: the median of the slopes of all pairs, here of up to 32 block minima, so a quarter of them may be
wild; the interval is Sen's, from Kendall's tau, 95 %.

*Noise.*  Sampling error comes in as ``error``, the standard error of the gain.  Noise of the series itself is taken
from second differences of the block minima, which vanish for any smooth curve: ``1.4826 MAD / sqrt(6)``.

*Late over early* is the rate of the second half over that of the first.  Growth goes on at the square of it: over the
next window as long as this one a saturating curve gains ``late_over_early ** 2`` times what it gained in this one.  A
worked number: half-way rates of 20 and 10 MiB/s give 0.5; a quarter of the pace is to come.

What is lost: samples are not equally spaced (a long run is thinned), and a minimum over few samples is higher than
over many, which works against finding growth.  A bound not reached yet looks like growth: only time tells.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from typing import TypeAlias

    from leakscope.model.columns import F8

Shape: TypeAlias = 'Literal["short", "level", "falling", "rising", "slowing", "uneven"]'

QUARTERS = 4
LEAST_POINTS = 8
"""Fewest samples in a window that can carry a trend: two per quarter."""
FINE_BLOCKS = 32
"""Most block minima the rate is taken from."""
SURE = 3.0
"""Standard errors by which a gain must exceed nothing."""
NOT_SLOWING = 0.5
"""Smallest rate of the second half, in rates of the first, of a series that is said to keep growing."""
_CONFIDENCE_95 = 1.96
WIDTH_OF_95 = 2 * _CONFIDENCE_95
"""Width of a 95 % interval in standard errors."""
_SIGMA_OF_MAD = 1.4826
_NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Trend:
    """
    What one series did in a window.

    Attributes
    ----------
    shape : {"short", "level", "falling", "rising", "slowing", "uneven"}
        ``short``: too few samples to tell.  ``uneven``: gained, but not steadily.
    start_s, end_s : float
        The window.
    points : int
        Samples in it.
    minima : tuple of float
        Smallest value of each quarter; empty if short.
    step : float
        Last quarter's minimum minus the first's; NaN if short.
    rate, rate_low, rate_high : float
        Per second, with its 95 % interval; NaN if short.
    noise : float
        Standard deviation of a block minimum, sampling error not included; NaN if short.
    late_over_early, late_over_early_error : float
        Rate of the second half over that of the first, and its standard error; NaN if short or if the first half does
        not rise.
    """

    shape: Shape
    start_s: float
    end_s: float
    points: int
    minima: tuple[float, ...] = ()
    step: float = _NAN
    rate: float = _NAN
    rate_low: float = _NAN
    rate_high: float = _NAN
    noise: float = _NAN
    late_over_early: float = _NAN
    late_over_early_error: float = _NAN

    @property
    def length_s(self) -> float:
        """Length of the window."""
        return self.end_s - self.start_s

    @property
    def gain(self) -> float:
        """What the whole window added at the robust rate; NaN if short."""
        return self.rate * self.length_s


def trend(time_s: F8, value: F8, start_s: float, end_s: float, *, error: float = 0.0, least: float = 0.0) -> Trend:
    """
    What a series did between two times.

    Parameters
    ----------
    time_s, value : ndarray of float64, shape (k,)
        Ascending times; rows with NaN are left out.
    start_s, end_s : float
        The window, both ends included.
    error : float
        Standard error of the gain over the window, from sampling.
    least : float
        Smallest gain that counts as one.

    Returns
    -------
    Trend
    """
    inside = (time_s >= start_s) & (time_s <= end_s) & np.isfinite(value)
    times, values = time_s[inside], value[inside]
    minima = block_minima(times, values, start_s, end_s, QUARTERS)[1]
    if len(times) < LEAST_POINTS or len(minima) < QUARTERS:
        return Trend("short", start_s, end_s, len(times))
    steps = np.diff(minima)
    fine_at, fine = block_minima(times, values, start_s, end_s, min(FINE_BLOCKS, len(times) // 2))
    noise = noise_of(fine)
    rate, low, high = theil_sen(fine_at, fine)
    ratio, ratio_error = late_over_early(fine_at, fine, (start_s + end_s) / 2, noise, error)
    return Trend(
        shape=_shape(steps, ratio, ratio_error, error, least),
        start_s=start_s, end_s=end_s, points=len(times),
        minima=tuple(float(m) for m in minima), step=float(minima[-1] - minima[0]),
        rate=rate, rate_low=low, rate_high=high, noise=noise,
        late_over_early=ratio, late_over_early_error=ratio_error,
    )  # fmt: skip


def block_minima(time_s: F8, value: F8, start_s: float, end_s: float, blocks: int) -> tuple[F8, F8]:
    """
    Smallest value of each block of equal time, and when it was; blocks without samples are left out.

    Parameters
    ----------
    time_s, value : ndarray of float64, shape (k,)
        Ascending, within the window, finite.
    start_s, end_s : float
        The window.
    blocks : int
        Into how many it is cut.

    Returns
    -------
    at_s, minimum : ndarray of float64, shape (up to blocks,)
        The first time the minimum was seen, and the minimum.
    """
    if len(time_s) == 0 or end_s <= start_s:
        return np.empty(0), np.empty(0)
    block = np.minimum(((time_s - start_s) * (blocks / (end_s - start_s))).astype(np.int64), blocks - 1)
    order = np.lexsort((time_s, value, block))
    first = order[np.unique(block[order], return_index=True)[1]]
    return time_s[first], value[first]


def theil_sen(time_s: F8, value: F8) -> tuple[float, float, float]:
    """
    Median slope over all pairs of points and its 95 % interval.

    Parameters
    ----------
    time_s, value : ndarray of float64, shape (n,)
        Any order; quadratic in ``n``.

    Returns
    -------
    slope, low, high : float
        NaN if no two points differ in time; the interval is the range of slopes for very few points.

    References
    ----------
    Sen (1968), Estimates of the regression coefficient based on Kendall's tau.
    """
    i, j = np.triu_indices(len(time_s), k=1)
    apart = time_s[j] != time_s[i]
    i, j = i[apart], j[apart]
    if len(i) == 0:
        return _NAN, _NAN, _NAN
    slopes = np.sort((value[j] - value[i]) / (time_s[j] - time_s[i]))
    n = len(time_s)
    spread = _CONFIDENCE_95 * sqrt(n * (n - 1) * (2 * n + 5) / 18)
    low = max(int((len(slopes) - spread) / 2), 0)
    high = min(int((len(slopes) + spread) / 2) + 1, len(slopes) - 1)
    return float(np.median(slopes)), float(slopes[low]), float(slopes[high])


def noise_of(value: F8) -> float:
    """
    Standard deviation of independent noise on top of a smooth curve, from its second differences.

    Parameters
    ----------
    value : ndarray of float64, shape (n,)
        Equally spaced, roughly; zero for fewer than three.
    """
    if len(value) < 3:
        return 0.0
    second = np.diff(value, n=2)
    return float(_SIGMA_OF_MAD * np.median(np.abs(second)) / sqrt(6.0))


def level_since(time_s: F8, value: F8, tolerance: float) -> float:
    """
    Earliest time from which highest and lowest value differ by no more than a tolerance: where it levels off.

    Parameters
    ----------
    time_s, value : ndarray of float64, shape (k,)
        Ascending times.
    tolerance : float
        What still counts as level.

    Returns
    -------
    float
        Seconds; the last time if it never levels off, NaN for an empty series.
    """
    kept = np.isfinite(value)
    times, values = time_s[kept], value[kept]
    if len(times) == 0:
        return _NAN
    highest_from = np.maximum.accumulate(values[::-1])[::-1]
    lowest_from = np.minimum.accumulate(values[::-1])[::-1]
    level = highest_from - lowest_from <= tolerance
    return float(times[int(np.argmax(level))])


def held_for_half(time_s: F8, value: F8) -> float:
    """
    What a series was at least for half of the time; each value holds until the next sample, however late that comes.

    Parameters
    ----------
    time_s, value : ndarray of float64, shape (k,)
        At least two, ascending times.
    """
    lasted = np.diff(time_s)
    order = np.argsort(value[:-1])[::-1]
    for_so_long = np.cumsum(lasted[order])
    return float(value[order[int(np.searchsorted(for_so_long, for_so_long[-1] / 2))]])


def late_over_early(time_s: F8, value: F8, middle_s: float, noise: float, error: float) -> tuple[float, float]:
    """
    Rate after a moment over the rate before it, and its standard error.

    Parameters
    ----------
    time_s, value : ndarray of float64, shape (n,)
        Block minima.
    middle_s : float
    noise : float
        Standard deviation of a value.
    error : float
        Standard error of the gain over all of it, from sampling.

    Returns
    -------
    ratio, ratio_error : float
        NaN if the first part does not rise or one has no slope.
    """
    late = time_s >= middle_s
    early_rate, late_rate = theil_sen(time_s[~late], value[~late])[0], theil_sen(time_s[late], value[late])[0]
    if not early_rate > 0:
        return _NAN, _NAN
    half_s = (time_s[-1] - time_s[0]) / 2
    # Half of the gain has the root of half the variance; noise counts at both ends of each half.
    rate_error = sqrt(error**2 / 2 + 2 * noise**2) / half_s
    ratio = late_rate / early_rate
    return ratio, rate_error * sqrt(1 + ratio**2) / early_rate


def _shape(steps: F8, ratio: float, ratio_error: float, error: float, least: float) -> Shape:
    gain = float(steps.sum())
    if abs(gain) < max(least, SURE * error) or gain == 0:
        return "level"
    if gain < 0:
        return "falling"
    if bool((steps > 0).all()) and ratio >= NOT_SLOWING:
        return "rising"
    # Where the first half has no rate, because it only rose at its very beginning, the steps have to tell.
    slows = ratio + ratio_error < NOT_SLOWING if ratio == ratio else steps[-1] < NOT_SLOWING * steps[0]
    return "slowing" if slows else "uneven"
