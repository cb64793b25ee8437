"""
Watching the Python children of a program: they report, and each gets a watch and a folder of its own.

It knows how children report and how to notice that one is gone; it refuses to know how they were made: fork,
multiprocessing and subprocess look alike from here.  A child that outlives the program is let go when the program ends.
"""

from __future__ import annotations

import array
import contextlib
import os
import selectors
import shutil
import socket
import struct
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from leakscope import native
from leakscope.capture.death import death_of
from leakscope.capture.dumps import DumpFolder
from leakscope.capture.meta import RunFacts
from leakscope.capture.watch import ALL_REQUESTS, Watch
from leakscope.errors import CaptureError
from leakscope.model.recording import End

if TYPE_CHECKING:
    from collections.abc import Callable

    from leakscope.capture.budget import Budget
    from leakscope.capture.death import OomWitness
    from leakscope.model.config import CaptureConfig

MOST_CHILDREN = 1000
"""A program that forks for every request must not fill the disk; further children are counted only."""
TURNED_WITHIN_S = 1.0
"""A child that became another program this soon only prepared to do so: nobody asks for its dump."""
MESSAGE_WITHIN_S = 1.0
_BACKLOG = 512
_PEER = struct.Struct("3i")


class Follower:
    """
    The place where children report, and all that have reported.

    Parameters
    ----------
    config, facts, budget
        As for a `Watch`; the children share them.
    witness : OomWitness
    """

    def __init__(self, config: CaptureConfig, facts: RunFacts, budget: Budget, witness: OomWitness) -> None:
        self.problems: list[Exception] = []
        self.refused = 0
        self._config = config
        self._facts = facts
        self._budget = budget
        self._witness = witness
        self._folder = Path()
        self._living: dict[int, Watch] = {}
        self._since_s: dict[int, float] = {}
        self._ended: list[Watch] = []
        # A folder of our own: a socket in the run's folder could have a name too long for the system.
        self._directory = Path(tempfile.mkdtemp(prefix="leakscope-"))
        self.address = str(self._directory / "follow")
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = os.pipe()
        self._thread = threading.Thread(target=self._serve, name="leakscope-follow", daemon=True)
        self._open()

    def start(self, folder: Path) -> None:
        """
        Begin to listen.

        Parameters
        ----------
        folder : Path
            The run's folder; each child's is below it.
        """
        self._folder = folder
        self._thread.start()

    def living(self) -> tuple[Watch, ...]:
        """The children that have reported and are not known to be gone."""
        return tuple(self._living.values())

    def finish(self) -> tuple[Watch, ...]:
        """All children, in the order they ended; those that live on are let go after a last dump."""
        self._stop()
        try:
            self._hear_the_last()
        except Exception as error:  # noqa: BLE001 - told at the end
            self.problems.append(error)
        for pid in list(self._living):
            self._let_go(pid, None)
        if self.refused:
            self.problems.append(
                CaptureError(f"{self.refused:,} more child processes were not recorded: at most {MOST_CHILDREN:,} are")
            )
        return tuple(self._ended)

    def close(self) -> None:
        """Take the place away; may be called twice."""
        self._stop()
        for open_file in (self._listener, self._selector):
            open_file.close()
        for fd in (self._wake_read, self._wake_write):
            with contextlib.suppress(OSError):
                os.close(fd)
        self._wake_read = self._wake_write = -1
        shutil.rmtree(self._directory, ignore_errors=True)

    def _open(self) -> None:
        try:
            self._listener.bind(self.address)
            self._listener.listen(_BACKLOG)
            self._listener.setblocking(False)
            self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
            self._selector.register(self._wake_read, selectors.EVENT_READ, None)
        except OSError as error:
            self.close()
            raise CaptureError(f"cannot listen for child processes: {error}", "set TMPDIR to a local folder") from error

    def _stop(self) -> None:
        if self._thread.is_alive():
            os.write(self._wake_write, b"x")
            self._thread.join()

    def _serve(self) -> None:
        while True:
            for key, _ in self._selector.select():
                act: Callable[[], None] | None = key.data
                if act is None:
                    return
                try:
                    act()
                except Exception as error:  # noqa: BLE001 - told at the end; other children go on
                    self.problems.append(error)

    def _accept(self) -> None:
        """Hear a child's one message: its ledger.  Who it is the kernel knows better than a child in a namespace."""
        connection, _ = self._listener.accept()
        with connection:
            connection.settimeout(MESSAGE_WITHIN_S)
            _, ancillary, _, _ = connection.recvmsg(16, socket.CMSG_SPACE(4))
            pid, _, _ = _PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
        fds = array.array("i")
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
        for fd in fds[1:]:
            os.close(fd)
        if fds:
            self._adopt(pid, fds[0])

    def _hear_the_last(self) -> None:
        """Children that have reported, but were not heard before the program ended."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self._accept()

    def _adopt(self, pid: int, fd: int) -> None:
        if pid in self._living:
            self._turned(pid)
        # A process without a number here, in a foreign namespace, cannot be looked at.
        if len(self._living) + len(self._ended) >= MOST_CHILDREN or pid <= 0:
            self.refused += 1
            _watch_nobody(fd)
            return
        ledger = native.adopt_ledger(fd)
        folder = DumpFolder(self._unused(f"child-{pid}"), self._config.keep_dumps)
        facts = RunFacts(_argv_of(pid) or self._facts.argv, self._facts.cwd)
        watch = Watch(ledger, pid, folder, facts, self._config, self._budget)
        self._living[pid] = watch
        self._since_s[pid] = time.monotonic()
        watch.start()
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            self._let_go(pid, _end_of(pid))
            return
        except OSError:
            # Linux before 5.3: its last dump is taken when the program ends.
            return
        self._selector.register(pidfd, selectors.EVENT_READ, lambda: self._gone(pid, watch, pidfd))

    def _gone(self, pid: int, watch: Watch, pidfd: int) -> None:
        self._selector.unregister(pidfd)
        os.close(pidfd)
        if self._living.get(pid) is watch:
            self._let_go(pid, _end_of(pid))

    def _turned(self, pid: int) -> None:
        """The process has become another program; what it was before ends here."""
        watch = self._living[pid]
        # The ledger's own time began with the parent's: a forked child goes on in a copy.
        if time.monotonic() - self._since_s[pid] >= TURNED_WITHIN_S:
            self._let_go(pid, None)
        else:
            del self._living[pid]
            watch.abandon()
            shutil.rmtree(watch.folder.path, ignore_errors=True)

    def _let_go(self, pid: int, end: End | None) -> None:
        watch = self._living.pop(pid)
        self._ended.append(watch)
        # Children of fork always leave through os._exit: that is no news.
        death = death_of(end, finished=True, oom=self._witness.verdict()) if end is not None else None
        watch.finish(death)
        self.problems.extend(watch.problems)

    def _unused(self, name: str) -> Path:
        taken = {watch.folder.path.name for watch in self._ended}
        number, candidate = 1, name
        while candidate in taken:
            number += 1
            candidate = f"{name}.{number}"
        return self._folder / candidate


def _watch_nobody(fd: int) -> None:
    """Let a child go that will not be watched: at its exit it must not wait for a dump."""
    ledger = native.adopt_ledger(fd)
    ledger.answer_request(ALL_REQUESTS, "")
    ledger.close()


def _argv_of(pid: int) -> tuple[str, ...]:
    """What a process was started with, without the interpreter; empty if it is gone."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[1:-1]
    except OSError:
        return ()
    return tuple(os.fsdecode(word) for word in words)


def _end_of(pid: int) -> End | None:
    """How a process ended that is somebody else's child; None if that one has asked already."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return End.from_status(int(fields[49])) if fields[0] == b"Z" else None
    except (OSError, IndexError, ValueError):
        return None
