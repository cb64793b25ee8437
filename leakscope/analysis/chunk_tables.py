"""
What the report shows of chunks: totals by kind, what could be given back, and the chunks with most unused memory.

It knows how chunks, places and threads are named; it refuses to judge.  Chunks of a pool that the program names lie in
blocks of other allocators: they are told beside the chunks of these, and not added to them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.occupancy import NO_TYPE, chunk_of_blocks, idle_bytes, occupants, type_of_blocks
from leakscope.analysis.pool_chunks import pool_chunks
from leakscope.analysis.sites import NO_PYTHON, thread_name
from leakscope.analysis.sources import plain_function, relative_path
from leakscope.model.chunk_report import ChunkKindTotals, ChunkLine, ChunkPin, ChunkReport
from leakscope.model.chunks import CHUNK_KINDS, HEAP, MEASURES, NO_THREAD, POOL

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from leakscope.analysis.facts import Facts
    from leakscope.analysis.occupancy import Occupant
    from leakscope.analysis.pool_chunks import PoolChunks
    from leakscope.analysis.walked import Walked
    from leakscope.model.columns import F8, I8, Column

MOST_PINS = 3
"""Places told of each chunk."""
_MAIN_HEAP = "main"


def chunk_report(facts: Facts, *, top: int, tables: bool) -> ChunkReport | None:
    """
    The chunks of the last dump; None if it tells of none.

    Parameters
    ----------
    facts : Facts
    top : int
        Most rows.
    tables : bool
        With rows at all.
    """
    dump = facts.last
    pools = [pool for pool in pool_chunks(dump, _walked(facts)) if len(pool)]
    if len(dump.chunks) == 0 and not pools:
        return None
    idle = idle_bytes(dump.chunks)
    heaps = dump.chunks.kind == HEAP
    labels = np.array([dump.strings[int(label)].partition(",")[0] for label in dump.chunks.label])
    further = heaps & (labels != _MAIN_HEAP)
    return ChunkReport(
        estimated=dump.meta.sampled,
        kinds=(*_kinds(facts), *_pool_kind(facts, pools)),
        idle_bytes=_known_sum(idle),
        trimmable_bytes=_known_sum(dump.chunks.trimmable_bytes),
        further_arenas=len(set(labels[further].tolist())),
        further_arenas_idle_bytes=_known_sum(idle[further]),
        rows=tuple(_rows(facts, idle, pools, top)) if tables else (),
    )


def _kinds(facts: Facts) -> Iterator[ChunkKindTotals]:
    chunks, names = facts.last.chunks, facts.last.meta.chunk_kinds
    for kind in np.unique(chunks.kind).tolist():
        rows = chunks.kind == kind
        yield ChunkKindTotals(
            kind=names[kind], count=int(rows.sum()), size_bytes=int(chunks.size[rows].sum()),
            used_bytes=_number(chunks.used_bytes[rows].sum()), free_bytes=_number(chunks.free_bytes[rows].sum()),
            resident_bytes=_number(chunks.resident_bytes[rows].sum()),
            swapped_bytes=_number(chunks.swapped_bytes[rows].sum()),
        )  # fmt: skip


def _pool_kind(facts: Facts, pools: Sequence[PoolChunks]) -> Iterator[ChunkKindTotals]:
    if not pools:
        return
    size = sum(int(facts.last.allocations.size[pool.rows].sum()) for pool in pools)
    lent = float(sum(pool.lent_bytes.sum() for pool in pools))
    # What is not lent may not be free: handles that were dropped without release are still taken.
    yield ChunkKindTotals(
        kind=CHUNK_KINDS[POOL], count=sum(len(pool) for pool in pools), size_bytes=size, used_bytes=_number(lent),
        free_bytes=None, resident_bytes=None, swapped_bytes=None,
    )  # fmt: skip


def _walked(facts: Facts) -> Walked | None:
    return next((each for each in facts.walked if each.dump is facts.last), None)


def _rows(facts: Facts, idle: F8, pools: Sequence[PoolChunks], top: int) -> list[ChunkLine]:
    """Those with most unused, of a pool not lent; where that is not known, most at all."""
    chunks = facts.last.chunks
    held = np.where(np.isfinite(chunks.resident_bytes), chunks.resident_bytes, chunks.size.astype(np.float64))
    rank = np.where(np.isfinite(idle), idle, held)
    naming = _Naming(facts)
    found = [(-float(rank[row]), naming.line(row, idle)) for row in np.lexsort((chunks.address, -rank))[:top].tolist()]
    for pool in pools:
        lines = [naming.line_of_pool(pool, at) for at in range(len(pool))]
        found += [(float((line.used_bytes or 0) - line.size_bytes), line) for line in lines]
    found.sort(key=lambda each: (each[0], each[1].address))
    return [line for _, line in found[:top]]


class _Naming:
    def __init__(self, facts: Facts) -> None:
        self.facts, self.dump = facts, facts.last
        self.chunk_of_block = chunk_of_blocks(self.dump)
        self.place_of_stack: I8 = facts.sites.place[facts.sites.by_stack]
        walked = _walked(facts)
        self.types = None if walked is None else walked.heap.types
        self.type_of_block = None if walked is None else type_of_blocks(walked)

    def line(self, row: int, idle: F8) -> ChunkLine:
        dump, chunks = self.dump, self.dump.chunks
        found = occupants(dump, self.chunk_of_block, row, self.place_of_stack)
        thread = int(chunks.thread[row])
        seen = thread != NO_THREAD
        function, where = self._place(int(self.place_of_stack[int(chunks.stack[row])])) if seen else ("", "")
        return ChunkLine(
            address=int(chunks.address[row]), size_bytes=int(chunks.size[row]),
            kind=dump.meta.chunk_kinds[int(chunks.kind[row])], label=dump.strings[int(chunks.label[row])],
            **{name: _number(float(getattr(chunks, name)[row])) for name in MEASURES},
            idle_bytes=_number(float(idle[row])),
            age_s=max(dump.meta.elapsed_s - float(chunks.born_s[row]), 0.0) if seen else None,
            thread=thread_name(dump.threads, thread) if seen else None, function=function, where=where,
            pinned_by=tuple(map(self._pin, found[:MOST_PINS])), places=len(found),
        )  # fmt: skip

    def line_of_pool(self, pool: PoolChunks, at: int) -> ChunkLine:
        """A chunk of a pool that the program names, and the handles that are out of it."""
        dump, row = self.dump, int(pool.rows[at])
        live, size, lent = dump.allocations, int(dump.allocations.size[row]), _number(float(pool.lent_bytes[at]))
        function, where = self._place(int(self.place_of_stack[int(live.stack[row])]))
        pins = self._handles(pool.handles[at])
        return ChunkLine(
            address=int(live.address[row]), size_bytes=size, kind=CHUNK_KINDS[POOL], label=pool.name,
            **dict.fromkeys(MEASURES) | {"used_bytes": lent},
            idle_bytes=None, age_s=max(dump.meta.elapsed_s - float(live.born_s[row]), 0.0),
            thread=thread_name(dump.threads, int(live.thread[row])), function=function, where=where,
            pinned_by=tuple(pins[:MOST_PINS]), places=len(pins),
        )  # fmt: skip

    def _handles(self, rows: I8) -> list[ChunkPin]:
        """Handles by the place that acquired them, most bytes first."""
        assert self.dump.pools is not None
        handles, found = self.dump.pools.handles, []
        places = self.place_of_stack[handles.stack[rows]]
        for place in np.unique(places).tolist():
            of_place = rows[places == place]
            function, where = self._place(place)
            threads = dict.fromkeys(thread_name(self.dump.threads, int(each)) for each in handles.thread[of_place])
            found.append(
                ChunkPin(
                    function=function, where=where, type=None, blocks=int(handles.handles[of_place].sum()),
                    bytes=int(handles.bytes[of_place].sum()), threads=tuple(threads),
                )
            )  # fmt: skip
        return sorted(found, key=lambda pin: -pin.bytes)

    def _pin(self, occupant: Occupant) -> ChunkPin:
        function, where = self._place(occupant.place)
        return ChunkPin(
            function=function, where=where, type=self._type(occupant.rows), blocks=round(occupant.blocks),
            bytes=round(occupant.bytes), threads=tuple(self._threads(occupant.rows)),
        )  # fmt: skip

    def _place(self, place: int) -> tuple[str, str]:
        frame = self.facts.frame(place)
        if frame is None:
            return NO_PYTHON, ""
        return plain_function(frame.function), f"{relative_path(frame.file, self.facts.roots)}:{frame.line}"

    def _type(self, rows: I8) -> str | None:
        if self.types is None or self.type_of_block is None:
            return None
        types = self.type_of_block[rows]
        known = types != NO_TYPE
        if not known.any():
            return None
        heaviest = np.bincount(types[known], weights=self.dump.allocations.weight[rows[known]])
        return self.types.full_name(int(heaviest.argmax()))

    def _threads(self, rows: I8) -> list[str]:
        live = self.dump.allocations
        by_thread = np.bincount(live.thread[rows], weights=live.weight[rows])
        order = np.argsort(-by_thread, kind="stable")
        return [thread_name(self.dump.threads, int(thread)) for thread in order if by_thread[thread] > 0]


def _known_sum(values: Column) -> int | None:
    known = values[np.isfinite(values)]
    return round(float(known.sum())) if len(known) else None


def _number(value: float) -> int | None:
    return round(value) if value == value else None
