"""
LS501 growth: the memory that a function allocates keeps growing.

Says
    A place in the program keeps gaining live memory: by how much, how fast, in which line, on which threads.

Because
    Whatever grows with the work done fills any machine in the end.  Whether it should (a cache that has not reached
    its bound, data that the program is there to collect) is for who knows the program; that it does is measured.

Needs
    Live blocks with their birth times, and per-stack totals over the run: at least eight samples, or three dumps of
    one run.  In a sampled recording also a gain of some nine sampling intervals, for its error to be a third of it.

Not when
    The low-water mark is level or its rise slows down: a bounded cache that fills, a warm-up.  Only the teeth are high:
    a queue, a batch buffer, garbage between two collections.  All that survives is young and the total is level.
    Answered UNKNOWN, with the time it would take, when the run was too short, the samples too thin, the growth began
    only at its end, or the program was idle.

Example
    ``fixtures/programs/growth/`` beside its quiet twin.

Source
    Quarter minima and the slowing test: an experiment of ten scenarios, repeated in ``tests/analysis``.  Rate:
    Sen (1968).  Survivors by birth: the recorder.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.alignment import fingerprint
from leakscope.analysis.series import WIDTH_OF_95
from leakscope.analysis.sites import MAIN_THREAD_NAME, NO_PYTHON, blocks_by_thread, freed_by_others
from leakscope.analysis.sources import module_name, plain_function, relative_path
from leakscope.model.finding import Evidence, Finding, Growth, Subject, ThreadShares, Verdict
from leakscope.rules.rule import Rule
from leakscope.units import format_bytes, format_count, format_duration, format_rate

if TYPE_CHECKING:
    from leakscope.analysis.facts import Facts
    from leakscope.analysis.growing import Grown, Judgement
    from leakscope.model.allocations import Frame
    from leakscope.model.columns import I8, Column
    from leakscope.model.dump import Dump

CODE, NAME = "LS501", "growth"
_MOST_DOUBTS = 2
_DOUBT_BYTES = 1 << 20
_DOUBT_SHARE = 0.05
"""Growth that is only suspected must be worth this much to be mentioned."""
_NAMED_THREADS = 3
_LINE_SHARE = 0.1
_WITNESS_SHARE = 0.1
_MOST_THREAD_TEXT = 40
_DIGITS = re.compile(r"\d+")
_LEFT_SHARE = 0.5
"""What a function held was freed at the end if less than this part of it is left."""


def check(facts: Facts) -> tuple[Finding, ...]:
    """
    A finding for each function that keeps growing, and for the biggest that may.

    Parameters
    ----------
    facts : Facts
    """
    worth = max(_DOUBT_BYTES, _DOUBT_SHARE * facts.live_bytes)
    growing = [grown for grown in facts.growth if grown.judgement.growing]
    doubts = [grown for grown in facts.growth if grown.judgement.doubt and grown.judgement.gain_bytes >= worth]
    return tuple(_Case(facts, grown).finding() for grown in [*growing, *doubts[:_MOST_DOUBTS]])


GROWTH = Rule(code=CODE, name=NAME, check=check)


class _Case:
    """One function that grows, and the words for it."""

    def __init__(self, facts: Facts, grown: Grown) -> None:
        self.facts, self.judgement, self.sites = facts, grown.judgement, grown.sites
        held = [facts.by_site.held(site) for site in grown.sites]
        self.bytes, self.blocks = (sum(each) for each in zip(*held, strict=True))
        witness, rows = self._witness()
        self.live = witness.allocations
        born = rows[self.live.born_s[rows] >= grown.judgement.trend.start_s]
        culprits = born if len(born) else rows
        self.stack = facts.heaviest_stack(self.live, culprits, grown.sites)
        self.frames = tuple(facts.last.stacks.frames(self.stack))
        self.place = facts.frame(int(facts.places.place[self.stack]))
        self.made_in = facts.frame(int(facts.places.made_in[self.stack]))
        self.native = facts.frame(int(facts.places.native[self.stack]))
        self.by_thread = blocks_by_thread(self.live, witness.threads, culprits)

    def _witness(self) -> tuple[Dump, I8]:
        """The latest dump that holds a good part of it, and its rows: at the end it may have been freed."""
        rows: I8 = np.empty(0, dtype=np.int64)
        for dump in reversed(self.facts.run):
            live = dump.allocations
            rows = np.flatnonzero(np.isin(self.facts.sites.by_stack[live.stack], self.sites))
            if live.weight[rows].sum() >= _WITNESS_SHARE * self.bytes:
                return dump, rows
        return self.facts.last, np.empty(0, dtype=np.int64)

    def finding(self) -> Finding:
        judgement, facts = self.judgement, self.facts
        first = facts.dumps.index(facts.run[0])
        # At the usual size: the blocks born in the window are more than were gained, if some that were old died.
        gained = 0.0 if judgement.kind == "enlarged" else judgement.gain_bytes * self.blocks / max(self.bytes, 1.0)
        identity = [self.place] if self.place else []
        return Finding(
            code=CODE, rule=NAME,
            verdict=Verdict.GROWTH if judgement.growing else Verdict.UNKNOWN,
            confidence=judgement.confidence,
            fingerprint=fingerprint(CODE, identity, facts.roots),
            sentence=self._sentence() if judgement.growing else self._doubt(),
            subject=self._subject(),
            bytes=round(self.bytes), count=round(self.blocks),
            growth=Growth(round(judgement.gain_bytes), round(gained), (first, len(facts.dumps) - 1)),
            stack=self.frames, evidence=tuple(self._evidence()), advice=tuple(self._advice()),
            threads=self._threads(),
        )  # fmt: skip

    # ------------------------------------------------------------------------------------------------ words

    def _name(self) -> str:
        return (
            f"`{plain_function(self.place.function)}` in {self._where(self.place)}"
            if self.place
            else f"memory {NO_PYTHON}"
        )

    def _where(self, frame: Frame) -> str:
        path = relative_path(frame.file, self.facts.roots)
        return f"{path}:{frame.line}" if frame.line else path

    def _lines(self) -> str:
        """Other lines of the function that hold a good part of it."""
        lines = set()
        for site in self.sites:
            frame = self.facts.frame(int(self.facts.sites.place[site]))
            held = self.facts.by_site.held(site)[0]
            if frame and self.place and frame.line != self.place.line and held >= _LINE_SHARE * self.bytes:
                lines.add(frame.line)
        return f" (also line{'s' if len(lines) > 1 else ''} {', '.join(map(str, sorted(lines)))})" if lines else ""

    def _made_in(self) -> str:
        if self.native and self.native != self.place:
            library = self.native.file.rpartition("/")[2]
            return f" made in {f'`{self.native.function}` of ' if self.native.function else ''}{library}"
        if not self.made_in or not self.place or self.made_in.file == self.place.file:
            return ""
        return f" made in {self._where(self.made_in)}"

    def _sentence(self) -> str:
        judgement, trend = self.judgement, self.judgement.trend
        how = {"enlarged": ", enlarged again and again", "backlog": ", filled faster than it is emptied"}
        rate, span = format_rate(judgement.gain_bytes / trend.length_s), format_duration(trend.length_s)
        when = f"until second {trend.end_s:.1f}" if self._taken_down() else f"over the last {span}"
        parts = [f"{self._size()}{self._made_in()}{how.get(judgement.kind, '')}", f"{rate} {when}", *self._by()]
        freed = "; it was freed when the program ended" if self._taken_down() else ""
        return f"{self._name()}{self._lines()} {'kept' if freed else 'keeps'} growing: {', '.join(parts)}{freed}."

    def _taken_down(self) -> bool:
        left = sum(float(self.facts.by_site.tally.bytes[site]) for site in self.sites)
        return self.facts.end_s < self.facts.last.meta.elapsed_s and left < _LEFT_SHARE * self.bytes

    def _size(self) -> str:
        blocks = round(self.blocks)
        return f"{format_bytes(self.bytes)} in {format_count(blocks)} block{'' if blocks == 1 else 's'}"

    def _by(self) -> list[str]:
        names = list(self.by_thread)
        if not names:
            return []
        if names == [MAIN_THREAD_NAME]:
            return ["allocated by the main thread"]
        named = ", ".join(names)
        if len(names) > 1 and (len(names) > _NAMED_THREADS or len(named) > _MOST_THREAD_TEXT):
            alike = len({_DIGITS.sub("", name) for name in names}) == 1
            most = f" like {names[0]}" if alike else f", most by {names[0]}"
            return [f"allocated by {format_count(len(names))} threads{most}"]
        return [f"allocated by thread{'s' if len(names) > 1 else ''} {named}"]

    def _doubt(self) -> str:
        judgement = self.judgement
        trend, gain = judgement.trend, format_bytes(judgement.gain_bytes, signed=True)
        error = f" ± {format_bytes(judgement.gain_error)}" if judgement.gain_error else ""
        span, longer = format_duration(trend.length_s), format_duration(judgement.longer_s)
        samples = f"{trend.points} sample{'' if trend.points == 1 else 's'}"
        why = {
            "short": f"{gain} in {span}, but {samples} cannot tell growth from a start: let it run {longer} or more",
            "thin": f"{gain}{error} in {span} is too thin a sample to be sure: let it run {longer}, or use --exact",
            "late": f"{gain}, but only in the last {span} of the run: let it go on for {longer} more",
            "idle": f"{gain} until second {trend.end_s:.0f}, then the program was idle: keep it busy for {longer}",
            "unsteady": f"{gain}{error} in {span}, but not steadily: let it run {longer} or more",
        }[judgement.doubt or "short"]
        return f"{self._name()} may be growing: {why}."

    # ------------------------------------------------------------------------------------------------ data

    def _subject(self) -> Subject:
        place, native = self.place, self.native
        return Subject(
            kind="blocks",
            module=module_name(place.file, self.facts.roots) if place else None,
            function=plain_function(place.function) if place else None,
            file=relative_path(place.file, self.facts.roots) if place else None,
            line=place.line if place and place.line else None,
            library=native.file.rpartition("/")[2] if native else None,
            symbol=(native.function or None) if native else None,
            thread=next(iter(self.by_thread)) if len(self.by_thread) == 1 else None,
        )

    def _stacks(self) -> Column:
        return np.flatnonzero(np.isin(self.facts.sites.by_stack, self.sites))

    def _threads(self) -> ThreadShares | None:
        if not self.by_thread:
            return None
        own, others = freed_by_others(self.facts.last.stacks, self._stacks())
        released = {"the allocating thread": round(own), "another thread": round(others)}
        return ThreadShares(
            allocated_by={name: round(blocks) for name, blocks in self.by_thread.items()},
            released_by={who: blocks for who, blocks in released.items() if blocks},
        )

    def _evidence(self) -> list[Evidence]:
        return [*self._gain_evidence(self.judgement), *self._against(self.judgement)]

    def _gain_evidence(self, judgement: Judgement) -> list[Evidence]:
        trend = judgement.trend
        found = [Evidence("for", "gained over the window", judgement.gain_bytes, "bytes", judgement.gain_error)]
        if trend.shape == "rising":
            error = max(trend.rate_high - trend.rate_low, 0.0) / WIDTH_OF_95
            found.append(Evidence("for", "rate of the low-water mark", trend.rate, "bytes/s", error))
        if judgement.kind == "kept":
            fewest = min(judgement.survivors)
            found.append(Evidence("for", "survivors from the quarter with the fewest", fewest, "bytes"))
        return found

    def _against(self, judgement: Judgement) -> list[Evidence]:
        found, ratio = [], judgement.trend.late_over_early
        if ratio == ratio:
            stance, claim = ("against", "slower at the end") if ratio < 1 else ("for", "not slower at the end")
            error = judgement.trend.late_over_early_error
            found.append(Evidence(stance, f"{claim}, last step over first", ratio, "share", error))  # type: ignore[arg-type]
        stacks, nodes = self.facts.last.stacks, self._stacks()
        allocated, freed = float(stacks.alloc_bytes[nodes].sum()), float(stacks.free_bytes[nodes].sum())
        if freed > 0 and allocated > 0:
            found.append(
                Evidence("against", "part of what was allocated here that was freed", freed / allocated, "share")
            )
        return found

    def _advice(self) -> list[str]:
        where = self._where(self.place) if self.place else "there"
        if self.judgement.doubt:
            return [f"let it run for {format_duration(self.judgement.longer_s)} under the same load"]
        if self.judgement.kind == "backlog":
            return [f"bound the queue that {where} fills, or empty it faster"]
        return [f"look for the container that keeps what {where} makes; give it a bound, or remove what is done with"]
