"""
Why a finding fails or passes, in one sentence.

It knows wording; it refuses to decide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leakscope.model.finding import Verdict
from leakscope.model.gate import Outcome
from leakscope.policy.confirming import total_rate
from leakscope.units import format_bytes, format_count, format_duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakscope.model.finding import Finding
    from leakscope.model.gate import Breach, Decision, GateStatus, Trial
    from leakscope.policy.confirming import Sighting

BOUND_IT = "give what holds it a bound, or remove what is done with"
_COUNTED = (
    (Outcome.KNOWN, "known"), (Outcome.SUPPRESSED, "suppressed"), (Outcome.WITHIN, "within limits"),
    (Outcome.UNCONFIRMED, "seen once and not again"), (Outcome.DOUBT, "in doubt"), (Outcome.TOLD, "for information"),
)  # fmt: skip


def work_text(trial: Trial) -> str:
    """``with 200 iterations``; "" if the work cannot be told."""
    if trial.work is None:
        return ""
    if trial.unit == "second":
        return f"over {format_duration(trial.work)}"
    return f"with {format_count(trial.work)} iteration{'' if trial.work == 1 else 's'}"


def reason_for(sighting: Sighting, trials: Sequence[Trial], outcome: Outcome, rate: float | None, **why: Any) -> str:
    """
    One sentence for a decision.

    Parameters
    ----------
    sighting : Sighting
    trials : sequence of Trial
    outcome : Outcome
    rate : float or None
        Bytes for each further unit of work.
    **why
        The limit, entry or suppression that decides.
    """
    if outcome in (Outcome.NEW, Outcome.SUSPECT, Outcome.UNCONFIRMED):
        return _confirmed(sighting, trials, rate) if outcome is Outcome.NEW else _unconfirmed(sighting, trials, outcome)
    if outcome is Outcome.SUPPRESSED:
        entry = why["suppression"]
        return f"suppressed by {entry.origin} ({entry.text}): {entry.reason}"
    if outcome is Outcome.KNOWN:
        entry = why["entry"]
        return f"known since {entry.added}" + (f": {entry.note}" if entry.note else "")
    if outcome is Outcome.WITHIN:
        return f"within the limit: {why['limit'].text}"
    if outcome is Outcome.DOUBT:
        return "too little evidence to call it a leak or not"
    return "no limit of the policy is about it"


def convicted(finding: Finding) -> str:
    """What a finding says that one run left in doubt and the work decided."""
    subject, growth = finding.subject, finding.growth
    place = f"{subject.file}:{subject.line}" if subject.file and subject.line else subject.library or "unknown code"
    name = f"`{subject.function}` in {place}" if subject.function else place
    gain = format_bytes(growth.bytes if growth else finding.bytes)
    count = format_count(growth.count if growth else finding.count)
    return (
        f"{subject.type or 'Memory'} of {name} grows with the work: {gain} in {count} {subject.kind} in the last run."
    )


def grows_as_a_whole(rate: float, unit: str) -> str:
    """Why something fails that was not seen again."""
    return f"new, and live memory as a whole grows with the work by as much: {format_bytes(rate)} per {unit} more"


def _confirmed(sighting: Sighting, trials: Sequence[Trial], rate: float | None) -> str:
    if len(sighting.seen_in) < 2:
        return "new: not in the baseline"
    first, last = (trials[index] for index in (sighting.seen_in[0], sighting.seen_in[-1]))
    if rate is None or rate <= 0:
        return "new, and seen again in a second run"
    more = f"from {work_text(first).removeprefix('with ')} to {work_text(last).removeprefix('with ')}"
    return f"new, and it grows with the work: {format_bytes(rate)} per {last.unit} more, {more}"


def _unconfirmed(sighting: Sighting, trials: Sequence[Trial], outcome: Outcome) -> str:
    if outcome is Outcome.SUSPECT:
        return "suspected: another run has to show it again"
    if len(sighting.seen_in) < 2:
        at = work_text(trials[sighting.seen_in[0]])
        seen = f"seen in run {sighting.seen_in[0] + 1}{f' ({at})' if at else ''} and in no other of {len(trials)}"
        return f"{seen}: no leak that can be relied on"
    return "it did not grow with the work: a one-time cost, or something that fills up"


def _runs(trials: Sequence[Trial]) -> str:
    """``2 runs``, ``79 tests``."""
    tests = trials[-1].tests
    count, what = (len(trials), "run") if tests is None else (tests, "test")
    return f"{format_count(count)} {what}{'' if count == 1 else 's'}"


def _counted(count: int, what: str) -> str:
    """``2 new leaks``."""
    several = {"new leak": "new leaks", "place that grows": "places that grow", "limit passed": "limits passed"}
    return f"{count} {what if count == 1 else several[what]}"


def conclusion(
    decisions: Sequence[Decision],
    breaches: Sequence[Breach],
    trials: Sequence[Trial],
    *,
    thin: bool,
    status: GateStatus,
) -> str:
    """The first line of every gate report: what the gate says, and what it counted."""
    new = [decision.finding.verdict for decision in decisions if decision.outcome is Outcome.NEW]
    runs = f"in {_runs(trials)}"
    if new or any(breach.confirmed for breach in breaches):
        leaks = sum(verdict is Verdict.LEAK for verdict in new)
        counts = ((leaks, "new leak"), (len(new) - leaks, "place that grows"), (len(breaches), "limit passed"))
        said = f"failed: {' and '.join(_counted(count, what) for count, what in counts if count)} {runs}"
    elif thin:
        rate = total_rate(trials)
        if rate is not None and rate > 0:
            runs = f"{runs}, in which live memory gained {format_bytes(rate)} per {trials[-1].unit} more"
        why = trials[-1].report.sentence.rstrip(".")
        if trials[-1].report.verdict is not Verdict.UNKNOWN:
            why = "that is a leak's way, but no place stands out"
        said = f"{status} for thin evidence {runs}: {why[:1].lower()}{why[1:]}"
    else:
        said = f"passed: no new leak {runs}"
    counted = [
        f"{count} {word}"
        for outcome, word in _COUNTED
        if (count := sum(decision.outcome is outcome for decision in decisions))
    ]
    return f"{said}; {', '.join(counted)}" if counted else said
