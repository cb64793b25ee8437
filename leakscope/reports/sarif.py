"""
What a gate says in SARIF 2.1.0, for code scanning.

It knows the standard's words for what is new, known, suppressed or gone; it refuses to name a path outside the
repository as a place.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from leakscope.model.gate import Outcome
from leakscope.reports.gate_lines import Place, repository_path, told
from leakscope.reports.pieces import printable
from leakscope.reports.report_format import ReportFormat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leakscope.model.allocations import Frame
    from leakscope.model.gate import Decision, GateResult
    from leakscope.reports.gate_lines import Told

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_ROOT = "SRCROOT"
_MOST_CALLERS = 10
_KINDS = {
    Outcome.NEW: ("fail", "error"), Outcome.SUSPECT: ("review", "none"), Outcome.DOUBT: ("review", "none"),
    Outcome.UNCONFIRMED: ("informational", "none"), Outcome.WITHIN: ("pass", "none"),
    Outcome.KNOWN: ("fail", "warning"), Outcome.SUPPRESSED: ("fail", "warning"),
    Outcome.TOLD: ("informational", "none"),
}  # fmt: skip


def render(result: GateResult) -> str:
    """
    The document.

    Parameters
    ----------
    result : GateResult
        What is known or suppressed is in it as such; of the baseline's entries also those that were not seen.
    """
    rules = sorted(
        {(decision.finding.code, decision.finding.rule) for decision in result.decisions}
        | {(entry.code, "") for entry in result.stale if entry.code}
    )
    names = dict(rules)
    codes = sorted(names)
    run = {
        "tool": {
            "driver": {
                "name": "leakscope",
                **({"version": result.tool_version} if result.tool_version else {}),
                "rules": [_rule(code, names[code]) for code in codes],
            }
        },
        "automationDetails": {"id": "leakscope/gate/"},
        "invocations": [
            {"executionSuccessful": True, "commandLine": printable(f"leakscope gate {result.arguments}")}
        ],
        "originalUriBaseIds": {_ROOT: {"description": {"text": "The root of the repository."}}},
        "columnKind": "unicodeCodePoints",
        "results": [
            *(_result(decision, result, codes) for decision in result.decisions),
            *_gone(result, codes),
        ],
    }  # fmt: skip
    document = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(document, indent=1, ensure_ascii=True, allow_nan=False) + "\n"


SARIF = ReportFormat(name="sarif", suffix=".sarif", render=render)


def _rule(code: str, name: str) -> dict[str, Any]:
    return {
        "id": code,
        **({"name": name} if name else {}),
        "shortDescription": {"text": f"leakscope rule {code}{f': {name}' if name else ''}"},
        "help": {"text": f"What it says, why, and when it keeps silent: leakscope explain {code}"},
        "defaultConfiguration": {"level": "error"},
    }


def _result(decision: Decision, result: GateResult, codes: list[str]) -> dict[str, Any]:
    words, finding = told(decision, result), decision.finding
    kind, level = _KINDS[decision.outcome]
    document: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": codes.index(finding.code),
        "kind": kind,
        "level": level,
        "baselineState": "unchanged" if decision.outcome is Outcome.KNOWN else "new",
        "message": {"text": f"{words.sentence} {words.reason[:1].upper()}{words.reason[1:]}."},
        **_fingerprints(finding.fingerprint),
        "properties": {
            "outcome": decision.outcome.value,
            "verdict": finding.verdict.value,
            "confidence": round(finding.confidence, 6),
            "bytes": finding.bytes,
            "count": finding.count,
            "gained": words.gain,
            "next": words.command,
        },
    }
    if words.place is not None:
        document["locations"] = [{"physicalLocation": _physical(words.place), **_logical(decision)}]
        related = [*_related(words, decision, result)]
        if related:
            document["relatedLocations"] = related
    if finding.stack:
        document["stacks"] = [
            {
                "message": {"text": "where the memory was asked for, innermost first"},
                "frames": [_frame(frame, result) for frame in finding.stack],
            }
        ]
    if decision.suppression is not None or decision.entry is not None:
        document["suppressions"] = [{"kind": "external", "status": "accepted", "justification": words.reason}]
    return document


def _related(words: Told, decision: Decision, result: GateResult) -> Iterator[dict[str, Any]]:
    """Who holds it, told at the line itself, since an object has none; and the lines that called it."""
    assert words.place is not None
    texts = [f"held by {' -> '.join(holder)}" for holder in decision.finding.holders[:3]]
    places = [(words.place, printable(text)) for text in texts]
    for frame in decision.finding.stack:
        path = repository_path(frame, result)
        if path is not None and (path, frame.line) != (words.place.path, words.place.line):
            places.append((Place(path, frame.line), printable(f"called by {frame.function}")))
    for number, (place, text) in enumerate(places[:_MOST_CALLERS], 1):
        yield {"id": number, "physicalLocation": _physical(place), "message": {"text": text}}


def _frame(frame: Frame, result: GateResult) -> dict[str, Any]:
    name = printable(frame.function or "(unnamed)")
    path = repository_path(frame, result)
    location: dict[str, Any] = {"logicalLocations": [{"fullyQualifiedName": name, "kind": "function"}]}
    if path is not None:
        location["physicalLocation"] = _physical(Place(path, frame.line))
    else:
        where = f"{frame.file}:{frame.line}" if frame.line else frame.file
        location["message"] = {"text": printable(f"{name} in {where}")}
    return {"location": location}


def _physical(place: Place) -> dict[str, Any]:
    return {
        "artifactLocation": {"uri": quote(place.path, errors="surrogateescape"), "uriBaseId": _ROOT},
        "region": {"startLine": place.line},
    }


def _logical(decision: Decision) -> dict[str, Any]:
    subject = decision.finding.subject
    if not subject.function:
        return {}
    name = printable(f"{subject.module}.{subject.function}" if subject.module else subject.function)
    return {"logicalLocations": [{"fullyQualifiedName": name, "kind": "function"}]}


def _fingerprints(fingerprint: str) -> dict[str, Any]:
    # The second name is the one GitHub goes by; without it the line's text would decide what is the same.
    return {"partialFingerprints": {"leakscope/v1": fingerprint, "primaryLocationLineHash": f"{fingerprint}:1"}}


def _gone(result: GateResult, codes: list[str]) -> Iterator[dict[str, Any]]:
    for entry in result.stale:
        yield {
            **({"ruleId": entry.code, "ruleIndex": codes.index(entry.code)} if entry.code else {"ruleId": "leakscope"}),
            "kind": "notApplicable",
            "level": "none",
            "baselineState": "absent",
            "message": {"text": printable(f"No longer seen: {entry.what}")},
            **_fingerprints(entry.fingerprint),
        }
