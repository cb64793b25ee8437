"""
The gate: what fails, what is known, what is tolerated, and whether another run is worth it.

It knows the policy; it refuses to know rules, files and processes.  The same trials, policy and baseline always give
the same answer.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from leakscope.model.finding import Verdict
from leakscope.model.gate import Decision, GateResult, Outcome
from leakscope.model.policy import Baseline, Policy
from leakscope.policy.confirming import (
    NO_BLOCK_BYTES,
    is_confirmed,
    is_convicted,
    rate_of,
    sightings,
    total_rate,
    unnamed_rate,
)  # fmt: skip
from leakscope.policy.families import by_name, gained
from leakscope.policy.matching import limit_for, suppression_for
from leakscope.policy.totals import breaches
from leakscope.policy.wording import BOUND_IT, conclusion, convicted, grows_as_a_whole, reason_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from leakscope.model.finding import Finding
    from leakscope.model.gate import GateStatus, Trial
    from leakscope.model.policy import Limit
    from leakscope.model.report import Report
    from leakscope.policy.confirming import Sighting

LONG_ENOUGH_S = 1.0
"""What a run must take to acquit a program that could do more, unless a third one finds nothing either."""
_ORDER = list(Outcome)
_EXPLAIN = (Outcome.KNOWN, Outcome.SUPPRESSED, Outcome.WITHIN)
"""What grows and is tolerated; beside it nobody knows how much of all memory has no name."""
_ACCOUNTS = 0.5
"""Part of what live memory as a whole gains that a finding must account for, to be what gains it."""
_MOST_SHORT = 3
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
    unnamed = 0.0 if any(decision.outcome in _EXPLAIN for decision in decisions) else unnamed_rate(trials)
    if final and unnamed > 0:
        decisions = [_named(decision, trials, unnamed) for decision in decisions]
    fails = any(decision.outcome is Outcome.NEW for decision in decisions) or any(b.confirmed for b in passed_totals)
    suspects = bool(passed_totals) or any(_asks_for_more(decision, trials) for decision in decisions)
    thin = _is_thin(trials, decisions) or (final and unnamed > 0 and policy.repeats > 1)
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
        undecided=not fails
        and (_is_short(trials) or (not final and (suspects or unnamed > 0 or _could_do_more(trials, thin=thin)))),
    )  # fmt: skip


def _named(decision: Decision, trials: Sequence[Trial], unnamed: float) -> Decision:
    """
    A decision about what was seen, but not again: it fails if it accounts for what live memory as a whole gains.

    Two rules may tell of one place by turns; that memory grows with the work is known without either.
    """
    trial = trials[decision.seen_in[-1]]
    if decision.outcome is not Outcome.UNCONFIRMED or trial.work is None:
        return decision
    if gained(decision.finding, count=False) / trial.work < _ACCOUNTS * unnamed:
        return decision
    return replace(decision, outcome=Outcome.NEW, reason=grows_as_a_whole(unnamed, trial.unit))


def _could_do_more(trials: Sequence[Trial], *, thin: bool) -> bool:
    """
    Whether a run with more work would tell more, though nothing is suspected.

    What was found out by one run alone is found out by two: memory that leaks is more at the end of the second.
    """
    last = trials[-1]
    return last.work is not None and (
        thin or (len(trials) == 1 and last.unit == "iteration" and last.end_bytes is not None)
    )


def _asks_for_more(decision: Decision, trials: Sequence[Trial]) -> bool:
    """Whether another run would tell more about a finding: a doubt is worth one only if more work can convict it."""
    return decision.outcome is Outcome.SUSPECT or (
        decision.outcome is Outcome.DOUBT and trials[-1].work is not None and len(trials) - 1 in decision.seen_in
    )


def _is_short(trials: Sequence[Trial]) -> bool:
    """
    Whether the first runs were so short that finding nothing means nothing, and could be longer.

    Where child processes do the work, it is for the longest-lived of them to be long enough.
    """
    last = trials[-1]
    short = last.worked_s is not None and last.worked_s < LONG_ENOUGH_S
    return len(trials) < _MOST_SHORT and last.work is not None and (short or _works_briefly(last))


def _works_briefly(trial: Trial) -> bool:
    """Whether child processes do the work, and none of them was watched long enough to tell anything."""
    return bool(trial.children) and max(map(_lived_s, trial.children)) < LONG_ENOUGH_S


def _lived_s(child: Report) -> float:
    """How long a child process was watched; in the time of its dumps one that was forked is as old as the program."""
    return max((line.times_s[-1] - line.times_s[0] for line in child.sparklines if line.times_s), default=0.0)


def _thin_at_first(trials: Sequence[Trial]) -> int:
    """How many runs at the beginning said nothing, and can be followed by a longer one."""
    thin = 0
    for trial in trials[:_MOST_THIN]:
        says_nothing = trial.report.verdict is Verdict.UNKNOWN or (not by_name(trial) and _works_briefly(trial))
        if not says_nothing or trial.work is None:
            break
        thin += 1
    return thin


def _is_thin(trials: Sequence[Trial], decisions: Iterable[Decision]) -> bool:
    """
    Whether the last run says too little: its verdict is UNKNOWN, and not for what is known or suppressed.

    Memory that rises in a run and is not more after more work does not leak, whatever that run alone leaves open.
    """
    trial, rate = trials[-1], total_rate(trials)
    if trial.report.verdict is not Verdict.UNKNOWN or (rate is not None and rate < NO_BLOCK_BYTES):
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
        limit = limit_for(_accused(finding), policy.limits)
        if suppression is not None:
            decisions.append(_decision(sighting, trials, Outcome.SUPPRESSED, suppression=suppression))
        elif entry is not None:
            decisions.append(_decision(sighting, trials, Outcome.KNOWN, entry=entry))
        elif finding.verdict is Verdict.UNKNOWN and not is_convicted(sighting, trials):
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


def _accused(finding: Finding) -> Finding:
    """What is in doubt is held against the limits of growth, if the work convicts it."""
    if finding.verdict is not Verdict.UNKNOWN:
        return finding
    return replace(finding, verdict=Verdict.GROWTH, sentence=convicted(finding), advice=(BOUND_IT,))


def _decision(sighting: Sighting, trials: Sequence[Trial], outcome: Outcome, **why: object) -> Decision:
    rate = rate_of(sighting, trials)
    finding = _accused(sighting.latest) if outcome is Outcome.NEW else sighting.latest
    return Decision(
        finding=finding, outcome=outcome, seen_in=sighting.seen_in, rate=rate,
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
