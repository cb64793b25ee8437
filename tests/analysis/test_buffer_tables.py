"""The tables about buffers: sums by place, threads, ages, and views that are certainly gone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from buffer_builders import view, with_buffers
from builders import chunks, column, dump, live

from leakscope.analysis.buffer_tables import buffer_report, views_gone
from leakscope.analysis.facts import Facts

READ, WAIT = "main@app.py:3 > read@app/net.py:40", "main@app.py:3 > wait@app/net.py:50"


def test_exports_are_added_up_by_type_and_place() -> None:
    made = dump(live({READ: 100}) + live({WAIT: 100}, thread="worker-1"))
    seen = with_buffers(
        made,
        view(READ, 5000, exporter=1, address=10, born_s=12.0),
        view(READ, 5000, exporter=1, address=20, born_s=50.0, thread="worker-1"),
        view(READ, 700, exporter=2, address=30, born_s=55.0, thread="worker-1"),
        view(READ, 700, exporter=3, address=40, type="array.array", weight=16, on_stack=True),
        view(WAIT, 90, exporter=4, address=50),
        acquired={READ: (90, 70, 4), WAIT: (800, 799, 0)},
    )

    report = buffer_report(Facts([seen]), 10)

    assert report is not None
    first = report.exports[0]
    assert (first.type, first.where, first.label) == ("bytearray", "app/net.py:40", "read")
    assert (first.exports, first.exporters, first.bytes, first.oldest_s) == (3, 2, 5700, 48.0)
    assert first.threads == ("worker-1", "MainThread")
    assert [(line.type, line.exports, line.bytes) for line in report.exports[1:]] == [
        ("array.array", 16, 700),
        ("bytearray", 1, 90),
    ]
    assert [(line.where, line.acquired, line.released, line.foreign) for line in report.acquirers] == [
        ("app/net.py:50", 800, 799, 0),
        ("app/net.py:40", 90, 70, 4),
    ]
    assert report.pinned == ()


def test_nobody_watched_or_nothing_handed_out() -> None:
    made = dump(live({READ: 100}))

    assert buffer_report(Facts([made]), 10) is None
    report = buffer_report(Facts([with_buffers(made)]), 10)
    assert report is not None
    assert (report.exports, report.acquirers) == ((), ())


def test_a_view_on_the_stack_of_a_thread_that_ended_is_gone() -> None:
    made = dump(live({READ: 100}) + live({WAIT: 100}, thread="worker-1"))
    made = replace(made, threads=replace(made.threads, ended_s=column([np.nan, 20.0], "f8")))
    seen = with_buffers(
        made, view(READ, 9, on_stack=True), view(WAIT, 9, on_stack=True, thread="worker-1"),
        view(WAIT, 9, thread="worker-1"),
    )  # fmt: skip

    assert seen.buffers is not None
    assert views_gone(seen, seen.buffers.exports).tolist() == [False, True, False]


def test_a_view_in_a_free_place_of_an_arena_is_gone_if_every_block_was_recorded() -> None:
    moment = live({READ: (2, 128)}, born_s=1) + chunks({READ: 1 << 20})
    made = dump(moment)
    arena = int(made.chunks.address[0])
    made = replace(made, allocations=replace(made.allocations, address=column([arena + 4096, arena + 8192], "u8")))
    views = [
        view(READ, 9, address=arena + 4096 + 64),  # in a block
        view(READ, 9, address=arena + 4096 + 128),  # just behind it
        view(READ, 9, address=arena + 600, born_s=59.9),  # perhaps younger than the table of blocks
        view(READ, 9, address=arena - 64),
    ]
    seen = with_buffers(made, *views)

    assert seen.buffers is not None
    assert views_gone(seen, seen.buffers.exports).tolist() == [False, True, False, False]
    sampled = replace(seen, meta=replace(seen.meta, interval_bytes=65536))
    assert not views_gone(sampled, seen.buffers.exports).any()
