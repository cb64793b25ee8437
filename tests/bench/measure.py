"""What one run of a command costs: CPU of the program and of its parent, peak memory, output, instructions.

CPU is user plus system time, never the clock on the wall.  Instructions are counted by valgrind's cachegrind without
cache simulation, which repeats to the third digit where CPU time on a shared machine does not; of the tools that count
it is the quickest (lackey needs ten times as long, callgrind half as long again, and hardware counters are seldom there
in a virtual machine).
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
CHECKSUM = re.compile(r"^checksum ([0-9a-f]{8})$", re.MULTILINE)
COUNTER = ("valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null")
COUNTED = Path(__file__).with_name("counted.py")


@dataclass(frozen=True)
class Cost:
    """One run.  A run stopped by the time limit has the CPU used so far and no checksum."""

    cpu_s: float
    parent_cpu_s: float
    rss_bytes: int
    output_bytes: int
    checksum: str
    stopped: bool
    exit_code: int


@dataclass(frozen=True)
class Place:
    """Where a run happens: an empty working folder, a path for the tool's output, the environment."""

    folder: Path
    environment: Mapping[str, str]

    @property
    def output(self) -> Path:
        """What the tool is told to write."""
        return self.folder / "output"

    @property
    def usage(self) -> Path:
        """Where the workload notes its peak memory."""
        return self.folder / "usage"


def size_on_disk(path: Path) -> int:
    """Bytes of a file or of all files of a folder; 0 if there is nothing."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size if path.exists() else 0


def own_cpu_s(pid: int) -> float:
    """CPU of an ended, not yet reaped process without its children; as fine as a clock tick."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def run(command: Sequence[str], place: Place, limit_s: float, in_child: bool) -> Cost:
    """
    Run a command to its end or to the time limit.

    Parameters
    ----------
    command : sequence of str
        The command line.
    place : Place
        Folder, output path and environment of the run.
    limit_s : float
        Seconds on the wall after which the process group is killed.
    in_child : bool
        The workload runs in a child of the command; then ``parent_cpu_s`` is the command's own CPU.
    """
    environment = {**place.environment, "BENCH_USAGE_FILE": str(place.usage)}
    with tempfile.TemporaryFile("w+") as printed:
        process = subprocess.Popen(
            command, stdout=printed, stderr=printed, stdin=subprocess.DEVNULL, cwd=place.folder, env=environment,
            start_new_session=True,
        )  # fmt: skip
        stop = threading.Timer(limit_s, os.killpg, (process.pid, signal.SIGKILL))
        stop.start()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        stop.cancel()
        parent_s = own_cpu_s(process.pid) if in_child else 0.0
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        printed.seek(0)
        found = CHECKSUM.search(text := printed.read())
    stopped = process.returncode == -signal.SIGKILL
    if not found and not stopped:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{text[-2000:]}")
    return Cost(
        cpu_s=usage.ru_utime + usage.ru_stime - parent_s,
        parent_cpu_s=parent_s,
        rss_bytes=int(place.usage.read_text()) if place.usage.exists() else 0,
        output_bytes=size_on_disk(place.output),
        checksum=found[1] if found else "",
        stopped=stopped,
        exit_code=process.returncode,
    )


def instructions(
    python: str, begin: Sequence[str], workload: Sequence[str], interval_bytes: int, place: Place, limit_s: float
) -> int | None:
    """
    Instructions the workload's process executed, counted by valgrind; None where the limit came first.

    Parameters
    ----------
    python : str
        The interpreter.
    begin, workload : sequence of str
        The command line: what the tool puts first, then script and scale.
    interval_bytes : int
        If not 0, the recorder is put under valgrind instead of the command's beginning; see :mod:`counted`.
    place, limit_s
        As for :func:`run`.
    """
    log = place.folder / "counted"
    command = [*COUNTER, f"--log-file={log}", *begin, *workload]
    if interval_bytes:
        command = [python, str(COUNTED), str(interval_bytes), str(log), *workload]
    if run(command, place, limit_s, in_child=False).stopped:
        return None
    found = re.search(r"I +refs: +([\d,]+)", log.read_text())
    if not found:
        raise RuntimeError(f"{' '.join(command)} was not counted:\n{log.read_text()[-2000:]}")
    return int(found[1].replace(",", ""))
