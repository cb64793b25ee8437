"""
What a gate says as a code quality report of GitLab: what fails, as issues in files.

It knows the report's fields; it refuses to put line numbers into fingerprints: an issue stays the same
when its line moves.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from leakscope.model.gate import Outcome
from leakscope.reports.gate_lines import breach_place, told
from leakscope.reports.report_format import ReportFormat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leakscope.model.gate import GateResult

_SEVERITIES = {"LEAK": "critical", "GROWTH": "major"}


def render(result: GateResult) -> str:
    """
    A JSON array of issues; empty if nothing fails.

    Parameters
    ----------
    result : GateResult
    """
    return json.dumps([*_issues(result)], indent=1, ensure_ascii=True) + "\n"


GITLAB = ReportFormat(name="gitlab", suffix=".gitlab.json", render=render)


def _issues(result: GateResult) -> Iterator[dict[str, Any]]:
    for decision in result.with_outcome(Outcome.NEW):
        words, finding = told(decision, result), decision.finding
        path, line = (words.place.path, words.place.line) if words.place else (breach_place(result), 1)
        yield {
            "description": f"{words.sentence} {words.reason[:1].upper()}{words.reason[1:]}.",
            "check_name": f"leakscope/{finding.code}",
            "fingerprint": finding.fingerprint,
            "severity": _SEVERITIES.get(finding.verdict.value, "minor"),
            "location": {"path": path, "lines": {"begin": line}},
        }
    for breach in result.breaches:
        yield {
            "description": f"{breach.sentence[:1].upper()}{breach.sentence[1:]}.",
            "check_name": "leakscope/total",
            "fingerprint": f"leakscope-total-{'count' if breach.limit.count is not None else 'bytes'}",
            "severity": "major",
            "location": {"path": breach_place(result), "lines": {"begin": 1}},
        }
