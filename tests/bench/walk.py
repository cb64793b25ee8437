"""What a walk over all objects costs: objects a second, bytes an object, and how long the program stands still.

Each case is a program under ``leakscope run`` that builds a heap and asks for dumps; the walk's processor time is what
the kernel charges the program for its finished clones. Peers look at the same heap in the same process, one after the
other, and pay for themselves. ``python tests/bench/walk.py --python BIN [--peers] --json figures.json``
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).resolve().parent / "heap_of.py"
OBJECTS = (1, 5, 10)
GIBIBYTES = (0.01, 0.1, 1, 2, 4)


def run(python: str, arguments: list[str], folder: Path) -> dict[str, Any]:
    """What the program printed, with what its dumps say."""
    command = [python, "-m", "leakscope", "run", "--quiet", "-o", str(folder / "run"), str(PROGRAM), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {done.returncode}\n{done.stderr[-2000:]}")
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def facts_of(python: str, dump: str) -> dict[str, Any]:
    """The meta group of the graph, and the bytes of its columns."""
    code = (
        "import json, sys; from leakscope import native; import mmap\n"
        "data = open(sys.argv[1], 'rb').read()\n"
        "columns = native.read_directory(sys.argv[1], data)\n"
        "meta = next(data[at:at + size] for name, _, _, at, size in columns if name == 'meta')\n"
        "groups = ('object.', 'shape.', 'type.', 'root', 'name.', 'text.', 'export.', 'heap_string.')\n"
        "print(json.dumps({**json.loads(meta)['heap'], 'file_bytes': "
        "sum(size for name, _, _, _, size in columns if name.startswith(groups))}))"
    )
    found: dict[str, Any] = json.loads(subprocess.check_output([python, "-c", code, dump], cwd=Path(dump).parent))
    return found


def walk_row(python: str, millions: float, order: str, peers: bool, rounds: int) -> dict[str, Any]:
    """Median of some walks over one heap."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["objects", str(int(millions * 1e6)), order, str(rounds), *(["peers"] if peers else [])]
        told = run(python, arguments, Path(folder))
        facts = facts_of(python, told["dumps"][-1])
    objects = facts["objects"]
    cpu_s = statistics.median(told["walk_cpu_s"])
    return {
        "heap": f"{millions:g} M {order}",
        "objects": objects,
        "cpu_s": cpu_s,
        "million_objects_per_s": objects / cpu_s / 1e6,
        "bytes_per_object": facts["file_bytes"] / objects,
        "pause_ms": 1e3 * facts["pause_s"],
        "peers": told.get("peers", {}),
    }


def pause_row(python: str, gibibytes: float, rounds: int) -> dict[str, Any]:
    """How long the program stood still at one size of resident memory."""
    with tempfile.TemporaryDirectory() as folder:
        told = run(python, ["bytes", str(int(gibibytes * 2**30)), "-", str(rounds)], Path(folder))
        pauses = [facts_of(python, dump)["pause_s"] for dump in told["dumps"]]
    return {"resident_gib": gibibytes, "pause_ms": 1e3 * statistics.median(pauses), "all_ms": [1e3 * p for p in pauses]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--peers", action="store_true", help="measure guppy3, pympler and objgraph, too")
    parser.add_argument("--most", type=float, default=10, help="millions of objects")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    walks = [
        walk_row(options.python, millions, order, options.peers and millions == min(OBJECTS), options.rounds)
        for millions in OBJECTS
        if millions <= options.most
        for order in ("fresh", "shuffled")
    ]
    print("| heap | objects | walk CPU s | M objects/s | bytes/object | peers, M objects/s |")
    print("|---|---|---|---|---|---|")
    for row in walks:
        peers = ", ".join(f"{name} {value:.2g}" for name, value in row["peers"].items()) or "-"
        print(
            f"| {row['heap']} | {row['objects']:,} | {row['cpu_s']:.2f} | {row['million_objects_per_s']:.1f} "
            f"| {row['bytes_per_object']:.1f} | {peers} |"
        )
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    pauses = [pause_row(options.python, size, options.rounds) for size in GIBIBYTES if size < memory / 3]
    print("\n| resident GiB | pause ms, median |\n|---|---|")
    for row in pauses:
        print(f"| {row['resident_gib']:g} | {row['pause_ms']:.1f} |")
    if options.json:
        options.json.write_text(json.dumps({"walks": walks, "pauses": pauses}, indent=1))


if __name__ == "__main__":
    main()
