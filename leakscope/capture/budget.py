"""
A share of one processor, or of time, that leakscope may spend on watching.

It knows seconds spent and seconds allowed; it refuses to know on what they are spent.  One budget is shared by all
threads that draw on it, so following a hundred children costs no more than watching one program.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SHARE = 0.01
GRACE_S = 0.1


class Budget:
    """
    Seconds that may be spent since it was opened: ``grace_s + share * elapsed``.

    Parameters
    ----------
    share : float
        Long-run average, as a fraction of the time.
    grace_s : float
        Seconds that may be spent at once, so that a short run is seen finely.
    clock : callable
        Seconds, ever growing.
    """

    def __init__(
        self, share: float = SHARE, grace_s: float = GRACE_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._share = share
        self._grace_s = grace_s
        self._clock = clock
        self._opened_s = clock()
        self._spent_s = 0.0
        self._lock = threading.Lock()

    @property
    def spent_s(self) -> float:
        """What was spent so far."""
        return self._spent_s

    def spend(self, seconds: float) -> None:
        """Book what something cost."""
        with self._lock:
            self._spent_s += seconds

    def wait_s(self, after_s: float = 0.0) -> float:
        """Seconds until something may be spent again, had ``after_s`` been spent just now; 0 if that is now."""
        solvent_s = self._opened_s + (self._spent_s + after_s - self._grace_s) / self._share
        return max(0.0, solvent_s - self._clock())
