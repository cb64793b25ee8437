"""
LS403 view: small views keep large buffers alive.

Says
    So many views of a few bytes each are all that holds as many large buffers, and both become more.

Because
    A view keeps the whole buffer: ``memoryview(packet)[:16]`` the packet, a slice of a NumPy array the array it was cut
    out of.  Nothing looks at the rest any more, and it cannot be freed.

Needs
    Two dumps of one run with the object graph: three that rise at an even pace, or births that go on until the work
    was done.  Ten buffers and 1 MiB.

Not when
    Anybody else holds the buffer: another reference, a variable, a larger view.  What its views see is an eighth of it
    or more.  The buffers are below 4 KiB.  Imports took the views.  What did not become more is shown, not accused.

Example
    ``fixtures/programs/view/headers.py`` beside its quiet twin.

Source
    PEP 3118; NumPy's notes on copies and views.  The line: the recorder at the types' buffer functions.
"""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from leakscope.analysis.holder_words import paths_to
from leakscope.model.finding import Evidence, Finding, Growth, Verdict
from leakscope.rules.made import Made
from leakscope.rules.rule import Rule
from leakscope.units import format_bytes, format_count

if TYPE_CHECKING:
    from leakscope.analysis.facts import Facts
    from leakscope.analysis.pinning import Pinning

CODE, NAME = "LS403", "view"
_LEAST_BUFFERS, _LEAST_BYTES = 10, 1 << 20
_BOUND_MAY_COME = 0.85
_PATHS = 2
_COPIES = {"memoryview": "bytes(view)", "numpy.ndarray": "view.copy()"}


def check(facts: Facts) -> tuple[Finding, ...]:
    """
    A finding for each place whose small views keep more and more large buffers.

    Parameters
    ----------
    facts : Facts
    """
    cases = (_Case(facts, group) for group in facts.unaccounted.pinning if _counts(group))
    return tuple(case.finding() for case in cases if not case.made.by_imports)


VIEW = Rule(code=CODE, name=NAME, check=check)


def _counts(group: Pinning) -> bool:
    return group.pace.kind == "even" and group.gained >= _LEAST_BUFFERS and group.gained_bytes >= _LEAST_BYTES


class _Case:
    """Views of one type on buffers of one type, taken in one place, and the words for it."""

    def __init__(self, facts: Facts, group: Pinning) -> None:
        self.facts, self.group, self.last = facts, group, facts.walked[-1]
        rows = self.last.rows_of(group.views, 1)
        self.made = Made(facts, self.last.dump, rows, stack=group.stack)

    def finding(self) -> Finding:
        group, made, facts = self.group, self.made, self.facts
        between = (facts.dumps.index(facts.walked[0].dump), facts.dumps.index(self.last.dump))
        return Finding(
            code=CODE, rule=NAME, verdict=Verdict.GROWTH, confidence=_BOUND_MAY_COME * group.pace.confidence,
            fingerprint=made.fingerprint(CODE, group.view_type), sentence=self._sentence(),
            subject=made.subject("buffers", group.view_type), bytes=group.bytes[-1], count=group.counts[-1],
            growth=Growth(group.gained_bytes, group.gained, between), stack=made.frames,
            holders=paths_to(self.last, group.views, facts.roots, _PATHS), threads=made.shares(),
            evidence=tuple(self._evidence()), advice=self._advice(),
        )  # fmt: skip

    def _sentence(self) -> str:
        group, count = self.group, self.group.counts[-1]
        each, whole = format_bytes(group.seen / group.view_count), format_bytes(group.bytes[-1] / count)
        views, kept = format_count(group.view_count), format_count(count)
        held = f"keep {kept} {_plural(group.buffer_type)} of {whole} alive ({format_bytes(group.bytes[-1])})"
        text = f"{views} {_plural(group.view_type)} of {each} each {held}, made by {self.made.name}"
        return f"{text}; copy the bytes instead: {self._copy()}."

    def _copy(self) -> str:
        return _COPIES.get(self.group.view_type, "a copy of what the view sees")

    def _evidence(self) -> list[Evidence]:
        group = self.group
        found = [
            Evidence("for", "buffers gained that only small views hold", float(group.gained), "objects"),
            Evidence("for", "part of them that the views see", group.seen / group.bytes[-1], "share"),
        ]
        if group.pace.witness == "dumps":
            found.append(Evidence("for", "dumps that rise at an even pace", float(group.pace.dumps), "dumps"))
        return found

    def _advice(self) -> tuple[str, ...]:
        asked = f"{quote(self.last.dump.source)} 0x{int(self.last.heap.address[int(self.group.buffers[0])]):x}"
        return (f"copy what is needed and let the buffer go: {self._copy()}; all holders: leakscope path {asked}",)


def _plural(type_name: str) -> str:
    return f"{type_name}s" if "." not in type_name else f"{type_name} objects"
