"""
Programs nobody here wrote, bare, sampled and exact: same output, products and exit code; throughput side by side.

A web service under load from a second process, a task queue's worker, a thread pool, a documentation build, a code
formatter, a data frame library, and pip.  Their virtual environment is made in the folder that is given, and kept for
the next time; leakscope itself is not installed there, which shows that it records other environments.

    python tests/acceptance/real_programs.py FOLDER [--python BIN] [--jobs black,pip] [--rounds 3]
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from resource import struct_rusage
from tempfile import TemporaryDirectory

from jobs import REQUIREMENTS, Job, Program, digest, jobs, scrub

MODES: Mapping[str, Sequence[str]] = {"bare": (), "sampled": (), "exact": ("--exact",)}
LIMIT_S = 600.0


@dataclass(frozen=True)
class Run:
    """One run of one job in one mode."""

    exit_code: int
    output: str
    products: str
    cpu_s: float
    """Processor time of the program and its children."""
    parent_cpu_s: float
    """Processor time of leakscope itself: sampling, dumps, report."""
    figures: Mapping[str, float]
    dumps: int
    dump_bytes: int
    wall_s: float
    peak_rss_bytes: int
    """Of the largest process among those that ran."""


def environment_for(python: str, folder: Path, requirements: Sequence[str] = REQUIREMENTS) -> str:
    """The interpreter of the environment with the real programs; made if it is not there."""
    place = folder / "environment"
    own = place / "bin/python"
    if not own.exists():
        subprocess.run([python, "-m", "venv", str(place)], check=True)
    subprocess.run([str(own), "-m", "pip", "install", "--quiet", *requirements], check=True)
    return str(own)


def run(job: Job, mode: str, leakscope: str, python: str, kept: Path | None = None) -> Run:
    """Run a job once in an empty folder of a name that is always the same length; dumps go to ``kept``, if given."""
    # A shell starts what runs in its background with SIGINT ignored, and children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with TemporaryDirectory(prefix="real-") as name:
        folder = Path(name).resolve()
        job.prepare(folder)
        output = kept or folder / "run"
        recorder = [leakscope, "-m", "leakscope", "run", "--quiet", "-o", str(output), *MODES[mode], "--python", python]
        command = [*([python] if mode == "bare" else recorder), *job.words]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        environment |= {"PYTHONHASHSEED": "0", "SOURCE_DATE_EPOCH": "1700000000", "JOB_FOLDER": str(folder)}
        environment |= {"PYTHONDONTWRITEBYTECODE": "1"}
        began = time.monotonic()
        with (folder / "printed").open("w+") as printed:
            program = subprocess.Popen(
                command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=printed, text=True,
                stderr=subprocess.STDOUT,
            )  # fmt: skip
            figures = job.drive(program, python, folder) if job.drive else {}
            code, own_s, usage = end_of(program)
            wall_s, whole_s = time.monotonic() - began, usage.ru_utime + usage.ru_stime
            printed.seek(0)
            text = scrub(job, printed.read(), folder)
        dumps = sorted(output.glob("*.lks"))
        return Run(
            exit_code=code,
            output=text,
            products=digest(job, folder),
            cpu_s=whole_s if mode == "bare" else whole_s - own_s,
            parent_cpu_s=0.0 if mode == "bare" else own_s,
            figures=figures,
            dumps=len(dumps),
            dump_bytes=sum(path.stat().st_size for path in dumps),
            wall_s=wall_s,
            peak_rss_bytes=usage.ru_maxrss * 1024,
        )


def end_of(program: Program) -> tuple[int, float, struct_rusage]:
    """Exit code of a program, its own processor time, and what it used with its children; stopped after the limit."""
    stop = threading.Timer(LIMIT_S, program.kill)
    stop.start()
    os.waitid(os.P_PID, program.pid, os.WEXITED | os.WNOWAIT)
    stop.cancel()
    fields = Path(f"/proc/{program.pid}/stat").read_text().rpartition(")")[2].split()
    own_s = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    _, status, usage = os.wait4(program.pid, 0)
    program.returncode = os.waitstatus_to_exitcode(status)
    return program.returncode, own_s, usage


def problems_of(job: Job, mode: str, bare: Run, recorded: Run) -> list[str]:
    """Everything in which a recorded run differs from the bare one and should not."""
    problems = []
    if recorded.exit_code != bare.exit_code:
        problems.append(f"{job.name}, {mode}: exit code {recorded.exit_code}, bare {bare.exit_code}")
    if job.streams and recorded.output != bare.output:
        problems.append(f"{job.name}, {mode}: other output: {recorded.output[-400:]!r}, bare {bare.output[-400:]!r}")
    if recorded.products != bare.products:
        problems.append(f"{job.name}, {mode}: other products")
    if recorded.dumps == 0:
        problems.append(f"{job.name}, {mode}: no dump; it printed {recorded.output[-400:]!r}")
    return problems


def row(job: Job, runs: Mapping[str, Sequence[Run]]) -> str:
    """A line of the table: exit codes, CPU of everything, figures, dumps."""
    cells = [job.name]
    for of_mode in runs.values():
        figures = {name: statistics.median(one.figures[name] for one in of_mode) for name in of_mode[0].figures}
        words = [f"code {of_mode[0].exit_code}", f"{statistics.median(one.cpu_s for one in of_mode):.2f} s CPU"]
        words += [f"{value:.4g} {name}" for name, value in figures.items()]
        if of_mode[0].dumps:
            words.append(f"{statistics.median(one.parent_cpu_s for one in of_mode):.2f} s CPU of leakscope")
            words.append(f"{of_mode[-1].dump_bytes / 2**20:.2f} MiB of dumps")
        cells.append(", ".join(words))
    return f"| {' | '.join(cells)} |"


def main() -> int:
    """Run the jobs in all modes by turns; 0 if nothing differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the environment of the programs is made")
    parser.add_argument("--python", default=sys.executable, help="interpreter with leakscope")
    parser.add_argument("--jobs", default="", help="words in the names of the jobs to run, by default all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long a service is under load")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    python = environment_for(options.python, options.folder.resolve())
    words = options.jobs.split(",")
    problems: list[str] = []
    everything = {}
    print(f"| program | {' | '.join(MODES)} |\n|---|---|---|---|", flush=True)
    for job in jobs(options.seconds):
        if not any(word in job.name for word in words):
            continue
        began = time.monotonic()
        runs: dict[str, list[Run]] = {mode: [] for mode in MODES}
        for _ in range(options.rounds):
            for mode, done in runs.items():
                done.append(run(job, mode, options.python, python))
        for mode in ("sampled", "exact"):
            for bare, recorded in zip(runs["bare"], runs[mode], strict=True):
                problems += problems_of(job, mode, bare, recorded)
        everything[job.name] = {mode: [vars(one) for one in done] for mode, done in runs.items()}
        print(row(job, runs), flush=True)
        print(f"{job.name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    if options.json:
        options.json.write_text(json.dumps(everything, indent=1))
    print("\n" + ("\n".join(problems) or "same output, same products, same exit codes"))
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
