"""Copies of one string, and containers that are mostly empty."""

from __future__ import annotations

import numpy as np
import pytest
from heap_builders import heap

from leakscope.analysis.waste import find_duplicates, find_sparse


def test_copies_are_counted_from_ten_on() -> None:
    graph = heap("*l=list -> a#12=str:60(digest=7); l -> b#9=str:900(digest=8); l -> c#30=bytes:40(digest=7)")

    blobs, strings = find_duplicates(graph)

    assert (blobs.type, blobs.copies, blobs.bytes, blobs.wasted) == ("bytes", 30, 1200, 1160)
    assert (strings.type, strings.copies, strings.bytes, strings.wasted) == ("str", 12, 720, 660)


def test_the_most_wasteful_comes_first_and_equal_digests_of_other_sizes_are_others() -> None:
    graph = heap("*l=list -> a#20=str:60(digest=7); l -> b#10=str:1000(digest=7)")

    assert [(found.copies, found.wasted) for found in find_duplicates(graph)] == [(10, 9000), (20, 1140)]


def test_what_is_ignored_is_no_copy_and_without_digests_there_is_nothing() -> None:
    graph = heap("*l=list -> a#12=str:60(digest=7)")

    assert find_duplicates(graph, np.ones(graph.count, dtype=bool)) == ()
    assert find_duplicates(heap("*l=list -> a#12=str:60")) == ()


@pytest.mark.parametrize(
    ("drawing", "wasted"),
    [
        ("*l=list:56+8000 -> x", 7992),
        ("*l=list:56+64 -> x", None),  # too small to matter
        ("*l=list:56+8000 -> x#500", None),  # half full
        ("*d=dict:64+9000 -> x#10", 8640),
        ("*d=dict:64+9000 -> x#200", None),
        ("*s=set:200+8192 -> x#20", 7872),
        ("*o=app.Thing:200+8192", None),  # who knows what is in there
    ],
)
def test_a_container_is_sparse_below_a_quarter(drawing: str, wasted: int | None) -> None:
    found = find_sparse(heap(drawing))

    assert [each.wasted for each in found] == ([] if wasted is None else [wasted])


def test_containers_of_one_type_are_added_up_and_the_worst_is_the_example() -> None:
    graph = heap("*a=list:56+4096; *b=list:56+8192; *c=dict:64+4096")

    lists, dicts = find_sparse(graph)

    assert (lists.type, lists.containers, lists.wasted, lists.bytes) == ("list", 2, 12288, 12288)
    assert int(graph.body_size[graph.body_owner == lists.example].sum()) == 8192
    assert dicts.type == "dict"
