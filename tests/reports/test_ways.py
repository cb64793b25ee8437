"""Ways to objects and callers, short enough for one line."""

from __future__ import annotations

import pytest

from leakscope.model.allocations import Frame
from leakscope.reports.pieces import outside, way


@pytest.mark.parametrize(
    ("steps", "shown"),
    [
        (1, "0"),
        (8, "0 -> 1 -> 2 -> 3 -> 4 -> 5 -> 6 -> 7"),
        (11, "0 -> 1 -> 2 -> (4 more) -> 7 -> 8 -> 9 -> 10"),
    ],
)
def test_a_long_way_is_shown_without_its_middle(steps: int, shown: str) -> None:
    assert way([str(step) for step in range(steps)]) == shown


def test_a_function_that_calls_itself_is_shown_once() -> None:
    frames = [("visit", 4), ("walk", 7), ("walk", 8), ("walk", 8), ("walk", 8), ("check", 2), ("main", 1)]
    stack = [Frame(function, "app.py", line) for function, line in frames]

    assert outside(stack, "visit", 4, ", ") == "walk app.py:7, check app.py:2, main app.py:1"
