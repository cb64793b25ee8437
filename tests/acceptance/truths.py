"""
The eight truth programs that memray, tracemalloc, objgraph, guppy3, scalene and psleak were tried on: each told apart.

Runs ``truths.py`` in each of its ways under a plain ``leakscope run`` and holds the report against the truth: what
keeps growing, at which line, and by which rule; what is no leak must not be named.  Each in small and in ten times the
size.

    python tests/acceptance/truths.py [--python BIN] [--exact] [--seconds 6] [--times 1,10] [--names list,cache]
                                      [--findings FILE]

With ``--findings`` each claim is written down with its confidence and whether it was right, for ``calibration.py``.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from recording import EXACT, Recording, line_of, record

from leakscope import api

PROGRAM = Path(__file__).resolve().parent.parent / "programs" / "truths.py"


@dataclass(frozen=True)
class Truth:
    """What a report has to say."""

    verdicts: tuple[str, ...]
    codes: tuple[str, ...] = ()
    """Of the finding that comes first."""
    mark: str = ""
    """A line that a finding names."""
    subject: str = ""
    """Asked for by its type, this has ``holder`` in its paths."""
    holder: str = ""


CLAIMS = ("LEAK", "GROWTH", "FRAGMENTATION")
QUIET = ("STABLE", "BOUNDED", "POOLING")
TRUTHS = {
    "list": Truth(("GROWTH",), ("LS501", "LS608"), "list", "Request", "module __main__ . KEPT"),
    "cache": Truth(QUIET),
    "cycles": Truth(QUIET),
    "native": Truth(("LEAK",), ("LS607",), "native"),
    "counter": Truth(("LEAK",), ("LS601",), "counter", "Session", "nobody accounts for"),
    "pinned": Truth(("FRAGMENTATION",), ("LS201",), "pinned"),
    "churn": Truth(QUIET),
    "collector_off": Truth(("LEAK",), ("LS603",), "", "Node", "a cycle, and nothing else"),
}


def complaints(truth: Truth, recording: Recording) -> list[str]:
    """Everything the report gets wrong."""
    report: dict[str, Any] = recording.report
    findings = [each for each in report["findings"] if each["verdict"] != "UNKNOWN"]
    found = [] if report["verdict"] in truth.verdicts else [f"verdict {report['verdict']}"]
    if not truth.codes:
        return found + [f"accused: {each['sentence']}" for each in findings]
    if not findings or findings[0]["code"] not in truth.codes:
        found.append(f"first of the findings: {findings[:1]}")
    if truth.mark and line_of(PROGRAM, truth.mark) not in {each["subject"]["line"] for each in findings}:
        found.append(f"nobody names the line of {truth.mark}")
    if truth.subject:
        text = api.render_path(api.path(recording.dump, truth.subject), width=200)
        found += [] if truth.holder in text else [f"path {truth.subject} does not name {truth.holder!r}: {text}"]
    return found


def claims_in(report: dict[str, Any], true: bool) -> list[dict[str, Any]]:
    """What was claimed, how surely, and whether it was right."""
    return [
        {"confidence": found["confidence"], "right": true, "code": found["code"]}
        for found in report["findings"] if found["verdict"] in CLAIMS
    ]  # fmt: skip


def main() -> int:
    """Print a row for each program and size; 0 if all are told right."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="interpreter with leakscope")
    parser.add_argument("--exact", action="store_true", help="exact instead of sampled")
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--times", default="1,10", help="sizes")
    parser.add_argument("--findings", type=Path)
    parser.add_argument("--names", default=",".join(TRUTHS), help="programs")
    options = parser.parse_args()
    failed = False
    claims: list[dict[str, Any]] = []
    print("| program | size | verdict | what it says |\n|---|---|---|---|")
    for name in options.names.split(","):
        for times in options.times.split(","):
            with tempfile.TemporaryDirectory() as folder:
                recording = record(
                    PROGRAM, Path(folder), python=options.python, options=EXACT if options.exact else (),
                    arguments=[name, str(options.seconds), times],
                )  # fmt: skip
                wrong = complaints(TRUTHS[name], recording) if recording.exit_code == 0 else [recording.stderr[-1000:]]
                report = recording.report
            print(f"| {name} | {times} | {report['verdict']} | {report['sentence']} |", flush=True)
            print("\n".join(f"  wrong: {each}" for each in wrong), end="\n" if wrong else "")
            failed |= bool(wrong)
            claims += claims_in(report, bool(TRUTHS[name].codes))
    if options.findings:
        options.findings.write_text(json.dumps(claims), "utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
