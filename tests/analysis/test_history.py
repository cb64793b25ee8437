"""What groups held over time, from samples that list only the biggest stacks, and from dumps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from builders import column, dump, live, series
from simulation import Life, recorded

from leakscope.analysis.history import ages_at, group_history
from leakscope.model.dump import Dump
from leakscope.model.series import AGE_CLASSES, SiteSamples


def listing(like: Dump, rows: Sequence[tuple[int, int, float]]) -> Dump:
    """The dump with these rows of (sample, stack, live bytes), one block each."""
    sites = SiteSamples(
        sample=column([row[0] for row in rows], "u4"), stack=column([row[1] for row in rows], "u4"),
        live_bytes=column([row[2] for row in rows], "f8"), live_blocks=column([1.0] * len(rows), "f8"),
        age_bytes=column(np.zeros((len(rows), AGE_CLASSES)), "f8"),
    )  # fmt: skip
    return replace(like, series=replace(like.series, sites=sites))


def test_a_stack_that_was_not_listed_held_at_most_what_the_smallest_listed_one_did() -> None:
    # given stack 1 listed always, stack 2 only once, at three samples
    last = series(*[live({"f@a.py:1": 500, "g@a.py:2": 30})] * 3)[-1]
    seen = listing(last, [(0, 1, 400.0), (1, 1, 450.0), (1, 2, 90.0), (2, 1, 500.0), (2, 2, 30.0)])

    history = group_history([seen], np.array([0, 1, 2]), 3)

    # then it is taken to have held the least that it was seen with, which is below the smallest of that sample
    assert history.bytes[:, 2].tolist() == [30.0, 90.0, 30.0]
    assert history.bytes[:, 1].tolist() == [400.0, 450.0, 500.0]


def test_a_group_that_was_never_listed_is_unknown_until_the_dump() -> None:
    last = series(*[live({"f@a.py:1": 500, "g@a.py:2": 30})] * 3)[-1]
    seen = listing(last, [(0, 1, 500.0), (1, 1, 500.0)])

    history = group_history([seen], np.array([0, 1, 2]), 3)

    assert np.isnan(history.bytes[:2, 2]).all()
    assert history.bytes[-1, 2] == 30


def test_dumps_add_moments_and_know_better_than_samples() -> None:
    run = series(*[live({"f@a.py:1": (count, 10)}) for count in (1, 2, 3)])

    history = group_history(run, np.array([0, 1]), 2)

    assert history.time_s.tolist() == [60.0, 120.0, 180.0]
    assert history.bytes[:, 1].tolist() == [10.0, 20.0, 30.0]
    assert history.first_seen_s[1] == 60.0


@pytest.mark.parametrize("seed", range(5))
def test_sums_over_groups_equal_adding_up_the_lives_of_all_blocks(seed: int) -> None:
    random = np.random.default_rng(seed)
    life = Life()
    for _ in range(300):
        born = float(random.uniform(0, 9))
        life.add(f"f@a.py:{random.integers(1, 6)}", int(random.integers(1, 99)), born, born + random.uniform(0, 9))
    seen = recorded(life, 10.0, samples=25)
    group = np.arange(len(seen.stacks)) % 2

    history = group_history([seen], group, 2)

    lines = [seen.stacks.frames(node)[0].line if node else 0 for node in range(len(seen.stacks))]
    for at, time in enumerate(history.time_s):
        for parity in (0, 1):
            held = sum(
                size for site, size, born, died in zip(life.site, life.size, life.born, life.died, strict=True)
                if born <= time < died and group[lines.index(int(site.rpartition(":")[2]))] == parity
            )  # fmt: skip
            # What is not listed because it is nothing is taken for the least ever seen.
            assert history.bytes[at, parity] >= held
            assert history.bytes[at, parity] <= held + 5 * 99


def test_ages_are_those_of_the_latest_sample_in_time() -> None:
    life = Life()
    life.add("f@a.py:1", 100, 0.0)
    life.add("f@a.py:1", 7, 14.5)
    life.add("g@a.py:2", 9000, 0.0)
    seen = recorded(life, 15.0, samples=15)
    stack = int(seen.allocations.stack[0])

    assert ages_at(seen, np.array([stack]), 14.4).tolist() == [0, 0, 100, 0, 0]
    assert ages_at(seen, np.array([stack]), 15.0).tolist() == [7, 0, 100, 0, 0]
    assert ages_at(dump(live({})), np.array([1]), 5.0).sum() == 0


def test_samples_whose_ages_were_not_taken_say_nothing_of_ages() -> None:
    # given ages at the first sample only
    last = series(*[live({"f@a.py:1": 500})] * 3)[-1]
    seen = listing(last, [(0, 1, 400.0), (1, 1, 450.0), (2, 1, 500.0)])
    ages = np.array([[10.0, 0, 0, 0, 390.0], [np.nan] * AGE_CLASSES, [np.nan] * AGE_CLASSES])
    seen = replace(seen, series=replace(seen.series, sites=replace(seen.series.sites, age_bytes=column(ages, "f8"))))

    # then these are the latest that are known
    assert ages_at(seen, column([1], "u4"), seen.series.time_s[-1]).tolist() == [10.0, 0, 0, 0, 390.0]
