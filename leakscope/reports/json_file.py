"""
The report as one JSON document, schema ``leakscope.report/1``.

It knows the names and the order of the fields, which never change meaning; it refuses to leave one out: a field that
does not apply is null.  The document holds all that the other reports show, so a page can be drawn from it alone.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from math import isfinite
from typing import TYPE_CHECKING, Any

from leakscope.reports.report_format import ReportFormat

if TYPE_CHECKING:
    from leakscope.model.allocations import Frame
    from leakscope.model.buffer_report import BufferReport
    from leakscope.model.chunk_report import ChunkReport
    from leakscope.model.comparison import Comparison
    from leakscope.model.finding import Evidence, Finding
    from leakscope.model.heap_report import HeapReport
    from leakscope.model.report import Report, TableRow

_DIGITS = 6
_WITH_STACKS = ("references", "exports", "unreached", "staying")
_FLAT_ARRAY = re.compile(r"\[\n([^\[\]{}\"]*)\]")


def render(report: Report) -> str:
    """
    The document, indented, with a line feed at its end.

    Parameters
    ----------
    report : Report
    """
    # Lone surrogates, from file names that are no UTF-8, have no place in a JSON document of any encoding.
    text = json.dumps(as_document(report), indent=1, ensure_ascii=True, allow_nan=False)
    # A series is a line to read over, not a page.  Line ends inside of strings are escaped, so this finds arrays only.
    return _FLAT_ARRAY.sub(lambda array: f"[{' '.join(array[1].split())}]", text) + "\n"


def as_document(report: Report) -> dict[str, Any]:
    """
    The same as plain data.

    Parameters
    ----------
    report : Report
    """
    totals = report.totals
    return {
        "schema": report.schema,
        "verdict": report.verdict.value,
        "sentence": report.sentence,
        "sources": [_tidy(asdict(source)) for source in report.sources],
        "health": asdict(report.health),
        "notes": list(report.notes),
        "totals": {
            "rss_bytes": list(totals.rss_bytes),
            "live_bytes": list(totals.live_bytes),
            "objects": list(totals.objects),
            "chunks": list(totals.chunks),
        },
        "resident": _tidy(asdict(totals.resident)) if totals.resident else None,
        "series": [_tidy(asdict(line)) for line in report.sparklines],
        "findings": [_finding(finding) for finding in report.findings],
        "grouped_by": report.grouped_by,
        "top_live": [_row(row) for row in report.top_live],
        "top_growing": [_row(row) for row in report.top_growing],
        "heap": _heap(report.heap) if report.heap else None,
        "pools": _tidy(asdict(report.pools)) if report.pools else None,
        "buffers": _buffers(report.buffers) if report.buffers else None,
        "chunks": _chunks(report.chunks) if report.chunks else None,
        "compared": _compared(report.compared) if report.compared else None,
        "own_cost": _tidy(asdict(report.own_cost)) if report.own_cost else None,
        "next_command": report.next_command,
    }


def _compared(compared: Comparison) -> dict[str, Any]:
    return {
        "path": compared.path,
        "verdict": compared.verdict.value,
        "sentence": compared.sentence,
        "elapsed_s": _tidy(compared.elapsed_s),
        "live_bytes": compared.live_bytes,
        "rss_bytes": compared.rss_bytes,
        "findings": [_finding(finding) for finding in compared.findings],
        "known": [{"now": now, "then": then} for now, then in compared.known],
    }


JSON = ReportFormat(name="json", suffix=".json", render=render)


def _finding(finding: Finding) -> dict[str, Any]:
    growth, threads = finding.growth, finding.threads
    return {
        "code": finding.code,
        "rule": finding.rule,
        "verdict": finding.verdict.value,
        "confidence": _tidy(finding.confidence),
        "fingerprint": finding.fingerprint,
        "sentence": finding.sentence,
        "subject": asdict(finding.subject),
        "bytes": finding.bytes,
        "count": finding.count,
        "growth": {"bytes": growth.bytes, "count": growth.count, "between": list(growth.between)} if growth else None,
        "stack": [_frame(frame) for frame in finding.stack],
        "holders": [list(path) for path in finding.holders] or None,
        "threads": {"allocated_by": dict(threads.allocated_by), "released_by": dict(threads.released_by)}
        if threads
        else None,
        "evidence": [_evidence(evidence) for evidence in finding.evidence],
        "advice": list(finding.advice),
    }


def _evidence(evidence: Evidence) -> dict[str, Any]:
    return {
        "stance": evidence.stance,
        "claim": evidence.claim,
        "value": _tidy(evidence.value),
        "unit": evidence.unit,
        "error": _tidy(evidence.error),
    }


def _row(row: TableRow) -> dict[str, Any]:
    document: dict[str, Any] = _tidy(asdict(row))
    document["stack"] = [_frame(frame) for frame in row.stack]
    return document


def _heap(heap: HeapReport) -> dict[str, Any]:
    document: dict[str, Any] = _tidy(asdict(heap))
    document["unreached_bytes"] = dict(heap.unreached_bytes)
    for name in _WITH_STACKS:
        for row, made in zip(document[name], getattr(heap, name), strict=True):
            row["stack"] = [_frame(frame) for frame in made.stack]
    for row in document["dominators"]:
        row["address"] = f"0x{row['address']:x}"
    return document


def _buffers(buffers: BufferReport) -> dict[str, Any]:
    document: dict[str, Any] = _tidy(asdict(buffers))
    for name in ("exports", "pinned"):
        for row, made in zip(document[name], getattr(buffers, name), strict=True):
            row["stack"] = [_frame(frame) for frame in made.stack]
    return document


def _chunks(chunks: ChunkReport) -> dict[str, Any]:
    document: dict[str, Any] = _tidy(asdict(chunks))
    for row in document["rows"]:
        row["address"] = f"0x{row['address']:x}"
    return document


def _frame(frame: Frame) -> dict[str, Any]:
    return {"function": frame.function, "file": frame.file, "line": frame.line or None}


def _tidy(value: Any) -> Any:
    """Plain data without NaN and without digits that mean nothing."""
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}") if isfinite(value) and abs(value) < 10**_DIGITS else _large(value)
    if isinstance(value, dict):
        return {key: _tidy(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_tidy(item) for item in value]
    return value


def _large(value: float) -> float | None:
    return round(value, 1) if isfinite(value) else None
