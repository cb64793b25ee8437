"""
One verdict from many findings, and everything else the first screen shows.

It knows the order of the rules and that a byte is blamed once; it refuses to know how a rule decides and how a report
looks.
"""

from __future__ import annotations

import shlex
from math import isfinite
from typing import TYPE_CHECKING

from leakscope.analysis.buffer_tables import buffer_report
from leakscope.analysis.chunk_tables import chunk_report
from leakscope.analysis.facts import Facts
from leakscope.analysis.heap_tables import heap_report
from leakscope.analysis.pool_tables import pool_report
from leakscope.analysis.ranking import top_tables
from leakscope.analysis.series import LEAST_POINTS
from leakscope.caveats import caveats
from leakscope.model.comparison import Comparison
from leakscope.model.finding import Finding, Verdict
from leakscope.model.report import SEGMENT_NAMES, OwnCost, Report, ResidentBar, Segment, Source, Sparkline, Totals
from leakscope.rules import RULES
from leakscope.rules.deserted import DESERTED
from leakscope.rules.fragmentation import FRAGMENTATION
from leakscope.rules.growth import GROWTH
from leakscope.rules.view import VIEW
from leakscope.units import format_bytes, format_duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from leakscope.analysis.series import Trend
    from leakscope.model.dump import Dump
    from leakscope.model.report import Grouping

TOP_ROWS = 10
SEGMENT_LABELS = {
    "python_objects": "live Python objects",
    "pymalloc_free": "free inside pymalloc",
    "native": "live native blocks",
    "mappings": "mapped by the program",
    "malloc_free": "free inside malloc, at least",
    "before": "before recording began",
    "mapped_files": "mapped files",
    "shared": "other shared memory",
    "recorder": "leakscope's own ledger",
    "unknown": "unknown",
}
MEASURED_LABEL = "free inside malloc"
_SPARKLINES = (("rss_bytes", "resident", "bytes"), ("live_bytes", "live", "bytes"), ("live_blocks", "blocks", "count"))
_ORDER = list(Verdict)
_FREE = {FRAGMENTATION.code, DESERTED.code}
"""Rules about memory in which nothing is alive."""
_HOLDS = {
    Verdict.FRAGMENTATION: "In {} places freed memory cannot go back, together {}",
    Verdict.POOLING: "{} pools keep memory for later, together {}",
}
_HELD = (Verdict.LEAK, Verdict.GROWTH)
_HOLDERS = ("objects", "references", "buffers")
_MOST = 0.5
_EXPLAINED = 0.5
"""Part of what a finding saw grow that another one must account for to take its place."""
_LEVEL_BY = 0.75
"""Part of the run by which live memory must be level to be called so."""


def judge(
    dumps: Sequence[Dump], *, by: Grouping = "line", top: int = TOP_ROWS, objects: bool = False, collected: bool = False
) -> Report:
    """
    What the dumps say about the memory of a program.

    Parameters
    ----------
    dumps : sequence of Dump
        At least one; of one run in any order, of several in the order to compare.
    by : one of ``GROUPINGS``
        What the rows of the top tables are.
    top : int
        Most rows of each.
    objects : bool
        With the tables about objects, where dumps have an object graph; else only their summary.
    collected : bool
        These as they would be after a collection.

    Returns
    -------
    Report
    """
    facts = Facts(dumps)
    findings = settle(finding for rule in RULES for finding in rule.check(facts))
    verdict, sentence = conclude(facts, findings)
    live, growing = top_tables(facts, by, top)
    return Report(
        verdict=verdict, sentence=sentence,
        sources=tuple(_source(dump, number) for number, run in enumerate(facts.runs) for dump in run),
        health=facts.last.health, notes=caveats(facts),
        totals=_totals(facts), sparklines=tuple(_sparklines(facts)), findings=findings,
        grouped_by=by, top_live=live, top_growing=growing,
        own_cost=_own_cost(facts.last), next_command=_next_command(facts, verdict, findings),
        heap=heap_report(facts, top=top, tables=objects, collected=collected), pools=pool_report(facts.run, top),
        buffers=buffer_report(facts, top) if objects else None,
        chunks=chunk_report(facts, top=top, tables=objects),
        compared=_compared(facts.runs[0], findings) if len(facts.runs) > 1 else None,
    )  # fmt: skip


def settle(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """
    Findings without overlaps, ``LEAK`` first, then by bytes of growth.

    Parameters
    ----------
    found : iterable of Finding
        In the order of the rules.  Of two about the same place, or of which one is held by what the other says piles
        up, the earlier one stays, if it accounts for at least half of what the other one saw grow; a doubt gives way to
        whatever is sure.
    """
    kept: list[Finding] = []
    for finding in found:
        rivals = [other for other in kept if _overlap(other, finding)]
        if all(other.verdict is Verdict.UNKNOWN for other in rivals) and finding.verdict is not Verdict.UNKNOWN:
            kept = [other for other in kept if other not in rivals]
            rivals = []
        if not rivals:
            kept.append(finding)
    return tuple(sorted(kept, key=_rank))


def _overlap(earlier: Finding, later: Finding) -> bool:
    """Whether two findings are about the same bytes."""
    a, b = earlier.subject, later.subject
    if "buffers" in (a.kind, b.kind) and a.pool and b.pool:
        return False  # each handle of a pool is in one finding
    if a == b:
        return True
    if {earlier.code, later.code} & _FREE:
        # What is free is not what is alive, and what is free in one allocator is not so in another.
        return Verdict.UNKNOWN in (earlier.verdict, later.verdict) and _same_place(earlier, later)
    about_one = (_same_place, _keeps, _are_handles, _same_views)
    if not any(question(earlier, later) for question in about_one):
        return False
    if Verdict.UNKNOWN in (earlier.verdict, later.verdict):
        return True
    return max(earlier.bytes, _gain(earlier)) >= _EXPLAINED * _gain(later)


def _same_place(earlier: Finding, later: Finding) -> bool:
    """Whether both are about one function; growth is told of functions, all else of lines."""
    a, b = earlier.subject, later.subject
    if (a.function, a.file) != (b.function, b.file) or (a.type and b.type and a.type != b.type):
        return False
    if a.function is None:
        return bool(a.type) and a.type == b.type
    return a.line == b.line or GROWTH.code in (earlier.code, later.code)


def _are_handles(earlier: Finding, later: Finding) -> bool:
    """Whether the objects of the later one are the handles of the earlier one."""
    return bool(earlier.subject.pool) and later.subject.kind == "objects" and later.subject.type == earlier.subject.type


def _keeps(earlier: Finding, later: Finding) -> bool:
    """Whether most of what grew in the later one is held by the objects of the earlier one."""
    if later.code != GROWTH.code or earlier.subject.kind not in _HOLDERS or not (earlier.holders and later.holders):
        return False
    *way, last = earlier.holders[0]
    onward = later.holders[0]
    if len(onward) < len(way) + 1 or list(onward[: len(way)]) != way:
        return False
    here = onward[len(way)]
    return here == last or here.startswith((f"{last} .", f"{last} ["))


def _same_views(earlier: Finding, later: Finding) -> bool:
    """Whether the later one is about the views that the earlier one says keep buffers, by type and holder."""
    if earlier.code != VIEW.code or earlier.subject.type != later.subject.type:
        return False
    return bool(earlier.holders) and earlier.holders[:1] == later.holders[:1]


def _gain(finding: Finding) -> int:
    return finding.growth.bytes if finding.growth else finding.bytes


def conclude(facts: Facts, findings: Sequence[Finding]) -> tuple[Verdict, str]:
    """
    The verdict over everything, and the first line of the report.

    Parameters
    ----------
    facts : Facts
    findings : sequence of Finding
        Settled.
    """
    sure = [finding for finding in findings if finding.verdict is not Verdict.UNKNOWN]
    if sure and (sure[0].verdict is not Verdict.POOLING or len(sure) == len(findings)):
        return sure[0].verdict, _sum_up([finding for finding in sure if finding.verdict is sure[0].verdict])
    if findings:
        doubt = next(finding for finding in findings if finding.verdict is Verdict.UNKNOWN)
        return Verdict.UNKNOWN, doubt.sentence
    trend = facts.total_trend("live_bytes")
    if trend.shape == "short":
        # Samples may lie far apart; what is level across a gap has not grown in it.
        level = trend.points >= LEAST_POINTS and facts.level_since() <= _LEVEL_BY * facts.end_s
        return (Verdict.STABLE, _stable(facts, trend)) if level else (Verdict.UNKNOWN, _too_short(facts, trend))
    if isfinite(facts.rose):
        gain, span = format_bytes(trend.gain, signed=True), format_duration(trend.length_s)
        longer = format_duration(2 * facts.last.meta.elapsed_s)
        return Verdict.UNKNOWN, (
            f"Live memory rose, {gain} over the last {span}, but no single place stands out; let it run for {longer} "
            "or more, under the same load."
        )
    return Verdict.STABLE, _stable(facts, trend)


def _compared(run: Sequence[Dump], findings: Sequence[Finding]) -> Comparison:
    """The earlier run, judged by itself, and which of its findings are still there."""
    earlier, end = judge(run, top=1), run[-1].meta
    known = [
        (now.fingerprint, then.fingerprint)
        for now in findings
        if (then := next((each for each in earlier.findings if _are_one(each, now)), None)) is not None
    ]
    return Comparison(
        path=run[-1].source, verdict=earlier.verdict, sentence=earlier.sentence, elapsed_s=end.elapsed_s,
        live_bytes=end.totals.live_bytes, rss_bytes=end.process.rss_bytes or None,
        findings=earlier.findings, known=tuple(known),
    )  # fmt: skip


def _are_one(earlier: Finding, later: Finding) -> bool:
    """Whether two runs have the same finding; another rule may tell it, and its line may have moved."""
    a, b = earlier.subject, later.subject
    named = a.function is not None and (a.function, a.file, a.type) == (b.function, b.file, b.type)
    return earlier.fingerprint == later.fingerprint or named


def _rank(finding: Finding) -> tuple[int, int]:
    return _ORDER.index(finding.verdict), -(finding.growth.bytes if finding.growth else 0)


def _sum_up(findings: Sequence[Finding]) -> str:
    if len(findings) == 1:
        return findings[0].sentence
    verdict = findings[0].verdict
    if verdict in _HOLDS:
        most = max(findings, key=lambda finding: finding.bytes)
        held = format_bytes(sum(finding.bytes for finding in findings))
        share = most.bytes / max(sum(finding.bytes for finding in findings), 1)
        return f"{_HOLDS[verdict].format(len(findings), held)}; {_part(share)}: {most.sentence}"
    gained = sum(finding.growth.bytes for finding in findings if finding.growth)
    does = {Verdict.LEAK: "leak", Verdict.GROWTH: "keep growing"}.get(verdict, "grow to a bound")
    told = f"{len(findings)} places {does}, together {format_bytes(gained, signed=True)}"
    return f"{told}; {_part(_gain(findings[0]) / max(gained, 1))}: {findings[0].sentence}"


def _part(share: float) -> str:
    return "most of it" if share >= _MOST else "the biggest of them"


def _too_short(facts: Facts, trend: Trend) -> str:
    elapsed = facts.last.meta.elapsed_s
    samples = f"{trend.points} sample{'' if trend.points == 1 else 's'} in {format_duration(elapsed)}"
    if trend.points >= LEAST_POINTS:
        return f"Too few samples to tell growth from a start: {samples}, with gaps."
    longer = format_duration(max(1.0, 10 * elapsed / max(trend.points, 1)))
    return f"Too short to tell growth from a start: {samples}; give it work for {longer} or more."


def _stable(facts: Facts, trend: Trend) -> str:
    held, end = format_bytes(facts.live_at_end_s), facts.end_s
    since = facts.level_since()
    span = format_duration(end - since)
    if since <= _LEVEL_BY * end:
        return f"Nothing keeps growing: live memory is level at {held} over the last {span}."
    if trend.shape == "slowing":
        return f"Nothing keeps growing: live memory rose to {held}, but ever more slowly, as when a cache fills."
    if trend.shape == "falling":
        return f"Nothing keeps growing: live memory fell to {held}."
    return f"Nothing keeps growing: live memory goes up and down, and was {held} at the end."


def _source(dump: Dump, run: int) -> Source:
    meta = dump.meta
    return Source(
        path=dump.source, runtime=meta.runtime, runtime_version=meta.runtime_version, argv=meta.argv, pid=meta.pid,
        number=meta.number, reason=meta.reason, taken_unix_s=meta.taken_unix_s, elapsed_s=meta.elapsed_s,
        interval_bytes=meta.interval_bytes, death=meta.death, run=run,
    )  # fmt: skip


def _totals(facts: Facts) -> Totals:
    metas = [dump.meta for dump in facts.dumps]
    residence = facts.residence
    labels = SEGMENT_LABELS | ({"malloc_free": MEASURED_LABEL} if residence.malloc_measured else {})
    segments = tuple(Segment(name, labels[name], residence.parts[name]) for name in SEGMENT_NAMES)
    return Totals(
        rss_bytes=tuple(meta.process.rss_bytes or None for meta in metas),
        live_bytes=tuple(meta.totals.live_bytes for meta in metas),
        objects=tuple(meta.heap.objects if meta.heap and not meta.heap.problem else None for meta in metas),
        chunks=tuple(meta.totals.arena_count + meta.totals.mapping_count for meta in metas),
        resident=ResidentBar(residence.rss_bytes, segments, residence.unbacked_bytes) if residence.rss_bytes else None,
    )


def _sparklines(facts: Facts) -> Iterable[Sparkline]:
    series = facts.last.series
    for name, label, unit in _SPARKLINES:
        values = [None if value != value else float(value) for value in getattr(series, name)]
        if any(value is not None for value in values):
            times = tuple(float(time) for time in series.time_s)
            yield Sparkline(name, label, "bytes" if unit == "bytes" else "count", times, tuple(values))


def _own_cost(dump: Dump) -> OwnCost:
    process = dump.meta.process
    in_the_program = min(process.ledger_bytes, process.rss_shmem_bytes)
    share = in_the_program / process.rss_bytes if process.rss_bytes else None
    return OwnCost(process.ledger_bytes, share, dump.meta.interval_bytes)


def _next_command(facts: Facts, verdict: Verdict, findings: Sequence[Finding]) -> str | None:
    if not facts.last.source:
        return None
    asked = next((word for finding in findings if finding.verdict in _HELD and (word := _asked(finding))), "")
    if facts.walked and asked:
        return f"leakscope path {shlex.quote(facts.walked[-1].dump.source)} {shlex.quote(asked)}"
    by = "stack" if verdict is Verdict.GROWTH else "module"
    return f"leakscope show {shlex.quote(facts.last.source)} --by {by}"


def _asked(finding: Finding) -> str:
    """How to ask for the holders of what a finding is about; "" if it has none."""
    subject = finding.subject
    if not finding.holders or (subject.kind == "blocks" and finding.verdict is Verdict.LEAK):
        return ""
    if subject.type and "." in subject.type:
        return subject.type
    return f"{subject.file}:{subject.line}" if subject.file and subject.line else ""
