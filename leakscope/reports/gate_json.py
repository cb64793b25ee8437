"""
What a gate says as one JSON document, schema ``leakscope.gate/1``.

It knows the names and the order of the fields; a field that does not apply is null.  The findings are those of the JSON
report, under ``report``.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from leakscope.model.gate import SCHEMA
from leakscope.reports.gate_lines import place_of, told, what_next
from leakscope.reports.report_format import ReportFormat

if TYPE_CHECKING:
    from leakscope.model.gate import Decision, GateResult


def render(result: GateResult) -> str:
    """
    The document, indented, with a line feed at its end.

    Parameters
    ----------
    result : GateResult
    """
    return json.dumps(as_document(result), indent=1, ensure_ascii=True, allow_nan=False) + "\n"


def as_document(result: GateResult) -> dict[str, Any]:
    """The same as plain data."""
    return {
        "schema": SCHEMA,
        "status": result.status,
        "exit_code": result.exit_code,
        "sentence": result.sentence,
        "command": result.command,
        "trials": [
            {
                "verdict": trial.report.verdict.value,
                "sentence": trial.report.sentence,
                "work": trial.work,
                "unit": trial.unit if trial.work is not None else None,
                "elapsed_s": None if trial.elapsed_s is None else round(trial.elapsed_s, 3),
                "dumps": [source.path for source in trial.report.sources],
            }
            for trial in result.trials
        ],
        "decisions": [_decision(decision, result) for decision in result.decisions],
        "breaches": [
            {"limit": breach.limit.text, "per": breach.limit.per, "amount": breach.amount, "sentence": breach.sentence}
            for breach in result.breaches
        ],
        "stale": [asdict(entry) for entry in result.stale],
        "next": list(what_next(result)),
    }


GATE_JSON = ReportFormat(name="json", suffix=".json", render=render)


def _decision(decision: Decision, result: GateResult) -> dict[str, Any]:
    finding, place = decision.finding, place_of(decision.finding, result)
    growth = finding.growth
    return {
        "outcome": decision.outcome.value,
        "reason": decision.reason,
        "code": finding.code,
        "rule": finding.rule,
        "verdict": finding.verdict.value,
        "confidence": round(finding.confidence, 6),
        "fingerprint": finding.fingerprint,
        "sentence": finding.sentence,
        "subject": asdict(finding.subject),
        "path": place.path if place else None,
        "line": place.line if place else None,
        "bytes": finding.bytes,
        "count": finding.count,
        "growth": {"bytes": growth.bytes, "count": growth.count} if growth else None,
        "bytes_per_work": None if decision.rate is None else round(decision.rate, 3),
        "seen_in": list(decision.seen_in),
        "limit": decision.limit.text if decision.limit else None,
        "suppressed_by": decision.suppression.text if decision.suppression else None,
        "known_since": decision.entry.added if decision.entry else None,
        "note": decision.entry.note if decision.entry else None,
        "stack": [
            {"function": frame.function, "file": frame.file, "line": frame.line or None} for frame in finding.stack
        ],
        "holders": [list(path) for path in finding.holders] or None,
        "advice": list(finding.advice),
        "next_command": told(decision, result).command or None,
    }
