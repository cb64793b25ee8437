"""Sums over live blocks, compared with adding them up one by one."""

from __future__ import annotations

import numpy as np
import pytest
from builders import dump, live
from simulation import Life, recorded

from leakscope.analysis.facts import Facts
from leakscope.analysis.places import find_places
from leakscope.analysis.sites import age_profile, births, blocks_by_thread, find_sites, named_groups, tally
from leakscope.model.dump import Dump
from leakscope.model.series import AGE_EDGES_S

STD = "/usr/lib/python3.11"


def random_dump(seed: int, interval: int = 1) -> Dump:
    random = np.random.default_rng(seed)
    life = Life()
    for _ in range(200):
        thread = str(random.choice(["MainThread", "worker-1", "worker-2"]))
        life.add(f"f@a.py:{random.integers(1, 9)}", int(random.integers(1, 3000)), float(random.uniform(0, 99)),
                 thread=thread)  # fmt: skip
    return recorded(life, 100.0, samples=4, interval_bytes=interval, seed=seed)


@pytest.mark.parametrize("seed", range(10))
def test_tallies_equal_a_loop_over_the_rows(seed: int) -> None:
    live_now = random_dump(seed, interval=2048).allocations
    group = np.random.default_rng(seed).integers(0, 5, len(live_now))

    found = tally(live_now, group, 5)

    for each in range(5):
        rows = [row for row in range(len(live_now)) if group[row] == each]
        assert found.bytes[each] == pytest.approx(sum(live_now.weight[row] for row in rows))
        assert found.blocks[each] == pytest.approx(
            sum(live_now.weight[row] / float(live_now.size[row]) for row in rows)
        )
        assert found.variance[each] == pytest.approx(
            sum(live_now.weight[row] * (live_now.weight[row] - float(live_now.size[row])) for row in rows)
        )


@pytest.mark.parametrize("seed", range(10))
def test_births_and_ages_equal_a_loop_over_the_rows(seed: int) -> None:
    live_now = random_dump(seed).allocations
    rows = np.arange(0, len(live_now), 2)

    survivors, counted = births(live_now, rows, 20.0, 60.0, 4)
    ages = age_profile(live_now, rows, 100.0)

    for quarter in range(4):
        inside = [row for row in rows if 20 + 10 * quarter <= live_now.born_s[row] < 30 + 10 * quarter]
        assert survivors[quarter] == sum(int(live_now.size[row]) for row in inside)
        assert counted[quarter] == len(inside)
    edges = [0.0, *AGE_EDGES_S, np.inf]
    for low, high, found in zip(edges, edges[1:], ages, strict=False):
        assert found == sum(int(live_now.size[row]) for row in rows if low <= 100.0 - live_now.born_s[row] < high)


def test_the_ends_of_the_window_are_in_it_although_birth_times_are_coarse() -> None:
    drawn = dump(
        live({"f@a.py:1": 10}, born_s=1e5 + 0.1) + live({"g@a.py:1": 10}, born_s=2e5 + 0.1), elapsed_s=2e5 + 0.1
    )

    survivors, _ = births(drawn.allocations, np.array([0, 1]), 1e5 + 0.1, 2e5 + 0.1, 4)

    assert survivors.tolist() == [10, 0, 0, 10]


def test_threads_are_added_up_by_name_and_the_first_is_the_main_one() -> None:
    drawn = dump(
        live({"f@a.py:1": (3, 8)}) + live({"f@a.py:1": (5, 8)}, thread="pool") + live({"g@a.py:1": (1, 8)}, thread="x")
    )
    rows = np.arange(len(drawn.allocations))

    assert blocks_by_thread(drawn.allocations, drawn.threads, rows) == {"pool": 5, "MainThread": 3, "x": 1}


def test_a_site_is_a_place_and_the_line_that_made_it_whatever_lies_between() -> None:
    # given two ways from one line of the program into the same line of a library
    drawn = dump(
        live({
            f"f@a.py:1 > dumps@{STD}/json/__init__.py:3 > iterate@{STD}/json/encoder.py:9": 8,
            f"f@a.py:1 > dump@{STD}/json/__init__.py:7 > iterate@{STD}/json/encoder.py:9": 8,
            f"f@a.py:2 > dump@{STD}/json/__init__.py:7 > iterate@{STD}/json/encoder.py:9": 8,
        })
    )  # fmt: skip

    sites = find_sites(find_places(drawn.stacks, command=False))

    one, same, other = (int(sites.by_stack[node]) for node in drawn.allocations.stack)
    assert one == same != other


def test_named_groups_merge_ids_by_their_names() -> None:
    group, names = named_groups(np.array([3, 1, 3, 2]), lambda each: "odd" if each % 2 else "even")

    assert names == ("odd", "even")
    assert group.tolist() == [0, 0, 0, 1]
    assert named_groups(np.array([], int), str)[1] == ()


def test_functions_are_sites_merged_over_their_lines() -> None:
    facts = Facts([dump(live({"f@a.py:1": 8, "f@a.py:2": 8, "g@a.py:3": 8, "": 8}))])

    by_name = {}
    for site in range(len(facts.sites)):
        frame = facts.frame(int(facts.sites.place[site]))
        by_name.setdefault(frame.function if frame else "", set()).add(int(facts.function_of_site[site]))
    assert {name: len(numbers) for name, numbers in by_name.items()} == {"": 1, "f": 1, "g": 1}
    assert len(set.union(*by_name.values())) == 3
