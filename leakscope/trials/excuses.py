"""
Why a place that grows steadily may be no leak.

It knows caches with a bound, and what the interpreter itself keeps for ever; it refuses to know trends.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from leakscope.trials import caches
from leakscope.trials.call_caches import are_call_caches
from leakscope.trials.trend import gain_each

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakscope.trials.meter import Grown, OwnBlock, Stacks


class Excuses:
    """What was cached when the work began.  Objects that are frozen then are not seen."""

    def __init__(self) -> None:
        wrappers = caches.lru_caches()
        self._standard = caches.StandardCaches(wrappers)
        self._bounded = caches.BoundedCaches(wrappers)
        self._names = _interned()
        self._filled: list[Any] = []
        self._names_each = 0.0

    def empty(self) -> None:
        """The standard library's caches are nobody's leak: before each count they are emptied."""
        self._standard.empty()

    def look(self, repetitions: int) -> None:
        """
        At what there is now, after so many repetitions.  Objects that are frozen are not seen.

        Parameters
        ----------
        repetitions : int
        """
        self._filled = self._bounded.filled()
        self._names_each = (_interned() - self._names) / max(repetitions, 1)

    def excuse(self, one: Grown, blocks: Sequence[OwnBlock], stacks: Stacks) -> str:
        """
        Why a place is no leak although it grows; "" if nothing speaks for it.

        Parameters
        ----------
        one : Grown
        blocks : sequence of OwnBlock
            Those that stayed.
        stacks : Stacks
            Of which they are.
        """
        spans = [(block.address, block.size) for block in blocks]
        if any(caches.holds(wrapper, spans) for wrapper in self._filled):
            return "it lies in an lru_cache, which has a bound"
        if 0 < gain_each(one.blocks) <= self._names_each:
            return "new names are interned, and this Python never lets one go"
        if are_call_caches(blocks, stacks):
            return "this Python makes a cache for a function at its 1024th call"
        return ""


def _interned() -> int:
    """Interned strings where none of them ever goes; else 0."""
    count = getattr(sys, "getunicodeinternedsize", None)
    return int(count()) if count is not None and sys.version_info[:2] == (3, 12) else 0
