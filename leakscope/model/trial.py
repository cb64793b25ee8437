"""
What repetitions of the same work leave behind.

It knows one place and what is gained there each time; it refuses to know how that was found out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leakscope.model.allocations import Frame
    from leakscope.model.finding import Verdict


@dataclass(frozen=True, slots=True)
class Leak:
    """
    Memory of one place that stays after each repetition.

    Attributes
    ----------
    verdict : Verdict
        ``LEAK``: it rises with every repetition and does not slow down.  ``GROWTH``: it rose, but whether it goes on is
        not proved.  ``BOUNDED``: a cache with a bound fills.
    sentence : str
        The judgement in plain English.
    function, file, line
        The innermost frame of the program's own code; the file relative to where the program was started.
    bytes_each, blocks_each : float
        Gain with each repetition.
    repetitions : int
        How many were compared; 1 where a single pass through a block was judged.
    stack : tuple of Frame
        Of what grows most there, innermost first.
    thread : str
        Who allocated it; "" if nobody knows.
    holders : tuple of str
        Who holds it, a path for each; empty unless asked for.
    addresses : tuple of int
        Some of the blocks that stayed.
    """

    verdict: Verdict
    sentence: str
    function: str
    file: str
    line: int
    bytes_each: float
    blocks_each: float
    repetitions: int
    stack: tuple[Frame, ...]
    thread: str = ""
    holders: tuple[str, ...] = ()
    addresses: tuple[int, ...] = ()

    def as_dict(self) -> Mapping[str, Any]:
        """The same in types that JSON knows; the stack as text."""
        return {
            "verdict": self.verdict.value, "sentence": self.sentence, "function": self.function, "file": self.file,
            "line": self.line, "bytes_each": self.bytes_each, "blocks_each": self.blocks_each,
            "repetitions": self.repetitions, "thread": self.thread, "holders": list(self.holders),
            "stack": [f"{frame.function or '?'} {frame.file}:{frame.line}" for frame in self.stack],
        }  # fmt: skip
