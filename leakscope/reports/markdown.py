"""
The first screen as Markdown, for issues, pull requests and step summaries.

It knows Markdown's special characters and makes them harmless; it refuses to use more than headings, lists, tables and
code, which every renderer knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakscope.reports.first_screen import bars, first_screen
from leakscope.reports.markdown_text import code, escaped
from leakscope.reports.report_format import ReportFormat

if TYPE_CHECKING:
    from collections.abc import Iterable

    from leakscope.model.report import Report
    from leakscope.reports.first_screen import FirstScreen
    from leakscope.reports.pieces import Table

_SPARKLINE_WIDTH = 40
_BAR_WIDTH = 30


def render(report: Report) -> str:
    """
    The first screen in Markdown.

    Parameters
    ----------
    report : Report
    """
    return "\n".join(_lines(first_screen(report))).rstrip("\n") + "\n"


MARKDOWN = ReportFormat(name="markdown", suffix=".md", render=render)


def _lines(screen: FirstScreen) -> Iterable[str]:
    yield f"## leakscope: {screen.verdict}"
    yield ""
    yield f"**{escaped(screen.sentence)}**"
    yield ""
    yield escaped(screen.program) + (f"; **{escaped(screen.end)}**" if screen.end else "")
    yield from _resident(screen)
    yield from _sparklines(screen)
    if screen.objects:
        yield from _title("Objects")
        yield from (f"- {escaped(line)}" for line in screen.objects)
    yield from _findings(screen)
    if screen.compared:
        yield from _title("Compared with the earlier run")
        yield from (f"- {escaped(line)}" for line in screen.compared)
    for table in screen.tables:
        yield from _table(table)
    for section in screen.sections:
        yield from _title(section.title)
        for entry in section.entries:
            yield f"- {escaped(entry.head)}"
            yield from (f"  - {escaped(detail)}" for detail in entry.details)
    if screen.not_seen:
        yield from _title("What was not seen")
        yield from (f"- {escaped(note)}" for note in screen.not_seen)
    if screen.own_cost:
        yield from _title("What leakscope itself took")
        yield escaped(screen.own_cost)
    if screen.next_command:
        yield from _title("Next")
        yield from ("```", screen.next_command.replace("```", "'''"), "```")


def _title(text: str) -> Iterable[str]:
    yield ""
    yield f"### {escaped(text)}"
    yield ""


def _resident(screen: FirstScreen) -> Iterable[str]:
    if not screen.resident:
        return
    yield from _title(screen.resident)
    yield "| part | size | share | |"
    yield "|---|---:|---:|---|"
    for part in screen.parts:
        bar = "█" * round(part.fraction * _BAR_WIDTH)
        yield f"| {escaped(part.label)} | {part.size} | {escaped(part.share)} | {bar} |"
    if screen.unbacked:
        yield ""
        yield escaped(screen.unbacked)


def _sparklines(screen: FirstScreen) -> Iterable[str]:
    if not screen.lines:
        return
    times = screen.lines[0].times_s
    yield from _title(f"Over {times[-1] - times[0]:.1f} s" if len(times) > 1 else "At one moment")
    yield "| | | |"
    yield "|---|---|---|"
    for line in screen.lines:
        drawn = bars(line, _SPARKLINE_WIDTH).replace(" ", "&nbsp;")
        yield f"| {escaped(line.label)} | {drawn} | {escaped(line.span)} |"


def _findings(screen: FirstScreen) -> Iterable[str]:
    if not screen.findings:
        return
    yield from _title("Findings")
    for number, item in enumerate(screen.findings, 1):
        numbers = ", ".join(word for word in (item.growth, item.sure) if word)
        yield f"{number}. **{item.verdict}** {escaped(numbers)}: {code(item.site)}"
        for text in (item.sentence, *item.details):
            if text:
                yield f"   - {escaped(text)}"
    if screen.more_findings:
        yield ""
        yield escaped(screen.more_findings)


def _table(table: Table) -> Iterable[str]:
    yield from _title(table.title)
    yield "|" + "|".join(f" {escaped(column.title)} " for column in table.columns) + "|"
    yield "|" + "|".join("---:" if column.right else "---" for column in table.columns) + "|"
    for cells in zip(*(column.cells for column in table.columns), strict=True):
        words = (
            escaped(cell) if column.right else code(cell) for cell, column in zip(cells, table.columns, strict=True)
        )
        yield "|" + "|".join(f" {word} " for word in words) + "|"
