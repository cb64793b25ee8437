"""What the graph kernels cost: CPU seconds, objects a second and peak memory per object, from the stream on.

Each case runs in a process of its own, with the stream mapped from a file as a dump is.  CPU is that of all threads,
never the clock on the wall.  Memory is the high-water mark of the process' own pages, reset before each kernel; pages
of the mapped file do not count.  "Whole" is the way from the stream to retained sizes and distances, for a caller that
lets go of the columns these do not need; one that keeps them has those on top of all but the decoding.

    python tests/bench/graph.py --json figures.json
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import heaps
import numpy as np

from leakscope import kernels

CASES: dict[str, Callable[[float], heaps.Drawn]] = {
    "1 M fresh": lambda scale: heaps.heap(int(1e6 * scale), shuffled=False),
    "1 M shuffled": lambda scale: heaps.heap(int(1e6 * scale), shuffled=True),
    "10 M fresh": lambda scale: heaps.heap(int(1e7 * scale), shuffled=False),
    "10 M shuffled": lambda scale: heaps.heap(int(1e7 * scale), shuffled=True),
    "1 M chain": lambda scale: heaps.row(int(1e6 * scale), closed=False),
    "1 M ring": lambda scale: heaps.row(int(1e6 * scale), closed=True),
    "1 M tangle": lambda scale: heaps.tangle(int(1e6 * scale)),
}
Columns = dict[str, Any]
WHOLE = ("decode", "sizes", "dominators", "retained", "distances")


class Meter:
    """CPU and peak memory of one step after the other."""

    def __init__(self, objects: int) -> None:
        self.objects = objects
        self.begin = self._pages("VmRSS")
        self.highest = 0.0
        self.steps: dict[str, dict[str, float]] = {}

    @staticmethod
    def _pages(peak: str) -> int:
        """Bytes of memory, now or at the highest, without the pages of mapped files."""
        lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        kib = {name: int(lines[name].split()[0]) for name in (peak, "RssFile")}
        return (kib[peak] - kib["RssFile"]) * 1024

    def step(self, name: str, call: Callable[[], Any]) -> Any:
        Path("/proc/self/clear_refs").write_text("5")  # the high-water mark is now
        before, cpu = self._pages("VmRSS"), time.process_time()
        result = call()
        cpu, peak = time.process_time() - cpu, self._pages("VmHWM")
        self.steps[name] = {
            "cpu_s": cpu,
            "objects_per_s": self.objects / cpu,
            "bytes_per_object": (peak - before) / self.objects,
        }
        if name in WHOLE:
            self.highest = max(self.highest, (peak - self.begin) / self.objects)
        return result


def load(meter: Meter, columns: Columns, counts: dict[str, int]) -> tuple[Columns, int]:
    """What retained sizes and distances need, and the bytes of all columns; the other columns end here."""
    objects = meter.step("decode", lambda: kernels.decode_objects(**columns, **counts))
    needed = {"offsets": objects.offsets, "targets": objects.targets, "size": objects.size.copy()}
    meter.step("sizes", lambda: np.add.at(needed["size"], objects.body_owner, objects.body_size))
    meter.step(
        "collectable",
        lambda: kernels.collectable(objects.refcount, objects.flags, objects.offsets, objects.targets),
    )
    return needed, sum(column.nbytes for column in objects)


def hold(meter: Meter, offsets: Any, targets: Any, size: Any, roots: Any) -> int:
    """Retained sizes and distances; how many objects are reached."""
    tree = meter.step("dominators", lambda: kernels.dominators(offsets, targets, roots))
    kept = [meter.step("retained", lambda: kernels.retained(*tree, size))]
    kept += meter.step("distances", lambda: kernels.distances(offsets, targets, [roots]))
    return len(tree.order)


def measure(folder: Path) -> dict[str, Any]:
    """Run all kernels over the columns of a folder, in the order of an analysis."""
    columns = {path.stem: np.load(path, mmap_mode="r") for path in folder.glob("*.npy")}
    roots = np.array(columns.pop("roots"), np.uint32)
    counts = {name: int(columns.pop(name)[0]) for name in ("objects", "edges", "bodies")}
    meter = Meter(n := counts["objects"])
    needed, column_bytes = load(meter, columns, counts)
    reached = hold(meter, **needed, roots=roots)
    offsets, targets = needed["offsets"], needed["targets"]
    meter.step("components", lambda: kernels.components(offsets, targets))
    meter.step("reverse", lambda: kernels.reverse(offsets, targets))
    meter.step("in_counts", lambda: kernels.in_counts(targets, n))
    meter.step("reachable", lambda: kernels.reachable(offsets, targets, roots, np.zeros(n, np.uint8)))
    whole = sum(meter.steps[name]["cpu_s"] for name in WHOLE)
    return {
        **counts,
        "reached": reached,
        "stream_bytes": len(columns["stream"]),
        "kernels": meter.steps,
        "whole": {"cpu_s": whole, "objects_per_s": n / whole, "bytes_per_object": meter.highest},
        "column_bytes_per_object": column_bytes / n,
    }


def run(case: str, scale: float) -> dict[str, Any]:
    """Draw a case and measure it in a process of its own."""
    drawn = CASES[case](scale)
    with tempfile.TemporaryDirectory() as name:
        for column, values in {**heaps.encoded(drawn), "roots": drawn.roots}.items():
            np.save(Path(name) / f"{column}.npy", values)
        del drawn
        done = subprocess.run([sys.executable, __file__, "--measure", name], capture_output=True, text=True, check=True)
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def table(figures: dict[str, dict[str, Any]]) -> str:
    """Markdown: a row per case and kernel."""
    lines = ["| case | kernel | CPU, s | M objects/s | peak, bytes/object |", "|---|---|---|---|---|"]
    for case, of in figures.items():
        refs, record = of["edges"] / of["objects"], of["stream_bytes"] / of["objects"]
        name = f"{case}: {refs:.1f} refs, {record:.1f} bytes an object"
        for kernel, cost in [*of["kernels"].items(), ("whole", of["whole"])]:
            speed, memory = cost["objects_per_s"] / 1e6, cost["bytes_per_object"]
            lines.append(f"| {name} | {kernel} | {cost['cpu_s']:.3f} | {speed:.1f} | {memory:.1f} |")
            name = ""
    return "\n".join(lines)


def main() -> None:
    """Draw, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", choices=CASES, help="only these")
    parser.add_argument("--scale", type=float, default=1.0, help="so many times the objects")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure)))
        return
    figures = {case: run(case, options.scale) for case in options.case or CASES}
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    print(table(figures))


if __name__ == "__main__":
    main()
