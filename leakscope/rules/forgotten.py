"""
LS401 forgotten: handles of a pool that were acquired and never released.

Says
    So many of the handles that one line acquired never came back to their pool: somebody still holds them, or they were
    collected without a release.  Where they were handed to another thread, and the last line that touched them: the
    path from there on lacks the release.

Because
    What a pool lends counts as used until it is released.  A path that forgets to, often an error path behind a queue,
    takes memory that the collector cannot give back, since the pool itself holds it.  That another thread releases than
    the one that acquired is no fault, and is shown as context.

Needs
    A pool that is watched (``leakscope.watch_pool``).  Ten handles that became more: in three dumps at an even pace,
    or acquired until the work was done; or collected all the time.

Not when
    They are in use, or wait in a queue: then younger ones are not released before them.  They were acquired once, or
    ever more slowly.  What holds them keeps no more than so many, by its own word.

Example
    ``fixtures/programs/forgotten/frames.py`` beside its quiet twin.

Source
    Netty's leak detector, which samples and knows nothing of threads; the issue of a Netty server whose 16 MiB chunks
    never went.
"""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.filling import bounded_container
from leakscope.model.finding import Evidence, Finding, Growth, Verdict
from leakscope.rules.lent import Lent, by_threads
from leakscope.rules.rule import Rule
from leakscope.units import format_count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leakscope.analysis.facts import Facts
    from leakscope.analysis.handles import LostHandles

CODE, NAME = "LS401", "forgotten"
_SURE = 0.95


def check(facts: Facts) -> tuple[Finding, ...]:
    """
    A finding for each place that acquired what never comes back.

    Parameters
    ----------
    facts : Facts
    """
    groups = [group for group in facts.lost_handles if not group.retained]
    return tuple(_Case(facts, group).finding() for group in groups if not is_bounded(facts, group))


FORGOTTEN = Rule(code=CODE, name=NAME, check=check)


def is_bounded(facts: Facts, group: LostHandles) -> bool:
    """Whether what holds the handles says how much it keeps at most."""
    walked = facts.walked[-1] if facts.walked else None
    if walked is None or walked.dump is not facts.last or facts.last.pools is None:
        return False
    wanted = facts.last.pools.handles.address[group.rows]
    objects = np.flatnonzero(np.isin(walked.heap.address, wanted))
    return len(objects) > 0 and bounded_container(walked, objects) is not None


class _Case:
    """Handles of one place, and the words for them."""

    def __init__(self, facts: Facts, group: LostHandles) -> None:
        self.facts, self.group = facts, group
        self.lent = Lent(facts, group.pool, group.rows)
        self.holders = self.lent.holders()

    def finding(self) -> Finding:
        group, lent, facts = self.group, self.lent, self.facts
        first = facts.dumps.index(facts.run[0])
        share = group.gained / max(group.counts[-1], 1)
        return Finding(
            code=CODE, rule=NAME, verdict=Verdict.LEAK, confidence=_SURE * group.pace.confidence,
            fingerprint=lent.fingerprint(CODE, facts.frame(group.seen)), sentence=self._sentence(),
            subject=lent.subject(), bytes=lent.bytes, count=group.counts[-1],
            growth=Growth(round(share * lent.bytes), group.gained, (first, facts.dumps.index(facts.last))),
            stack=lent.frames, holders=self.holders, threads=lent.shares(), evidence=tuple(self._evidence()),
            advice=(self._advice(),),
        )  # fmt: skip

    def _sentence(self) -> str:
        group, lent = self.group, self.lent
        of_all = f" of {format_count(group.acquired)}" if group.acquired > group.counts[-1] else ""
        amount = f" ({lent.amount})" if lent.amount else ""
        where = f"acquired {lent.by_whom} at {lent.acquired_at}{lent.over_words}"
        return (
            f"{format_count(group.counts[-1])}{of_all} {lent.things}{amount} {where} are never {lent.released}; "
            f"{self._fate()}{self._seen()}."
        )

    def _fate(self) -> str:
        dropped, count = self.group.dropped, self.group.counts[-1]
        if self.lent.is_shared:
            return "they outlive whoever made them"
        held = f"{self.holders[0][0]} holds them" if self.holders else "they are still held"
        if dropped == 0:
            return held
        last, collected = "", self.lent.collected
        if collected is not None:
            most = "" if collected.handles == dropped else ", most of them"
            place = self.lent.where(collected.place)
            last = f"{most} {by_threads(collected.threads)}{f' at {place}' if place else ''}"
        if dropped == count:
            return f"all were dropped without it{last}"
        return f"{format_count(dropped)} were dropped without it{last}, of the others {held}"

    def _seen(self) -> str:
        """The line whose path lacks the release, as far as it is known."""
        seen, over = self.lent.where(self.group.seen), self.lent.over
        if self.lent.is_shared:
            return ""
        if seen and seen != self.lent.acquired_at and not (over is not None and not over.to):
            return f", and the path through {seen} lacks the release"
        return ", and nothing touched them since" if self.group.dropped == 0 else ""

    def _evidence(self) -> Iterator[Evidence]:
        group = self.group
        yield Evidence("for", "handles that became more between the dumps", float(group.gained), "handles")
        if group.pace.witness == "dumps":
            yield Evidence("for", "dumps that rise at an even pace", float(group.pace.dumps), "dumps")
        if group.dropped:
            yield Evidence("for", "collected without a release", float(group.dropped), "handles")
        stance = "for" if group.released else "against"
        yield Evidence("for" if stance == "for" else "against", "others of the same place that came back",
                       float(group.released), "handles")  # fmt: skip

    def _advice(self) -> str:
        if self.lent.is_shared:
            return f"unlink in a finally what {self.lent.acquired_at} makes; until then it is in /dev/shm"
        collected = self.lent.collected
        dropped_at = self.lent.where(collected.place) if collected is not None else ""
        fix = f"release the handle in a finally on the way that ends at {dropped_at}"
        if not dropped_at:
            fix = f"release the handle in a finally after {self.lent.where(self.group.seen) or self.lent.acquired_at}"
        if self.group.dropped == self.group.counts[-1] or not self.holders:
            return fix
        return f"{fix}; all holders: leakscope path {quote(self.facts.last.source)} {quote(self.lent.type)}"
