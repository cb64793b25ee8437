"""Draw findings, reports and trials for the gate in a line."""

from __future__ import annotations

from typing import Any

from leakscope.model.allocations import Frame
from leakscope.model.dump import Health
from leakscope.model.finding import Finding, Growth, Subject, Verdict
from leakscope.model.gate import Trial
from leakscope.model.report import Report, Totals

KIB = 1024


def finding(name: str = "a", gain: int = 100 * KIB, count: int | None = None, **changes: Any) -> Finding:
    """A leak of a function called like its fingerprint, in app/NAME.py:7, of one object for each ten bytes."""
    count = max(gain // 10, 1) if count is None else count
    verdict = Verdict[changes.pop("verdict", "LEAK")]
    subject = changes.pop("subject", None) or Subject(
        "objects", type=f"app.{name.upper()}", module=f"app.{name}", function=name, file=f"app/{name}.py", line=7
    )
    fields: dict[str, Any] = {
        "code": "LS601", "rule": "leak", "verdict": verdict, "confidence": 0.9, "fingerprint": name,
        "sentence": f"{count} {subject.type} objects leak.", "subject": subject, "bytes": gain, "count": count,
        "growth": Growth(gain, count, (0, 1)), "stack": (Frame(name, f"/src/app/{name}.py", 7),),
        "evidence": (), "advice": ("drop the reference",), **changes,
    }  # fmt: skip
    return Finding(**fields)


def report(*findings: Finding, verdict: str | None = None, live: tuple[int, ...] = (0, 0), **changes: Any) -> Report:
    """A report of two dumps with these findings; STABLE without any."""
    told = Verdict[verdict] if verdict else findings[0].verdict if findings else Verdict.STABLE
    fields: dict[str, Any] = {
        "verdict": told, "sentence": findings[0].sentence if findings else "Nothing keeps growing.", "sources": (),
        "health": Health(), "notes": (), "totals": Totals((None, None), live, (None, None), (None, None), None),
        "sparklines": (), "findings": findings, "grouped_by": "line", "top_live": (), "top_growing": (),
        "own_cost": None, "next_command": None, **changes,
    }  # fmt: skip
    return Report(**fields)


def trial(*findings: Finding, work: float | None = None, **changes: Any) -> Trial:
    """A run with these findings."""
    return Trial(report(*findings, **changes), work, elapsed_s=1.5)
