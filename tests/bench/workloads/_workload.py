"""What the workloads have in common: scale in, checksum out, and a note of the peak memory when somebody asks for it.

Knows nothing of profilers.  A workload runs the same under all of them, so its checksum tells whether one of them
changed what the program does.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

USAGE_FILE = "BENCH_USAGE_FILE"
"""Environment variable naming the file that gets this process' peak resident size in bytes."""


def peak_rss_bytes() -> int:
    """Peak resident size of this process' own memory map; unlike ``ru_maxrss`` nothing is inherited from a parent."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def main(work: Callable[[float], int]) -> None:
    """
    Run a workload at the scale of the first argument and print its checksum.

    Parameters
    ----------
    work : callable
        Takes the scale (1 is about 0.5 to 1 s of CPU) and returns a checksum.
    """
    scale = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    checksum = work(scale)
    target = os.environ.get(USAGE_FILE)
    if target:
        Path(target).write_text(f"{peak_rss_bytes()}\n")
    print(f"checksum {checksum & 0xFFFFFFFF:08x}")
