"""
LS605 kept: objects of one type become more from dump to dump, and stay.

Says
    So many objects of a type, made in a line, were added between the dumps at an even pace and are still there, and
    who holds them.

Because
    Growth in bytes needs some size to stand out from what every program gains.  Objects are counted exactly, and known
    from dump to dump, so that a listener that is never unregistered shows while it is small.

Needs
    Four dumps of one run with the object graph, apart enough to count as four.

Not when
    LS501 tells of growth: then it names the holder as well.  The totals of the line are level, fall or slow down.  Less
    than three quarters of what was new in earlier dumps are left in the last.  It is little, or imports made it.
    Nothing but native code or cycles holds the objects: that is for LS601 and LS603.  They are parts of others that
    became more: only the topmost are told, once for each container; or of a cache that is not full yet.

Example
    ``fixtures/programs/kept/`` beside its quiet twin.

Source
    LeakCanary's heap growth and BLeak (PLDI 2018): nodes whose children become more in every round, the topmost only.
"""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.filling import bounded_container
from leakscope.analysis.growing import judge_group
from leakscope.analysis.holder_words import paths_to
from leakscope.analysis.stages import UNACCOUNTED
from leakscope.analysis.walked import ENOUGH_ROWS
from leakscope.model.finding import Evidence, Finding, Growth, Verdict
from leakscope.rules.made import Made
from leakscope.rules.rule import Rule
from leakscope.units import format_bytes, format_count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leakscope.analysis.facts import Facts
    from leakscope.analysis.staying import Staying

CODE, NAME = "LS605", "kept"
_DUMPS = 4
_LEAST_OBJECTS, _LEAST_BYTES = 100, 16 << 10
_STAYED = 0.75
_TOPMOST = 0.5
_BOUND_MAY_COME = 0.8
"""Confidence, as of growth: a bound may not have been reached yet."""
_PATHS = 3
_STILL = ("level", "falling", "slowing")


def check(facts: Facts) -> tuple[Finding, ...]:
    """
    A finding for each type and place whose objects become more, if nothing bigger grows.

    Parameters
    ----------
    facts : Facts
    """
    if len(facts.walked) < _DUMPS or any(grown.judgement.growing for grown in facts.growth):
        return ()
    groups = [group for group in facts.unaccounted.staying if _counts(facts, group)]
    if not groups:
        return ()
    holders = facts.walked[-1].holders
    groups = [group for group in groups if bounded_container(facts.walked[-1], group.objects) is None]
    if not groups:
        return ()
    together = np.concatenate([group.objects for group in groups])
    of_group = np.repeat(np.arange(len(groups)), [len(group.objects) for group in groups])
    top = np.bincount(of_group, weights=holders.topmost(together), minlength=len(groups))
    by_root: dict[str, Finding] = {}
    for group, topmost in zip(groups, top.tolist(), strict=True):
        case = _Case(facts, group)
        if topmost >= _TOPMOST * len(group.objects) and not case.made.by_imports:
            finding = case.finding()
            # What one container holds, keys and values and links, is told once, by what takes most.
            by_root.setdefault(finding.holders[0][0], finding)
    return tuple(by_root.values())


KEPT = Rule(code=CODE, name=NAME, check=check)


def _counts(facts: Facts, group: Staying) -> bool:
    last = facts.walked[-1]
    if group.pace.kind != "even" or group.pace.dumps < _DUMPS or not group.stayed >= _STAYED:
        return False
    if group.gained < _LEAST_OBJECTS or group.gained_bytes < _LEAST_BYTES:
        return False
    if float(np.mean(last.holders.distances.stage[group.objects] >= UNACCOUNTED)) >= _TOPMOST:
        return False
    if group.site >= 0:
        function = int(facts.function_of_site[group.site])
        return judge_group(facts.by_function, function, 0.0).trend.shape not in _STILL
    return True


class _Case:
    """One group of objects, and the words for it."""

    def __init__(self, facts: Facts, group: Staying) -> None:
        self.facts, self.group, self.last = facts, group, facts.walked[-1]
        self.made = Made.of_objects(facts, self.last, group.objects, ENOUGH_ROWS)

    def finding(self) -> Finding:
        group, made, facts = self.group, self.made, self.facts
        bytes_ = int(self.last.holders.retained_by(group.objects)[0])
        between = (facts.dumps.index(facts.walked[0].dump), facts.dumps.index(self.last.dump))
        asked = f"{quote(self.last.dump.source)} {quote(group.type if '.' in group.type else made.where)}"
        return Finding(
            code=CODE, rule=NAME, verdict=Verdict.GROWTH, confidence=_BOUND_MAY_COME * group.pace.confidence,
            fingerprint=made.fingerprint(CODE, group.type), sentence=self._sentence(bytes_),
            subject=made.subject("objects", group.type), bytes=bytes_, count=group.counts[-1],
            growth=Growth(max(group.gained_bytes, bytes_), group.gained, between), stack=made.frames,
            holders=paths_to(self.last, group.objects, facts.roots, _PATHS), threads=made.shares(),
            evidence=tuple(self._evidence()),
            advice=(f"give what holds them a bound; all holders: leakscope path {asked}",),
        )  # fmt: skip

    def _sentence(self, bytes_: int) -> str:
        group, made = self.group, self.made
        more, size = format_count(group.gained, signed=True), format_bytes(bytes_)
        return (
            f"{group.type} objects made by {made.name} become more from dump to dump and stay: {more}, which keep "
            f"{size} alive{made.by_whom}."
        )

    def _evidence(self) -> Iterator[Evidence]:
        group = self.group
        yield Evidence("for", "objects gained over the dumps", float(group.gained), "objects")
        yield Evidence("for", "dumps that rise at an even pace", float(group.pace.dumps), "dumps")
        yield Evidence("for", "part of those new in earlier dumps that is still there", group.stayed, "share")
