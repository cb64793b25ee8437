"""
LS607 ownerless: memory of native code that became more, without an object that could own it.

Says
    So many blocks that native code asked for while a line of the program ran belong to no object, are still there, and
    nothing in the memory of the program leads to them; or became more as long as the program worked.

Because
    Extension modules keep what they allocate in objects of their own types: what an object owns goes with it.  Memory
    to which nothing leads can never be given back, be it single blocks or trees whose nodes point to each other.  Where
    nobody looked: memory that grows while no object of any compiled type becomes more has lost its owner, or never had
    one.

Needs
    A dump at the program's end with the object graph, in which its memory was searched for pointers.  Else two dumps of
    one run: three that rise at an even pace, or births that go on until the work was done.  In a sampled recording the
    gain must be three times its standard error.

Not when
    Something leads to nearly all of it, an owner perhaps, which is a doubt at most.  Nobody looked, and objects of
    compiled types became more that could own it, one for fifty blocks: then LS501 tells of the growth.  Imports made
    it, it was gained once, or ever more slowly: a table, a pool, a cache of the library.  None of it is old, and a
    quarter of all made there is gone: the latest of many.  It is less than 64 KiB or fifty blocks, or if it is lost a
    quarter of that.  No Python code was running.

Example
    ``fixtures/programs/ownerless/native_handles.py`` beside its quiet twin.

Source
    Leak sanitizers ask who points to a block.
"""

from __future__ import annotations

from math import sqrt
from shlex import quote
from typing import TYPE_CHECKING

from leakscope.analysis.lost import are_lost, lost_share
from leakscope.analysis.sampling import row_variances
from leakscope.analysis.turnover import turns_over
from leakscope.analysis.unreached import OBJECT_DOMAIN
from leakscope.model.finding import Evidence, Finding, Growth, Verdict
from leakscope.rules.made import Made
from leakscope.rules.rule import Rule
from leakscope.units import format_bytes, format_count, format_estimate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leakscope.analysis.facts import Facts
    from leakscope.analysis.gained import GainedBlocks

CODE, NAME = "LS607", "ownerless"
_SURE = 3.0
_LEAST_BLOCKS, _LEAST_BYTES = 50, 64 << 10
_LESS_IF_LOST = 4
_LOST_AND_EVEN, _LOST = 0.97, 0.9
_OWNED_BY_OTHERS = 0.9
"""Part of the confidence of the pace that is left: owners may hide in static variables of C code."""
NOBODY = "no object of the program"


def check(facts: Facts) -> tuple[Finding, ...]:
    """
    A finding for each place whose native memory keeps growing without an owner.

    Parameters
    ----------
    facts : Facts
    """
    cases = (_case(facts, gained) for gained in facts.unaccounted.blocks if gained.domain != OBJECT_DOMAIN)
    return tuple(case.finding() for case in cases if case is not None)


OWNERLESS = Rule(code=CODE, name=NAME, check=check)


def _case(facts: Facts, gained: GainedBlocks) -> _Case | None:
    """The case against one place; None if there is an innocent explanation."""
    last = facts.unaccounted.walked[-1].dump
    found = are_lost(last.allocations, gained.rows)
    lost, enough = found == "lost", 1 / _LESS_IF_LOST if found == "lost" else 1
    if gained.pace.kind != "even" and not (lost and gained.pace.kind == "unknown"):
        return None
    if gained.gained_blocks < _LEAST_BLOCKS * enough or gained.gained_bytes < _LEAST_BYTES * enough:
        return None
    error = sqrt(float(row_variances(last.allocations)[gained.rows].sum()))
    if gained.gained_bytes < _SURE * error:
        return None
    made = Made(facts, last, gained.rows)
    if made.place is None or made.place == made.native or made.by_imports:
        return None
    if not lost and _may_be_owned(facts, gained):
        return None
    return _Case(facts, gained, made, error, found)


def _may_be_owned(facts: Facts, gained: GainedBlocks) -> bool:
    """Whether enough objects became more that could own them, or they are a bounded number of the latest."""
    if facts.unaccounted.possible_owners(gained.gained_blocks) is not None:
        return True
    first, last = facts.unaccounted.walked[0], facts.unaccounted.walked[-1]
    since = max(facts.work.all_imported_s, first.taken_s if first is not last else 0.0)
    latest = turns_over(last.dump, gained.rows, facts.last, facts.work, (since, last.taken_s))
    return gained.pace.witness == "births" and latest


class _Case:
    """One place, and the words for it."""

    def __init__(self, facts: Facts, gained: GainedBlocks, made: Made, error: float, found: str) -> None:
        self.facts, self.gained, self.made, self.error = facts, gained, made, error
        self.lost, self.owned = found == "lost", found == "owned"
        self.walked = facts.unaccounted.walked

    def finding(self) -> Finding:
        gained, made = self.gained, self.made
        between = (self.facts.dumps.index(self.walked[0].dump), self.facts.dumps.index(self.walked[-1].dump))
        return Finding(
            code=CODE, rule=NAME, verdict=Verdict.UNKNOWN if self.owned else Verdict.LEAK,
            confidence=self._confidence(),
            fingerprint=made.fingerprint(CODE, gained.domain), sentence=self._sentence(),
            subject=made.subject("blocks", None), bytes=round(gained.bytes[-1]), count=round(gained.blocks[-1]),
            growth=Growth(round(gained.gained_bytes), round(gained.gained_blocks), between),
            stack=made.frames, evidence=tuple(self._evidence()), advice=(self._advice(),),
            holders=((NOBODY,),), threads=made.shares(),
        )  # fmt: skip

    def _confidence(self) -> float:
        if self.lost:
            return _LOST_AND_EVEN if self.gained.pace.kind == "even" else _LOST
        return 0.0 if self.owned else _OWNED_BY_OTHERS * self.gained.pace.confidence

    def _sentence(self) -> str:
        gained, made = self.gained, self.made
        more, size = format_count(gained.gained_blocks), format_bytes(gained.gained_bytes)
        about = "about " if self.error else ""
        more = format_estimate(gained.gained_blocks) if self.error else more
        what = f"{about}{more} blocks ({size}) that native code{self._library()} asked for in {made.name}"
        if self.owned:
            return (
                f"{what} may leak: no object became more that could own them, but something leads to them, perhaps an "
                f"owner{made.by_whom}; {made.enough} would tell whether there is a bound."
            )
        why = "nothing in the program's memory leads to them any more"
        if not self.lost:
            why = "they are still there, and no object became more that could own them"
        return f"{what} leak: {why}{made.by_whom}."

    def _library(self) -> str:
        native = self.made.native
        if native is None:
            return ""
        library = native.file.rpartition("/")[2]
        return f" (`{native.function}` of {library})" if native.function else f" ({library})"

    def _evidence(self) -> Iterator[Evidence]:
        gained = self.gained
        share = lost_share(self.walked[-1].dump.allocations, gained.rows)
        if share == share:
            yield Evidence("for" if self.lost else "against", "part of them that nothing leads to", share, "share")
        yield Evidence("for", "gained without an object that could own it", gained.gained_bytes, "bytes", self.error)
        yield Evidence("for", "blocks gained", gained.gained_blocks, "blocks")
        if gained.pace.witness == "dumps":
            yield Evidence("for", "dumps that rise at an even pace", float(gained.pace.dumps), "dumps")
        elif gained.pace.witness == "births":
            yield Evidence("for", "made until the work was done, blocks", float(len(gained.rows)), "blocks")
        if gained.blocks[0] >= 1:
            yield Evidence("against", "there in the first dump already", gained.blocks[0], "blocks")

    def _advice(self) -> str:
        source = quote(self.walked[-1].dump.source)
        return f"see what {self.made.where} calls and whether it must be closed; leakscope show {source} --by library"
