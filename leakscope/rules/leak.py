"""
LS601 leak: objects stay alive by references that nobody accounts for.

Says
    So many objects of a type, made in a line, have references that no object, frame, thread or module holds, and these
    became more from dump to dump.

Because
    A reference that is counted but held nowhere is never given back.  It is what native code leaves behind that takes
    a reference and forgets it; no collection frees such an object, and no Python code can.

Needs
    Two dumps of one run with the object graph.  Three that rise at an even pace, or births that are spread over the
    time between two, make it a leak; or that nothing in the program's memory leads to the objects but the collector's
    list, for which it is searched at its end; else it is UNKNOWN.  In a sampled run the line is known for some of the
    objects.

Not when
    The objects were there before and stay anyway: what rises is a counter, which costs no memory; that is BOUNDED, and
    told only of objects that a recorded line made.  It did not grow: every program has unexplained references, held by
    static variables of C code.  The objects were made by imports, which happen once.  They are types, code or None,
    whose counters move in every program.  It was gained once, as by a cache of constants.  Threads that were started
    explain it.  Compiled types that do not tell what they hold grew as fast, and something leads to the objects: then
    their instances may be the holders.

Example
    ``fixtures/programs/leak/`` beside its quiet twin.

Source
    The audit of CPython's own ``sys.gettotalrefcount``, made per object and without a debug build: counters minus
    what ``tp_traverse``, frames and threads account for.  Clean programs gain 0 to 4 in a hundred iterations.
"""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from leakscope.analysis.gained import LEAST_GAIN
from leakscope.analysis.holder_words import paths_to
from leakscope.analysis.lost import lost_objects, made_all_along
from leakscope.model.finding import Evidence, Finding, Growth, Verdict
from leakscope.rules.made import Made
from leakscope.rules.rule import Rule
from leakscope.units import format_count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leakscope.analysis.facts import Facts
    from leakscope.analysis.gained import GainedReferences
    from leakscope.model.columns import I8

CODE, NAME = "LS601", "leak"
_PER_THREAD = 4
"""References that starting a thread leaves in C structures: its function, arguments and state."""
_LEAST_DOUBT = 20
_NEW_SHARE = 0.5
"""Part of the objects that must be new for the finding to speak of objects, not of counters that rise."""
_MOST_DOUBTS = 2
_ABOUT = 0.02
"""Part by which references may differ from objects for each to have one too many: some took another one's place."""
_PATHS = 2
_LOST_AND_EVEN, _LOST = 0.97, 0.9


def check(facts: Facts) -> tuple[Finding, ...]:
    """
    A finding for each type and place that keeps gaining unexplained references, and for the first that may.

    Parameters
    ----------
    facts : Facts
    """
    cases = [case for gained in facts.unaccounted.references if (case := _case(facts, gained)) is not None]
    sure = [case.finding() for case in cases if case.sure]
    doubts = [case.finding() for case in cases if not case.sure and case.gained.gained >= _LEAST_DOUBT]
    return (*sure, *doubts[: 0 if sure else _MOST_DOUBTS])


LEAK = Rule(code=CODE, name=NAME, check=check)


def _case(facts: Facts, gained: GainedReferences) -> _Case | None:
    """The case against one group; None if there is an innocent explanation."""
    by_threads = _PER_THREAD * facts.unaccounted.threads_gained
    if gained.apart or gained.gained - by_threads < LEAST_GAIN:
        return None
    lost = _lost(facts, gained)
    if len(lost) == 0 and (gained.pace.kind == "uneven" or not facts.unaccounted.comparable):
        return None
    made = Made(facts, facts.unaccounted.walked[-1].dump, lost if len(lost) else gained.rows)
    if made.by_imports or (len(lost) == 0 and facts.unaccounted.possible_holders(gained.gained) is not None):
        return None
    case = _Case(facts, gained, made, lost)
    # A counter that rises on an object that stays anyway costs nothing: worth a word if the program's own line made it.
    return case if case.new or (case.sure and made.known) else None


def _lost(facts: Facts, gained: GainedReferences) -> I8:
    """Blocks of those of the objects that nothing leads to, if the program's own lines made them all along."""
    last = facts.unaccounted.walked[-1]
    live, rows = last.dump.allocations, last.row[gained.objects]
    rows = rows[rows >= 0]
    lost = lost_objects(live, rows[~facts.places.importing[live.stack[rows]]])
    many = float(live.blocks[lost].sum()) >= LEAST_GAIN
    return lost if many and made_all_along(live, lost, facts.work, last.taken_s) else lost[:0]


class _Case:
    """One group of objects, and the words for it."""

    def __init__(self, facts: Facts, gained: GainedReferences, made: Made, lost: I8) -> None:
        self.facts, self.gained, self.made, self.lost = facts, gained, made, lost
        self.walked = facts.unaccounted.walked
        self.count = len(gained.objects)
        self.new = gained.new_objects >= _NEW_SHARE * self.count
        self.even = gained.pace.kind == "even"
        self.sure = self.even or len(lost) > 0

    def finding(self) -> Finding:
        gained, made = self.gained, self.made
        last = self.walked[-1]
        bytes_ = int(last.holders.retained_by(gained.objects)[0])
        between = (self.facts.dumps.index(self.walked[0].dump), self.facts.dumps.index(last.dump))
        return Finding(
            code=CODE, rule=NAME,
            verdict=self._verdict(), confidence=self._confidence(),
            fingerprint=made.fingerprint(CODE, gained.type),
            sentence=self._sentence(),
            subject=made.subject("references", gained.type),
            bytes=bytes_, count=self.count,
            growth=Growth(bytes_ if self.new else 0, gained.gained, between),
            stack=made.frames, evidence=tuple(self._evidence()), advice=(self._advice(),),
            holders=paths_to(last, gained.objects, self.facts.roots, _PATHS), threads=made.shares(),
        )  # fmt: skip

    def _verdict(self) -> Verdict:
        if not self.sure:
            return Verdict.UNKNOWN
        return Verdict.LEAK if self.new else Verdict.BOUNDED

    def _confidence(self) -> float:
        if len(self.lost) == 0:
            return self.gained.pace.confidence
        return _LOST_AND_EVEN if self.even else _LOST

    def _sentence(self) -> str:
        gained, made = self.gained, self.made
        count, more = format_count(self.count), format_count(gained.gained)
        what = f"{count} {gained.type} object{'' if self.count == 1 else 's'} made by {made.name}"
        if self.new:
            alike = abs(gained.gained - self.count) <= max(1, _ABOUT * self.count)
            each = "each has one reference" if alike else f"they have {more} references"
            how = f"{each} too many, which nothing in the program holds"
            verb = f"ha{'s' if self.count == 1 else 've'} leaked" if self.sure else "may have leaked"
            since = " since the first dump" if self.facts.unaccounted.comparable else ""
            text = f"{what} {verb}{since}: {how}{made.by_whom}"
        else:
            verb = "gains" if self.count == 1 else "gain"
            free = "it can" if self.count == 1 else "they can"
            text = f"{what} {verb} references that nothing in the program holds, +{more} between the dumps: "
            text += f"{free} never be freed any more, but no memory is lost by it"
        return f"{text}." if self.sure else f"{text}; {made.enough} would tell."

    def _evidence(self) -> Iterator[Evidence]:
        gained = self.gained
        yield Evidence("for", "unexplained references gained", float(gained.gained), "references")
        yield Evidence("for", "objects that have more of them", float(self.count), "objects")
        if len(self.lost):
            yield Evidence("for", "of them seen with nothing that leads to them", float(len(self.lost)), "objects")
        if gained.pace.witness == "dumps":
            yield Evidence("for", "dumps that rise at an even pace", float(len(gained.values)), "dumps")
        elif self.even:
            yield Evidence("for", "made all the time between the dumps, objects", float(gained.new_objects), "objects")
        if gained.values[0]:
            yield Evidence("against", "unexplained in the first dump already", float(gained.values[0]), "references")

    def _advice(self) -> str:
        last, example = self.walked[-1], int(self.gained.objects[0])
        address = f"0x{int(last.heap.address[example]):x}"
        return f"see which native code {self.made.where} calls; leakscope path {quote(last.dump.source)} {address}"
