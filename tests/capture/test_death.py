from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from leakscope.capture.death import OomWitness, death_of
from leakscope.model.recording import End


def end_of(code: str) -> End:
    process = subprocess.Popen([sys.executable, "-c", f"import os, resource, signal, sys\n{code}"])
    _, status = os.waitpid(process.pid, 0)
    process.returncode = 0
    return End.from_status(status)


@pytest.mark.parametrize("code", [0, 1, 3, 255])
def test_an_exit_code_is_no_death(code: int) -> None:
    end = end_of(f"sys.exit({code})")
    assert end == End(code)
    assert end.shell_code == code
    assert death_of(end, finished=True, oom=None) is None


def test_a_signal_is_named() -> None:
    end = end_of("os.kill(os.getpid(), signal.SIGTERM)")
    death = death_of(end, finished=False, oom=None)
    assert death is not None
    assert (death.kind, death.signal, death.text) == ("signal", signal.SIGTERM, "killed by SIGTERM")
    assert end.shell_code == 143


def test_sigkill_while_the_kernel_ran_out_of_memory_is_its_doing() -> None:
    death = death_of(End(0, signal.SIGKILL), finished=False, oom="killed for lack of memory")
    assert death is not None
    assert (death.kind, death.text) == ("oom", "killed for lack of memory")


@pytest.mark.parametrize(
    ("file", "limit"), [("memory.events", "memory.max"), ("memory.oom_control", "memory.limit_in_bytes")]
)
def test_the_kernels_count_of_the_control_group_is_the_witness(
    file: str, limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = tmp_path
    monkeypatch.setattr("leakscope.capture.death._candidates", lambda lines: [group])
    (group / file).write_text("oom 3\noom_kill 1\n")
    (group / limit).write_text(f"{100 << 20}\n")
    witness = OomWitness()
    assert witness.verdict() is None
    (group / file).write_text("oom 4\noom_kill 2\n")
    assert witness.verdict() == (
        "killed by the kernel's out-of-memory killer (memory limit of its control group: 100.0 MiB)"
    )


def test_another_signal_at_that_time_is_not() -> None:
    death = death_of(End(0, signal.SIGSEGV), finished=False, oom="killed for lack of memory")
    assert death is not None
    assert death.kind == "signal"


def test_leaving_without_finishing_the_interpreter_is_told() -> None:
    death = death_of(End(4), finished=False, oom=None)
    assert death is not None
    assert (death.kind, death.signal) == ("exit", 0)
    assert "os._exit" in death.text
