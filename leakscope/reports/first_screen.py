"""
The first screen: what is said, in which order, as plain text in pieces, before anyone draws it.

It knows the order and the words, which are the same wherever the report is shown; it refuses to know widths, colours
and markup.  Whatever came out of a dump is made printable here: names of functions, files and threads are a stranger's.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from leakscope.reports.buffer_screen import buffer_tables
from leakscope.reports.chunk_screen import chunk_tables
from leakscope.reports.heap_screen import heap_sections, heap_tables, objects_in_brief
from leakscope.reports.pieces import Column, Item, Line, Part, Section, Table, outside, printable, way
from leakscope.reports.pool_screen import pool_tables
from leakscope.units import format_bytes, format_count, format_duration, format_share

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from leakscope.model.comparison import Comparison
    from leakscope.model.finding import Finding
    from leakscope.model.report import Report, Source, Sparkline, TableRow

MOST_CHUNKS = 3
MOST_FINDINGS = 5
_NAMED_THREADS = 2
_BARS = "▁▂▃▄▅▆▇█"
_FLAT = 0.02
"""Changes below this part of the highest value are drawn as none."""


@dataclass(frozen=True, slots=True)
class FirstScreen:
    """All of it, in the order in which it is shown."""

    program: str
    end: str
    verdict: str
    sentence: str
    resident: str
    parts: tuple[Part, ...]
    unbacked: str
    lines: tuple[Line, ...]
    objects: tuple[str, ...]
    findings: tuple[Item, ...]
    more_findings: str
    compared: tuple[str, ...]
    tables: tuple[Table, ...]
    sections: tuple[Section, ...]
    not_seen: tuple[str, ...]
    own_cost: str
    next_command: str


def first_screen(report: Report) -> FirstScreen:
    """
    The first screen of a report.

    Parameters
    ----------
    report : Report
    """
    last = report.sources[-1]
    resident = report.totals.resident
    rest = len(report.findings) - MOST_FINDINGS
    return FirstScreen(
        program=printable(_program(report.sources)),
        end=printable(f"{last.death.text} after {format_duration(last.elapsed_s)}") if last.death else "",
        verdict=report.verdict.value,
        sentence=printable(report.sentence),
        resident=f"Where {format_bytes(resident.rss_bytes)} of resident memory went" if resident else "",
        parts=tuple(_parts(report)),
        unbacked=f"{format_bytes(resident.unbacked_bytes)} more were asked for but are not resident"
        if resident and resident.unbacked_bytes
        else "",
        lines=tuple(_line(line) for line in report.sparklines),
        objects=tuple(objects_in_brief(report)),
        findings=tuple(_items(report)),
        more_findings=f"and {rest} more in the JSON report" if rest > 0 else "",
        compared=tuple(map(printable, _compared(report))),
        tables=(
            *pool_tables(report),
            *_tables(report),
            *chunk_tables(report),
            *heap_tables(report),
            *buffer_tables(report),
        ),
        sections=tuple(heap_sections(report)),
        not_seen=tuple(printable(note) for note in report.notes),
        own_cost=_own_cost(report),
        next_command=printable(report.next_command or ""),
    )


def bars(line: Line, width: int) -> str:
    """
    A sparkline of at most ``width`` characters: the highest value of each stretch of time.

    Parameters
    ----------
    line : Line
    width : int
        Characters; fewer are used if there are fewer samples.
    """
    width = min(width, len(line.values))
    known = [value for value in line.values if value is not None]
    if not known or width < 1:
        return ""
    start, span = line.times_s[0], line.times_s[-1] - line.times_s[0]
    tops: list[float | None] = [None] * width
    for time, value in zip(line.times_s, line.values, strict=True):
        cell = min(int((time - start) / span * width), width - 1) if span > 0 else 0
        top = tops[cell]
        tops[cell] = value if top is None else top if value is None else max(top, value)
    lowest, highest = min(known), max(known)
    if highest - lowest <= _FLAT * abs(highest):
        return "".join(" " if top is None else _BARS[3] for top in tops)
    scale = (len(_BARS) - 1) / (highest - lowest)
    return "".join(" " if top is None else _BARS[round((top - lowest) * scale)] for top in tops)


def _program(sources: Sequence[Source]) -> str:
    last = sources[-1]
    how = "exact" if last.interval_bytes == 1 else f"sampled every {format_bytes(last.interval_bytes)}"
    what = f"{' '.join(last.argv)}  ({last.runtime} {last.runtime_version}, pid {last.pid}, {how})"
    if len(sources) == 1:
        return what
    *earlier, judged = ([*run] for _, run in groupby(sources, key=lambda source: source.run))
    others = "".join(f"; an earlier run, pid {run[0].pid}: {_dumps(run)}" for run in earlier)
    return f"{what}: {_dumps(judged)}{others}"


def _dumps(run: Sequence[Source]) -> str:
    if len(run) == 1:
        return f"dump {run[0].number} at {format_duration(run[0].elapsed_s)}"
    numbers = ", ".join(str(source.number) for source in run)
    return f"dumps {numbers} from {format_duration(run[0].elapsed_s)} to {format_duration(run[-1].elapsed_s)}"


def _parts(report: Report) -> Iterable[Part]:
    resident = report.totals.resident
    for segment in resident.segments if resident else ():
        if segment.bytes or segment.name == "unknown":
            fraction = segment.bytes / resident.rss_bytes if resident and resident.rss_bytes else 0.0
            yield Part(segment.name, segment.label, format_bytes(segment.bytes), format_share(fraction), fraction)


def _line(line: Sparkline) -> Line:
    words = format_bytes if line.unit == "bytes" else format_count
    known = [value for value in line.values if value is not None]
    low, high, now = (words(value) for value in (min(known), max(known), known[-1])) if known else ("", "", "")
    span = f"{low} to {high}" + (f", now {now}" if now != high else "")
    return Line(line.label, line.times_s, line.values, span if low != high else now)


def _items(report: Report) -> Iterable[Item]:
    advised: set[str] = set()
    for finding in report.findings[:MOST_FINDINGS]:
        growth = finding.growth
        site = f"{finding.subject.function or finding.rule} {_place(finding)}".strip()
        details = [*_details(finding, report.compared)]
        # The same advice is given once, to the biggest.
        if finding.advice and finding.verdict.value not in advised:
            details.append(f"try: {finding.advice[0]}")
        advised.add(finding.verdict.value)
        yield Item(
            verdict=finding.verdict.value,
            growth=format_bytes(growth.bytes, signed=True) if growth else "",
            sure="not sure" if finding.verdict.value == "UNKNOWN" else f"{round(finding.confidence * 100)} % sure",
            site=printable(site),
            sentence="" if finding.sentence in report.sentence else printable(finding.sentence),
            details=tuple(map(printable, details)),
        )


def _place(finding: Finding) -> str:
    subject = finding.subject
    return f"{subject.file}:{subject.line}" if subject.file and subject.line else subject.file or ""


def _details(finding: Finding, compared: Comparison | None) -> Iterable[str]:
    if compared is not None:
        yield _standing(compared.before(finding.fingerprint), compared.elapsed_s)
    for holder in finding.holders[:1]:
        yield f"held by {way(holder)}"
    callers = _callers(finding)
    if callers:
        yield f"called by {callers}"
    # Chunks of a pool are told one by one: somebody may know an address.
    chunks = [evidence for evidence in finding.evidence if evidence.claim.startswith("chunk at ")]
    for chunk in chunks[:MOST_CHUNKS]:
        yield f"{chunk.claim}: {format_bytes(chunk.value)}"


def _standing(before: Finding | None, elapsed_s: float) -> str:
    if before is None:
        return "new: the earlier run did not show it"
    gain = f"{format_bytes(before.growth.bytes, signed=True)} " if before.growth else ""
    return f"known: the earlier run had it as well, {gain}in {format_duration(elapsed_s)}"


def _compared(report: Report) -> Iterable[str]:
    """What to say of an earlier run, line by line."""
    then = report.compared
    if then is None:
        return
    yield f"{then.path} was {then.verdict.value} after {format_duration(then.elapsed_s)}: {then.sentence}"
    for label, before, now in (
        ("live", then.live_bytes, report.totals.live_bytes[-1]),
        ("resident", then.rss_bytes, report.totals.rss_bytes[-1]),
    ):
        if before is not None and now is not None:
            change = format_bytes(now - before, signed=True)
            yield f"{label}: {format_bytes(before)} at its end, {format_bytes(now)} now ({change})"
    for finding in then.gone:
        yield f"not seen now: {finding.verdict.value} {finding.sentence}"


def _callers(finding: Finding) -> str:
    subject = finding.subject
    return outside(finding.stack, subject.function or "", subject.line or 0, ", ")


def _tables(report: Report) -> Iterable[Table]:
    by = "native library" if report.grouped_by == "library" else report.grouped_by
    if report.top_growing:
        since = "since the first dump" if len(report.sources) > 1 else "of the low-water mark"
        since = "since the earlier run" if report.compared else since
        yield Table(f"Gained most, by {by} (gain {since})", _columns(report, report.top_growing, True))
    if report.top_live:
        yield Table(f"Holds most, by {by}", _columns(report, report.top_live, False))


def _columns(report: Report, rows: Sequence[TableRow], growing: bool) -> tuple[Column, ...]:
    code = report.grouped_by in ("line", "stack")

    def column(
        title: str, word: Callable[[TableRow], str], drop: int, right: bool = False, tail: bool = True
    ) -> Column:
        return Column(title, tuple(printable(word(row)) for row in rows), right, drop, beginning=not tail)

    def error(row: TableRow) -> str:
        return format_bytes(row.error_bytes) if row.error_bytes else ""

    found = [
        column("gain", _gain, 0, right=True) if growing else None,
        column("live", lambda row: format_bytes(row.bytes), 1 if growing else 0, right=True),
        column("±", error, 6, right=True),
        column("share", lambda row: format_share(row.share), 3, right=True),
        column("blocks", lambda row: format_count(row.blocks), 4, right=True),
        column("line", lambda row: row.where, 0),
        column("function" if code else report.grouped_by, lambda row: row.label, 2 if code else 0),
        column("made in", lambda row: row.made_in, 7),
        column("threads", _thread_names, 5) if report.grouped_by != "thread" else None,
        column("called by", _row_callers, 1, tail=False) if report.grouped_by == "stack" else None,
    ]
    return tuple(each for each in found if each is not None and any(each.cells))


def _gain(row: TableRow) -> str:
    return "" if row.growth_bytes is None else format_bytes(row.growth_bytes, signed=True)


def _thread_names(row: TableRow) -> str:
    shown = ", ".join(row.threads[:_NAMED_THREADS])
    rest = len(row.threads) - _NAMED_THREADS
    return f"{shown} and {rest} more" if rest > 0 else shown


def _row_callers(row: TableRow) -> str:
    line = row.where.rpartition(":")[2]
    return outside(row.stack, row.label, int(line) if line.isdecimal() else 0, " < ")


def _own_cost(report: Report) -> str:
    cost = report.own_cost
    if cost is None:
        return ""
    told = f"{format_bytes(cost.ledger_bytes)} for its ledger"
    rss = report.totals.rss_bytes[-1]
    if cost.share_of_rss is None or rss is None:
        return told
    inside, share = format_bytes(cost.share_of_rss * rss), format_share(cost.share_of_rss)
    all_of_it = inside == format_bytes(cost.ledger_bytes)
    return f"{told}, {'' if all_of_it else f'{inside} of it in the program: '}{share} of resident memory"
