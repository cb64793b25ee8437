"""
What findings about unused memory share: how much there is, since when, who keeps it, and the words for that.

It knows some chunks of one dump; it refuses to know which of them a rule chooses, and why.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.alignment import fingerprint
from leakscope.analysis.holder_words import paths_to
from leakscope.analysis.pins import CELL_BYTES, Pins, highest_known, pins
from leakscope.model.chunks import ARENA, HEAP
from leakscope.model.finding import Evidence, Finding, Growth
from leakscope.rules.made import Made
from leakscope.units import format_bytes, format_count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from leakscope.analysis.facts import Facts
    from leakscope.analysis.walked import Walked
    from leakscope.model.chunks import ChunkTable
    from leakscope.model.columns import I8, Column
    from leakscope.model.dump import Dump
    from leakscope.model.finding import Verdict

WORTH_TELLING = 0.25
"""Part of all that is unused that some chunks must have to be told of."""
ONE_PIECE = 0.5
"""Part of what is free in a heap that lies in one piece, from which on it is not its holes that matter."""
_PAGE_BYTES = 4096
_LONG_CONFIDENCE, _SHORT_CONFIDENCE, _RISING_CONFIDENCE, _PEAKS_CONFIDENCE = 0.95, 0.8, 0.8, 0.6
_HALF = 0.5
_AT_THE_END = 0.9
"""Part of the largest piece that nobody lives behind, if it is the end of the heap."""
_PATHS = 2


def is_left_behind(table: ChunkTable) -> Column:
    """Which chunks are heaps of an arena that no thread allocates from any more."""
    left: Column = (table.kind == HEAP) & (table.attached_threads == 0)
    return left


def lies_at_the_end(facts: Facts) -> Column:
    """Which chunks of the dump that shows slack are heaps whose free memory is in one piece at their end."""
    slack = facts.slack
    assert slack is not None
    table = slack.dump.chunks
    one: Column = (table.kind == HEAP) & (table.largest_free_bytes >= ONE_PIECE * table.free_bytes) & (slack.idle > 0)
    walked = walked_as(facts, slack.dump)
    for chunk in np.flatnonzero(one).tolist():
        rest = int(table.address[chunk]) + int(table.size[chunk]) - highest_known(slack.dump, walked, chunk)
        one[chunk] = rest >= _AT_THE_END * float(table.largest_free_bytes[chunk])
    return one


def walked_as(facts: Facts, dump: Dump) -> Walked | None:
    """A dump with its object graph, if it has one."""
    return next((each for each in facts.walked if each.dump is dump), None)


class Unused:
    """
    Some chunks that hold memory which nobody uses.

    Parameters
    ----------
    facts : Facts
        With slack.
    chunks : ndarray of int64
        Rows of the chunk table of the dump that shows it; of one kind.
    """

    def __init__(self, facts: Facts, chunks: I8) -> None:
        slack = facts.slack
        assert slack is not None
        self.facts, self.slack, self.dump = facts, slack, slack.dump
        self.chunks = chunks[slack.idle[chunks] > 0]
        self.kind = int(self.dump.chunks.kind[self.chunks[0]]) if len(self.chunks) else -1
        self.bytes = float(slack.idle[self.chunks].sum())
        self.matters = self.bytes > 0 and self.bytes >= WORTH_TELLING * float(slack.idle.sum())
        self.walked = walked_as(facts, self.dump)
        self.pins: tuple[Pins, ...] = self._pins() if self.matters else ()
        rows = self.pins[0].rows if self.pins else np.empty(0, dtype=np.int64)
        self.made = Made(facts, self.dump, rows)
        self.holders = self._holders()

    def _pins(self) -> tuple[Pins, ...]:
        """Who keeps the chunks, those first of whom something can be told."""
        place = self.facts.sites.place[self.facts.sites.by_stack]
        found = pins(self.dump, self.walked, self.chunks, place)
        named = [pin for pin in found if pin.place >= 0 or pin.type]
        return tuple(named or found)

    # ------------------------------------------------------------------------------------------------ words

    @property
    def size(self) -> str:
        """``72 MiB of 84 MiB resident``."""
        return f"{format_bytes(self.bytes)} of {format_bytes(self.dump.meta.process.rss_bytes)} resident"

    @property
    def how_long(self) -> str:
        """Since when it is unused, or how it rose."""
        if self.slack.peaks:
            return f" after {format_count(self.slack.peaks)} peaks (after earlier ones it went back)"
        if self.slack.stretch is None:
            rose = format_bytes(self.slack.rose_bytes, signed=True)
            return f" ({rose} since the beginning, while what is alive did not rise)"
        start = self.slack.stretch.start_s
        return f" since second {start:.1f}" if start >= 1 else ""

    @property
    def ask_exact(self) -> str:
        """How to learn who keeps the chunks, if that is not known."""
        return " (--exact tells who that is)" if self.dump.meta.sampled else ""

    @property
    def labels(self) -> list[str]:
        """The arena of each chunk: a long one has several heaps."""
        strings = self.dump.strings
        return [strings[int(label)].partition(",")[0] for label in self.dump.chunks.label[self.chunks]]

    def count_of(self, what: str) -> str:
        """``52 arenas``."""
        return f"{format_count(len(self.chunks))} {what}{'' if len(self.chunks) == 1 else 's'}"

    def pin_words(self) -> str:
        """Who keeps most of it: ``6,200 blocks (1.2 MiB) made by `load` in app.py:12``, and who holds them else."""
        pin, made = self.pins[0], self.made
        plural = "" if round(pin.blocks) == 1 else "s"
        kind = f"object{plural} of type {pin.type}" if pin.type else f"block{plural}"
        some = "some " if self.dump.meta.sampled and not pin.type else ""
        count = f"{some}{format_count(round(pin.blocks))} {kind} ({format_bytes(pin.bytes)})"
        if made.place and pin.type and not pin.together:
            return f"{count}, such as those made by {made.name}{made.by_whom}"
        if made.place:
            return f"{count} made by {made.name}{made.by_whom}"
        return f"{count} held by {' -> '.join(self.holders[0])}" if self.holders else count

    # ------------------------------------------------------------------------------------------------ data

    @property
    def trim_advice(self) -> str:
        """What ``malloc_trim`` would give back of heaps: whole pages, so each block between keeps one."""
        given = max(self.bytes - sum(pin.blocks for pin in self.pins) * _PAGE_BYTES, 0.0)
        return f"malloc_trim(0) of the C library, called by ctypes, would give back up to {format_bytes(given)}"

    def finding(
        self, code: str, name: str, verdict: Verdict, sentence: str, advice: Sequence[str], *, pool: str
    ) -> Finding:
        """The finding about these chunks; ``pool`` is what their allocator is called."""
        made = self.made.subject("chunks", None)
        identity = [self.made.place] if self.made.place else []
        at = self.facts.dumps.index(self.dump)
        return Finding(
            code=code, rule=name, verdict=verdict, confidence=self._confidence(),
            fingerprint=fingerprint(f"{code} {pool}", identity, self.facts.roots), sentence=sentence,
            subject=replace(made, pool=pool), bytes=round(self.bytes), count=len(self.chunks),
            growth=Growth(round(self.slack.rose_bytes), 0, (0, at)) if self.slack.rose_bytes else None,
            stack=self.made.frames, holders=self.holders, threads=self.made.shares(),
            evidence=tuple(self._evidence()), advice=tuple(advice),
        )  # fmt: skip

    def _confidence(self) -> float:
        stretch = self.slack.stretch
        if stretch is None:
            return _PEAKS_CONFIDENCE if self.slack.peaks else _RISING_CONFIDENCE
        return _LONG_CONFIDENCE if stretch.end_s - stretch.start_s >= _HALF * self.facts.end_s else _SHORT_CONFIDENCE

    def _holders(self) -> tuple[tuple[str, ...], ...]:
        """Who holds the objects that keep the chunks."""
        if self.walked is None or not self.pins:
            return ()
        objects = self.pins[0].objects if self.pins[0].type else self.walked.objects_of(self.pins[0].rows)
        return paths_to(self.walked, objects, self.facts.roots, _PATHS)

    def _evidence(self) -> Iterator[Evidence]:
        process, used = self.dump.meta.process, self.dump.chunks.used_bytes[self.chunks]
        yield Evidence("for", "free and resident all the same", self.bytes, "bytes")
        yield Evidence("for", "part of resident memory", self.bytes / max(process.rss_bytes, 1), "share")
        yield Evidence("for", "in use in the same chunks", float(np.nansum(used)), "bytes")
        stretch = self.slack.stretch
        if stretch is not None:
            yield Evidence("for", "at least so much lay unused all the time", stretch.least, "bytes")
            yield Evidence("for", "how long", stretch.end_s - stretch.start_s, "s")
        if self.pins:
            pin = self.pins[0]
            claim = f"of {format_count(pin.of_cells)} mostly free {self._cell} kept by these"
            yield Evidence("for", claim, float(pin.cells), "arenas" if self.kind == ARENA else "stretches")
        if self.dump.meta.sampled and self.pins:
            seen = len(self.pins[0].rows)
            yield Evidence("against", "sampled blocks that tell who made what keeps them", float(seen), "blocks")

    @property
    def _cell(self) -> str:
        return "arenas" if self.kind == ARENA else f"stretches of {format_bytes(CELL_BYTES)}"
