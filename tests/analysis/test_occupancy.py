"""Which blocks lie in which chunk, and who has most in it; a stupid twin says the same."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from builders import chunks, column, dump, live
from heap_builders import heap_series

from leakscope.analysis.chunk_tables import chunk_report
from leakscope.analysis.facts import Facts
from leakscope.analysis.occupancy import NO_CHUNK, chunk_of_blocks, idle_bytes, innermost, occupants
from leakscope.model.chunk_report import ChunkPin

MIB = 1 << 20
BASE = 0x7E0000000000


@pytest.mark.parametrize("seed", range(60))
def test_the_innermost_span_is_the_one_that_a_look_at_all_of_them_finds(seed: int) -> None:
    draw = np.random.default_rng(seed)
    count = int(draw.integers(0, 12))
    begin, size = draw.integers(0, 60, count), draw.integers(1, 40, count)
    address = draw.integers(0, 110, 200)

    found = innermost(column(address, "u8"), column(begin, "u8"), column(size, "u8"))

    for at, row in zip(address.tolist(), found.tolist(), strict=True):
        around = [each for each in range(count) if begin[each] <= at < begin[each] + size[each]]
        assert (row == NO_CHUNK) == (not around)
        if around:
            assert row in around
            best = max(around, key=lambda each: (begin[each], -size[each]))
            assert (begin[row], size[row]) == (begin[best], size[best])


@pytest.mark.parametrize("seed", range(20))
def test_occupants_are_what_counting_block_by_block_gives(seed: int) -> None:
    draw = np.random.default_rng(seed)
    moment = chunks({"": (4, MIB)}, address=BASE) + chunks({"": 2 * MIB}, kind="heap", address=BASE + 6 * MIB)
    for number in range(12):
        site, size = f"f{number % 5}@a.py:{number % 5 + 1}", int(draw.integers(16, 4000))
        at = BASE + int(draw.integers(0, 9 * MIB))
        moment += live({site: (int(draw.integers(1, 300)), size)}, address=at, thread=f"t{number % 3}")
    drawn = dump(moment)
    here = chunk_of_blocks(drawn)
    place = np.arange(len(drawn.stacks)) // 2  # two stacks are one place
    table, blocks = drawn.chunks, drawn.allocations

    for chunk in range(len(table)):
        begin, end = int(table.address[chunk]), int(table.address[chunk]) + int(table.size[chunk])
        counted: defaultdict[int, list[float]] = defaultdict(lambda: [0.0, 0.0])
        for row in range(len(blocks)):
            if begin <= int(blocks.address[row]) < end:
                one = counted[int(place[blocks.stack[row]])]
                one[0] += 1
                one[1] += float(blocks.weight[row])
        found = occupants(drawn, here, chunk, place)
        assert {each.place: [each.blocks, each.bytes] for each in found} == dict(counted)
        assert [each.bytes for each in found] == sorted((each.bytes for each in found), reverse=True)


def test_a_mapping_is_a_chunk_and_lies_in_none() -> None:
    drawn = dump(
        live({"f@a.py:1": 4 * MIB}, domain="mapping", address=BASE)
        + live({"g@a.py:2": 64}, address=BASE + 64)
        + chunks({"f@a.py:1": 4 * MIB}, kind="mapping", address=BASE)
    )
    assert sorted(chunk_of_blocks(drawn).tolist()) == [NO_CHUNK, 0]


def test_idle_is_what_is_resident_and_not_used_and_never_more_than_is_free() -> None:
    def idle(kind: str, used: float, free: float, resident: float) -> float:
        moment = chunks({"": MIB}, kind=kind, used_bytes=used, free_bytes=free, resident_bytes=resident)
        return float(idle_bytes(dump(moment).chunks)[0])

    assert idle("arena", 100_000, 900_000, 500_000) == 400_000  # half of it was never touched, or given back
    assert idle("heap", 100_000, 300_000, 1 << 20) == 300_000  # the rest are headers
    assert idle("heap", 100_000, 900_000, 50_000) == 0  # in swap, or measured a moment apart
    assert np.isnan(idle("mapping", 1, 1, 1))
    assert np.isnan(idle("arena", float("nan"), 1, 1))


def test_a_chunk_is_told_with_its_owner_and_with_who_has_most_in_it() -> None:
    site, other = "main@app.py:1 > load@app/table.py:12", "main@app.py:1 > index@app/index.py:7"
    arena_books = {"used_bytes": 2300, "free_bytes": 1_000_000, "resident_bytes": 20_480}
    heap_books = {"used_bytes": 64, "free_bytes": 900, "resident_bytes": 4096, "trimmable_bytes": 0}
    heap_books |= {"attached_threads": 0}
    drawn = dump(
        live({site: (30, 64)}, address=BASE, thread="loader")
        + live({other: (2, 100)}, address=BASE + 8192)
        + live({other: (1, 100)}, address=BASE + 16384, thread="indexer")
        + chunks({site: MIB}, thread="loader", address=BASE, **arena_books)
        + chunks({"": MIB}, kind="heap", thread=None, address=BASE + MIB, label="arena 3", **heap_books)
    )

    report = chunk_report(Facts([drawn]), top=10, tables=True)

    assert report is not None
    arena, heap = report.rows
    assert (arena.address, arena.kind, arena.thread, arena.function, arena.where) == (
        BASE, "arena", "loader", "load", "app/table.py:12",
    )  # fmt: skip
    assert (arena.idle_bytes, arena.places, arena.age_s) == (20_480 - 2300, 2, 0.0)
    assert arena.pinned_by == (
        ChunkPin("load", "app/table.py:12", None, 30, 1920, ("loader",)),
        ChunkPin("index", "app/index.py:7", None, 3, 300, ("MainThread", "indexer")),
    )
    assert (heap.label, heap.attached_threads, heap.thread, heap.age_s, heap.where) == ("arena 3", 0, None, None, "")
    assert (report.further_arenas, report.further_arenas_idle_bytes, report.trimmable_bytes) == (1, 900, 0)
    assert report.idle_bytes == arena.idle_bytes + 900
    assert not report.estimated


def test_rows_are_there_only_where_tables_are_asked_for_and_nothing_without_chunks() -> None:
    assert chunk_report(Facts([dump(live({"f@a.py:1": 8}))]), top=5, tables=True) is None
    report = chunk_report(Facts([dump(chunks({"": (7, MIB)}))]), top=5, tables=False)
    assert report is not None
    assert report.rows == ()
    [kind] = report.kinds
    assert (kind.kind, kind.count, kind.size_bytes, kind.used_bytes) == ("arena", 7, 7 * MIB, None)
    full = chunk_report(Facts([dump(chunks({"": (7, MIB)}))]), top=5, tables=True)
    assert full is not None
    assert len(full.rows) == 5


def test_with_an_object_graph_the_table_says_what_most_of_the_blocks_are() -> None:
    graph = "*rows=list -> row#30=app.Row:64; row -> text#30=str:500"
    made = {"row": "load@app.py:12", "text": "load@app.py:12"}
    addresses = heap_series(graph, made=made)[0].allocations.address
    begin = int(addresses.min()) // MIB * MIB
    span = chunks({"": int(addresses.max()) - begin + 4096}, kind="heap", thread=None, address=begin, used_bytes=1)

    run = heap_series(graph, graph, made=made, others=[span, span])
    report = chunk_report(Facts(run), top=5, tables=True)

    assert report is not None
    [pin] = report.rows[0].pinned_by
    assert (pin.where, pin.type, pin.blocks) == ("app.py:12", "str", 60)
