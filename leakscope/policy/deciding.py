"""
The gate: what fails, what is known, what is tolerated, and whether another run is worth it.

It knows the policy; it refuses to know rules, files and processes.  The same trials, policy and baseline always give
the same answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakscope.model.finding import Verdict
from leakscope.model.gate import Decision, GateResult, Outcome
from leakscope.model.policy import Baseline, Policy
from leakscope.policy.confirming import gained, is_confirmed, rate_of, sightings
from leakscope.policy.matching import limit_for, suppression_for
from leakscope.policy.totals import breaches
from leakscope.policy.wording import conclusion, reason_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from leakscope.model.gate import GateStatus, Trial
    from leakscope.model.policy import Limit
    from leakscope.policy.confirming import Sighting

_ORDER = list(Outcome)
_MOST_THIN = 2
"""Runs at first that may be too short to tell anything, beyond the policy's repeats: they cost next to nothing."""


def gate(trials: Sequence[Trial], policy: Policy | None = None, baseline: Baseline | None = None) -> GateResult:
    """
    What follows from one or more runs of a program.

    Parameters
    ----------
    trials : sequence of Trial
        At least one, in the order they were run, each with as much work as the one before or more.
    policy : Policy, optional
        By default leaks fail, and growth above 64 KiB.
    baseline : Baseline, optional
        What is known.

    Returns
    -------
    GateResult
        ``undecided`` if there is a suspect that a further run would decide about.
    """
    policy, baseline = policy or Policy(), baseline or Baseline()
    final = len(trials) - _thin_at_first(trials) >= policy.repeats
    decisions = _decide(trials, policy, baseline, final=final)
    passed_totals = breaches(trials, policy)
    if final:
        passed_totals = tuple(breach for breach in passed_totals if breach.confirmed)
    fails = any(decision.outcome is Outcome.NEW for decision in decisions) or any(b.confirmed for b in passed_totals)
    suspects = any(decision.outcome is Outcome.SUSPECT for decision in decisions) or bool(passed_totals)
    thin = _is_thin(trials[-1], decisions)
    status: GateStatus = "failed" if fails else "passed"
    if not fails and thin:
        status = {"tell": "inconclusive", "pass": "passed", "fail": "failed"}[policy.inconclusive]  # type: ignore[assignment]
    seen = {decision.finding.fingerprint for decision in decisions}
    return GateResult(
        status=status,
        sentence=conclusion(decisions, passed_totals, trials, thin=thin and not fails, status=status),
        trials=tuple(trials),
        decisions=tuple(sorted(decisions, key=lambda decision: _ORDER.index(decision.outcome))),
        breaches=passed_totals,
        stale=tuple(entry for entry in baseline.entries if entry.fingerprint not in seen),
        policy=policy, baseline=baseline,
        undecided=not final and not fails and (suspects or (thin and trials[-1].work is not None)),
    )  # fmt: skip


def _thin_at_first(trials: Sequence[Trial]) -> int:
    """How many runs at the beginning said nothing, and can be followed by a longer one."""
    thin = 0
    for trial in trials[:_MOST_THIN]:
        if trial.report.verdict is not Verdict.UNKNOWN or trial.work is None:
            break
        thin += 1
    return thin


def _is_thin(trial: Trial, decisions: Iterable[Decision]) -> bool:
    """Whether the last run says too little: its verdict is UNKNOWN, and not for what is known or suppressed."""
    if trial.report.verdict is not Verdict.UNKNOWN:
        return False
    doubts = {finding.fingerprint for finding in trial.report.findings if finding.verdict is Verdict.UNKNOWN}
    settled = {
        decision.finding.fingerprint
        for decision in decisions
        if decision.outcome in (Outcome.KNOWN, Outcome.SUPPRESSED)
    }
    return not doubts or not doubts <= settled


def _decide(trials: Sequence[Trial], policy: Policy, baseline: Baseline, *, final: bool) -> list[Decision]:
    known = {entry.fingerprint: entry for entry in baseline.entries}
    decisions, judged = [], []
    for sighting in sightings(trials):
        finding = sighting.latest
        suppression = suppression_for(finding, policy.suppressions)
        entry = known.get(finding.fingerprint)
        limit = limit_for(finding, policy.limits)
        if suppression is not None:
            decisions.append(_decision(sighting, trials, Outcome.SUPPRESSED, suppression=suppression))
        elif entry is not None:
            decisions.append(_decision(sighting, trials, Outcome.KNOWN, entry=entry))
        elif finding.verdict is Verdict.UNKNOWN:
            decisions.append(_decision(sighting, trials, Outcome.DOUBT))
        elif limit is None:
            decisions.append(_decision(sighting, trials, Outcome.TOLD))
        else:
            judged.append((sighting, limit))
    for sighting, limit in judged:
        together = [other for other, its in judged if its == limit]
        if not _passes(together, limit, trials):
            outcome = Outcome.WITHIN
        elif policy.repeats <= 1 or is_confirmed(sighting, trials):
            outcome = Outcome.NEW
        else:
            outcome = Outcome.UNCONFIRMED if final else Outcome.SUSPECT
        decisions.append(_decision(sighting, trials, outcome, limit=limit))
    return decisions


def _decision(sighting: Sighting, trials: Sequence[Trial], outcome: Outcome, **why: object) -> Decision:
    rate = rate_of(sighting, trials)
    return Decision(
        finding=sighting.latest, outcome=outcome, seen_in=sighting.seen_in, rate=rate,
        reason=reason_for(sighting, trials, outcome, rate, **why), **why,  # type: ignore[arg-type]
    )  # fmt: skip


def _passes(together: Iterable[Sighting], limit: Limit, trials: Sequence[Trial]) -> bool:
    """Whether findings under one limit are above it: for each unit of work, or in the run with the least work."""
    return sum(_amount(sighting, limit, trials) for sighting in together) > (limit.bytes or limit.count or 0)


def _amount(sighting: Sighting, limit: Limit, trials: Sequence[Trial]) -> float:
    first = sighting.findings[0]
    amount = gained(first, count=limit.count is not None)
    if limit.per is None:
        return amount
    begin, end = (trials[index] for index in (sighting.seen_in[0], sighting.seen_in[-1]))
    if begin.work is None or begin.unit != limit.per:
        return amount
    if end.work is not None and end.work > begin.work:
        return (gained(sighting.latest, count=limit.count is not None) - amount) / (end.work - begin.work)
    return amount / begin.work
