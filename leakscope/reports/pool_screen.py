"""
What the pages say of pools: a line for each, and who releases what whom acquired.

It knows the order and the words; it refuses to know widths and markup.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakscope.reports.pieces import Column, Table, printable
from leakscope.units import format_bytes, format_count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import TypeVar

    from leakscope.model.pool_report import Crossing, PoolLine, PoolReport
    from leakscope.model.report import Report

    Row = TypeVar("Row")


def pool_tables(report: Report) -> Iterable[Table]:
    """The two tables; none without pools."""
    pools = report.pools
    if pools is None:
        return
    yield Table("Pools", _pools(pools.pools))
    if pools.crossings:
        more = f" ({format_count(pools.more_crossings)} more pairs)" if pools.more_crossings else ""
        yield Table(f"Handles by the thread that acquired and the one that released them{more}", _crossings(pools))


def _pools(rows: Sequence[PoolLine]) -> tuple[Column, ...]:
    return (
        *_column(rows, "lent", lambda row: _bytes(row.used_bytes), right=True),
        *_column(rows, "at most", lambda row: _bytes(row.peak_bytes), right=True, drop=3),
        *_column(rows, "holds", lambda row: _bytes(row.held_bytes), right=True, drop=1),
        *_column(rows, "chunks", lambda row: format_count(row.chunks) if row.chunks else "", right=True, drop=5),
        *_column(rows, "acquired", lambda row: format_count(row.acquired) if row.acquired else "", right=True, drop=4),
        *_column(rows, "out", lambda row: format_count(row.held) if row.acquired else "", right=True),
        *_column(rows, "dropped", lambda row: format_count(row.dropped) if row.dropped else "", right=True),
        *_column(rows, "pool", lambda row: row.name),
        *_column(rows, "of", lambda row: row.source if row.source != row.name else row.kind, drop=2),
    )


def _crossings(pools: PoolReport) -> tuple[Column, ...]:
    rows = pools.crossings
    several = len(pools.pools) > 1
    return (
        *_column(rows, "handles", lambda row: format_count(row.handles), right=True),
        *_column(rows, "gain", _gain, right=True, drop=2),
        *_column(rows, "size", lambda row: format_bytes(row.bytes) if row.bytes else "", right=True, drop=1),
        *_column(rows, "acquired by", lambda row: row.acquired_by),
        *_column(rows, "released by", lambda row: row.released_by or "nobody"),
        *_column(rows, "pool", lambda row: row.pool if several else "", drop=3),
    )


def _gain(row: Crossing) -> str:
    return format_count(row.growth, signed=True) if row.growth else ""


def _bytes(value: int | None) -> str:
    return "" if value is None else format_bytes(value)


def _column(
    rows: Sequence[Row], title: str, word: Callable[[Row], str], *, right: bool = False, drop: int = 0
) -> tuple[Column, ...]:
    """The column, or none if it has nothing to say."""
    cells = tuple(printable(word(row)) for row in rows)
    return (Column(title, cells, right, drop),) if any(cells) else ()
