"""LS203 and LS101: chunks of a pool that few buffers keep, that forgotten ones keep, that the pool keeps by design."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from builders import Moment, column
from heap_builders import draw, heap_series
from pool_builders import lent, returned

from leakscope.analysis.chunk_tables import chunk_report
from leakscope.analysis.facts import Facts
from leakscope.model.chunk_report import ChunkPin
from leakscope.model.dump import Dump
from leakscope.model.finding import Verdict
from leakscope.reports.first_screen import first_screen
from leakscope.rules import pooling, unreleased
from leakscope.verdict import judge

MIB = 1 << 20
READ = "loop@app/net.py:9 > read@app/net.py:20"
MADE = {"memory": (f"{READ} > take@pool/pool.py:30 > __init__@pool/pool.py:12", "loop-0")}
POOL = "app:Buffer"
RSS = 100 * MIB


def drawing(chunks: int, kept_in: Sequence[int]) -> str:
    """A pool of so many chunks, and a list of buffers in some of them."""
    lines = ["<module app> m=module .POOL -> pool=app.Pool .chunks -> all=list; m .KEPT -> kept=list"]
    lines += [f"all -> chunk{at}=app.Chunk .memory -> memory{at}=memory:56+{16 * MIB}" for at in range(chunks)]
    lines += [f"kept -> buffer{at}=app.Buffer .chunk -> chunk{at}" for at in kept_in]
    return ";".join(lines)


def run(chunks: Sequence[int], kept_in: Sequence[int] = (), dropped: int = 0, size: int = 4096) -> list[Dump]:
    """Dumps of a pool that has so many chunks in each; some buffers are held all the time, and some dropped."""
    drawn = [drawing(count, [at for at in kept_in if at < count]) for count in chunks]
    others = [_lent(len([at for at in kept_in if at < count]), dropped, size) for count in chunks]
    made = {f"memory{at}": MADE["memory"] for at in range(max(chunks))}
    dumps = heap_series(*drawn, made=made, others=others, rss_bytes=RSS)
    return [_at_their_objects(dump, text) for dump, text in zip(dumps, drawn, strict=True)]


def _lent(held: int, dropped: int, size: int) -> Moment:
    moment = returned({READ: (500, size)}, pool=POOL, thread="loop-0", by="worker-0")
    if held:
        moment += lent({READ: (held, size)}, pool=POOL, thread="loop-0")
    if dropped:
        moment += lent({READ: (dropped, size)}, pool=POOL, thread="loop-0", state="collected without release")
    return moment


def _at_their_objects(dump: Dump, text: str) -> Dump:
    """The same; its handles are the buffers of the drawing."""
    assert dump.pools is not None
    graph = draw(text)
    buffers = [number for name, number in graph.number.items() if name.startswith("buffer")]
    handles = dump.pools.handles
    address = handles.address.copy()
    address[np.flatnonzero(handles.state == 0)[: len(buffers)]] = graph.graph.address[buffers]
    return replace(dump, pools=replace(dump.pools, handles=replace(handles, address=column(address, "u8"))))


def test_chunks_that_few_buffers_keep_are_told_with_these_and_who_holds_them() -> None:
    dumps = run([4] * 4, kept_in=range(4))

    (finding,) = unreleased.check(Facts(dumps))

    assert finding.sentence == (
        "4 chunks of 16.0 MiB of pool app:Buffer cannot go, 64.0 MiB of 100.0 MiB resident: 4 buffers (16.0 KiB), "
        "acquired by `read` in app/net.py:20, have not been released since second 60.0."
    )
    assert (finding.verdict, finding.code) == (Verdict.FRAGMENTATION, "LS203")
    assert finding.holders == (("module app . KEPT [list item]", "Buffer"),)
    assert sum(each.claim.startswith("chunk at 0x") for each in finding.evidence) == 4
    assert judge(dumps).verdict is Verdict.FRAGMENTATION


def test_chunks_kept_by_what_was_dropped_are_told_with_the_line_that_acquired_it() -> None:
    (finding,) = unreleased.check(Facts(run([4] * 4, dropped=900, size=16384)))

    assert finding.sentence == (
        "4 chunks of 16.0 MiB of pool app:Buffer cannot go, 64.0 MiB of 100.0 MiB resident: nobody holds anything in "
        "them, but 3,600 buffers (56.2 MiB), acquired by `read` in app/net.py:20, were dropped without release."
    )


def test_the_table_of_chunks_has_those_of_the_pool_with_the_handles_that_are_out_of_each() -> None:
    report = chunk_report(Facts(run([3, 3], kept_in=[1])), top=10, tables=True)

    assert report is not None
    [kind] = report.kinds
    assert (kind.kind, kind.count, kind.size_bytes, kind.used_bytes) == ("pool", 3, 48 * MIB, 4096)
    assert [(row.kind, row.label, row.used_bytes, row.free_bytes) for row in report.rows] == [
        ("pool", POOL, 0, None), ("pool", POOL, 0, None), ("pool", POOL, 4096, None),
    ]  # fmt: skip
    kept = report.rows[2]
    assert (kept.thread, kept.function, kept.where) == ("loop-0", "__init__", "pool/pool.py:12")
    assert kept.pinned_by == (ChunkPin("read", "app/net.py:20", None, 1, 4096, ("loop-0",)),)


def test_without_tables_and_without_chunks_there_are_no_rows() -> None:
    report = chunk_report(Facts(run([3])), top=10, tables=False)
    assert report is not None
    assert report.rows == ()
    assert chunk_report(Facts(run([0])), top=10, tables=True) is None


def test_the_screen_names_the_oldest_chunks() -> None:
    (item,) = first_screen(judge(run([4] * 4, kept_in=range(4)))).findings

    chunks = [detail for detail in item.details if detail.startswith("chunk at 0x")]
    assert len(chunks) == 3
    assert chunks[0].endswith("3 min old, taken by loop-0, 1 buffer of it out: 16.0 MiB")


def test_their_growth_is_not_told_a_second_time() -> None:
    codes = [found.code for found in judge(run([1, 2, 3, 4, 5, 6, 7, 8, 9], dropped=900, size=16384)).findings]

    assert "LS203" in codes
    assert "LS501" not in codes


@pytest.mark.parametrize(
    "dumps",
    [
        pytest.param(run([4] * 4), id="nothing lent"),
        pytest.param(run([4] * 4, kept_in=range(4), size=8 * MIB), id="in use"),
        pytest.param(run([4] * 4, kept_in=[0]), id="one pinned"),
        pytest.param(run([4], kept_in=range(4)), id="one dump"),
        pytest.param(run([1, 1, 1, 5], kept_in=range(1, 5)), id="young"),
        pytest.param(run([4] * 4, dropped=10), id="little dropped"),
    ],
)
def test_quiet_twins(dumps: Sequence[Dump]) -> None:
    assert unreleased.check(Facts(dumps)) == ()


def test_an_empty_pool_that_does_not_grow_is_one_by_design() -> None:
    dumps = run([2] * 4)

    (finding,) = pooling.check(Facts(dumps))

    assert finding.sentence == (
        "Pool app:Buffer holds 32.0 MiB in 2 chunks, by design, and lends 0 B of it now, 0 B at most; it has not grown "
        "since the middle of the run."
    )
    assert (finding.verdict, finding.code, finding.subject.pool) == (Verdict.POOLING, "LS101", POOL)
    assert judge(dumps).verdict is Verdict.POOLING


@pytest.mark.parametrize(
    "dumps",
    [
        pytest.param(run([1, 1, 2, 4]), id="still growing"),
        pytest.param(run([2] * 4, kept_in=range(2), size=10 * MIB), id="in use"),
        pytest.param(run([1] * 4), id="little"),
        pytest.param(run([4] * 4, kept_in=range(4)), id="kept by few"),
        pytest.param(run([2] * 4, dropped=900, size=16384), id="dropped"),
    ],
)
def test_what_is_no_pooling(dumps: Sequence[Dump]) -> None:
    assert pooling.check(Facts(dumps)) == ()


def telling(*held: int) -> list[Dump]:
    """Dumps of a pool of which nothing but its own word is known."""
    dumps = []
    for dump, bytes_ in zip(run([1] * len(held)), held, strict=True):
        assert dump.pools is not None
        table = replace(dump.pools.pools, held_bytes=column([bytes_], "f8"), kind=column([1], "u1"))
        dumps.append(replace(dump, pools=replace(dump.pools, pools=table)))
    return dumps


def test_a_pool_that_tells_itself_what_it_holds_needs_no_chunks() -> None:
    (finding,) = pooling.check(Facts(telling(*[64 * MIB] * 4)))

    assert "holds 64.0 MiB, by design" in finding.sentence
    assert pooling.check(Facts(telling(*[at * 16 * MIB for at in range(1, 5)]))) == ()
