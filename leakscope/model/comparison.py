"""
What an earlier run was like, beside the one that is judged.

It knows two runs and which findings are in both; it refuses to know how they were matched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leakscope.model.finding import Finding, Verdict


@dataclass(frozen=True, slots=True)
class Comparison:
    """
    An earlier run, and what became of its findings.

    Attributes
    ----------
    path : str
        Its last dump.
    verdict : Verdict
    sentence : str
        Both of the earlier run, judged by itself.
    elapsed_s : float
        How long it ran until that dump.
    live_bytes, rss_bytes : int or None
        In that dump.
    findings : tuple of Finding
        All of the earlier run.
    known : tuple of (str, str)
        Fingerprints of one finding now and of what it was in the earlier run.
    """

    path: str
    verdict: Verdict
    sentence: str
    elapsed_s: float
    live_bytes: int | None
    rss_bytes: int | None
    findings: tuple[Finding, ...]
    known: tuple[tuple[str, str], ...]

    def before(self, fingerprint: str) -> Finding | None:
        """What a finding of the last run was in the earlier one; None if it was not there."""
        then = dict(self.known).get(fingerprint)
        return next((finding for finding in self.findings if finding.fingerprint == then), None)

    @property
    def gone(self) -> tuple[Finding, ...]:
        """Findings of the earlier run that the last one has not."""
        met = {then for _, then in self.known}
        return tuple(finding for finding in self.findings if finding.fingerprint not in met)
