"""
LS604 exports: buffers that are exported to nobody.

Says
    So many exports of buffers (bytearray, array, mmap, memoryview...) have no view that holds them, and these became
    more from dump to dump.

Because
    Who asks for a buffer must release it.  If native code forgets to, the buffer can neither be freed nor resized:
    ``BufferError: Existing exports of data`` is the first that people see of it.

Needs
    Two dumps of one run with the object graph; three, or spread births, make it a leak.

Not when
    The exports did not grow: whoever waits in a C call for data to come holds one.  Any compiled object that refers to
    the buffer counts as a view of it, and so may any that does not tell what it refers to.

Example
    ``fixtures/programs/exports/`` beside its quiet twin.

Source
    The counters ``ob_exports`` and ``exports`` of the exporting types.
"""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from leakscope.analysis.gained import LEAST_GAIN
from leakscope.model.finding import Evidence, Finding, Growth, Verdict
from leakscope.rules.made import Made
from leakscope.rules.rule import Rule
from leakscope.units import format_count

if TYPE_CHECKING:
    from leakscope.analysis.facts import Facts
    from leakscope.analysis.gained import GainedExports

CODE, NAME = "LS604", "exports"
_PER_THREAD = 1
"""Exports that a thread may hold while it waits in a C call."""
NOBODY = "exports without a view"


def check(facts: Facts) -> tuple[Finding, ...]:
    """
    A finding for each type and place that keeps gaining exports without views.

    Parameters
    ----------
    facts : Facts
    """
    return tuple(_finding(facts, gained) for gained in facts.unaccounted.exports if _counts(facts, gained))


EXPORTS = Rule(code=CODE, name=NAME, check=check)


def _counts(facts: Facts, gained: GainedExports) -> bool:
    by_threads = _PER_THREAD * facts.unaccounted.threads_gained
    if gained.pace.kind == "uneven" or gained.gained - by_threads < LEAST_GAIN:
        return False
    return facts.unaccounted.possible_holders(gained.gained) is None


def _finding(facts: Facts, gained: GainedExports) -> Finding:
    walked = facts.unaccounted.walked
    last = walked[-1]
    made = Made(facts, last.dump, gained.rows)
    sure, count = gained.pace.kind == "even", len(gained.objects)
    bytes_ = int(last.heap.total_size[gained.objects].sum())
    more = format_count(gained.gained)
    what = f"{format_count(count)} {gained.type} object{'' if count == 1 else 's'} made by {made.name}"
    stay = ("stays" if count == 1 else "stay") if sure else "may stay"
    text = f"{what} {stay} exported: {more} buffers were handed out since the first dump and never released"
    text += made.by_whom if sure else f"; {made.enough} would tell"
    address = f"0x{int(last.heap.address[int(gained.objects[0])]):x}"
    return Finding(
        code=CODE, rule=NAME, verdict=Verdict.LEAK if sure else Verdict.UNKNOWN, confidence=gained.pace.confidence,
        fingerprint=made.fingerprint(CODE, gained.type), sentence=f"{text}.",
        subject=made.subject("buffers", gained.type), bytes=bytes_, count=count,
        growth=Growth(0, gained.gained, (facts.dumps.index(walked[0].dump), facts.dumps.index(last.dump))),
        stack=made.frames, holders=((NOBODY, gained.type),), threads=made.shares(),
        evidence=(Evidence("for", "exports gained that no view holds", float(gained.gained), "exports"),),
        advice=(f"see which native code keeps the buffer; leakscope path {quote(last.dump.source)} {address}",),
    )  # fmt: skip
