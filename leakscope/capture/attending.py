"""
Somebody who is with a program while it runs: asks for dumps, waits for them, and stops it.

It knows one watched process and its children; it refuses to know what for.
"""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from leakscope.capture.signals import send

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from leakscope.capture.watch import Watch

REASON = "signal"
"""Of the dumps: as if somebody had sent the signal that asks for one; a sleeping program is woken for it."""
POLL_S = 0.02
DUMP_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0


class Attendance:
    """
    A watched process, for another thread.

    Parameters
    ----------
    watch : Watch
    children : callable, optional
        The watched children that live now.
    """

    def __init__(self, watch: Watch, children: Callable[[], Collection[Watch]] = tuple) -> None:
        self._watch = watch
        self._children = children

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._watch.pid

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self._watch.over

    def wait(self, seconds: float) -> bool:
        """Let time pass; False if the process ended meanwhile."""
        until = time.monotonic() + seconds
        while not self.over and time.monotonic() < until:
            time.sleep(min(POLL_S, max(until - time.monotonic(), 0.0)))
        return not self.over

    def dump(self) -> Path | None:
        """
        A dump of this moment, when it is written; None if the process ended, or there was none in time.

        The children that live are dumped at the same time: those of a server do its work.
        """
        asked = [_Asked(each) for each in (self._watch, *self._children())]
        until = time.monotonic() + DUMP_TIMEOUT_S
        while not all(each.done for each in asked) and time.monotonic() < until:
            if not self.wait(POLL_S):
                return None
        return asked[0].taken

    def stop(self) -> None:
        """End the process: it is asked to, and killed if it does not listen."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if not self.over:
                send(self.pid, number)
            if not self.wait(STOP_TIMEOUT_S):
                return


class _Asked:
    """A dump that was asked for."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._before = len(watch.folder.dumps_for(REASON))
        watch.want(REASON)

    @property
    def taken(self) -> Path | None:
        dumps = self._watch.folder.dumps_for(REASON)
        return dumps[-1] if len(dumps) > self._before else None

    @property
    def done(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self._watch.over or self.taken is not None
