"""
The tables about buffers: what is handed out and to whom, what small views pin, and who acquires most.

It knows sums, ages and places; it refuses to judge: a buffer in use is handed out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.makers import Maker
from leakscope.model.buffer_report import AcquirerLine, BufferReport, ExportLine, PinnedLine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leakscope.analysis.facts import Facts
    from leakscope.model.buffers import AcquirerTable, ExportTable
    from leakscope.model.columns import I8, Column
    from leakscope.model.dump import Dump

_JUST_BORN_S = 0.25
"""Blocks are read before exports: what came in between is in one table only."""
_NO_ROWS = np.empty(0, dtype=np.int64)


def buffer_report(facts: Facts, top: int) -> BufferReport | None:
    """
    What the last dump of a run says of buffers; None if nobody watched them.

    Parameters
    ----------
    facts : Facts
    top : int
        Most rows of each table.
    """
    buffers = facts.last.buffers
    if buffers is None:
        return None
    exports = sorted(_exports(facts, buffers.exports), key=lambda line: -line.bytes)
    acquirers = sorted(_acquirers(facts, buffers.acquirers), key=lambda line: -line.acquired)
    return BufferReport(buffers.totals, tuple(exports[:top]), tuple(_pinned(facts, top)), tuple(acquirers[:top]))


def views_gone(dump: Dump, exports: ExportTable) -> Column:
    """
    Whether the ``Py_buffer`` of each outstanding export is certainly gone, so that nobody can release it any more.

    Parameters
    ----------
    dump : Dump
    exports : ExportTable
        Of the same dump.

    Returns
    -------
    ndarray of bool
        True on the stack of a thread that has ended, and in an exact recording where a block was that is free again:
        between two live blocks of an arena, where nothing else can lie.
    """
    on_stack = exports.on_stack == 1
    gone: Column = on_stack & ~np.isnan(dump.threads.ended_s[exports.thread])
    if not dump.meta.sampled and len(dump.chunks):
        arenas = dump.chunks.kind == dump.meta.chunk_kinds.index("arena")
        begin, size = dump.chunks.address[arenas], dump.chunks.size[arenas]
        settled = exports.born_s < dump.meta.elapsed_s - _JUST_BORN_S
        live = dump.allocations
        in_arena = _inside(exports.address, begin, size)
        gone |= ~on_stack & settled & in_arena & ~_inside(exports.address, live.address, live.size)
    return gone


def _inside(addresses: Column, begin: Column, size: Column) -> Column:
    """Whether each address lies in one of some ranges that do not overlap."""
    if len(begin) == 0:
        return np.zeros(len(addresses), dtype=bool)
    order = np.argsort(begin, kind="stable")
    at = np.searchsorted(begin[order], addresses, side="right").astype(np.int64) - 1
    row = order[np.maximum(at, 0)]
    inside: Column = (at >= 0) & (addresses - begin[row] < size[row])
    return inside


def _exports(facts: Facts, table: ExportTable) -> Iterator[ExportLine]:
    if len(table) == 0:
        return
    dump = facts.last
    key = np.stack([table.type, facts.sites.by_stack[table.stack]], axis=1).astype(np.int64)
    _, group = np.unique(key, axis=0, return_inverse=True)
    gone = views_gone(dump, table)
    for at in range(int(group.max()) + 1):
        rows = np.flatnonzero(group.reshape(-1) == at)
        maker = Maker(facts, dump, _NO_ROWS, stack=_heaviest(table.stack[rows], table.weight[rows]))
        exporters, first = np.unique(table.exporter[rows], return_index=True)
        yield ExportLine(
            type=dump.strings[int(table.type[rows[0]])] or "?", label=maker.function, where=maker.line,
            exports=int(table.weight[rows].sum()), exporters=len(exporters),
            bytes=int(table.bytes[rows][first].sum()),
            oldest_s=max(0.0, dump.meta.elapsed_s - float(table.born_s[rows].min())), gone=int(gone[rows].sum()),
            threads=_threads(dump, table.thread[rows], table.weight[rows]), stack=maker.frames,
        )  # fmt: skip


def _pinned(facts: Facts, top: int) -> Iterator[PinnedLine]:
    for group in facts.unaccounted.pinning[:top]:
        last = facts.walked[-1]
        maker = Maker(facts, last.dump, last.rows_of(group.views, 1), stack=group.stack)
        yield PinnedLine(
            view_type=group.view_type, buffer_type=group.buffer_type, label=maker.function, where=maker.line,
            views=group.view_count, seen_bytes=group.seen, buffers=group.counts[-1], bytes=group.bytes[-1],
            growth=group.gained if facts.unaccounted.comparable else None, stack=maker.frames,
        )  # fmt: skip


def _acquirers(facts: Facts, table: AcquirerTable) -> Iterator[AcquirerLine]:
    if len(table) == 0:
        return
    sites, group = np.unique(facts.sites.by_stack[table.stack], return_inverse=True)
    for at in range(len(sites)):
        rows = np.flatnonzero(group.reshape(-1) == at)
        maker = Maker(facts, facts.last, _NO_ROWS, stack=_heaviest(table.stack[rows], table.acquired[rows]))
        acquired, released, foreign = (
            int(column[rows].sum()) for column in (table.acquired, table.released, table.foreign)
        )
        yield AcquirerLine(maker.function, maker.line, acquired, released, foreign)


def _heaviest(stacks: Column, weights: Column) -> int:
    """The stack with most of some rows."""
    found, row = np.unique(stacks, return_inverse=True)
    return int(found[np.argmax(np.bincount(row.reshape(-1), weights=weights.astype(np.float64)))])


def _threads(dump: Dump, threads: Column, weights: Column) -> tuple[str, ...]:
    found, row = np.unique(threads, return_inverse=True)
    counts = np.bincount(row.reshape(-1), weights=weights.astype(np.float64))
    order: I8 = np.argsort(-counts, kind="stable")
    names = [dump.threads.name_of(int(found[at])) for at in order]
    return tuple(dict.fromkeys(names))
