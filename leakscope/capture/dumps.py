"""
When dumps are taken and how they are named: the folder of a run, and the schedule.

It knows times, sizes and file names; it refuses to know what is in a dump.

A run's folder holds ``0001.lks``, ``0002.lks``, ... in the order they were taken.  Baselines are taken whenever the run
has become twice as long, and the latest three stay: so there is always one near an eighth, a quarter and a half of it.
Other dumps taken by time or by resident memory are bounded: beyond ``keep_dumps`` the oldest of them that is neither
the first nor the last goes.  So numbers may have gaps.  Dumps that somebody asked for, and the one at the end, always
stay.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from leakscope.errors import DumpNotWritten, UsageError

if TYPE_CHECKING:
    from leakscope.model.config import CaptureConfig

BOUNDED_REASONS = frozenset({"interval", "rss", "baseline"})
"""Why dumps are taken that nobody asked for one by one."""
MOST_BASELINES = 3
RSS_STEP = 1.25
"""Resident memory must grow by this factor for the next dump."""
REPORT_NAME = "report.json"
_DUMP_NAME = re.compile(r"\d{4,}\.lks")
_UNSAFE = re.compile(r"[^A-Za-z0-9._+]+")


class DumpFolder:
    """
    The folder of one process' dumps.

    Parameters
    ----------
    path : Path
        Made on the first dump, not before: a program that never runs leaves nothing behind.
    keep : int
        Most dumps kept of those that nobody asked for.
    """

    def __init__(self, path: Path, keep: int) -> None:
        self.path = path
        self._keep = max(keep, 2)
        self._number = 0
        self._dumps: list[tuple[Path, str]] = []

    @property
    def dumps(self) -> tuple[Path, ...]:
        """The dumps that are there, oldest first."""
        return tuple(path for path, _ in self._dumps)

    def dumps_for(self, reason: str) -> tuple[Path, ...]:
        """Those taken for one reason, oldest first."""
        return tuple(path for path, why in list(self._dumps) if why == reason)

    def next_dump(self) -> tuple[int, Path]:
        """Number and path of the next dump; makes the folder."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise DumpNotWritten(
                f"{self.path}: cannot be made: {error.strerror}", "choose another folder with -o DIR"
            ) from error
        number = self._number + 1
        return number, self.path / f"{number:04d}.lks"

    def took(self, path: Path, reason: str) -> None:
        """Enter a dump that was written under the path given before, and drop what is too many."""
        self._number += 1
        self._dumps.append((path, reason))
        baselines = [dump for dump in self._dumps if dump[1] == "baseline"]
        others = [dump for dump in self._dumps if dump[1] in BOUNDED_REASONS and dump not in baselines]
        # The first dump is what all others are compared with, the last what they lead to.
        for dump in [*baselines[:-MOST_BASELINES], *others[1 : 1 + max(0, len(others) - self._keep)]]:
            self._remove(dump)

    def _remove(self, dump: tuple[Path, str]) -> None:
        dump[0].unlink(missing_ok=True)
        self._dumps.remove(dump)


class Schedule:
    """
    The dumps that time and resident memory call for.

    Parameters
    ----------
    config : CaptureConfig
    """

    def __init__(self, config: CaptureConfig) -> None:
        self._every_s = config.dump_every_s
        self._next_s = config.dump_every_s
        self._rss = float(config.dump_on_rss_bytes) if config.dump_on_rss_bytes else None
        self._baseline_s = config.baseline_after_s

    def next_s(self) -> float | None:
        """When time calls for the next dump; None if never."""
        times = [time_s for time_s in (self._baseline_s, self._next_s) if time_s is not None]
        return min(times, default=None)

    def due(self, elapsed_s: float, rss_bytes: int | None) -> str | None:
        """
        The reason for a dump now, or None; a reason is given once.

        Parameters
        ----------
        elapsed_s : float
            Seconds since recording began.
        rss_bytes : int or None
            Resident memory, if known.
        """
        if self._baseline_s is not None and elapsed_s >= self._baseline_s:
            # A process that was stopped for an hour owes one, not ten.
            while self._baseline_s <= elapsed_s:
                self._baseline_s *= 2
            return "baseline"
        if self._rss is not None and rss_bytes is not None and rss_bytes >= self._rss:
            # One dump for a jump over several steps.
            while self._rss <= rss_bytes:
                self._rss *= RSS_STEP
            return "rss"
        if self._next_s is not None and self._every_s is not None and elapsed_s >= self._next_s:
            # A process that was stopped for an hour owes one dump, not a hundred.
            self._next_s = (elapsed_s // self._every_s + 1) * self._every_s
            return "interval"
        return None


def default_folder(program: str, pid: int) -> Path:
    """``leakscope-APP.PID``: where a run goes that was not told where; relative to the current folder."""
    name = _UNSAFE.sub("-", Path(program).name or program).strip("-.") or "python"
    return Path(f"leakscope-{name[:64]}.{pid}")


def free_folder(program: str, pid: int) -> Path:
    """The default folder, or the next of that name that is not taken: process ids come back."""
    path = first = default_folder(program, pid)
    number = 1
    while path.exists():
        number += 1
        path = first.with_name(f"{first.name}.{number}")
    return path


def check_writable(path: Path) -> None:
    """
    Nothing, or an error if a folder could not be made or filled.

    Raises
    ------
    UsageError
    """
    if path.exists() and not path.is_dir():
        raise UsageError(f"{path}: is a file, not a folder", "choose another folder with -o DIR")
    ancestor = next(parent for parent in (path, *path.absolute().parents) if parent.exists())
    if not os.access(ancestor, os.W_OK | os.X_OK):
        raise UsageError(f"{path}: no permission to write there", "choose another folder with -o DIR")


def claim_folder(path: Path, force: bool) -> None:
    """
    Make sure that a folder may be filled: it is absent or empty, or emptied of an earlier run by force.

    Parameters
    ----------
    path : Path
    force : bool
        Remove dumps, report and child folders of an earlier run; nothing else is touched.

    Raises
    ------
    UsageError
        If there is something in the way.
    """
    check_writable(path)
    if not path.is_dir() or not any(path.iterdir()):
        return
    if not force:
        raise UsageError(
            f"{path}: holds files already", "choose another folder with -o DIR, or replace the earlier run with --force"
        )
    import shutil  # slow to load, and hardly ever needed

    for entry in path.iterdir():
        if entry.is_dir() and not entry.is_symlink() and entry.name.startswith("child-"):
            shutil.rmtree(entry)
        elif entry.name == REPORT_NAME or _DUMP_NAME.fullmatch(entry.name):
            entry.unlink()
