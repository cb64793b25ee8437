"""Tables check their columns; stacks are read from the innermost frame out."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from builders import Sites, column, dump, live, series, strings

from leakscope.model.allocations import ROOT_STACK, Frame

STACKS: Sites = {"main@app.py:3 > load@app.py:20": (3, 64), "main@app.py:3 > !istr_new@_multidict.so": 96, "": 50}


def test_the_frames_of_a_stack_begin_with_the_innermost() -> None:
    drawn = dump(live(STACKS))
    innermost = int(drawn.allocations.stack[0])

    assert drawn.stacks.frames(innermost) == [Frame("load", "app.py", 20), Frame("main", "app.py", 3)]


def test_native_frames_say_so_and_where_in_the_library() -> None:
    drawn = dump(live(STACKS))
    native = drawn.stacks.frames(int(drawn.allocations.stack[3]))[0]

    assert (native.kind, native.function, native.file, native.line) == ("native", "istr_new", "_multidict.so", 0)
    assert native.offset > 0


def test_the_root_has_no_frames_and_a_foreign_number_is_no_stack() -> None:
    stacks = dump(live(STACKS)).stacks

    assert stacks.frames(ROOT_STACK) == []
    for stack in (-1, len(stacks)):
        with pytest.raises(IndexError):
            stacks.frames(stack)


def test_strings_that_are_not_utf_8_are_decoded_with_a_mark() -> None:
    table = strings(["", "f\udcfff"])

    assert (len(table), table[0], table[1]) == (2, "", "f\N{REPLACEMENT CHARACTER}f")


def test_columns_of_different_lengths_make_no_table() -> None:
    allocations = dump(live(STACKS)).allocations

    with pytest.raises(ValueError, match="different lengths"):
        replace(allocations, size=column([1], "u8"))


def test_a_column_that_can_be_written_to_makes_no_table() -> None:
    allocations = dump(live(STACKS)).allocations

    with pytest.raises(ValueError, match="read-only: weight"):
        replace(allocations, weight=np.zeros(len(allocations)))


def test_a_noun_cannot_be_changed() -> None:
    drawn = dump(live(STACKS))

    with pytest.raises(FrozenInstanceError):
        drawn.allocations.size = column([], "u8")  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        drawn.allocations.size[0] = 1


def test_a_row_of_a_sampled_dump_stands_for_several_blocks() -> None:
    exact, sampled = (dump(live({"a.py:1": (10_000, 64)}), interval_bytes=size) for size in (1, 4096))

    assert len(exact.allocations) == 10_000
    assert len(sampled.allocations) < 200
    assert sampled.allocations.blocks.sum() == pytest.approx(10_000)
    assert sampled.allocations.weight.sum() == exact.allocations.weight.sum() == 640_000


def test_a_block_of_no_bytes_counts_as_none_and_does_not_divide_by_zero() -> None:
    assert dump(live({"a.py:1": (2, 0)})).allocations.blocks.tolist() == [0, 0]


def test_threads_have_names_and_the_nameless_a_number() -> None:
    first, last = series(live({"a.py:1": 1}), live({"a.py:1": 1}) + live({"a.py:1": 1}, thread="worker-1"))

    assert [last.threads.name_of(row) for row in range(len(last.threads))] == ["MainThread", "worker-1"]
    assert len(first.threads) == 1
    nameless = replace(last.threads, name=column([0, 0], "u4"), ended_s=column([float("nan"), 5.0], "f8"))
    assert nameless.name_of(1) == "thread 1001"
    assert (nameless.is_alive(0), nameless.is_alive(1)) == (True, False)
