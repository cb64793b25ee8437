"""
SIGKILL at random moments under load: each time there must be a readable last dump and a report that say the truth.

Kills ``--moments`` runs at moments spread over the first seconds, ``--times`` times over, sampled and exact by turns.
After each kill: leakscope passes the signal on; every dump opens with all checksums right; the last one says how the
program died; ``report.json`` is complete; ``leakscope show`` accepts the dump; and the blocks at the keeping lines
are as many as the program had counted in a shared file at the moment of its death.

    python tests/acceptance/kill9.py [--python BIN] [--moments 10] [--times 20] [--seed 7]
"""

from __future__ import annotations

import argparse
import json
import mmap
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from load import LARGE, LAYOUT, PAGE_BYTES, SMALL, UNKNOWN
from recording import line_of, site_at

from leakscope.formats import open_dump
from leakscope.model.dump import Dump

LOAD = Path(__file__).with_name("load.py")
OVERHEAD_OF_BYTES = 33
SLACK = 2
"""Blocks by which a count may be off: one kept but not yet counted, and one being made."""


@dataclass(frozen=True)
class Kill:
    """What one kill left behind."""

    moment_s: float
    exact: bool
    kept: int
    dumps: int
    bytes: int
    problems: list[str]


def kill_once(python: str, moment_s: float, exact: bool, folder: Path) -> Kill:
    """Start the load, kill it after ``moment_s``, look at what is there."""
    notes, output = folder / "counts", folder / "run"
    notes.write_bytes(bytes(PAGE_BYTES))
    command = [python, "-m", "leakscope", "run", "--quiet", "-o", str(output), *(["--exact"] if exact else [])]
    process = subprocess.Popen([*command, str(LOAD), str(notes), "120"], cwd=folder)
    with notes.open("r+b") as file:
        counts = mmap.mmap(file.fileno(), PAGE_BYTES)
    while not (pid := LAYOUT.unpack_from(counts)[0]) and process.poll() is None:
        time.sleep(0.001)
    time.sleep(moment_s)
    if process.poll() is None:
        os.kill(pid, signal.SIGKILL)
    code = process.wait(timeout=120)
    _, kept, large = LAYOUT.unpack_from(counts)
    problems = [] if code == -signal.SIGKILL else [f"leakscope ended with {code}"]
    dumps = sorted(output.glob("*.lks"))
    problems += look(python, output, dumps, kept, large, exact)
    return Kill(moment_s, exact, kept, len(dumps), sum(dump.stat().st_size for dump in dumps), problems)


def look(python: str, output: Path, dumps: list[Path], kept: int, large: int, exact: bool) -> list[str]:
    """Everything that is wrong with what was left behind."""
    if not dumps:
        return ["there is no dump"]
    problems = []
    opened = [open_dump(path, verify=True) for path in dumps]
    death = opened[-1].meta.death
    if death is None or (death.kind, death.signal) != ("signal", signal.SIGKILL):
        problems.append(f"the last dump says of the death: {death}")
    if kept != UNKNOWN:
        problems += recount(opened[-1], kept - large, large, exact)
    if len(opened[-1].series.time_s) == 0:
        problems.append("the series is empty")
    report = output / "report.json"
    if not report.is_file() or json.loads(report.read_text())["schema"] != "leakscope.report/1":
        problems.append("there is no whole report.json")
    shown = subprocess.run([python, "-m", "leakscope", "show", str(dumps[-1])], capture_output=True, text=True)
    if shown.returncode != 0:
        problems.append(f"leakscope show: {shown.returncode} {shown.stderr.strip()[-200:]}")
    return problems


def recount(dump: Dump, small: int, large: int, exact: bool) -> list[str]:
    """Compare the live blocks of the two keeping lines with the program's own count; samples can only be fewer."""
    problems = []
    found = site_at(dump, LOAD, line_of(LOAD, "large")).count(LARGE + OVERHEAD_OF_BYTES)
    if abs(found - large) > SLACK:
        problems.append(f"{found} large blocks where {large} were counted")
    found = site_at(dump, LOAD, line_of(LOAD, "small")).count(SMALL + OVERHEAD_OF_BYTES)
    if found > small + SLACK or (exact and found < small - SLACK):
        problems.append(f"{found} small blocks where {small} were counted")
    return problems


def main() -> int:
    """Kill, print a line for each, and count; 0 if nothing was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="interpreter with leakscope")
    parser.add_argument("--moments", type=int, default=10)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--latest", type=float, default=2.0, help="latest moment, in seconds after the program began")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    failed = 0
    for turn in range(options.times):
        for moment in range(options.moments):
            moment_s = options.latest * (moment + rng.random()) / options.moments
            with tempfile.TemporaryDirectory() as folder:
                kill = kill_once(options.python, moment_s, exact=(turn + moment) % 2 == 0, folder=Path(folder))
            failed += bool(kill.problems)
            verdict = "; ".join(kill.problems) or "right"
            mode = "exact" if kill.exact else "sampled"
            print(
                f"{turn + 1}.{moment + 1} {mode} after {kill.moment_s:.3f} s: {kill.kept} kept, {kill.dumps} dumps, "
                f"{kill.bytes / 2**20:.2f} MiB: {verdict}",
                flush=True,
            )
    print(
        f"{options.times * options.moments - failed} of {options.times * options.moments} kills left the truth behind"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
