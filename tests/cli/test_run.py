"""A program under `leakscope run` lives and dies as under plain Python; real processes on both sides."""

from __future__ import annotations

import json
import os
import select
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from launching import LEAKSCOPE, bare, leakscope, recorded, started

# What a process inherits; test_recorder_transparency.py asks for all that Python itself sets up.
SEEN = """
import json, os, signal, sys
print(json.dumps({
    "environ": dict(os.environ), "cwd": os.getcwd(), "pgrp": os.getpgrp(), "sid": os.getsid(0), "nice": os.nice(0),
    "mask": sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, []))),
    "handlers": {int(n): str(signal.getsignal(n)) for n in signal.valid_signals()},
    "fds": [fd for fd in range(256) if os.path.exists(f"/proc/self/fd/{fd}")],
}))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "dumps"


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "a program.py"
    path.write_text(SEEN)
    return path


# ------------------------------------------------------------------------------------------- what the program sees


def test_inherited_files_masks_and_ignored_signals_reach_the_program(script: Path, folder: Path) -> None:
    read, write = os.pipe()

    def prepare() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGTERM})
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    options = {"input": "", "pass_fds": (read,), "preexec_fn": prepare, "text": True}
    plain = json.loads(bare(str(script), **options).stdout)
    ours = json.loads(recorded(str(script), folder=folder, **options).stdout)
    os.close(read)
    os.close(write)
    assert ours == plain
    assert read in ours["fds"]
    assert {signal.SIGUSR1, signal.SIGTERM} <= set(ours["mask"])


def test_a_preloaded_library_of_the_user_stays_preloaded(script: Path, folder: Path) -> None:
    environment = os.environ | {"LD_PRELOAD": "libm.so.6", "LEAKSCOPE_RUN_KEEP": "7"}
    ours = json.loads(recorded(str(script), input="", env=environment, folder=folder).stdout)
    plain = json.loads(bare(str(script), input="", env=environment).stdout)
    assert ours["environ"]["LD_PRELOAD"] == plain["environ"]["LD_PRELOAD"] == "libm.so.6"
    assert "LEAKSCOPE_LEDGER" not in ours["environ"]


def test_closed_standard_streams_stay_closed(folder: Path) -> None:
    code = "import os, sys; os.write(2, repr([os.path.exists(f'/proc/self/fd/{n}') for n in (0, 1, 2)]).encode())"

    def close() -> None:
        os.close(0)
        os.close(1)

    options = {"preexec_fn": close, "stdin": None, "stdout": None, "stderr": subprocess.PIPE, "capture_output": False}
    assert recorded("-c", code, folder=folder, **options).stderr == bare("-c", code, **options).stderr


# ----------------------------------------------------------------------------------------------- how the program ends


@pytest.mark.parametrize(
    "code",
    [
        "import os; os.abort()",
        "import os, sys; os.execv(sys.executable, [sys.executable, '-c', 'print(5)'])",
        "import os, signal; os.kill(os.getpid(), signal.SIGRTMIN + 3)",
        "a syntax error",
    ],
)
def test_the_program_ends_as_under_plain_python(code: str, folder: Path, tmp_path: Path) -> None:
    plain = bare("-c", code, cwd=tmp_path)
    ours = recorded("-c", code, folder=folder, cwd=tmp_path)
    assert (ours.returncode, ours.stdout, ours.stderr) == (plain.returncode, plain.stdout, plain.stderr)


def test_a_script_that_is_not_there_is_pythons_to_complain_about(folder: Path, tmp_path: Path) -> None:
    plain = bare("nowhere.py", cwd=tmp_path)
    ours = recorded("nowhere.py", folder=folder, cwd=tmp_path)
    assert ours.returncode == plain.returncode == 2
    assert ours.stderr == plain.stderr
    assert not folder.exists()


def test_a_module_without_dash_m_gets_a_hint(tmp_path: Path) -> None:
    ours = leakscope("run", "pytest", cwd=tmp_path)
    assert ours.returncode == 2
    assert ours.stderr.splitlines()[1:] == ["hint: a module is run with: leakscope run -m pytest"]


# ------------------------------------------------------------------------------------------------------------ signals

COUNTING = """
import signal, sys
wanted = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGRTMIN + 1}
signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
print("ready", flush=True)
seen = [int(signal.sigwait(wanted))]
while (more := signal.sigtimedwait(wanted, 0.2)) is not None:
    seen.append(more.si_signo)
sys.exit(f"seen {seen}")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGRTMIN + 1])
def test_a_signal_to_leakscope_alone_reaches_the_program_once(number: int, folder: Path) -> None:
    with started(folder, COUNTING, stderr=subprocess.PIPE) as process:
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
    assert errors == f"seen [{int(number)}]\n"
    assert process.returncode == 1


def test_a_program_that_dies_of_a_signal_takes_leakscope_with_it_after_the_last_dump(folder: Path) -> None:
    with started(folder, "import time; print('ready', flush=True); time.sleep(60)") as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == -signal.SIGTERM
    assert [path.name for path in folder.iterdir()] == ["0001.lks"]


def test_the_dump_signal_takes_a_dump_that_the_program_does_not_notice(folder: Path) -> None:
    waiting = "import sys; print('ready', flush=True); print(sys.stdin.readline(), end='')"
    with started(folder, waiting, stdin=subprocess.PIPE) as process:
        process.send_signal(signal.SIGUSR2)
        wait_for(folder / "0001.lks")
        output, _ = process.communicate("goes on\n", timeout=30)
    assert (process.returncode, output) == (0, "goes on\n")
    assert (folder / "0002.lks").exists()


def test_without_a_dump_signal_it_is_the_programs(folder: Path) -> None:
    code = """
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
print("ready", flush=True)
print("mine" if signal.sigwait({signal.SIGUSR2}) == signal.SIGUSR2 else "strange")
"""
    with started(folder, code, "--dump-signal", "none") as process:
        process.send_signal(signal.SIGUSR2)
        output, _ = process.communicate(timeout=30)
    assert (process.returncode, output) == (0, "mine\n")


# A shell with job control, as far as these tests need one: a job in a group of its own in the terminal's foreground.
SHELL = """
import fcntl, os, signal, subprocess, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
settings = termios.tcgetattr(0)
settings[3] &= ~termios.ECHO
termios.tcsetattr(0, termios.TCSANOW, settings)
def job():
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpid())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
child = subprocess.Popen(sys.argv[1:], preexec_fn=job)
while True:
    _, status = os.waitpid(child.pid, os.WUNTRACED)
    if not os.WIFSTOPPED(status):
        break
    print("job stopped by", os.WSTOPSIG(status) in (signal.SIGTSTP, signal.SIGSTOP), flush=True)
    os.killpg(child.pid, signal.SIGCONT)
print("job ended with", status, flush=True)
"""

# A key may come before input() has begun to wait, which would then wait for the next line: hence select.
AT_A_TERMINAL = """
import select, signal, sys
signal.signal(signal.SIGINT, lambda *_: print("got interrupt", flush=True))
signal.signal(signal.SIGCONT, lambda *_: print("got continue", flush=True))
print("ready", sys.stdin.isatty(), flush=True)
while True:
    if select.select([sys.stdin], [], [], 0.05)[0]:
        if (line := input()) == "end": break
        print("got", line, flush=True)
"""


def at_a_terminal(*words: str, keys: dict[str, str]) -> list[str]:
    """The lines a terminal shows; the keys of a line are typed once it has appeared."""
    terminal, inside = os.openpty()
    shell = subprocess.Popen(
        [sys.executable, "-c", SHELL, *words], stdin=inside, stdout=inside, stderr=inside, start_new_session=True
    )
    os.close(inside)
    lines: list[str] = []
    shown = b""
    try:
        while not lines or not lines[-1].startswith("job ended"):
            readable, _, _ = select.select([terminal], [], [], 60)
            assert readable, f"nothing more after {lines}"
            *complete, shown = (shown + os.read(terminal, 4096)).split(b"\n")
            for line in complete:
                lines.append(line.decode().rstrip())
                os.write(terminal, keys.get(lines[-1], "").encode())
    finally:
        shell.kill()
        shell.wait()
        os.close(terminal)
    return lines


@pytest.mark.parametrize("ours", [False, True])
def test_keys_of_a_terminal_work_as_in_a_shell(ours: bool, folder: Path) -> None:
    front = [*LEAKSCOPE, "run", "--quiet", "--no-report", "-o", str(folder)] if ours else [sys.executable]
    keys = {
        "ready True": "\x03", "got interrupt": "one\n", "got one": "\x1a", "got continue": "two\n", "got two": "end\n",
    }  # fmt: skip
    lines = at_a_terminal(*front, "-c", AT_A_TERMINAL, keys=keys)
    assert lines == [
        "ready True", "got interrupt", "got one", "job stopped by True", "got continue", "got two", "job ended with 0",
    ]  # fmt: skip


# -------------------------------------------------------------------------------------------------- folder and dumps


def test_a_taken_folder_is_refused_before_anything_runs(folder: Path) -> None:
    folder.mkdir()
    (folder / "precious").touch()
    done = recorded("-c", "print('ran')", folder=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[0] == f"error: {folder}: holds files already"
    assert "--force" in done.stderr


def test_force_replaces_an_earlier_run(folder: Path) -> None:
    recorded("-c", "pass", folder=folder)
    (folder / "0002.lks").touch()
    assert recorded("--force", "-c", "pass", folder=folder).returncode == 0
    assert [path.name for path in folder.iterdir()] == ["0001.lks"]


def test_the_default_folder_has_the_programs_name_and_is_private(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("import os; print(os.getpid())")
    done = recorded("app.py", cwd=tmp_path)
    made = tmp_path / f"leakscope-app.py.{done.stdout.strip()}"
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in made.iterdir()} == {"0001.lks": 0o600}


def test_the_report_is_told_at_the_end_and_kept_beside_the_dumps(folder: Path) -> None:
    done = leakscope("run", "-o", str(folder), "-c", "print('the program')")
    assert (done.returncode, done.stdout) == (0, "the program\n")
    assert f"leakscope: 1 dump in {folder}" in done.stderr
    kept = folder / "report.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert json.loads(kept.read_text())["schema"] == "leakscope.report/1"


def test_json_follows_the_programs_own_output_on_standard_output(folder: Path) -> None:
    done = leakscope("run", "--json", "--quiet", "-o", str(folder), "-c", "print('the program')")
    first, _, rest = done.stdout.partition("\n")
    assert first == "the program"
    assert json.loads(rest) == json.loads((folder / "report.json").read_text())
    assert done.stderr == ""


def test_another_interpreter_of_the_same_version_is_recorded(folder: Path) -> None:
    real = os.path.realpath(sys.executable)
    done = recorded("--python", real, "-c", "import sys; print(sys.executable)", folder=folder)
    assert (done.stdout.strip(), done.stderr) == (real, "")
    assert list(folder.glob("*.lks"))


@pytest.mark.parametrize("python", ["/bin/true", "no-such-python"])
def test_what_is_no_interpreter_is_told_with_a_remedy(python: str, folder: Path) -> None:
    done = recorded("--python", python, "-c", "pass", folder=folder)
    assert done.returncode == 5
    assert done.stderr.splitlines()[0].startswith("error: ")
    assert done.stderr.splitlines()[1].startswith("hint: ")


def wait_for(path: Path) -> None:
    """Until a file is there: it appears atomically."""
    for _ in range(3000):
        if path.exists():
            return
        select.select([], [], [], 0.01)
    raise TimeoutError(path)
