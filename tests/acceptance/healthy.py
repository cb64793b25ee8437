"""
False alarms: programs nobody here wrote, without known leaks, some minutes each under a plain ``leakscope run``.

Prints the verdict on each, and what it cost beside the bare program: processor time for each unit of work (a request, a
task, a turn; else all of it) and resident memory.  LEAK and GROWTH are to be looked into by hand: the dumps stay in
``FOLDER/runs``.

    python tests/acceptance/healthy.py FOLDER [--python BIN] [--jobs flask,mypy] [--seconds 300] [--exact]
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from healthy_jobs import HEALTHY_REQUIREMENTS, healthy_jobs
from jobs import Job
from real_programs import Run, environment_for, run

ACCUSED = ("LEAK", "GROWTH")
BARE_PART = 0.125
"""Part of the time that a bare service is under load: it is judged by the cost of a request."""


def work_of(done: Run) -> float:
    """Units of work that a run did; 1 of a program that ends by itself."""
    if "requests" in done.figures:
        return done.figures["requests"]
    numbers = [line for line in done.output.splitlines() if line.isdigit()]
    return float(numbers[-1]) if numbers else 1.0


def row(job: Job, bare: Run | None, recorded: Run, report: dict[str, Any]) -> str:
    """A line of the table."""
    found = ", ".join(f"{each['code']} {each['verdict']} {each['confidence']:.2f}" for each in report["findings"])
    cost = own = rss = "-"
    if bare is not None:
        cost = f"{recorded.cpu_s / work_of(recorded) / (bare.cpu_s / work_of(bare)):.2f}x"
        own = f"{recorded.parent_cpu_s / recorded.cpu_s:.1%}"
        rss = f"{peak_bytes(report) / bare.peak_rss_bytes:.2f}x"
    cells = [job.name, report["verdict"], found or "-", f"{recorded.wall_s:.0f}", cost, own, rss]
    return f"| {' | '.join(cells)} |"


def peak_bytes(report: dict[str, Any]) -> float:
    """Highest resident memory of the recorded program."""
    resident = next(each for each in report["series"] if each["name"] == "rss_bytes")
    return max(value for value in resident["values"] if value is not None)


def main() -> int:
    """Run the jobs one by one; 0 if none is accused."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the programs are installed and the dumps stay")
    parser.add_argument("--python", default=sys.executable, help="interpreter with leakscope")
    parser.add_argument("--jobs", default="", help="words in the names of the jobs to run, by default all")
    parser.add_argument("--seconds", type=float, default=300.0, help="how long a service is under load")
    parser.add_argument("--exact", action="store_true")
    parser.add_argument("--no-bare", action="store_true", help="without the runs to compare with")
    options = parser.parse_args()
    python = environment_for(options.python, options.folder.resolve(), HEALTHY_REQUIREMENTS)
    mode = "exact" if options.exact else "sampled"
    accused, seconds = [], 0.0
    print(
        "| program | verdict | findings | seconds | CPU | leakscope's own | resident |\n|---|---|---|---|---|---|---|"
    )
    for job, short in zip(healthy_jobs(options.seconds), healthy_jobs(options.seconds * BARE_PART), strict=True):
        if not any(word in job.name for word in options.jobs.split(",")):
            continue
        kept = options.folder.resolve() / "runs" / f"{job.name.replace(' ', '-')}-{mode}"
        shutil.rmtree(kept, ignore_errors=True)
        bare = None if options.no_bare else run(short, "bare", options.python, python)
        recorded = run(job, mode, options.python, python, kept)
        report = json.loads((kept / "report.json").read_text("utf-8"))
        print(row(job, bare, recorded, report), flush=True)
        print(said(report), file=sys.stderr, flush=True)
        seconds += recorded.wall_s
        accused += [job.name] if report["verdict"] in ACCUSED else []
    print(f"\n{seconds / 60:.0f} minutes recorded; accused: {', '.join(accused) or 'none'}")
    return 1 if accused else 0


def said(report: dict[str, Any]) -> str:
    """The sentences of a report, for who looks into it."""
    lines: Sequence[str] = [f"{report['verdict']}: {report['sentence']}"]
    lines = [*lines, *(f"  {each['code']} {each['confidence']:.2f} {each['sentence']}" for each in report["findings"])]
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
