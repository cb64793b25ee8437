"""
The first screen on a terminal.

It knows widths and colours; it refuses to cut a number: where room is short whole columns go, and only words are
shortened, from the left, where paths are least telling.  Nothing in a dump is taken for markup.
"""

from __future__ import annotations

import io
import re
import shutil
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from leakscope.reports.first_screen import bars, first_screen
from leakscope.reports.pieces import Table
from leakscope.reports.report_format import ReportFormat

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TypeAlias

    from leakscope.model.report import Report
    from leakscope.reports.first_screen import FirstScreen
    from leakscope.reports.pieces import Column, Item, Part

Drawn: TypeAlias = "Text | Padding | Grid"

LEAST_WIDTH = 60
_MOST_WIDTH = 120
_GAP = "  "
_GLUE = "\ue000"
"""Stands for a blank until lines are broken; nothing printable holds it."""
_BEFORE_UNIT = re.compile(r"(?<=\d) (?=(?:[KMGTPE]i)?B\b|(?:ms|s|min|h|d|blocks?|samples?|threads?)\b|%)")
_SHORTEST_NAME = 12
_VERDICT_STYLES = {
    "LEAK": "bold white on red", "GROWTH": "bold black on yellow", "FRAGMENTATION": "bold black on cyan",
    "POOLING": "bold black on cyan", "BOUNDED": "bold black on green", "STABLE": "bold black on green",
    "UNKNOWN": "bold reverse",
}  # fmt: skip
_FILLS = {
    "python_objects": ("█", "green"), "pymalloc_free": ("▒", "green"), "native": ("▓", "cyan"),
    "mappings": ("▚", "cyan"), "malloc_free": ("░", "cyan"), "before": ("▤", "blue"), "mapped_files": ("▥", "blue"),
    "shared": ("▨", "blue"), "recorder": ("▞", "magenta"), "unknown": ("?", "red"),
}  # fmt: skip
_PLAIN = str.maketrans(
    dict(zip("█▒▓▚░▤▥▨▞", "#=%x-+|/o", strict=True))
    | dict(zip("▁▂▃▄▅▆▇", ".:-=+*%", strict=True))
    | {"…": "~", "±": "+-"}
)


def render(report: Report, *, width: int | None = None, color: bool = False, plain: bool = False) -> str:
    """
    The first screen as text.

    Parameters
    ----------
    report : Report
    width : int, optional
        Columns; by default those of the terminal.  Below 60 lines may get longer than that.
    color : bool
        With escape sequences.
    plain : bool
        Drawn in ASCII, for terminals that know no more.
    """
    columns = shutil.get_terminal_size().columns if width is None else width
    columns = max(LEAST_WIDTH, min(columns, _MOST_WIDTH))
    stream = io.StringIO()
    console = Console(
        file=stream, width=columns, force_terminal=color, color_system="standard" if color else None,
        highlight=False, markup=False, emoji=False, legacy_windows=False, _environ={},
    )  # fmt: skip
    for line in _lines(first_screen(report), columns):
        console.print(line, soft_wrap=False)
    text = "\n".join(line.rstrip() for line in stream.getvalue().split("\n")).rstrip("\n") + "\n"
    text = text.replace(_GLUE, " ")
    return text.translate(_PLAIN) if plain else text


TERMINAL = ReportFormat(name="terminal", suffix=".txt", render=render)


def _glued(text: str) -> str:
    """Text in which no line ends between a number and its unit."""
    return _BEFORE_UNIT.sub(_GLUE, text)


def _lines(screen: FirstScreen, width: int) -> Iterable[Drawn]:
    yield Text(_glued(f"leakscope  {screen.program}"), style="dim")
    if screen.end:
        yield Text(screen.end, style="bold red")
    yield Text()
    yield Text.assemble((f" {screen.verdict} ", _VERDICT_STYLES[screen.verdict]), "  ", _glued(screen.sentence))
    yield from _resident(screen, width)
    yield from _sparklines(screen, width)
    if screen.objects:
        yield from _title("Objects")
        yield from (_indented(Text(_glued(line))) for line in screen.objects)
    yield from _findings(screen)
    if screen.compared:
        yield from _title("Compared with the earlier run")
        yield from (_hanging("- ", Text(_glued(line))) for line in screen.compared)
    for table in screen.tables:
        yield from _title(table.title)
        yield from (Padding(line, (0, 0, 0, 2)) for line in draw_table(table, width - 2))
    yield from _sections(screen)
    if screen.not_seen:
        yield from _title("What was not seen")
        yield from (_hanging("- ", Text(_glued(note))) for note in screen.not_seen)
    if screen.own_cost:
        yield from _title("What leakscope itself took")
        yield _indented(Text(screen.own_cost))
    if screen.next_command:
        yield from _title("Next")
        yield _indented(Text(screen.next_command, style="bold", no_wrap=True, overflow="ignore"))


def _title(text: str) -> Iterable[Text]:
    yield Text()
    yield Text(text, style="bold")


def _indented(text: Text) -> Padding:
    return Padding(text, (0, 0, 0, 2))


def _hanging(mark: str, text: Text) -> Grid:
    """A mark before a text whose further lines begin where the first one does."""
    grid = Grid.grid(padding=0)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(Text(f"  {mark}"), text)
    return grid


def _resident(screen: FirstScreen, width: int) -> Iterable[Drawn]:
    if not screen.resident:
        return
    yield from _title(screen.resident)
    yield _indented(_bar(screen.parts, width - 4))
    label = max(cell_len(part.label) for part in screen.parts)
    size = max(cell_len(part.size) for part in screen.parts)
    share = max(cell_len(part.share) for part in screen.parts)
    for part in screen.parts:
        yield _indented(
            Text.assemble(
                _FILLS[part.name],
                f" {part.label.ljust(label)}  {part.size.rjust(size)}  {part.share.rjust(share)}",
            )
        )
    if screen.unbacked:
        yield _indented(Text(screen.unbacked))


def _bar(parts: Sequence[Part], width: int) -> Text:
    """One bar in which each part has its share of the width, to the nearest character, and all add up to it."""
    bar, drawn, total = Text(), 0, 0.0
    for part in parts:
        total += part.fraction
        end, (fill, style) = round(total * width), _FILLS[part.name]
        bar.append(fill * (end - drawn), style)
        drawn = end
    return bar


def _sparklines(screen: FirstScreen, width: int) -> Iterable[Drawn]:
    if not screen.lines:
        return
    times = screen.lines[0].times_s
    yield from _title(f"Over {times[-1] - times[0]:.1f} s" if len(times) > 1 else "At one moment")
    label = max(cell_len(line.label) for line in screen.lines)
    room = width - label - max(cell_len(line.span) for line in screen.lines) - 6
    for line in screen.lines:
        drawn = bars(line, max(room, 8))
        yield _indented(Text.assemble(line.label.ljust(label), _GAP, (drawn, "cyan"), _GAP, line.span))


def _findings(screen: FirstScreen) -> Iterable[Drawn]:
    if not screen.findings:
        return
    yield from _title("Findings")
    for number, item in enumerate(screen.findings, 1):
        yield _hanging(f"{number}. ", _finding_line(item))
        for text in (item.sentence, *item.details):
            if text:
                yield Padding(Text(_glued(text)), (0, 0, 0, 5))
    if screen.more_findings:
        yield _indented(Text(screen.more_findings))


def _sections(screen: FirstScreen) -> Iterable[Drawn]:
    for section in screen.sections:
        yield from _title(section.title)
        for entry in section.entries:
            yield _indented(Text(_glued(entry.head)))
            yield from (Padding(Text(_glued(detail)), (0, 0, 0, 6)) for detail in entry.details)


def _finding_line(item: Item) -> Text:
    style = "bold" if item.verdict == "UNKNOWN" else "bold red" if item.verdict == "LEAK" else "bold yellow"
    numbers = _GAP.join(word for word in (item.growth, item.sure) if word)
    return Text.assemble((item.verdict, style), _GAP, numbers, _GAP, item.site)


def draw_table(table: Table, width: int) -> list[Text]:
    """
    A table in so many columns, one line per row.

    Parameters
    ----------
    table : Table
    width : int
        Columns of text.  Words give way down to a third of it each, then whole columns go until it fits; what is left
        over is given back to the words.  Numbers are never shortened.
    """
    columns = fitting(table.columns, width)
    widths = [_modest_width(column, width) for column in columns]
    spare = width - sum(widths) - len(_GAP) * (len(columns) - 1)
    for index, column in enumerate(columns):
        if not column.right:
            least = min(widths[index], _SHORTEST_NAME)
            widths[index] += (given := max(min(spare, _width(column) - widths[index]), least - widths[index]))
            spare -= given
    rows = [Text(_row([column.title for column in columns], columns, widths), style="dim")]
    rows += [Text(_row([*cells], columns, widths)) for cells in zip(*(column.cells for column in columns), strict=True)]
    for row in rows:
        row.no_wrap, row.overflow = True, "ignore"
        row.rstrip()
    return rows


def fitting(columns: Sequence[Column], width: int) -> list[Column]:
    """
    The columns that stay: those with the highest ``drop`` go until the rest fits or only those without one are left.

    Parameters
    ----------
    columns : sequence of Column
    width : int
    """
    kept = list(columns)
    while _together(kept, width) > width and any(column.drop for column in kept):
        kept.remove(max(kept, key=lambda column: column.drop))
    return kept


def _together(columns: Sequence[Column], width: int) -> int:
    return sum(_modest_width(column, width) for column in columns) + len(_GAP) * (len(columns) - 1)


def _modest_width(column: Column, width: int) -> int:
    """What a column needs at least: all of a number, of words no more than a third of the table."""
    return _width(column) if column.right else min(_width(column), max(width // 3, _SHORTEST_NAME))


def _width(column: Column) -> int:
    return max(cell_len(text) for text in (column.title, *column.cells))


def _row(cells: Sequence[str], columns: Sequence[Column], widths: Sequence[int]) -> str:
    drawn = []
    for cell, column, width in zip(cells, columns, widths, strict=True):
        text = cell if cell_len(cell) <= width else _shortened(cell, width, column.beginning)
        blank = " " * (width - cell_len(text))
        drawn.append(blank + text if column.right else text + blank)
    return _GAP.join(drawn)


def _shortened(text: str, width: int, beginning: bool) -> str:
    """The end of a text, which is where a path has its file and line; or its beginning."""
    kept = text
    while kept and cell_len(kept) > width - 1:
        kept = kept[:-1] if beginning else kept[1:]
    return f"{kept}…" if beginning else f"…{kept}"
