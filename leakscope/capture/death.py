"""
How a program ended: by itself, by a signal, or by the kernel for lack of memory.

It knows wait statuses and the kernel's counters of out-of-memory kills; it refuses to know what the program was doing.
"""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING

from leakscope.capture.signals import signal_name
from leakscope.model.dump import Death
from leakscope.units import format_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leakscope.model.recording import End

_CGROUP_ROOT = Path("/sys/fs/cgroup")
_NO_LIMIT = 2**60
"""Version 1 says "no limit" with the largest number of pages."""


class OomWitness:
    """
    The kernel's count of out-of-memory kills, looked at before and after.

    The count of the program's control group is proof enough together with SIGKILL; the one of the whole machine, which
    is all there is without control groups, makes it likely only, and the text says so.

    Parameters
    ----------
    pid : int or "self"
        A process in the control group to watch.
    """

    def __init__(self, pid: int | str = "self") -> None:
        self._group = _memory_group(pid)
        self._group_kills = _group_kills(self._group)
        self._machine_kills = _machine_kills()

    def verdict(self) -> str | None:
        """The death in words if the kernel killed for lack of memory since; else None."""
        kills = _group_kills(self._group)
        if kills is not None and self._group_kills is not None:
            if kills > self._group_kills:
                limit = _group_limit(self._group)
                told = f" (memory limit of its control group: {format_bytes(limit)})" if limit is not None else ""
                return f"killed by the kernel's out-of-memory killer{told}"
            return None
        machine = _machine_kills()
        if machine is not None and self._machine_kills is not None and machine > self._machine_kills:
            return "killed by SIGKILL, most likely the kernel's out-of-memory killer: it killed at that time"
        return None


def death_of(end: End, finished: bool, oom: str | None) -> Death | None:
    """
    The death of a program, or None if it ended by itself.

    Parameters
    ----------
    end : End
    finished : bool
        Whether the interpreter had finished: without that a program that exits left through ``os._exit`` or turned
        into another program.
    oom : str or None
        What the witness says.
    """
    if end.signal == signal.SIGKILL and oom is not None:
        return Death("oom", end.signal, oom)
    if end.signal:
        core = ", core dumped" if end.core_dumped else ""
        return Death("signal", end.signal, f"killed by {signal_name(end.signal)}{core}")
    if not finished:
        return Death("exit", 0, f"left through os._exit or exec, code {end.exit_code}")
    return None


def _memory_group(pid: int | str) -> Path | None:
    """Folder of the control group that limits the memory of a process, version 2 or 1."""
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    except OSError:
        return None
    for candidate in _candidates(lines):
        if (candidate / "memory.events").is_file() or (candidate / "memory.oom_control").is_file():
            return candidate
    return None


def _candidates(lines: list[str]) -> Iterator[Path]:
    """Where the group may be mounted; inside a container it is often the root itself."""
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            yield _CGROUP_ROOT / path.lstrip("/")
            yield _CGROUP_ROOT
        elif "memory" in controllers.split(","):
            yield _CGROUP_ROOT / "memory" / path.lstrip("/")
            yield _CGROUP_ROOT / "memory"


def _group_kills(group: Path | None) -> int | None:
    if group is None:
        return None
    for name in ("memory.events", "memory.oom_control"):
        kills = _counter(group / name)
        if kills is not None:
            return kills
    return None


def _group_limit(group: Path | None) -> int | None:
    """Bytes the group may use; None if as many as there are."""
    if group is None:
        return None
    for name in ("memory.max", "memory.limit_in_bytes"):
        try:
            limit = int((group / name).read_text())
        except (OSError, ValueError):
            continue
        return limit if limit < _NO_LIMIT else None
    return None


def _machine_kills() -> int | None:
    return _counter(Path("/proc/vmstat"))


def _counter(path: Path) -> int | None:
    """The value of the line ``oom_kill N``."""
    try:
        for line in path.read_text().splitlines():
            name, _, value = line.partition(" ")
            if name == "oom_kill":
                return int(value)
    except (OSError, ValueError):
        pass
    return None
