"""Free memory over time: carried on between dumps, and the longest time in which there was enough of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders import chunks, column, live, series

from leakscope.analysis.slack import Stretch, longest_stretch, unused_over_time

MIB = 1 << 20


def test_a_dump_is_carried_on_by_what_is_resident_less_what_is_alive() -> None:
    """The worked number of the page."""
    free = chunks({"": 64 * MIB}, kind="heap", used_bytes=2 * MIB, free_bytes=55 * MIB, resident_bytes=64 * MIB)
    dumps = series(free + live({"app.py:1": 2 * MIB}), live({"app.py:1": 30 * MIB}), rss_bytes=67 * MIB, every_s=1.0)

    times, unused = unused_over_time([replace(dumps[0], series=_without_books(dumps)), _last(dumps)])

    assert times.tolist() == [1.0, 2.0]
    assert (unused / MIB).tolist() == [55.0, 27.0]


def _last(dumps):  # type: ignore[no-untyped-def]
    return replace(dumps[-1], series=_without_books(dumps))


def _without_books(dumps):  # type: ignore[no-untyped-def]
    last = dumps[-1].series
    nothing = column(np.full(len(last), np.nan), "f8")
    return replace(last, arena_free_bytes=nothing, glibc_free_bytes=nothing)


@pytest.mark.parametrize("seed", range(50))
def test_the_longest_stretch_is_found_as_by_hand(seed: int) -> None:
    dice = np.random.default_rng(seed)
    times = np.cumsum(dice.random(20) + 0.1)
    values = dice.integers(0, 4, 20).astype(float)

    found = longest_stretch(times, values, 2.0)

    spans = [
        (times[end] - times[begin], begin, end)
        for begin in range(20)
        for end in range(begin, 20)
        if (values[begin : end + 1] >= 2.0).all()
    ]
    if not spans:
        assert found is None
        return
    length, begin, end = max(spans, key=lambda span: (span[0], -span[1]))
    assert found == Stretch(times[begin], times[end], end - begin + 1, values[begin : end + 1].min())
    assert length == found.end_s - found.start_s
