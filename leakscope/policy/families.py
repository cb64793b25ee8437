"""
One run of a program and its child processes: what they all say, each place once.

It knows that processes of one program share its code; it refuses to know how they were started.  What several processes
say about one place counts as much as in a process on average: of workers that share the work each has its part, more in
a longer run, while a child for each task has the same however many there are.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from leakscope.model.finding import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakscope.model.finding import Finding
    from leakscope.model.gate import Trial

_ASKED = (Verdict.LEAK, Verdict.GROWTH, Verdict.UNKNOWN)
"""What children are asked about: they come and go, so that what informs would be much and say little."""


def by_name(trial: Trial) -> dict[str, Finding]:
    """
    Findings of a run by fingerprint, in the order of the program's report, then of its children's.

    Parameters
    ----------
    trial : Trial
    """
    own = _by_name(trial.report.findings)
    of_children = [_by_name(_asked(child.findings, told=trial.work is not None)) for child in trial.children]
    names = dict.fromkeys((*own, *(name for found in of_children for name in found)))
    return {name: _of_all(own.get(name), [found[name] for found in of_children if name in found]) for name in names}


def _asked(findings: Sequence[Finding], *, told: bool) -> list[Finding]:
    """
    What is asked of a child.

    Growth may be its own data, which a brief one has until its end: unless it is told to do more, that is a doubt.
    """
    asked = [finding for finding in findings if finding.verdict in _ASKED]
    return [
        finding if told or finding.verdict is Verdict.LEAK else replace(finding, verdict=Verdict.UNKNOWN)
        for finding in asked
    ]


def _by_name(findings: Sequence[Finding]) -> dict[str, Finding]:
    names = dict.fromkeys(finding.fingerprint for finding in findings)
    return {name: _together([one for one in findings if one.fingerprint == name]) for name in names}


def _together(same: Sequence[Finding]) -> Finding:
    """
    Findings of one process with one fingerprint as one: of two lines either may be the bigger one.

    The biggest speaks for all of them, with what they have together.
    """
    first = max(same, key=lambda finding: gained(finding, count=False))
    growth = first.growth and replace(
        first.growth,
        bytes=sum(gained(finding, count=False) for finding in same),
        count=sum(gained(finding, count=True) for finding in same),
    )
    return replace(first, bytes=sum(one.bytes for one in same), count=sum(one.count for one in same), growth=growth)


def _of_all(own: Finding | None, others: Sequence[Finding]) -> Finding:
    """What a process has on average; the program speaks for its children, else the one with most does."""
    if not others:
        assert own is not None
        return own
    found = [*others] if own is None else [own, *others]
    first = own or max(others, key=lambda finding: gained(finding, count=False))
    growth = first.growth and replace(
        first.growth,
        bytes=sum(gained(finding, count=False) for finding in found) // len(found),
        count=sum(gained(finding, count=True) for finding in found) // len(found),
    )
    words = f"In {len(others)} child process{'' if len(others) == 1 else 'es'}: {first.sentence}"
    return replace(
        first, growth=growth, sentence=first.sentence if own else words,
        bytes=sum(one.bytes for one in found) // len(found), count=sum(one.count for one in found) // len(found),
    )  # fmt: skip


def gained(finding: Finding, *, count: bool) -> int:
    """What a finding gained, in bytes or in objects."""
    if count:
        return finding.growth.count if finding.growth else finding.count
    return finding.growth.bytes if finding.growth else finding.bytes
