"""
Programs that do nothing when a dump is wanted: they are woken by a signal that nobody sees, and sleep on.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from recording import PYTHONS, label, written

from leakscope.formats import open_dump
from leakscope.model.dump import Dump

pytestmark = pytest.mark.parametrize("python", PYTHONS, ids=label)

SLEEPERS = {
    "epoll": "poll = select.epoll(); poll.register(stop); poll.poll()",
    "sleep": "time.sleep(0.2) if select.select([stop], [], [], 0)[0] else [time.sleep(1) for _ in range(3)]",
    "lock": "lock = threading.Lock(); lock.acquire(); lock.acquire(timeout=3)",
    "read": "os.read(stop, 1)",
}


def asleep(python: str, folder: Path, sleep: str, before: str = "pass") -> tuple[Any, Dump, int]:
    """What a program said that slept while a dump was asked for; that dump; and its exit code."""
    program = written(
        f"""
        import json, os, select, signal, sys, threading, time
        stop = sys.stdin.fileno()
        kept = [bytearray(1000) for _ in range(777)]
        children = []
        signal.signal(signal.SIGCHLD, lambda *_: children.append(1))
        {before}
        print(os.getpid(), flush=True)
        {sleep}
        handled = [number for number in signal.valid_signals() if signal.getsignal(number) not in
                   (signal.SIG_DFL, signal.SIG_IGN, signal.default_int_handler)]
        print(json.dumps([len(kept), children, handled]))
        """,
        folder,
    )
    command = [python, "-m", "leakscope", "run", "--quiet", "-o", "run", str(program)]
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "LEAKSCOPE"))}
    with subprocess.Popen(
        command, cwd=folder, env=kept, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        await_sleep(int(process.stdout.readline()))
        process.send_signal(signal.SIGUSR2)
        dump = await_dump(process, folder / "run")
        said, _ = process.communicate("go\n", timeout=60)
    return json.loads(said), dump, process.returncode


def await_sleep(pid: int) -> None:
    """Until the system says that a process sleeps: until then it may ask for memory."""
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "S":
        pass


def await_dump(process: subprocess.Popen[str], folder: Path) -> Dump:
    """The dump that the signal asked for, once it is there: files are complete under their names."""
    while process.poll() is None:
        for path in sorted(folder.glob("[0-9]*.lks")):
            if path.exists() and (dump := open_dump(path)).meta.reason == "signal":
                return dump
    raise AssertionError(f"the program ended with {process.returncode} before the dump")


@pytest.mark.parametrize("way", SLEEPERS)
def test_a_sleeping_program_is_dumped_with_its_objects_and_sleeps_on(python: str, way: str, tmp_path: Path) -> None:
    said, dump, code = asleep(python, tmp_path, SLEEPERS[way])

    assert dump.heap is not None, dump.meta.heap
    names = [dump.heap.types.full_name(row) for row in range(len(dump.heap.types))]
    arrays = int((dump.heap.type == names.index("bytearray")).sum())
    assert arrays >= 777
    assert (code, said) == (0, [777, [], [signal.SIGCHLD]])


def test_a_program_that_wants_the_signal_for_itself_has_it_to_itself(python: str, tmp_path: Path) -> None:
    taken = (
        "seen, numbers = [], range(signal.SIGRTMIN, signal.SIGRTMAX);"
        " [signal.signal(number, lambda got, _: seen.append(got)) for number in numbers]"
    )
    given_back = (
        "os.read(stop, 1); children.extend(seen); [signal.signal(number, signal.SIG_DFL) for number in numbers]"
    )

    said, dump, code = asleep(python, tmp_path, given_back, before=taken)

    assert dump.heap is None
    assert (code, said) == (0, [777, [], [signal.SIGCHLD]])
