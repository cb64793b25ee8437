"""
LS602 unreached: strings, bytes and numbers that nobody refers to, and that became more.

Says
    So many blocks of the object allocator, made in a line, belong to no object that can be reached, and these became
    more from dump to dump.

Because
    The walk meets every object that the collector knows and everything these refer to.  A string that it does not meet
    has no Python holder; if it stays, native code took a reference and forgot it.

Needs
    Two dumps of one run with the object graph, and live blocks.  As in LS601, three dumps or spread births make it a
    leak; or that nothing in the program's memory leads to them, for which it is searched at its end.  In a sampled
    recording the gain must be three times its standard error.

Not when
    It did not grow: the interpreter keeps blocks of its own.  It is memory of C code, not of objects: who owns that
    nobody can see; growth of it is told by LS501.  Imports made it, it was gained once, or compiled types that do not
    tell what they hold grew as fast and something points to the blocks.
    Up to 255 of them may be dead objects that the interpreter keeps for reuse: a doubt at most, and none if something
    points to them or they are less than 16 KiB.

Example
    ``fixtures/programs/unreached/`` beside its quiet twin.

Source
    Leak sanitizers call blocks without pointers to them leaked; here the object graph says who points.
"""

from __future__ import annotations

from math import sqrt
from shlex import quote
from typing import TYPE_CHECKING

from leakscope.analysis.gained import LEAST_GAIN
from leakscope.analysis.lost import are_lost, lost_share
from leakscope.analysis.sampling import row_variances
from leakscope.analysis.unreached import OBJECT_DOMAIN
from leakscope.model.finding import Evidence, Finding, Growth, Verdict
from leakscope.rules.made import Made
from leakscope.rules.rule import Rule
from leakscope.units import format_bytes, format_count, format_estimate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leakscope.analysis.facts import Facts
    from leakscope.analysis.gained import GainedBlocks

CODE, NAME = "LS602", "unreached"
_SURE = 3.0
_LEAST_DOUBT = 20
_MOST_FREE_LISTED = 255
"""Dead objects that the interpreter and its modules keep of one type for reuse: blocks that no object refers to."""
_LEAST_DOUBT_BYTES = 16 << 10
"""Fewer bytes in dead objects like these are no news: every program that uses asyncio keeps some."""
_MOST_DOUBTS = 2
_MORE = 1.1
_LOST = 0.9
NOBODY = "nothing in the program"


def check(facts: Facts) -> tuple[Finding, ...]:
    """
    A finding for each place whose objects are lost, and for the first that may be.

    Parameters
    ----------
    facts : Facts
    """
    cases = [
        case
        for gained in facts.unaccounted.blocks
        if gained.domain == OBJECT_DOMAIN and (case := _case(facts, gained)) is not None
    ]
    sure = [case.finding() for case in cases if case.sure]
    doubts = [case.finding() for case in cases if not case.sure and case.gained.gained_blocks >= _LEAST_DOUBT]
    return (*sure, *doubts[: 0 if sure else _MOST_DOUBTS])


UNREACHED = Rule(code=CODE, name=NAME, check=check)


def _case(facts: Facts, gained: GainedBlocks) -> _Case | None:
    """The case against one place; None if there is an innocent explanation."""
    if gained.pace.kind == "uneven" or gained.gained_blocks < LEAST_GAIN or len(gained.rows) == 0:
        return None
    last = facts.unaccounted.walked[-1].dump
    error = sqrt(float(row_variances(last.allocations)[gained.rows].sum()))
    if gained.gained_bytes < _SURE * error:
        return None
    made = Made(facts, last, gained.rows)
    fate = are_lost(last.allocations, gained.rows)
    lost = fate == "lost"
    few = gained.gained_blocks <= _MOST_FREE_LISTED
    if few and (fate == "owned" or (not lost and gained.gained_bytes < _LEAST_DOUBT_BYTES)):
        return None
    if made.by_imports or (not lost and facts.unaccounted.possible_holders(gained.gained_blocks) is not None):
        return None
    return _Case(facts, gained, made, error, lost)


class _Case:
    """One place, and the words for it."""

    def __init__(self, facts: Facts, gained: GainedBlocks, made: Made, error: float, lost: bool) -> None:
        self.facts, self.gained, self.made, self.error, self.lost = facts, gained, made, error, lost
        self.walked = facts.unaccounted.walked
        self.even = gained.pace.kind == "even"
        self.sure = lost if gained.gained_blocks <= _MOST_FREE_LISTED else lost or self.even

    def finding(self) -> Finding:
        gained, made = self.gained, self.made
        between = (self.facts.dumps.index(self.walked[0].dump), self.facts.dumps.index(self.walked[-1].dump))
        return Finding(
            code=CODE, rule=NAME,
            verdict=Verdict.LEAK if self.sure else Verdict.UNKNOWN,
            confidence=max(gained.pace.confidence, _LOST) if self.lost else gained.pace.confidence,
            fingerprint=made.fingerprint(CODE, ""),
            sentence=self._sentence(),
            subject=made.subject("blocks", None),
            bytes=round(gained.bytes[-1]), count=round(gained.blocks[-1]),
            growth=Growth(round(gained.gained_bytes), round(gained.gained_blocks), between),
            stack=made.frames, evidence=tuple(self._evidence()), advice=(self._advice(),),
            holders=((NOBODY,),), threads=made.shares(),
        )  # fmt: skip

    def _sentence(self) -> str:
        gained, made = self.gained, self.made
        more, size = format_count(gained.gained_blocks), format_bytes(gained.gained_bytes)
        about = "about " if self.error else ""
        more = format_estimate(gained.gained_blocks) if self.error else more
        what = f"{about}{more} strings, bytes, numbers or the like ({size}) made by {made.name}"
        nobody = "leads to them any more" if self.lost else "refers to them"
        verb = "leak" if self.sure else "may leak"
        text = f"{what} {verb}: nothing in the program {nobody}, and they are still there{made.by_whom}"
        if self.sure:
            return f"{text}."
        if self.even:
            times = max((_MOST_FREE_LISTED + 1) / gained.gained_blocks, _MORE)
            reuse = f"up to {_MOST_FREE_LISTED} may be dead ones kept for reuse"
            return f"{text}; {reuse}: a run with {times:.1f} times the work would tell."
        return f"{text}; {made.enough} would tell."

    def _evidence(self) -> Iterator[Evidence]:
        gained = self.gained
        share = lost_share(self.walked[-1].dump.allocations, gained.rows)
        if share == share:
            yield Evidence("for" if self.lost else "against", "part of them that nothing leads to", share, "share")
        yield Evidence("for", "gained without an object that owns it", gained.gained_bytes, "bytes", self.error)
        yield Evidence("for", "blocks gained", gained.gained_blocks, "blocks")
        if gained.pace.witness == "dumps":
            yield Evidence("for", "dumps that rise at an even pace", float(len(gained.blocks)), "dumps")
        elif self.even:
            yield Evidence("for", "made all the time between the dumps, blocks", float(len(gained.rows)), "blocks")
        if gained.blocks[0] >= 1:
            yield Evidence("against", "unreached in the first dump already", gained.blocks[0], "blocks")

    def _advice(self) -> str:
        source = self.walked[-1].dump.source
        return (
            f"see which native code {self.made.where} calls that keeps a string or number; "
            f"leakscope show {quote(source)} --by stack"
        )
