"""
Whether what one run suggests is so: what a second run, with more work, has to show.

It knows amounts and work; it refuses to know limits.  A leak grows with the work: what a further unit of work adds is
at least half of what a unit of the first run's work brought.  A one-time cost adds nothing, a cache that fills adds
less and less.  Work that cannot be told apart proves less: then a finding must come back under the same name.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from leakscope.policy.families import by_name, gained

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakscope.model.finding import Finding
    from leakscope.model.gate import Trial

STILL_GROWING = 0.5
"""Part of the first run's pace that further work must keep up: chance moves it by a few hundredths, dumps that come
early or late in a run by up to a quarter, while a one-time cost is near zero."""
NO_BLOCK_BYTES = 8.0
"""Less than this for each further unit of work is no leak: half of the smallest block."""
LEAST_BYTES = 64 * 1024
_FEW = 8
"""Fewer objects than this may each grow; their number says little."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """
    One finding over all trials.

    Attributes
    ----------
    findings : tuple of Finding
        In the order of the trials that have it.
    seen_in : tuple of int
        These trials.
    """

    findings: tuple[Finding, ...]
    seen_in: tuple[int, ...]

    @property
    def latest(self) -> Finding:
        """As the last trial that has it says."""
        return self.findings[-1]


def sightings(trials: Sequence[Trial]) -> list[Sighting]:
    """
    Findings of all trials, alike ones together, those of the last trial first.

    Parameters
    ----------
    trials : sequence of Trial
    """
    seen = [by_name(trial) for trial in trials]
    names = dict.fromkeys(name for by in reversed(seen) for name in by)
    found = []
    for name in names:
        by_trial = {index: by[name] for index, by in enumerate(seen) if name in by}
        found.append(Sighting(tuple(by_trial.values()), tuple(by_trial)))
    return found


def is_confirmed(sighting: Sighting, trials: Sequence[Trial]) -> bool:
    """
    Whether a finding was seen again, and grew with the work where that was told.

    Parameters
    ----------
    sighting : Sighting
    trials : sequence of Trial
    """
    if len(sighting.seen_in) < 2:
        return False
    first, last = (trials[index].work for index in (sighting.seen_in[0], sighting.seen_in[-1]))
    return first is None or last is None or last <= first or _scales(sighting, first, last)


def is_convicted(sighting: Sighting, trials: Sequence[Trial]) -> bool:
    """
    Whether a finding grew with the work, which says more than any run alone.

    Parameters
    ----------
    sighting : Sighting
        What each run leaves in doubt.
    trials : sequence of Trial
    """
    rate = rate_of(sighting, trials)
    return rate is not None and rate > 0 and is_confirmed(sighting, trials)


def rate_of(sighting: Sighting, trials: Sequence[Trial]) -> float | None:
    """Bytes that a further unit of work adds; None where no two trials with different work have it."""
    first, last = (trials[index].work for index in (sighting.seen_in[0], sighting.seen_in[-1]))
    if first is None or last is None or last <= first:
        return None
    return (sighting.latest.bytes - sighting.findings[0].bytes) / (last - first)


def total_rate(trials: Sequence[Trial]) -> float | None:
    """
    Bytes that a further unit of work adds to all that is alive; None where the work is not told.

    Parameters
    ----------
    trials : sequence of Trial
        The last one and the one with less work before it are compared: runs that were too short say nothing.
    """
    last = trials[-1]
    before = [trial for trial in trials if trial.work is not None and last.work is not None and trial.work < last.work]
    if not before or last.work is None or before[-1].work is None:
        return None
    first, second = _alive((before[-1], last))
    return None if first is None or second is None else (second - first) / (last.work - before[-1].work)


def unnamed_rate(trials: Sequence[Trial]) -> float:
    """
    Bytes that each further iteration adds to what is alive when the work is done, where that is a leak's way; else 0.

    Parameters
    ----------
    trials : sequence of Trial
        It must be more than what a program's data take, and not slow down from one pair of runs to the next.
    """
    ends = {
        trial.work: trial.end_bytes
        for trial in trials
        if trial.work is not None and trial.unit == "iteration" and trial.end_bytes is not None
    }
    works = sorted(ends)
    rates = [(ends[after] - ends[before]) / (after - before) for before, after in pairwise(works)]
    if not rates or rates[-1] < NO_BLOCK_BYTES or rates[-1] * (works[-1] - works[-2]) < LEAST_BYTES:
        return 0.0
    return rates[-1] if len(rates) < 2 or rates[-1] >= STILL_GROWING * rates[-2] else 0.0


def _alive(trials: Sequence[Trial]) -> list[float | None]:
    """What was alive when the work of runs was done, or at most where that is not known of one of them."""
    ends = [trial.end_bytes for trial in trials]
    return [*ends] if None not in ends else [_most_alive(trial) for trial in trials]


def _most_alive(trial: Trial) -> float | None:
    report = trial.report
    series = [value for line in report.sparklines if line.name == "live_bytes" for value in line.values]
    return max((value for value in (*series, *report.totals.live_bytes) if value is not None), default=None)


def _scales(sighting: Sighting, first: float, last: float) -> bool:
    """
    Whether what there is at the end became more with the work, at the pace of what the first run gained.

    What was gained moves with the moment of the first dump, which imports may still follow; what there is does not.
    Objects are counted exactly, and bytes are those of the ones gained: they decide only where a few objects grow.  Of
    blocks there may be as many, each bigger.
    """
    before, after = sighting.findings[0], sighting.latest
    pace_of_count = gained(before, count=True)
    measures = [(after.count - before.count, pace_of_count)]
    if pace_of_count < _FEW or before.subject.kind != "objects":
        measures.append((after.bytes - before.bytes, gained(before, count=False)))
    return any(pace > 0 and more / (last - first) >= STILL_GROWING * pace / first for more, pace in measures)
