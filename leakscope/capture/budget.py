"""
A share of one processor that leakscope may spend on watching.

It knows seconds spent and seconds allowed; it refuses to know on what they are spent.  One budget is shared by all
threads that draw on it, so following a hundred children costs no more than watching one program.
"""

from __future__ import annotations

import threading

SHARE = 0.01
GRACE_S = 0.1


class Budget:
    """
    Seconds that may be spent by a time: ``grace_s + share * elapsed``.

    Parameters
    ----------
    share : float
        Long-run average, as a fraction of one processor.
    grace_s : float
        Seconds that may be spent at once, so that a short run is seen finely.
    """

    def __init__(self, share: float = SHARE, grace_s: float = GRACE_S) -> None:
        self._share = share
        self._grace_s = grace_s
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

    def solvent_at(self, expected_s: float = 0.0) -> float:
        """
        The elapsed time from which on something of this cost is affordable.

        Parameters
        ----------
        expected_s : float
            What the next thing is expected to cost.
        """
        return max(0.0, (self._spent_s + expected_s - self._grace_s) / self._share)
