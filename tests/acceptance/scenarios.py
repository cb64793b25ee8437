"""
How often ten small programs are judged right: seven that do not leak, three that do, each some times with another seed.

Runs ``programs/scenarios.py`` under the recorder and counts the verdicts.  LEAK and GROWTH of a quiet program are false
alarms, everything else of a leaking one is a miss; UNKNOWN is counted by itself.

    python tests/acceptance/scenarios.py [--trials 25] [--iterations 400] [--exact] [--names A,B] [--findings FILE]

With ``--findings`` each claim is written down with its confidence and whether it was right, for ``calibration.py``.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from programs.scenarios import LEAKING, NAMES
from recording import EXACT, record

PROGRAM = Path(__file__).resolve().parent.parent / "programs" / "scenarios.py"
ALARMS = ("LEAK", "GROWTH")


def one_trial(name: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """The report on one run."""
    with tempfile.TemporaryDirectory() as folder:
        recording = record(
            PROGRAM, Path(folder), python=options.python, options=EXACT if options.exact else (),
            arguments=[name, str(seed), str(options.iterations)],
        )  # fmt: skip
        return recording.report


def claims_in(report: dict[str, Any], leaks: bool) -> list[dict[str, Any]]:
    """What was claimed, how surely, and whether it was right."""
    return [
        {"confidence": found["confidence"], "right": leaks, "code": found["code"]}
        for found in report["findings"] if found["verdict"] in ALARMS
    ]  # fmt: skip


def main() -> int:
    """Print a row for each program; 0 unless a quiet one was accused of a leak."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="interpreter with leakscope")
    parser.add_argument("--trials", type=int, default=25)
    parser.add_argument("--iterations", type=int, default=400)
    parser.add_argument("--exact", action="store_true")
    parser.add_argument("--names", default=",".join(NAMES), help="programs")
    parser.add_argument("--findings", type=Path)
    options = parser.parse_args()
    claims: list[dict[str, Any]] = []
    accused = False
    print("| program | leaks | alarms | unknown | others |\n|---|---|---|---|---|")
    for name in options.names.split(","):
        leaks = name in LEAKING
        reports = [one_trial(name, seed, options) for seed in range(options.trials)]
        verdicts = Counter(report["verdict"] for report in reports)
        claims += [claim for report in reports for claim in claims_in(report, leaks)]
        alarms = ", ".join(f"{verdicts[word]} {word}" for word in ALARMS if verdicts[word]) or "0"
        others = sum(verdicts.values()) - verdicts["UNKNOWN"] - sum(verdicts[word] for word in ALARMS)
        print(f"| {name} | {'yes' if leaks else 'no'} | {alarms} | {verdicts['UNKNOWN']} | {others} |", flush=True)
        accused |= not leaks and verdicts["LEAK"] > 0
    if options.findings:
        options.findings.write_text(json.dumps(claims), "utf-8")
    return int(accused)


if __name__ == "__main__":
    raise SystemExit(main())
