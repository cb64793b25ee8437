"""
What the pages say of buffers: what is handed out, what small views pin, who acquires most.

It knows the order and the words; it refuses to know widths and markup.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakscope.reports.pieces import Column, Table, printable
from leakscope.units import format_bytes, format_count, format_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import TypeVar

    from leakscope.model.buffer_report import AcquirerLine, BufferReport, ExportLine, PinnedLine
    from leakscope.model.report import Report

    Row = TypeVar("Row")

_NAMED_THREADS = 2


def buffer_tables(report: Report) -> Iterable[Table]:
    """The tables that have something to say."""
    buffers = report.buffers
    if buffers is None:
        return
    if buffers.exports:
        yield Table("Buffers handed out and not released yet", _exports(buffers.exports))
    if buffers.pinned:
        yield Table("Large buffers that only small views keep", _pinned(buffers.pinned))
    if buffers.acquirers:
        yield Table(_title(buffers), _acquirers(buffers.acquirers))


def _title(buffers: BufferReport) -> str:
    totals = buffers.totals
    in_all = f"{format_count(totals.acquired)} in all, {format_count(totals.released)} released"
    return f"Buffers acquired most ({in_all})"


def _exports(rows: Sequence[ExportLine]) -> tuple[Column, ...]:
    return (
        *_column(rows, "size", lambda row: format_bytes(row.bytes), right=True),
        *_column(rows, "exports", lambda row: format_count(row.exports), right=True, drop=1),
        *_column(rows, "oldest", lambda row: format_duration(row.oldest_s), right=True, drop=3),
        *_column(rows, "view gone", lambda row: format_count(row.gone) if row.gone else "", right=True, drop=4),
        *_column(rows, "type", lambda row: row.type),
        *_column(rows, "line", lambda row: row.where),
        *_column(rows, "function", lambda row: row.label, drop=2),
        *_column(rows, "threads", _thread_names, drop=5),
    )


def _pinned(rows: Sequence[PinnedLine]) -> tuple[Column, ...]:
    return (
        *_column(rows, "kept", lambda row: format_bytes(row.bytes), right=True),
        *_column(rows, "seen", lambda row: format_bytes(row.seen_bytes), right=True),
        *_column(rows, "buffers", lambda row: format_count(row.buffers), right=True, drop=1),
        *_column(rows, "gain", lambda row: format_count(row.growth, signed=True) if row.growth else "", right=True,
                 drop=4),
        *_column(rows, "of", lambda row: row.buffer_type, drop=2),
        *_column(rows, "views", lambda row: row.view_type),
        *_column(rows, "line", lambda row: row.where),
        *_column(rows, "function", lambda row: row.label, drop=3),
    )  # fmt: skip


def _acquirers(rows: Sequence[AcquirerLine]) -> tuple[Column, ...]:
    return (
        *_column(rows, "acquired", lambda row: format_count(row.acquired), right=True),
        *_column(rows, "not released", lambda row: _count(row.acquired - row.released), right=True, drop=1),
        *_column(rows, "by other threads", lambda row: _count(row.foreign), right=True, drop=2),
        *_column(rows, "line", lambda row: row.where),
        *_column(rows, "function", lambda row: row.label, drop=3),
    )


def _count(number: int) -> str:
    return format_count(number) if number else ""


def _thread_names(row: ExportLine) -> str:
    shown, rest = ", ".join(row.threads[:_NAMED_THREADS]), len(row.threads) - _NAMED_THREADS
    return f"{shown} and {rest} more" if rest > 0 else shown


def _column(
    rows: Sequence[Row], title: str, word: Callable[[Row], str], *, right: bool = False, drop: int = 0
) -> tuple[Column, ...]:
    """The column, or none if it has nothing to say."""
    cells = tuple(printable(word(row)) for row in rows)
    return (Column(title, cells, right, drop),) if any(cells) else ()
