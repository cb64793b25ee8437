"""Dumps of real programs under the recorder: when they are taken, what they hold, and what may go wrong."""

from __future__ import annotations

import itertools
import json
import math
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from launching import LEAKSCOPE, dumps_in, leakscope, recorded, started

from leakscope.capture.dumps import RSS_STEP
from leakscope.formats import open_dump
from leakscope.model.dump import Dump

WAITING = """
import sys
kept = [bytes(3000) for _ in range(1000)]
print("ready", flush=True)
for line in sys.stdin:
    exec(line)
    print("did it", flush=True)
"""
GROW = "kept.append(b'x' * (40 << 20))\n"


def wanted_in(folder: Path) -> list[Dump]:
    """Those that a run does not take of itself: how many these are is a matter of time."""
    return [dump for dump in dumps_in(folder) if dump.meta.reason != "baseline"]


def newest(folder: Path) -> Dump:
    """The one that is not removed while others are taken."""
    return open_dump(max(folder.glob("*.lks")))


def reasons(folder: Path) -> list[str]:
    return [dump.meta.reason for dump in wanted_in(folder)]


def tell(process: subprocess.Popen[str], line: str) -> None:
    """Let the waiting program do something, and wait until it is done."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(line)
    process.stdin.flush()
    assert process.stdout.readline() == "did it\n"


def wait_until(holds: Callable[[], bool]) -> None:
    for _ in range(3000):
        if holds():
            return
        select.select([], [], [], 0.01)
    raise TimeoutError


def wait_for(path: Path) -> None:
    """Until a file is there; dumps appear at once and complete."""
    wait_until(path.exists)


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    output, _ = process.communicate(timeout=60)
    return process.returncode, output


# ------------------------------------------------------------------------------------------------- when dumps are taken


def test_a_short_run_ends_with_a_dump_at_its_exit(folder: Path) -> None:
    recorded("--exact", "-c", "kept = [bytes(3000) for _ in range(1000)]", folder=folder)
    *baselines, dump = dumps_in(folder)
    assert (dump.meta.reason, dump.meta.death) == ("exit", None)
    assert all(earlier.meta.reason == "baseline" for earlier in baselines)
    assert dump.meta.argv == ("-c", "kept = [bytes(3000) for _ in range(1000)]")
    assert dump.meta.cwd == os.getcwd()
    assert dump.meta.totals.live_bytes > 3_000_000
    assert dump.meta.process.rss_bytes > 5_000_000


def test_time_calls_for_dumps_and_only_the_first_and_the_latest_are_kept(folder: Path) -> None:
    with started(folder, WAITING, "--every", "100ms", "--keep", "3", stdin=subprocess.PIPE) as process:
        wait_for(folder / "0006.lks")
        assert finish(process) == (0, "")
    taken = [dump for dump in dumps_in(folder) if dump.meta.reason != "baseline"]
    assert taken[0].meta.number <= 3
    assert [dump.meta.reason for dump in taken][:-1] == ["interval"] * 3
    assert taken[-1].meta.reason == "exit"
    assert taken[-1].meta.number >= 7


def test_resident_memory_calls_for_a_dump_at_the_threshold_and_at_each_quarter_more(folder: Path) -> None:
    with started(folder, WAITING, "--at-rss", "40MiB", stdin=subprocess.PIPE) as process:
        for wanted in (1, 2):
            tell(process, GROW)
            wait_until(lambda wanted=wanted: reasons(folder).count("rss") >= wanted)
        finish(process)
    taken = [dump.meta.process.rss_bytes for dump in dumps_in(folder) if dump.meta.reason == "rss"]
    assert taken[0] >= 40 << 20
    # Growth may be seen half-way, so there may be a dump more, but never more than there are quarters to pass.
    peak = dumps_in(folder)[-1].series.rss_bytes.max()
    assert taken == sorted(taken)
    assert len(taken) <= 1 + math.log(peak / (40 << 20), RSS_STEP)


def test_a_run_keeps_baselines_at_doubled_times_and_the_latest_three(folder: Path) -> None:
    with started(folder, WAITING, stdin=subprocess.PIPE) as process:
        wait_for(folder / "0005.lks")
        finish(process)
    taken = dumps_in(folder)
    assert [dump.meta.reason for dump in taken] == ["baseline", "baseline", "baseline", "exit"]
    times = [dump.meta.elapsed_s for dump in taken[:-1]]
    assert all(later > 1.5 * earlier for earlier, later in itertools.pairwise(times))


def test_the_program_asks_for_a_dump_and_gets_its_path_at_once(folder: Path) -> None:
    code = """
import leakscope, os, sys, time
before = time.monotonic()
path = leakscope.dump()
print(path, os.path.getsize(path) > 0, time.monotonic() - before < 5.0, *[name for name in ("numpy", "click", "psutil",
      "rich", "leakscope.cli", "leakscope.formats") if name in sys.modules])
"""
    done = recorded("-c", code, folder=folder)
    path, *answers = done.stdout.split()
    assert (answers, done.stderr) == (["True", "True"], "")
    assert open_dump(Path(path)).meta.reason == "request"
    assert reasons(folder) == ["request", "exit"]


def test_a_program_that_is_not_recorded_is_told_how_to(folder: Path) -> None:
    code = """
import leakscope, leakscope.errors
try:
    leakscope.dump()
except leakscope.errors.CaptureError as error:
    print(error, "/", error.remedy)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("/ start the program with 'leakscope run'\n")


# ------------------------------------------------------------------------------------------------------ what they hold


def test_the_series_is_in_order_bounded_and_knows_the_process(folder: Path) -> None:
    with started(folder, WAITING, "--every", "1500ms", stdin=subprocess.PIPE) as process:
        tell(process, GROW)
        wait_until(lambda: any(folder.glob("*.lks")))
        wait_until(lambda: np.isfinite(newest(folder).series.pss_bytes).any())
        finish(process)
    series = dumps_in(folder)[-1].series
    assert 20 <= len(series) <= 241
    assert np.all(np.diff(series.time_s) > 0)
    assert min(series.live_bytes[-1], series.rss_bytes[-1]) > 40 << 20
    assert np.nanmax(series.pss_bytes) >= np.nanmax(series.uss_bytes) > 40 << 20
    assert set(series.threads) == {1.0}
    assert np.all(series.fds >= 3)
    assert np.all(np.diff(series.cpu_s) >= 0)
    assert series.sites.live_bytes[series.sites.sample == len(series) - 1].max() >= 40 << 20
    assert np.nanmax(series.glibc_arena_bytes) > np.nanmax(series.glibc_arena_count) >= 1
    # At rest: while a program works, ages miss what comes or goes meanwhile.
    last = series.sites.sample == len(series) - 1
    assert np.allclose(series.sites.age_bytes.sum(axis=1)[last], series.sites.live_bytes[last])


def test_dumps_of_one_run_agree_on_the_ids_of_stacks(folder: Path) -> None:
    code = """
import leakscope
def work():
    return bytes(200_000)
kept = [work()]
leakscope.dump()
kept += [work() for _ in range(10)]
"""
    recorded("--exact", "-c", code, folder=folder)
    first, second = wanted_in(folder)
    stack = int(first.allocations.stack[first.allocations.size == 200_000 + 33][0])
    assert first.stacks.frames(stack) == second.stacks.frames(stack)
    assert first.stacks.frames(stack)[0].function == "work"


# ------------------------------------------------------------------------------------------------- what may go wrong


def test_after_kill_9_the_last_dump_tells_the_death(folder: Path) -> None:
    program = "import os\n" + WAITING
    with started(folder, program, "--every", "100ms", stdin=subprocess.PIPE) as process:
        wait_for(folder / "0001.lks")
        assert process.stdin is not None
        process.stdin.write("os.kill(os.getpid(), 9)\n")
        process.stdin.flush()
        assert process.wait(60) == -signal.SIGKILL
    dump = dumps_in(folder)[-1]
    assert dump.meta.reason == "death"
    assert dump.meta.death is not None
    assert (dump.meta.death.kind, dump.meta.death.signal, dump.meta.death.text) == ("signal", 9, "killed by SIGKILL")
    assert dump.meta.totals.live_bytes > 2_000_000
    assert dump.meta.process.rss_bytes > 5_000_000


def test_a_full_disk_costs_one_line_and_leaves_earlier_dumps_and_the_program_alone(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    small = f"mount -t tmpfs -o size=1m none {disk}"
    inside = ["unshare", "-rm", "sh", "-ec"]
    if subprocess.run([*inside, small], capture_output=True).returncode != 0:
        pytest.skip("no disk can be made small here: there are no user namespaces")
    code = f"""
import os
import leakscope, leakscope.errors
os.kill(os.getppid(), {int(signal.SIGUSR2)})
while not os.path.exists("{disk}/dumps/0001.lks"):
    pass
with open("{disk}/filler", "wb", buffering=0) as filler:
    try:
        while filler.write(bytes(4096)):
            pass
    except OSError:
        print("works")
for _ in range(2):
    try:
        leakscope.dump()
    except leakscope.errors.CaptureError:
        print("no dump")
"""
    words = [*LEAKSCOPE, "run", "--quiet", "--no-report", "-o", f"{disk}/dumps", "-c", code]
    script = f'{small}; "$@"; ls -A {disk}/dumps'
    done = subprocess.run([*inside, script, "sh", *words], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "works\nno dump\nno dump\n0001.lks\n")
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["warning", "hint"]
    assert "0002.lks: " in done.stderr


def test_when_a_later_dump_fails_the_earlier_ones_stay(folder: Path) -> None:
    with started(folder, WAITING, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.send_signal(signal.SIGUSR2)
        wait_for(folder / "0001.lks")
        before = (folder / "0001.lks").read_bytes()
        (folder / "0002.lks").mkdir()
        (folder / "0002.lks" / "in the way").touch()
        process.send_signal(signal.SIGUSR2)
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (0, "")
    assert all(line.startswith(("warning: ", "hint: ")) for line in errors.splitlines())
    assert "0002.lks" in errors
    assert (folder / "0001.lks").read_bytes() == before


def test_a_request_that_cannot_be_met_is_an_error_in_the_program(folder: Path) -> None:
    code = """
import leakscope, leakscope.errors, pathlib, sys
first = pathlib.Path(leakscope.dump())
for number in range(int(first.stem) + 1, int(first.stem) + 9):
    in_the_way = first.with_name(f"{number:04}.lks")
    in_the_way.mkdir()
    (in_the_way / "file").touch()
try:
    leakscope.dump()
except leakscope.errors.CaptureError as error:
    print("refused")
"""
    done = recorded("-c", code, folder=folder)
    assert (done.returncode, done.stdout) == (0, "refused\n")


def test_recording_costs_the_parent_little(folder: Path) -> None:
    done = leakscope("run", "-o", str(folder), "-c", "import time; time.sleep(4)")
    line = next(line for line in done.stderr.splitlines() if "sampling took" in line)
    # 0.1 s may be spent at once, then 1 % of a processor.
    assert float(line.partition("(")[2].split()[0]) <= 100 * (0.1 + 0.01 * 4 + 0.05) / 4


def test_the_report_of_a_killed_program_is_made_and_its_signal_passed_on(folder: Path) -> None:
    done = leakscope("run", "-o", str(folder), "-c", "import os; os.kill(os.getpid(), 9)")
    assert done.returncode == -signal.SIGKILL
    assert "killed by SIGKILL" in done.stderr
    assert json.loads((folder / "report.json").read_text())["sources"][-1]["death"]["signal"] == 9
