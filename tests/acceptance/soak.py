"""
A long run: the ledger and leakscope's own memory stay bounded, and the live table does not drift from the truth.

Runs ``soaked.py`` under the recorder, looks at the memory of the parent every few seconds, and at the end compares the
live table, block by block, with the account the program wrote of itself: each kept block must be there with its
address, size, line and thread, and no other at that line; and what the table gained must be what the interpreter
counts.  In a sampled run the estimates must agree within five standard errors.

    python tests/acceptance/soak.py [--python BIN] [--minutes 30] [--allocations 1e8] [--sampled]
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from recording import Site, line_of, site_at

from leakscope.formats import open_dump
from leakscope.model.dump import Dump

SOAKED = Path(__file__).with_name("soaked.py")
LOOK_EVERY_S = 5.0
GROWTH = 1.15
ROOM_BYTES = 8 << 20
"""The second half may need a little more than the first: a factor and some room."""
BLOCKS_AT_MOST = 100
"""The dump is taken a moment after the count, by a program whose other threads are on their way out."""


@dataclass(frozen=True)
class Look:
    """Memory of the parent at one moment, in bytes."""

    own: int
    shared: int


def look(pid: int) -> Look | None:
    """The parent's own memory, and the resident part of the ledger; None if it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    sizes = {line.split()[0]: int(line.split()[1]) * 1024 for line in lines if line.startswith("Rss")}
    return Look(sizes["RssAnon:"], sizes["RssShmem:"]) if sizes else None


def grown(looks: list[Look], what: str) -> str:
    """A complaint if the second half needed more than the first; else nothing."""
    values = [getattr(one, what) for one in looks]
    half = len(values) // 2
    first, second = max(values[:half], default=0), max(values[half:], default=0)
    if second > first * GROWTH + ROOM_BYTES:
        return f"{what} memory grew: {first / 2**20:.1f} MiB in the first half, {second / 2**20:.1f} in the second"
    return ""


def compare(dump: Dump, account: dict[str, Any], sampled: bool) -> list[str]:
    """Every disagreement between the live table and the account."""
    site = site_at(dump, SOAKED, line_of(SOAKED, "kept"))
    sizes = {size for _, size, _ in account["kept"]}
    if sampled:
        return compare_estimate(site, sum(size for _, size, _ in account["kept"]))
    truth = {address: (size, name) for address, size, name in account["kept"]}
    found = {
        int(address): (int(size), name)
        for address, size, name in zip(site.address, site.size, site.threads, strict=True)
        if int(size) in sizes
    }
    problems = []
    for what, addresses in (("missing", truth.keys() - found.keys()), ("too many", found.keys() - truth.keys())):
        if addresses:
            problems.append(f"{len(addresses)} of {len(truth)} kept blocks {what}")
    wrong = sum(found[address] != truth[address] for address in truth.keys() & found.keys())
    if wrong:
        problems.append(f"{wrong} kept blocks with another size or thread")
    return problems + compare_blocks(account)


def compare_blocks(account: dict[str, Any]) -> list[str]:
    """What the live table of the interpreter's domains gained between two dumps against the interpreter's own count."""
    before, after = (blocks_of_interpreter(open_dump(path)) for path in account["between"])
    print(f"the live table gained {after - before} blocks, the interpreter counts {account['blocks']}")
    if abs(after - before - account["blocks"]) > BLOCKS_AT_MOST:
        return [f"{after - before} more blocks where the interpreter counts {account['blocks']}"]
    return []


def blocks_of_interpreter(dump: Dump) -> int:
    """Live blocks of the domains that ``sys.getallocatedblocks`` counts."""
    domains = [dump.meta.domains.index(name) for name in ("mem", "obj")]
    return int(np.isin(dump.allocations.domain, domains).sum())


def compare_estimate(site: Site, truth: int) -> list[str]:
    """A sampled estimate against the truth, by the spread of its own weights."""
    heavier = site.weight > site.size
    error = math.sqrt(float((site.weight[heavier] ** 2).sum()))
    if abs(site.bytes - truth) > 5 * error + 1e5:
        return [f"estimated {site.bytes:.0f} kept bytes where {truth} are, error {error:.0f}"]
    return []


def soak(options: argparse.Namespace, folder: Path) -> list[str]:
    """Run, look, compare; everything that was wrong."""
    account, output = folder / "account.json", folder / "run"
    mode = [] if options.sampled else ["--exact"]
    command = [options.python, "-m", "leakscope", "run", "--quiet", "-o", str(output), *mode, "--every", "60s"]
    began = time.monotonic()
    process = subprocess.Popen(
        [*command, str(SOAKED), str(account), str(options.minutes), str(options.allocations)], cwd=folder
    )
    looks: list[Look] = []
    while True:
        try:
            process.wait(LOOK_EVERY_S)
            break
        except subprocess.TimeoutExpired:
            if (seen := look(process.pid)) is not None:
                looks.append(seen)
            if len(looks) % 12 == 0 and looks:
                print(f"{time.monotonic() - began:.0f} s: {looks[-1]}", flush=True)
    problems = [] if process.returncode == 0 else [f"ended with {process.returncode}"]
    problems += [complaint for what in ("own", "shared") if (complaint := grown(looks, what))]
    dumps = sorted(output.glob("*.lks"))
    if not dumps or not account.is_file():
        return [*problems, "there is no dump or no account"]
    truth = json.loads(account.read_text())
    dump = open_dump(dumps[-1])
    written = sum(path.stat().st_size for path in dumps) / 2**20
    print(
        f"{truth['allocations']} counted allocations ({dump.meta.totals.alloc_blocks} recorded), "
        f"{truth['forks']} forks, {truth['short_threads']} short threads, {len(truth['kept'])} blocks kept; "
        f"{len(dumps)} dumps, {written:.1f} MiB; {dump.health}"
    )
    print(f"memory of the parent at the end: {looks[-1] if looks else 'not seen'}")
    return problems + compare(dump, truth, options.sampled)


def main() -> int:
    """Soak and say what was wrong; 0 if nothing was."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="interpreter with leakscope")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--allocations", type=float, default=1e8)
    parser.add_argument("--sampled", action="store_true", help="sampled instead of exact")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        problems = soak(options, Path(folder))
    print("\n".join(problems) or "bounded, and no drift")
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
