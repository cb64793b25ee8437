"""Dumps of one run find each other, stacks of two runs match by name, fingerprints are the same everywhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders import dump, live, series

from leakscope.analysis.alignment import (
    UNMATCHED,
    fingerprint,
    match_lines,
    match_names,
    match_stacks,
    same_run,
    split_into_runs,
)
from leakscope.model.allocations import Frame
from leakscope.model.dump import Dump


def run_of(*sites: str, pid: int = 1, at: float = 0.0) -> list[Dump]:
    made = series(live({sites[0]: 8}), live(dict.fromkeys(sites, 8)), pid=pid)
    return [replace(one, meta=replace(one.meta, taken_unix_s=one.meta.taken_unix_s + at)) for one in made]


def test_dumps_are_sorted_by_time_within_their_run_and_runs_stay_as_given() -> None:
    first, second = run_of("f@a.py:1", "g@a.py:2", pid=1), run_of("f@a.py:1", "g@a.py:2", pid=2)

    runs = split_into_runs([second[1], first[1], first[0], second[0]])

    assert [[dump.meta.pid for dump in run] for run in runs] == [[2, 2], [1, 1]]
    assert [[dump.meta.number for dump in run] for run in runs] == [[1, 2], [1, 2]]


@pytest.mark.parametrize(
    "other",
    [
        run_of("f@a.py:1", "g@a.py:2", pid=7),
        run_of("f@a.py:1", "g@a.py:2", at=600.0),
        run_of("h@b.py:9", "h@b.py:9 > i@b.py:8"),
        [replace(one, meta=replace(one.meta, argv=("other.py",))) for one in run_of("f@a.py:1", "g@a.py:2")],
    ],
    ids=["another pid", "begun later", "other stacks", "other arguments"],
)
def test_dumps_that_differ_in_what_a_run_keeps_are_of_two_runs(other: list[Dump]) -> None:
    one = run_of("f@a.py:1", "f@a.py:1 > g@a.py:2")

    assert same_run(one[0], one[1])
    assert not same_run(one[0], other[1])


def test_the_wall_clock_may_be_set_a_little() -> None:
    one = run_of("f@a.py:1", "g@a.py:2")

    assert same_run(one[0], run_of("f@a.py:1", "g@a.py:2", at=1.5)[1])


def test_stacks_of_one_run_match_by_id() -> None:
    old, new = run_of("f@a.py:1", "g@a.py:2", "h@a.py:3")

    assert match_stacks(old, new).tolist() == [0, 1, UNMATCHED, UNMATCHED]


def test_stacks_of_two_runs_match_by_names_and_moved_code_without_its_lines() -> None:
    # given two checkouts in which g moved down and h is twice in one of them
    old = dump(live({"f@/x/app/a.py:1": 8, "f@/x/app/a.py:1 > g@/x/app/a.py:2": 8, "h@/x/app/a.py:5": 8}), cwd="/x")
    new = dump(
        live({"f@/y/app/a.py:1 > g@/y/app/a.py:20": 8, "h@/y/app/a.py:6": 8, "h@/y/app/a.py:7": 8, "i@b.py:1": 8}),
        cwd="/y", pid=2,
    )  # fmt: skip

    found = match_stacks(old, new)

    names = {node: [(frame.function, frame.line) for frame in new.stacks.frames(node)] for node in range(len(found))}
    matched = {str(names[node]): [(frame.function, frame.line) for frame in old.stacks.frames(int(found[node]))]
               for node in range(len(found)) if found[node] != UNMATCHED}  # fmt: skip
    assert matched == {
        "[]": [],
        "[('f', 1)]": [("f", 1)],
        "[('g', 20), ('f', 1)]": [("g", 2), ("f", 1)],
    }


@pytest.mark.parametrize("seed", range(20))
def test_matching_names_equals_comparing_each_with_each(seed: int) -> None:
    random = np.random.default_rng(seed)
    old = [(int(a), int(b)) for a, b in random.integers(0, 6, (15, 2))]
    new = [(int(a), int(b)) for a, b in random.integers(0, 6, (15, 2))]

    found = match_names((old, new), ([a for a, _ in old], [a for a, _ in new]))

    strict = [[row for row, name in enumerate(old) if name == wanted] for wanted in new]
    pairs = [rows[0] if len(rows) == 1 and new.count(new[at]) == 1 else None for at, rows in enumerate(strict)]
    for at, name in enumerate(new):
        rest_old = [row for row in range(15) if row not in pairs and old[row][0] == name[0]]
        rest_new = [row for row in range(15) if pairs[row] is None and new[row][0] == name[0]]
        loose = rest_old[0] if pairs[at] is None and len(rest_old) == 1 and len(rest_new) == 1 else UNMATCHED
        assert found[at] == (pairs[at] if pairs[at] is not None else loose)


def test_a_fingerprint_knows_neither_lines_nor_folders_nor_machines() -> None:
    here = [Frame("Cache.put", "/srv/shop/app/cache.py", 41)]
    there = [Frame("Cache.put", "/home/ci/build/app/cache.py", 57, offset=3)]
    library = [Frame("get", "/v/lib/python3.11/site-packages/requests/api.py", 1)]
    other_library = [Frame("get", "/opt/w/lib/python3.13/site-packages/requests/api.py", 9)]

    assert fingerprint("LS501", here, ["/srv/shop"]) == fingerprint("LS501", there, ["/home/ci/build"])
    assert fingerprint("LS501", library, []) == fingerprint("LS501", other_library, [])


def test_fingerprints_of_different_things_differ() -> None:
    put, get = Frame("put", "a.py", 1), Frame("get", "a.py", 1)
    made = [
        fingerprint("LS501", [put], []), fingerprint("LS601", [put], []), fingerprint("LS501", [get], []),
        fingerprint("LS501", [Frame("put", "b.py", 1)], []), fingerprint("LS501", [put, get], []),
        fingerprint("LS501", [], []),
    ]  # fmt: skip

    assert len(set(made)) == len(made)
    assert all(len(each) == 16 and int(each, 16) >= 0 for each in made)


def test_a_fingerprint_never_changes() -> None:
    # It is in people's baselines: a change of this number breaks them.
    assert fingerprint("LS501", [Frame("handle", "app/cache.py", 41)], []) == "157661928230ebd8"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ([5, 6, 8], [5, 6, 8], [0, 1, 2]),
        ([5, 6, 8], [8, 9, 11], [0, 1, 2]),  # moved, and new numbers are old ones of other lines
        ([5, 6, 8, 9], [8, 9, 11, 12], [0, 1, 2, 3]),
        ([5, 6, 8], [8, 11], [0, 2]),  # a sampled run saw fewer
        ([5, 6, 8], [9], [2]),  # one line alone: the least move
        ([5, 6, 20], [5, 6, 21], [0, 1, 2]),  # a line was put in between
        ([5, 6], [5, 6, 7], [0, 1, UNMATCHED]),  # one is new
        ([], [5], [UNMATCHED]),
    ],
)
def test_lines_are_matched_when_their_function_moved(old: list[int], new: list[int], expected: list[int]) -> None:
    found = match_lines([("f", line) for line in old], [("f", line) for line in new])

    assert found.tolist() == expected


def test_lines_of_other_functions_never_match() -> None:
    assert match_lines([("f", 5), ("g", 9)], [("g", 5), ("h", 5)]).tolist() == [1, UNMATCHED]
