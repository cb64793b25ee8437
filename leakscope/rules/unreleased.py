"""
LS203 unreleased: chunks of a pool that stay although next to nothing in them is lent.

Says
    So many chunks, how large, taken in which line, are still there, and what keeps them: a few buffers that live long,
    and whose they are; or buffers that were dropped without a release, which nobody will give back any more.

Because
    A pool gives a chunk back when nothing of it is lent.  One small buffer that is kept for its few bytes keeps the
    other 16 MiB as well, and so does one that was forgotten.  Both look like a leak, and are mended in one line.

Needs
    A pool that the program told leakscope of (``leakscope.watch_pool``), and two dumps of one run, one of them with
    the object graph: two chunks of a mebibyte or more, together 8 MiB and a quarter of resident memory, of which less
    than a quarter is lent.

Not when
    Nothing long-lived is in them and nothing was dropped: an empty chunk or two for the next load is what pools are for
    (LS101).  They are young.

Example
    ``fixtures/programs/unreleased/greetings.py`` beside its quiet twin in ``fixtures/programs/pooling/``.

Source
    Netty issue 8079; how chunks and handles are found: ``leakscope/analysis/pool_chunks.py``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.alignment import fingerprint
from leakscope.analysis.holder_words import paths_to
from leakscope.analysis.sources import plain_function
from leakscope.model.finding import Evidence, Finding, Verdict
from leakscope.rules.made import Made
from leakscope.rules.rule import Rule
from leakscope.units import format_bytes, format_count, format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leakscope.analysis.facts import Facts
    from leakscope.analysis.lending import PoolUse
    from leakscope.model.allocations import Frame
    from leakscope.model.pools import HandleTable

CODE, NAME = "LS203", "unreleased"
_PINNED_CONFIDENCE, _DROPPED_CONFIDENCE = 0.9, 0.95
_MOST_TOLD = 8
_PATHS = 2


def check(facts: Facts) -> tuple[Finding, ...]:
    """
    A finding for each watched pool whose chunks stay.

    Parameters
    ----------
    facts : Facts
    """
    return tuple(_Case(facts, use).finding() for use in facts.lending if use.kept_by_few or use.kept_by_dropped)


UNRELEASED = Rule(code=CODE, name=NAME, check=check)


class _Case:
    """One pool, and the words for it."""

    def __init__(self, facts: Facts, use: PoolUse) -> None:
        self.facts, self.use, self.dump = facts, use, use.dump
        self.by_few = use.kept_by_few
        self.stuck = use.pinned if self.by_few else use.emptied
        self.keepers = use.pins if self.by_few else use.dropped
        self.made = Made(facts, self.dump, use.chunks.rows[self.stuck])
        self.bytes = float(use.size[self.stuck].sum())

    def finding(self) -> Finding:
        made, name = self.made, self.use.chunks.name
        identity = [made.place] if made.place else []
        confidence = _PINNED_CONFIDENCE if self.by_few else _DROPPED_CONFIDENCE
        return Finding(
            code=CODE, rule=NAME, verdict=Verdict.FRAGMENTATION, confidence=confidence,
            fingerprint=fingerprint(f"{CODE} {name}", identity, self.facts.roots), sentence=self._sentence(),
            subject=replace(made.subject("chunks", None), pool=name), bytes=round(self.bytes), count=len(self.stuck),
            growth=None, stack=made.frames, holders=self._holders(), threads=made.shares(),
            evidence=tuple(self._evidence()), advice=tuple(self._advice()),
        )  # fmt: skip

    # ------------------------------------------------------------------------------------------------ words

    def _sentence(self) -> str:
        sizes = np.unique(self.use.size[self.stuck])
        each = f" of {format_bytes(float(sizes[0]))}" if len(sizes) == 1 else ""
        resident = format_bytes(self.dump.meta.process.rss_bytes)
        stay = (
            f"{format_count(len(self.stuck))} chunks{each} of pool {self.use.chunks.name} cannot go, "
            f"{format_bytes(self.bytes)} of {resident} resident"
        )
        if self.by_few:
            since = float(self._table.born_s[self.keepers].max())
            return f"{stay}: {self._buffers()}, have not been released since second {since:.1f}."
        return f"{stay}: nobody holds anything in them, but {self._buffers()}, were dropped without release."

    def _buffers(self) -> str:
        table, place = self._table, self._acquired_at()
        count, size = int(table.handles[self.keepers].sum()), float(table.bytes[self.keepers].sum())
        who = f", acquired by `{plain_function(place.function)}` in {self.made.line_of(place)}" if place else ""
        return f"{format_count(count)} buffer{'' if count == 1 else 's'} ({format_bytes(size)}){who}"

    def _acquired_at(self) -> Frame | None:
        """Who asked the pool for most of them: the innermost frame outside the file that takes the chunks."""
        stack = int(self._table.stack[self.keepers[np.argmax(self._table.bytes[self.keepers])]])
        frames = self.facts.last.stacks.frames(stack)
        own = self.made.place.file if self.made.place else ""
        return next((frame for frame in frames if frame.file != own), frames[0] if frames else None)

    def _advice(self) -> Iterator[str]:
        if self.by_few:
            yield "copy what is needed of them for long (bytes(...)), and release the buffers themselves"
        else:
            yield "release each buffer on every path, with try and finally; then the chunks go by themselves"
        yield "smaller chunks would keep less, and no pool would hide it: neither mends it"

    # ------------------------------------------------------------------------------------------------ data

    @property
    def _table(self) -> HandleTable:
        assert self.dump.pools is not None
        return self.dump.pools.handles

    def _holders(self) -> tuple[tuple[str, ...], ...]:
        walked = self.use.walked
        if walked is None or not self.by_few:
            return ()
        heap = walked.heap
        at = np.minimum(np.searchsorted(heap.address, self._table.address[self.keepers]), heap.count - 1)
        return paths_to(walked, np.unique(at).astype(np.int64), self.facts.roots, _PATHS)

    def _evidence(self) -> Iterator[Evidence]:
        use, live = self.use, self.dump.allocations
        yield Evidence("for", "lent of these chunks", float(np.nansum(use.chunks.lent_bytes[self.stuck])), "bytes")
        yield Evidence("for", "most that the pool ever lent", use.peak_bytes, "bytes")
        oldest_first = self.stuck[np.argsort(live.born_s[use.chunks.rows[self.stuck]], kind="stable")]
        for chunk in oldest_first[:_MOST_TOLD].tolist():
            row = use.chunks.rows[chunk]
            thread = self.dump.threads.name_of(int(live.thread[row]))
            age = format_duration(self.dump.meta.elapsed_s - float(live.born_s[row]))
            lent = len(use.chunks.handles[chunk])
            kept = f"{lent} buffer{'' if lent == 1 else 's'} of it out" if lent else "nothing of it out"
            claim = f"chunk at {int(live.address[row]):#x}, {age} old, taken by {thread}, {kept}"
            yield Evidence("for", claim, float(use.size[chunk]), "bytes")
