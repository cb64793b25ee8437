"""Whether blocks are lost: by what the search for pointers found, and only where it found enough."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders import column, dump, live

from leakscope.analysis.lost import are_lost, lost_objects, lost_share
from leakscope.model.allocations import POINTED, AllocationTable

UNKNOWN, YES, NO, LINKED = (POINTED.index(word) for word in ("unknown", "yes", "no", "linked"))


def blocks(*answers: int) -> AllocationTable:
    table = dump(live({"f@app.py:1": (len(answers), 100)})).allocations
    return replace(table, pointed=column(np.array(answers), "u1"))


@pytest.mark.parametrize(
    ("answers", "verdict"),
    [
        ([NO] * 20, "lost"),
        ([YES] * 20, "owned"),
        ([YES] * 14 + [NO] * 6, "lost"),  # what is lost may point to the rest
        ([YES] * 18 + [NO] * 2, "unknown"),
        ([YES] * 99 + [NO], "owned"),  # a race, or an address in disguise
        ([NO] * 4, "unknown"),
        ([UNKNOWN] * 20, "unknown"),
        ([UNKNOWN] * 20 + [NO] * 8, "lost"),
        ([LINKED] * 20, "owned"),  # memory of C code may be in lists of its own
    ],
)
def test_a_part_without_pointers_tells(answers: list[int], verdict: str) -> None:
    assert are_lost(blocks(*answers), np.arange(len(answers))) == verdict


def test_only_the_given_rows_count() -> None:
    table = blocks(*[YES] * 10, *[NO] * 10)

    assert lost_share(table, np.arange(10)) == 0.0
    assert lost_share(table, np.arange(10, 20)) == 1.0
    assert lost_share(table, np.arange(20)) == 0.5
    assert np.isnan(lost_share(table, np.arange(3)))


@pytest.mark.parametrize(
    ("answers", "count"),
    [
        ([LINKED] * 3 + [NO], 4),
        ([LINKED] * 4 + [YES] * 4, 4),
        ([LINKED] * 4 + [YES] * 5, 0),
        ([LINKED] * 3 + [UNKNOWN] * 9, 0),
        ([LINKED] * 4 + [UNKNOWN] * 9, 4),
    ],
)
def test_objects_that_only_the_collector_knows_are_lost_if_they_are_no_accident(answers: list[int], count: int) -> None:
    assert len(lost_objects(blocks(*answers), np.arange(len(answers)))) == count
