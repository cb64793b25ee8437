"""
What the system says about a living process: memory, threads, files, processor time.

It knows ``/proc`` and psutil; it refuses to know leakscope's ledger.  Nothing here stops the process; only `shares`
takes its memory-map lock for reading, so its callers ration it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Vitals:
    """
    Cheap facts of one moment.

    Attributes
    ----------
    rss_bytes : int
    threads, fds : int
    cpu_s : float
        User and system time so far.
    """

    rss_bytes: int
    threads: int
    fds: int
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Resident:
    """
    The parts of resident memory, in bytes, and its peak so far.

    Attributes
    ----------
    anon_bytes, file_bytes, shmem_bytes : int
    peak_bytes : int
    """

    anon_bytes: int
    file_bytes: int
    shmem_bytes: int
    peak_bytes: int

    @property
    def rss_bytes(self) -> int:
        """The sum of the parts."""
        return self.anon_bytes + self.file_bytes + self.shmem_bytes


def rss_bytes(pid: int) -> int | None:
    """Resident memory; None if the process is gone.  About 10 microseconds."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as statm:
            pages = int(statm.read().split()[1])
    except (OSError, IndexError, ValueError):
        return None
    return pages * _PAGE or None


def vitals(pid: int) -> Vitals | None:
    """The cheap facts; None if the process is gone or a zombie."""
    rss = rss_bytes(pid)
    try:
        # The name of a program may hold blanks and parentheses; what follows the last one does not.
        stat = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        fds = _count_fds(pid)
        threads, cpu = int(stat[17]), (int(stat[11]) + int(stat[12])) / _TICKS
    except (OSError, IndexError, ValueError):
        return None
    return None if rss is None else Vitals(rss, threads, fds, cpu)


def resident(pid: int) -> Resident | None:
    """The parts of resident memory; None if the process is gone."""
    wanted = {b"RssAnon": 0, b"RssFile": 0, b"RssShmem": 0, b"VmHWM": 0}
    try:
        with open(f"/proc/{pid}/status", "rb") as status:
            for line in status:
                name, _, value = line.partition(b":")
                if name in wanted:
                    wanted[name] = int(value.split()[0]) * 1024
    except (OSError, IndexError, ValueError):
        return None
    parts = Resident(wanted[b"RssAnon"], wanted[b"RssFile"], wanted[b"RssShmem"], wanted[b"VmHWM"])
    return parts if parts.rss_bytes else None


def load_psutil() -> None:
    """Import psutil now, so that the first call of `shares` takes no longer than the others."""
    import psutil  # noqa: F401


def shares(pid: int) -> tuple[int, int] | None:
    """Proportional and unique memory in bytes; None if the process is gone or not ours to look into."""
    import psutil

    try:
        info = psutil.Process(pid).memory_full_info()
    except (psutil.Error, OSError):
        return None
    return (info.pss, info.uss) if info.rss else None


def _count_fds(pid: int) -> int:
    """Open files; Linux 6.2 and later tell it without listing them."""
    folder = f"/proc/{pid}/fd"
    return os.stat(folder).st_size or len(os.listdir(folder))
