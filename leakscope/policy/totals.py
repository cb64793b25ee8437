"""
Limits of the whole program: what all its live memory gained.

It knows totals of trials; it refuses to know findings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakscope.model.gate import Breach
from leakscope.units import format_bytes, format_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakscope.model.gate import Trial
    from leakscope.model.policy import Limit, Policy


def breaches(trials: Sequence[Trial], policy: Policy) -> tuple[Breach, ...]:
    """
    Limits of the total that were passed.

    Parameters
    ----------
    trials : sequence of Trial
    policy : Policy

    Returns
    -------
    tuple of Breach
        Confirmed if two runs passed it, or the policy asks for one only.
    """
    found = []
    for limit in policy.limits:
        if limit.scope != "total":
            continue
        amounts = [amount for trial in trials if (amount := _gained(trial, limit)) is not None]
        if limit.per and len(trials) > 1:
            further = _per_work(trials, limit)
            amounts = amounts if further is None else [further, further]
        most = limit.bytes if limit.bytes is not None else limit.count or 0
        above = [amount for amount in amounts if amount > most]
        if above:
            found.append(Breach(limit, above[0], _sentence(limit, above[0]), policy.repeats <= 1 or len(above) > 1))
    return tuple(found)


def _gained(trial: Trial, limit: Limit) -> float | None:
    """What a run gained from its first dump to its last, for each unit of work if the limit is."""
    totals = trial.report.totals
    row = totals.live_bytes if limit.count is None else totals.objects
    known = [value for value in row if value is not None]
    if len(known) < 2:
        return None
    amount = known[-1] - known[0]
    if limit.per is None:
        return amount
    return amount / trial.work if trial.work and trial.unit == limit.per else None


def _per_work(trials: Sequence[Trial], limit: Limit) -> float | None:
    """What further work added, from the end of one run to the end of another: what a run needs once is in neither."""
    first, last = trials[0], trials[-1]
    if first.work is None or last.work is None or last.work <= first.work or first.unit != limit.per:
        return None
    ends = [
        (trial.report.totals.live_bytes if limit.count is None else trial.report.totals.objects)[-1]
        for trial in (first, last)
    ]
    if ends[0] is None or ends[1] is None:
        return None
    return (ends[1] - ends[0]) / (last.work - first.work)


def _sentence(limit: Limit, amount: float) -> str:
    told = format_bytes(amount) if limit.count is None else f"{format_count(amount)} objects"
    each = f" per {limit.per}" if limit.per else ""
    return f"all live memory together gained {told}{each}; the limit is {limit.text}"
