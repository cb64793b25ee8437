"""A drawn run agrees with itself over time: samples, sites, ages, addresses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders import column, freed, live, series

from leakscope.model.series import SERIES_COLUMNS

LEAK = [live({"leak@app.py:10": (count, 100)}) for count in (10, 20, 30)]


def test_each_dump_knows_the_samples_up_to_itself() -> None:
    dumps = series(*LEAK, every_s=30)

    assert [len(drawn.series) for drawn in dumps] == [1, 2, 3]
    assert dumps[-1].series.time_s.tolist() == [30, 60, 90]
    assert dumps[-1].series.live_bytes.tolist() == [1000, 2000, 3000]
    assert np.isnan(dumps[-1].series.pss_bytes).all()


def test_sites_show_the_age_of_the_survivors() -> None:
    sites = series(*LEAK, every_s=30)[-1].series.sites

    assert sites.sample.tolist() == [0, 1, 2]
    assert sites.age_bytes.tolist() == [[1000, 0, 0, 0, 0], [1000, 0, 1000, 0, 0], [1000, 0, 1000, 1000, 0]]


def test_survivors_keep_their_address_and_fresh_blocks_do_not() -> None:
    first, second = series(LEAK[0], LEAK[1])
    fresh = [live({"cache@app.py:5": (10, 100)}, fresh=True)] * 2
    third, fourth = series(*fresh)

    assert set(first.allocations.address) < set(second.allocations.address)
    assert not set(third.allocations.address) & set(fourth.allocations.address)


def test_stacks_count_what_came_and_went() -> None:
    dumps = series(LEAK[1], LEAK[0] + freed({"leak@app.py:10": (5, 100)}, foreign=True))
    stacks, stack = dumps[-1].stacks, int(dumps[-1].allocations.stack[0])

    assert (stacks.alloc_blocks[stack], stacks.free_blocks[stack], stacks.foreign_blocks[stack]) == (25, 15, 5)
    assert stacks.alloc_bytes[stack] - stacks.free_bytes[stack] == dumps[-1].allocations.weight.sum()


def test_ages_must_have_one_column_per_class() -> None:
    sites = series(*LEAK)[-1].series.sites

    with pytest.raises(ValueError, match="5 columns"):
        replace(sites, age_bytes=column(np.zeros((3, 4)), "f8"))


def test_the_columns_are_the_fields() -> None:
    assert SERIES_COLUMNS[0] == "time_s"
    assert "sites" not in SERIES_COLUMNS
