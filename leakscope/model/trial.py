"""
What repetitions of the same work leave behind.

It knows one place and what is gained there each time, and what is told of a test; it refuses to know how that was
found out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from leakscope.model.allocations import Frame
from leakscope.model.finding import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

TESTS_SCHEMA = "leakscope.tests/1"
"""Of the document in which the pytest plugin tells the gate what it found."""


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
        """The same in types that JSON knows, without addresses."""
        return {
            "verdict": self.verdict.value, "sentence": self.sentence, "function": self.function, "file": self.file,
            "line": self.line, "bytes_each": self.bytes_each, "blocks_each": self.blocks_each,
            "repetitions": self.repetitions, "thread": self.thread, "holders": list(self.holders),
            "stack": [[frame.function, frame.file, frame.line, frame.kind] for frame in self.stack],
        }  # fmt: skip

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Leak:
        """What `as_dict` told."""
        fields = {
            **told,
            "verdict": Verdict(told["verdict"]),
            "holders": tuple(told["holders"]),
            "stack": tuple(Frame(*frame) for frame in told["stack"]),
        }
        return cls(**fields)


@dataclass(frozen=True, slots=True)
class JudgedTest:
    """
    What is told of one test.

    Attributes
    ----------
    test : str
        Its name, as ``tests/test_cache.py::test_remember``.
    state : str
        ``leaks``, ``clean``, ``unjudged``, or ``skipped`` by its marker.
    reason : str
        Why it was not judged.
    leaks, excused : tuple of Leak
        What it must not leave behind, and what it may.
    """

    test: str
    state: str
    reason: str = ""
    leaks: tuple[Leak, ...] = ()
    excused: tuple[Leak, ...] = ()
