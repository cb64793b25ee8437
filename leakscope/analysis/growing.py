"""
Whether one group of stacks keeps growing, how, and how sure that is.

It knows the trend of a group and who survived in it; it refuses to know names and to speak of leaks: a cache that is
not full yet grows as well.

Two witnesses who cannot talk to each other are asked.  The *series* says how much was there at which time: a trend of
the low-water marks, see `series`.  The *survivors* say when those were born that are alive at the end: whatever is
freed again, however it looked over time, leaves only young survivors.

How it grows, kept, enlarged or as a backlog, is found in `survival`.

Confidence
----------
It answers: *will this go on at half the pace or more for another window as long as this one?* and is a product of

* steadiness: the chance that ``late_over_early`` is above 0.707, the square root of one half, given its error;
* reality: the chance that the gain is no accident of sampling or noise (normal distribution of gain over error);
* kind: 1 if kept, 0.9 if enlarged, 0.8 for a backlog, which other load may empty;
* earliness: a window of less than a quarter of the run counts for less in proportion, for what began late may be a
  phase of the program, and one of less than a second likewise, down to 0.6, for it may be the start of anything;
* 0.8 if nobody can say who survived: birth times are too coarse for the window, or all was freed at the end;
* with fewer than eight samples, ``1 - 1 / n!``: a series without trend rises every time by accident that often;
* 0.9, for bounds not reached yet.

Below one half growth is not claimed, nor in a window of less than 0.4 s.  ``tests/analysis/test_confidence.py`` holds
it against simulated programs.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import erf, factorial, isfinite, sqrt
from typing import TYPE_CHECKING, Literal

import numpy as np

from leakscope.analysis import series
from leakscope.analysis.series import LEAST_POINTS, NOT_SLOWING, QUARTERS, SURE, Trend
from leakscope.analysis.survival import have_stayed, kind_of_growth, of_all_ages

if TYPE_CHECKING:
    from typing import TypeAlias

    from leakscope.analysis.groups import Groups
    from leakscope.analysis.survival import Kind
    from leakscope.model.columns import F8, I8

Doubt: TypeAlias = 'Literal["", "short", "thin", "late", "idle", "unsteady"]'

HALF_PACE = sqrt(0.5)
"""``late_over_early`` of a saturating curve that will go on at half the pace."""
CEILING = 0.9
LEAST_CONFIDENCE = 0.5
_KIND_FACTOR: dict[str, float] = {"kept": 1.0, "enlarged": 0.9, "backlog": 0.8}
_EARLY_SHARE = 0.25
_TOO_LATE_SHARE = 0.1
_LEAST_RATIO_ERROR = 0.05
_BRIEF_S, _BRIEF_FACTOR = 1.0, 0.6
_UNWITNESSED = 0.8
_LONGEST_REST = 3.0
_LEAST_FEW = 3
_LEAST_S = 0.4
"""Growth of a shorter window is not claimed: programs start, caches fill and teeth of a sawtooth rise within that."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """
    What became of one group.

    Attributes
    ----------
    growing : bool
    doubt : str
        Why growth is suspected but not claimed; empty if it is claimed or not suspected.
    kind : str
        How it grows; empty if nothing is suspected.
    confidence : float
        0 to 1; see the top of this file.
    trend : Trend
    gain_bytes, gain_error : float
        Gain over the window, and its standard error.
    survivors : tuple of float
        Bytes by the quarter of the window they were born in.
    longer_s : float
        How long the window should be to tell, if ``doubt``; NaN if time alone does not help.
    """

    growing: bool
    doubt: Doubt
    kind: Kind | Literal[""]
    confidence: float
    trend: Trend
    gain_bytes: float = 0.0
    gain_error: float = 0.0
    survivors: tuple[float, ...] = field(default=(0.0,) * QUARTERS)
    longer_s: float = float("nan")


def judge_group(groups: Groups, group: int, least: float, idle_from_s: float = float("inf")) -> Judgement:
    """
    Whether a group keeps growing.

    Parameters
    ----------
    groups : Groups
    group : int
    least : float
        Smallest gain that counts, bytes.
    idle_from_s : float
        When the program ran out of work; infinite if it did not.
    """
    trend = groups.trend(group, least)
    if trend.shape == "short":
        return _judge_few(groups, group, least, trend)
    if trend.shape in ("level", "falling", "slowing"):
        return _judge_still(groups, group, least, trend, idle_from_s)
    gain, error = trend.gain, groups.gain_error(group)
    survivors = groups.survivors(group)[0]
    kind = kind_of_growth(groups, group, trend, gain)
    confidence = _confidence(groups, group, trend, gain, error, kind)
    late = trend.length_s < _TOO_LATE_SHARE * _span(groups)
    # What began late is not doubted for being unsteady as well.
    enough = confidence / _earliness(groups, trend) >= LEAST_CONFIDENCE * CEILING
    steady = trend.shape == "rising" and (enough if late else confidence >= LEAST_CONFIDENCE * CEILING)
    doubt: Doubt = "" if kind == "" or (steady and not late) else "late" if steady else "unsteady"
    judged = Judgement(
        growing=steady and not late and kind != "", doubt=doubt, kind=kind, confidence=confidence, trend=trend,
        gain_bytes=gain, gain_error=error, survivors=tuple(survivors.tolist()),
        longer_s=(_EARLY_SHARE * _span(groups) if late else 3 * trend.length_s) if doubt else float("nan"),
    )  # fmt: skip
    return _unless_brief(judged)


def _unless_brief(judged: Judgement) -> Judgement:
    """The same judgement, but a doubt if the window was too brief for growth of any kind."""
    if not judged.growing or judged.trend.length_s >= _LEAST_S:
        return judged
    return replace(judged, growing=False, doubt="short", confidence=0.0, longer_s=5 * _LEAST_S)


@dataclass(frozen=True, slots=True)
class Grown:
    """
    A function that grows, or may.

    Attributes
    ----------
    judgement : Judgement
    sites : tuple of int
        Sites in the function that do, by what they gained, biggest first.
    """

    judgement: Judgement
    sites: tuple[int, ...]


def find_growth(
    by_site: Groups, by_function: Groups, function_of_site: I8, least: float, idle_from_s: float
) -> tuple[Grown, ...]:
    """
    Functions that grow or may grow, by gain, biggest first.

    A function is judged as a whole, so that lines that are thin by themselves add up, and where that shows no growth
    line by line, so that one that fluctuates does not hide another that grows.

    Parameters
    ----------
    by_site, by_function : Groups
    function_of_site : ndarray of int64
        Function of each site.
    least : float
        Smallest gain that counts.
    idle_from_s : float
        As in `judge_group`.
    """
    found = []
    sites = _candidates(by_site, least)
    for function in _candidates(by_function, least):
        whole = judge_group(by_function, function, least, idle_from_s)
        members = [int(site) for site in np.flatnonzero(function_of_site == function)]
        if not whole.growing and len(members) > 1:
            parts = {
                site: judge_group(by_site, site, least, idle_from_s)
                for site in sites
                if function_of_site[site] == function
            }
            growing = {site: part for site, part in parts.items() if part.growing}
            if growing:
                best = max(growing.values(), key=lambda part: part.gain_bytes)
                whole = replace(best, gain_bytes=sum(part.gain_bytes for part in growing.values()))
                members = list(growing)
        if whole.growing or whole.doubt:
            found.append(Grown(whole, _by_weight(by_site, members)))
    return tuple(sorted(found, key=lambda grown: (not grown.judgement.growing, -grown.judgement.gain_bytes)))


def _candidates(groups: Groups, least: float) -> list[int]:
    """Groups that hold enough more at the end of the window than they once did to be worth a look."""
    known = groups.history.bytes[groups.history.time_s <= groups.end_s]
    if len(known) == 0:
        return []
    lowest = np.where(np.isfinite(known), known, np.inf).min(axis=0)
    return [int(group) for group in np.flatnonzero(groups.held_at_end - lowest >= least)]


def _by_weight(groups: Groups, members: list[int]) -> tuple[int, ...]:
    weight = {
        group: groups.held(group)[0] if groups.taken_down(group) else float(groups.survivors(group)[0].sum())
        for group in members
    }
    return tuple(sorted(members, key=lambda group: -weight[group]))


def _confidence(groups: Groups, group: int, trend: Trend, gain: float, error: float, kind: Kind | Literal[""]) -> float:
    if kind == "" or not isfinite(trend.late_over_early):
        return 0.0
    steady = _normal((trend.late_over_early - HALF_PACE) / max(trend.late_over_early_error, _LEAST_RATIO_ERROR))
    doubtful = sqrt(error**2 + 2 * trend.noise**2)
    real = _normal(gain / doubtful) if doubtful > 0 else 1.0
    brief = min(1.0, _BRIEF_FACTOR + (1 - _BRIEF_FACTOR) * trend.length_s / _BRIEF_S)
    witnessed = _UNWITNESSED if kind == "kept" and have_stayed(groups, group, trend, gain) is None else 1.0
    return CEILING * steady * real * _KIND_FACTOR[kind] * _earliness(groups, trend) * brief * witnessed


def _earliness(groups: Groups, trend: Trend) -> float:
    return min(1.0, trend.length_s / (_EARLY_SHARE * max(_span(groups), 1e-9)))


def _span(groups: Groups) -> float:
    """Length of what could be judged: from the first dump of several, else from the beginning."""
    return groups.end_s - groups.start_s


def _judge_still(groups: Groups, group: int, least: float, trend: Trend, idle_from_s: float) -> Judgement:
    """Level, falling or slowing: but did it stop growing, or did the program stop working; was it seen well enough?"""
    still = Judgement(False, "", "", 0.0, trend)
    rested = trend.end_s - idle_from_s
    # Rest that is much longer than the growth before it is not a pause in the load, but life after the start.
    if trend.shape == "slowing" and trend.length_s / QUARTERS < rested < _LONGEST_REST * (idle_from_s - trend.start_s):
        times, values = groups.values(group)
        at_work = times <= idle_from_s
        error = groups.gain_error(group)
        before = series.trend(times[at_work], values[at_work], trend.start_s, idle_from_s, error=error, least=least)
        if before.shape == "rising":
            return Judgement(
                False, "idle", "kept", 0.0, before, before.gain, error, longer_s=2 * (trend.end_s - trend.start_s)
            )
    if trend.shape == "level" and trend.step >= least:
        survivors, rows = groups.survivors(group)
        gain, error = trend.gain, groups.gain_error(group)
        if 0 < gain < SURE * error and of_all_ages(survivors, rows, gain):
            # The gain grows with time, its error with the root of time.
            longer = trend.length_s * (SURE * error / gain) ** 2
            return Judgement(
                False, "thin", "kept", 0.0, trend, gain, error, tuple(survivors.tolist()), longer_s=1.5 * longer
            )
    return still


def _judge_few(groups: Groups, group: int, least: float, window: Trend) -> Judgement:
    """Few samples, or with long gaps: do they agree, and do the survivors?"""
    times, values = groups.values(group)
    inside = (times >= window.start_s) & (times <= window.end_s)
    times, values = series.block_minima(times[inside], values[inside], window.start_s, window.end_s, LEAST_POINTS)
    gain, error = (float(values[-1] - values[0]), groups.gain_error(group)) if len(values) else (0.0, 0.0)
    nothing = Judgement(False, "", "", 0.0, window)
    if gain < max(least, SURE * error) or have_stayed(groups, group, window, gain) is False:
        return nothing
    ages = tuple(groups.survivors(group)[0].tolist())
    seen = _few_trend(times, values, window, error)
    confidence = 0.0
    if seen.shape == "rising":
        confidence = _confidence(groups, group, seen, gain, error, "kept") * (1 - 1 / factorial(len(values)))
    growing = confidence >= LEAST_CONFIDENCE * CEILING
    doubt: Doubt = "" if growing else "unsteady" if seen.shape == "rising" else "short"
    needed = float("nan") if growing else window.length_s * LEAST_POINTS / max(len(values), 1)
    return _unless_brief(Judgement(growing, doubt, "kept", confidence, seen, gain, error, ages, longer_s=needed))


def _few_trend(times: F8, values: F8, window: Trend, error: float) -> Trend:
    """The trend of few samples: rising if they rise every time and do not slow down."""
    points, gain = len(values), float(values[-1] - values[0])
    if points < _LEAST_FEW:
        return replace(window, points=points, step=gain, rate=gain / window.length_s)
    rates = np.diff(values) / np.diff(times)
    rate, low, high = series.theil_sen(times, values)
    half = len(rates) // 2
    early, late = float(np.mean(rates[:half])), float(np.mean(rates[-half:]))
    ratio = late / early if early > 0 else float("nan")
    rises = bool((rates > 0).all()) and ratio >= NOT_SLOWING
    return Trend(
        "rising" if rises else "short", window.start_s, window.end_s, points, step=gain, rate=rate, rate_low=low,
        rate_high=high, noise=0.0, late_over_early=ratio, late_over_early_error=2 * error / max(gain, 1.0),
    )  # fmt: skip


def _normal(z: float) -> float:
    return 0.5 * (1.0 + erf(z / sqrt(2.0)))
