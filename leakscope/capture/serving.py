"""
A server under load: waiting until it is ready, keeping it busy, taking dumps meanwhile, ending it.

It knows ports, load commands and times; it refuses to know what is in a dump.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING

from leakscope.capture.attending import POLL_S

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from leakscope.capture.attending import Attendance
    from leakscope.model.plan import Load

READY_TIMEOUT_S = 60.0
_SHELL = "/bin/sh"
_DUMPS_AT = (0.25, 0.5)
"""Dumps in between, as shares of the time: what grows is told from three moments or more."""
_MIDWAY_S = 2.0
"""Where nobody says how long the load takes, dumps in between are this far apart at first, then twice as far."""


class Serving:
    """
    What to do with a server that was started; called with it in a thread.

    Parameters
    ----------
    load : Load

    Attributes
    ----------
    problem : str
        Why there was no proper load; "" if there was.
    """

    def __init__(self, load: Load) -> None:
        self._load = load
        self.problem = ""
        self._asked: list[Path] = []

    def __call__(self, server: Attendance) -> None:
        """See the server through."""
        try:
            self.problem = self._drive(server)
        finally:
            server.stop()

    def _drive(self, server: Attendance) -> str:
        problem = _wait_until_ready(server, self._load)
        if problem:
            return problem
        if self._load.warmup_s:
            problem = self._keep_busy(server, self._load.warmup_s, ())
            if problem:
                return problem
        self._dump(server)
        seconds = self._load.for_s
        problem = self._keep_busy(server, seconds, [share * seconds for share in _DUMPS_AT] if seconds else None)
        self._dump(server)
        if not problem and server.over:
            return "the server ended before the load did"
        return problem

    def _dump(self, server: Attendance) -> None:
        path = server.dump()
        if path is not None:
            self._asked.append(path)

    def during(self, dumps: Sequence[Path]) -> tuple[Path, ...]:
        """Of all dumps of the server, oldest first, those from the beginning of the load to its end."""
        if len(self._asked) < 2:
            return tuple(self._asked)
        return tuple(dumps[dumps.index(self._asked[0]) : dumps.index(self._asked[-1]) + 1])

    def _keep_busy(
        self, server: Attendance, seconds: float | None, dumps_at: tuple[float, ...] | list[float] | None
    ) -> str:
        """Load until the time is over, or once; why it failed, or ""."""
        began = time.monotonic()
        due = iter(dumps_at) if dumps_at is not None else iter(_MIDWAY_S * 2**n for n in range(30))
        next_s = next(due, None)
        command = _start(self._load.command)
        try:
            while server.wait(POLL_S):
                elapsed_s = time.monotonic() - began
                if seconds is not None and elapsed_s >= seconds:
                    return ""
                if next_s is not None and elapsed_s >= next_s:
                    self._dump(server)
                    next_s = next(due, None)
                status = _status(command)
                if status is None:
                    continue
                command = 0
                if status:
                    return f"the load exited with code {status}: {self._load.command}"
                if seconds is None:
                    return ""
                command = _start(self._load.command)
            return "the server ended before the load did"
        finally:
            _end(command)


def _wait_until_ready(server: Attendance, load: Load) -> str:
    """Why the server is not ready, or ""."""
    ended = "the server ended before it was ready"
    if load.ready_s is not None:
        return "" if server.wait(load.ready_s) else ended
    until = time.monotonic() + READY_TIMEOUT_S
    while not listens(server.pid):
        if not server.wait(POLL_S):
            return ended
        if time.monotonic() >= until:
            return f"the server listens on no port after {READY_TIMEOUT_S:.0f} s: say with --ready when it is ready"
    return ""


def listens(pid: int) -> bool:
    """Whether a process waits for connections over TCP; False if that cannot be seen."""
    import psutil

    try:
        process = psutil.Process(pid)
        ask = getattr(process, "net_connections", None) or process.connections
        return any(each.status == psutil.CONN_LISTEN for each in ask(kind="tcp"))
    except psutil.Error:
        return False


def _start(command: str) -> int:
    """The process id of a shell command in a group of its own, with no signal blocked."""
    return os.posix_spawn(_SHELL, [_SHELL, "-c", command], os.environ, setpgroup=0, setsigmask=())


def _status(pid: int) -> int | None:
    """Its exit code as a shell would tell it; None while it runs."""
    found, status = os.waitpid(pid, os.WNOHANG)
    if not found:
        return None
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _end(pid: int) -> None:
    """Kill the command and what it started, and forget it; nothing for 0."""
    if not pid:
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
