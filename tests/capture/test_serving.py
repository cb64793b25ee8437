"""A server under load: begun when it listens, dumped meanwhile, stopped; and why there was no proper load."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from leakscope.capture.serving import Serving, listens
from leakscope.model.plan import Load


class Server:
    """What `Serving` sees of a watched process, with a clock that runs by being asked."""

    def __init__(self, lives_s: float = 1000.0) -> None:
        self.pid = os.getpid()
        self.now_s = 0.0
        self.dumps: list[Path] = []
        self.stopped = False
        self._lives_s = lives_s

    @property
    def over(self) -> bool:
        return self.stopped or self.now_s >= self._lives_s

    def wait(self, seconds: float) -> bool:
        self.now_s += seconds
        time.sleep(0.001)  # the load is a real process
        return not self.over

    def dump(self) -> Path | None:
        self.dumps.append(Path(f"{len(self.dumps) + 1:04}.lks"))
        return self.dumps[-1]

    def stop(self) -> None:
        self.stopped = True


def drive(load: Load, server: Server) -> Serving:
    serving = Serving(load)
    serving(server)  # type: ignore[arg-type]
    assert server.stopped
    return serving


def test_a_load_that_ends_by_itself_is_between_two_dumps() -> None:
    server = Server()

    serving = drive(Load("true", ready_s=0.1), server)

    assert (serving.problem, len(server.dumps)) == ("", 2)
    before, after = Path("0000.lks"), Path("0003.lks")
    assert serving.during([before, *server.dumps, after]) == tuple(server.dumps)


def test_a_load_for_a_time_is_repeated_and_dumped_in_between(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server, counted = Server(), tmp_path / "count"
    monkeypatch.setattr("leakscope.capture.serving.time.monotonic", lambda: server.now_s)

    serving = drive(Load(f"echo x >> {counted}", for_s=20.0, warmup_s=2.0, ready_s=0.1), server)

    assert (serving.problem, len(server.dumps)) == ("", 4)
    assert counted.read_text().count("x") > 2


def test_a_load_that_goes_on_is_ended_with_all_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server, begun = Server(), tmp_path / "begun"
    monkeypatch.setattr("leakscope.capture.serving.time.monotonic", lambda: server.now_s if begun.exists() else 0.0)
    read, write = os.pipe()
    os.set_inheritable(write, True)

    serving = drive(Load(f"sleep 1000 & touch {begun}; wait", 5.0, ready_s=0.1), server)

    os.close(write)
    assert serving.problem == ""
    assert os.read(read, 1) == b""  # nobody has the other end any more
    os.close(read)


@pytest.mark.parametrize(
    ("load", "lives_s", "problem"),
    [
        (Load("exit 3", ready_s=0.1), 1000.0, "the load exited with code 3: exit 3"),
        (Load("kill -9 $$", ready_s=0.1), 1000.0, "the load exited with code 137: kill -9 $$"),
        (Load("sleep 1000", ready_s=0.1), 2.0, "the server ended before the load did"),
        (Load("true", ready_s=5.0), 2.0, "the server ended before it was ready"),
        (Load("true"), 2.0, "the server ended before it was ready"),
    ],
)
def test_why_there_was_no_proper_load(load: Load, lives_s: float, problem: str) -> None:
    assert drive(load, Server(lives_s)).problem == problem


def test_the_load_gets_signals_although_the_parent_blocks_them(tmp_path: Path) -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        serving = drive(Load("kill -TERM $$; exit 0", ready_s=0.1), Server())
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    assert serving.problem.startswith("the load exited with code 143")


def test_who_listens_is_seen_from_outside() -> None:
    program = "import socket; s = socket.create_server(('127.0.0.1', 0)); print('up', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        assert listens(process.pid)
        process.communicate("\n")
    assert not listens(process.pid)
    with socket.socket() as idle:
        assert idle.fileno() >= 0
