"""
What the pages say of chunks: those that hold most memory which is not used, and who keeps them.

It knows the order and the words; it refuses to know widths and markup.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakscope.reports.pieces import Column, Table, printable
from leakscope.units import format_bytes, format_count, format_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from leakscope.model.chunk_report import ChunkLine, ChunkPin
    from leakscope.model.report import Report

_NAMED_THREADS = 2


def chunk_tables(report: Report) -> Iterable[Table]:
    """The table of chunks, where it was asked for."""
    chunks = report.chunks
    if chunks is None or not chunks.rows:
        return
    back = []
    if chunks.trimmable_bytes:
        back.append(f"malloc_trim gives back {format_bytes(chunks.trimmable_bytes)}")
    if chunks.further_arenas_idle_bytes:
        back.append(f"M_ARENA_MAX at most {format_bytes(chunks.further_arenas_idle_bytes)}")
    colon = ": " if back else ""
    words = f" ({format_bytes(chunks.idle_bytes)} unused{colon}{', '.join(back)})" if chunks.idle_bytes else ""
    yield Table(f"Chunks{words}", _columns(chunks.rows, chunks.estimated))


def _columns(rows: Sequence[ChunkLine], estimated: bool) -> tuple[Column, ...]:
    about = "about " if estimated else ""
    return (
        *_column(rows, "unused", lambda row: _bytes(row.idle_bytes), right=True),
        *_column(rows, "used", lambda row: _bytes(row.used_bytes), right=True, drop=6),
        *_column(rows, "free", lambda row: _bytes(row.free_bytes), right=True, drop=10),
        *_column(rows, "resident", lambda row: _bytes(row.resident_bytes), right=True, drop=3),
        *_column(rows, "in swap", lambda row: _bytes(row.swapped_bytes or None), right=True, drop=8),
        *_column(rows, "size", lambda row: format_bytes(row.size_bytes), right=True),
        *_column(rows, "address", lambda row: f"0x{row.address:x}", drop=5),
        *_column(rows, "chunk", _kind),
        *_column(rows, "age", lambda row: "" if row.age_s is None else format_duration(row.age_s), right=True, drop=7),
        *_column(rows, "taken by", _owner, drop=11),
        *_column(rows, "pinned by", lambda row: _first(row, _place)),
        *_column(rows, "blocks", lambda row: _first(row, lambda pin: f"{about}{_blocks(pin)}"), right=True, drop=2),
        *_column(rows, "on", lambda row: _first(row, _threads), drop=4),
        *_column(rows, "places", lambda row: format_count(row.places) if row.places > 1 else "", right=True, drop=9),
    )


def _kind(row: ChunkLine) -> str:
    label = f" {row.label}" if row.label else ""
    ended = ", threads ended" if row.attached_threads == 0 else ""
    return f"{row.kind}{label}{ended}"


def _owner(row: ChunkLine) -> str:
    if row.thread is None:
        return ""
    return " ".join(word for word in (row.function, row.where, f"on {row.thread}") if word)


def _first(row: ChunkLine, word: Callable[[ChunkPin], str]) -> str:
    return word(row.pinned_by[0]) if row.pinned_by else ""


def _place(pin: ChunkPin) -> str:
    return f"{pin.function} {pin.where}".strip()


def _blocks(pin: ChunkPin) -> str:
    return f"{format_count(pin.blocks)} x {pin.type}" if pin.type else format_count(pin.blocks)


def _threads(pin: ChunkPin) -> str:
    shown, rest = ", ".join(pin.threads[:_NAMED_THREADS]), len(pin.threads) - _NAMED_THREADS
    return f"{shown} and {rest} more" if rest > 0 else shown


def _bytes(value: int | None) -> str:
    return "" if value is None else format_bytes(value)


def _column(
    rows: Sequence[ChunkLine], title: str, word: Callable[[ChunkLine], str], *, right: bool = False, drop: int = 0
) -> tuple[Column, ...]:
    """The column, or none if it has nothing to say."""
    cells = tuple(printable(word(row)) for row in rows)
    return (Column(title, cells, right, drop),) if any(cells) else ()
