"""
Whether what one run suggests is so: what a second run, with more work, has to show.

It knows amounts and work; it refuses to know limits.  A leak grows with the work: what a further unit of work adds is
at least half of what a unit of the first run's work brought.  A one-time cost adds nothing, a cache that fills adds
less and less.  Work that cannot be told apart proves less: then a finding must come back under the same name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from leakscope.model.finding import Finding
    from leakscope.model.gate import Trial

STILL_GROWING = 0.5
"""Part of the first run's pace that further work must keep up: chance moves it by a few hundredths, dumps that come
early or late in a run by up to a quarter, while a one-time cost is near zero."""


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
    names = dict.fromkeys(finding.fingerprint for trial in reversed(trials) for finding in trial.report.findings)
    found = []
    for name in names:
        # A rule may tell one place twice, as two types; the bigger one speaks for it.
        by_trial = {
            index: max(same, key=_gained)
            for index, trial in enumerate(trials)
            if (same := [finding for finding in trial.report.findings if finding.fingerprint == name])
        }
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


def rate_of(sighting: Sighting, trials: Sequence[Trial]) -> float | None:
    """Bytes that a further unit of work adds; None where no two trials with different work have it."""
    first, last = (trials[index].work for index in (sighting.seen_in[0], sighting.seen_in[-1]))
    if first is None or last is None or last <= first:
        return None
    return (_gained(sighting.latest) - _gained(sighting.findings[0])) / (last - first)


def _scales(sighting: Sighting, first: float, last: float) -> bool:
    """Any of four measures may show it: when the first dump is taken moves gains, what was there before moves sizes."""
    measures: tuple[Callable[[Finding], int], ...] = (
        _gained,
        lambda finding: finding.growth.count if finding.growth else finding.count,
        lambda finding: finding.bytes,
        lambda finding: finding.count,
    )
    for measure in measures:
        before, after = measure(sighting.findings[0]), measure(sighting.latest)
        if before > 0 and (after - before) / (last - first) >= STILL_GROWING * before / first:
            return True
    return False


def _gained(finding: Finding) -> int:
    return finding.growth.bytes if finding.growth else finding.bytes


def gained(finding: Finding, *, count: bool) -> int:
    """What a finding gained, in bytes or in objects."""
    if count:
        return finding.growth.count if finding.growth else finding.count
    return _gained(finding)
