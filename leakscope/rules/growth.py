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
    a queue, a batch buffer, garbage between two collections.  The object graph shows that the collector, which is on,
    will free most of it.  All that survives is young and the total is level.
    Answered UNKNOWN, with the time it would take, when the run was too short, the samples too thin, the growth began
    only at its end, or the program was idle.

Example
    ``fixtures/programs/growth/`` beside its quiet twin.

Source
    Quarter minima and the slowing test: an experiment of ten scenarios, repeated in ``tests/analysis``.  Rate:
    Sen (1968).  Survivors by birth: the recorder.
"""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.alignment import fingerprint
from leakscope.analysis.holder_words import paths_to
from leakscope.analysis.series import WIDTH_OF_95
from leakscope.analysis.sites import NO_PYTHON, freed_by_others
from leakscope.analysis.stages import UNACCOUNTED
from leakscope.model.finding import Evidence, Finding, Growth, Verdict
from leakscope.rules.made import Made
from leakscope.rules.rule import Rule
from leakscope.units import format_bytes, format_count, format_duration, format_rate

if TYPE_CHECKING:
    from leakscope.analysis.facts import Facts
    from leakscope.analysis.growing import Grown, Judgement
    from leakscope.analysis.walked import Walked
    from leakscope.model.columns import I8, Column
    from leakscope.model.dump import Dump
    from leakscope.model.finding import ThreadShares

CODE, NAME = "LS501", "growth"
_MOST_DOUBTS = 2
_DOUBT_BYTES = 1 << 20
_DOUBT_SHARE = 0.05
"""Growth that is only suspected must be worth this much to be mentioned."""
_MOST_OF_ALL = 0.5
"""Or be this part of what all memory gained, so that it is said where that came from."""
_LINE_SHARE = 0.1
_PATHS = 3
_MOSTLY = 0.5
_WITNESS_SHARE = 0.1
_GARBAGE_SHARE = 0.5
"""What a function holds is no growth if a collection, which will come, frees this part of it."""
_LEFT_SHARE = 0.5
"""What a function held was freed at the end if less than this part of it is left."""


def check(facts: Facts) -> tuple[Finding, ...]:
    """
    A finding for each function that keeps growing, and for the biggest that may.

    Parameters
    ----------
    facts : Facts
    """
    worth = min(max(_DOUBT_BYTES, _DOUBT_SHARE * facts.live_bytes), _MOST_OF_ALL * facts.rose)
    growing = [grown for grown in facts.growth if grown.judgement.growing]
    doubts = [grown for grown in facts.growth if grown.judgement.doubt and grown.judgement.gain_bytes >= worth]
    cases = (_Case(facts, grown) for grown in [*growing, *doubts[:_MOST_DOUBTS]])
    return tuple(case.finding() for case in cases if not case.waits_for_collector())


GROWTH = Rule(code=CODE, name=NAME, check=check)


class _Case:
    """One function that grows, and the words for it."""

    def __init__(self, facts: Facts, grown: Grown) -> None:
        self.facts, self.judgement, self.sites = facts, grown.judgement, grown.sites
        held = [facts.by_site.held(site) for site in grown.sites]
        self.bytes, self.blocks = (sum(each) for each in zip(*held, strict=True))
        witness, rows = self._witness()
        live = witness.allocations
        born = rows[live.born_s[rows] >= grown.judgement.trend.start_s]
        self.made = Made(facts, witness, born if len(born) else rows, grown.sites)
        self.place = self.made.place
        self.unaccounted = False
        self.holders = self._holders()

    def _witness(self) -> tuple[Dump, I8]:
        """The latest dump that holds a good part of it, and its rows: at the end it may have been freed."""
        rows: I8 = np.empty(0, dtype=np.int64)
        for dump in reversed(self.facts.run):
            live = dump.allocations
            rows = np.flatnonzero(np.isin(self.facts.sites.by_stack[live.stack], self.sites))
            if live.weight[rows].sum() >= _WITNESS_SHARE * self.bytes:
                return dump, rows
        return self.facts.last, np.empty(0, dtype=np.int64)

    def _walked(self) -> Walked | None:
        """The dump of the witness with its objects."""
        return next((each for each in self.facts.walked if each.dump is self.made.dump), None)

    def waits_for_collector(self) -> bool:
        """Whether a collection would have freed most of it while the program ran, and there will be one."""
        walked = self.facts.walked_running
        if walked is None or not walked.garbage.enabled:
            return False
        live = walked.dump.allocations
        rows = np.isin(self.facts.sites.by_stack[live.stack], self.sites)
        held = float(live.weight[rows].sum())
        return held > 0 and float(live.weight[rows & walked.freed_rows].sum()) >= _GARBAGE_SHARE * held

    def _holders(self) -> tuple[tuple[str, ...], ...]:
        walked = self._walked()
        if walked is None:
            return ()
        objects = walked.objects_of(self.made.rows)
        if len(objects):
            self.unaccounted = float(np.mean(walked.holders.distances.stage[objects] == UNACCOUNTED)) >= _MOSTLY
        return paths_to(walked, objects, self.facts.roots, _PATHS)

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
            subject=self.made.subject("blocks", None),
            bytes=round(self.bytes), count=round(self.blocks),
            growth=Growth(round(judgement.gain_bytes), round(gained), (first, len(facts.dumps) - 1)),
            stack=self.made.frames, evidence=tuple(self._evidence()), advice=tuple(self._advice()),
            holders=self.holders, threads=self._threads(),
        )  # fmt: skip

    # ------------------------------------------------------------------------------------------------ words

    def _name(self) -> str:
        return self.made.name if self.place else f"memory {NO_PYTHON}"

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
        native, made_in = self.made.native, self.made.made_in
        if native and native != self.place:
            library = native.file.rpartition("/")[2]
            return f" made in {f'`{native.function}` of ' if native.function else ''}{library}"
        if not made_in or not self.place or made_in.file == self.place.file:
            return ""
        return f" made in {self.made.line_of(made_in)}"

    def _sentence(self) -> str:
        judgement, trend = self.judgement, self.judgement.trend
        how = {"enlarged": ", enlarged again and again", "backlog": ", filled faster than it is emptied"}
        rate, span = format_rate(judgement.gain_bytes / trend.length_s), format_duration(trend.length_s)
        when = f"until second {trend.end_s:.1f}" if self._taken_down() else f"over the last {span}"
        parts = [f"{self._size()}{self._made_in()}{how.get(judgement.kind, '')}", f"{rate} {when}"]
        freed = "; it was freed when the program ended" if self._taken_down() else ""
        told = f"{', '.join(parts)}{self.made.by_whom}{freed}"
        return f"{self._name()}{self._lines()} {'kept' if freed else 'keeps'} growing: {told}."

    def _taken_down(self) -> bool:
        left = sum(float(self.facts.by_site.tally.bytes[site]) for site in self.sites)
        return self.facts.end_s < self.facts.last.meta.elapsed_s and left < _LEFT_SHARE * self.bytes

    def _size(self) -> str:
        blocks = round(self.blocks)
        return f"{format_bytes(self.bytes)} in {format_count(blocks)} block{'' if blocks == 1 else 's'}"

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

    def _stacks(self) -> Column:
        return np.flatnonzero(np.isin(self.facts.sites.by_stack, self.sites))

    def _threads(self) -> ThreadShares | None:
        own, others = freed_by_others(self.facts.last.stacks, self._stacks())
        released = {"the allocating thread": round(own), "another thread": round(others)}
        return self.made.shares({who: blocks for who, blocks in released.items() if blocks})

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
        where = self.made.where if self.place else "there"
        if self.judgement.doubt:
            return [f"let it run for {format_duration(self.judgement.longer_s)} under the same load"]
        if self.judgement.kind == "backlog":
            return [f"bound the queue that {where} fills, or empty it faster"]
        if self.unaccounted:
            source = quote(self.made.dump.source)
            return [f"native code seems to hold them: compare with an earlier dump, leakscope diff EARLIER {source}"]
        if self.holders and self.place:
            asked = f"leakscope path {quote(self.made.dump.source)} {quote(where)}"
            return [f"give what holds them a bound, or remove what is done with; all holders: {asked}"]
        return [f"look for the container that keeps what {where} makes; give it a bound, or remove what is done with"]
