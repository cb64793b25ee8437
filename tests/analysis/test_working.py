"""When a program worked: past its imports, until it ran out of work, and by which clock that is told best."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from builders import column, dump, live

from leakscope.analysis.facts import Facts
from leakscope.analysis.working import Work
from leakscope.model.dump import Dump
from leakscope.model.series import WorkLog

IMPORT = "<module>@app.py:1 > _find@<frozen importlib._bootstrap>:9 > <module>@/usr/lib/python3.11/re.py:5"
STEP = "<module>@app.py:3 > step@app.py:12"
NEVER = float("inf")


def worked(births: dict[str, list[float]], log: list[tuple[float, float]] | None = None, end_s: float = 10.0) -> Dump:
    """A dump of blocks born at some times, and of a program that kept a log of its work."""
    drawn = dump(live({site: (len(times), 100) for site, times in births.items()}))
    table = drawn.allocations
    born = np.zeros(len(table))
    stacks = {site: int(stack) for site, stack in zip(births, dict.fromkeys(table.stack.tolist()), strict=True)}
    for site, times in births.items():
        born[table.stack == stacks[site]] = times
    meta = replace(drawn.meta, elapsed_s=end_s, totals=replace(drawn.meta.totals, alloc_blocks=0))
    kept = None if log is None else WorkLog(*(column(np.array(each), "f8") for each in zip(*log, strict=True)))
    return replace(drawn, allocations=replace(table, born_s=column(born, "f4")), meta=meta, work=kept)


def work_of(**options: Any) -> Work:
    return Facts([worked(**options)]).work


def test_imports_are_over_when_all_but_a_few_of_their_blocks_are_born_and_for_sure_a_little_later() -> None:
    work = work_of(births={IMPORT: [*np.linspace(0.0, 1.0, 99), 3.0], STEP: [2.0] * 10})

    assert work.imported_s == pytest.approx(0.96, abs=0.02)
    assert 3.0 < work.all_imported_s < 3.5


def test_without_imports_the_work_begins_at_once() -> None:
    assert work_of(births={STEP: [2.0] * 10}).imported_s == 0.0


def test_work_is_done_when_nearly_all_blocks_have_been_asked_for_as_the_log_knows() -> None:
    log = [(0.0, 0.0), (2.0, 500.0), (4.0, 990.0), (6.0, 1000.0), (8.0, 1000.0)]

    assert work_of(births={STEP: [1.0]}, log=log).done_s == 4.0


@pytest.mark.parametrize(
    ("done_s", "idle_from_s", "is_clock"),
    [
        (9.0, NEVER, True),  # worked until nearly the end
        (3.0, NEVER, False),  # then it did other things, without asking for memory
        (3.0, 2.9, True),  # then it slept
    ],
)
def test_work_is_a_clock_unless_the_program_went_on_without_asking_for_memory(
    done_s: float, idle_from_s: float, is_clock: bool
) -> None:
    log_s, blocks = np.array([0.0, done_s]), np.array([0.0, 100.0])
    work = Work(0.0, 0.0, done_s, 0.0, idle_from_s, log_s, blocks)

    assert work.is_clock(10.0) is is_clock
    assert not Work(0.0, 0.0, done_s, 0.0, idle_from_s).is_clock(10.0)


def test_the_clock_stands_still_while_nothing_is_asked_for() -> None:
    work = Work(log_s=np.array([0.0, 1.0, 5.0, 6.0]), log_blocks=np.array([0.0, 100.0, 100.0, 200.0]))

    assert work.done_until(np.array([0.5, 1.0, 3.0, 5.5, 9.0])).tolist() == [50.0, 100.0, 100.0, 150.0, 200.0]


def test_a_program_that_was_held_up_is_judged_by_its_work() -> None:
    # Births come evenly with the work, but the machine was busy with something else for most of the time.
    log = [(0.0, 0.0), (0.1, 500.0), (8.0, 501.0), (8.1, 1000.0)]
    births = [*np.linspace(0.002, 0.098, 20), *np.linspace(8.002, 8.098, 20)]
    work = work_of(births={STEP: births}, log=log, end_s=8.1)

    assert work.is_clock(8.1)
    assert np.histogram(work.done_until(np.array(births)), bins=4, range=(0, 1000))[0].tolist() == [10, 10, 10, 10]


def test_ends_are_the_last_moment_when_the_work_was_done_and_when_it_ran_out() -> None:
    assert Work(done_s=9.9, step_s=0.1, idle_from_s=9.5).ends(10.0) == ((10.0, 0.0), (9.9, 0.1), (9.5, 0.0))
    assert Work(done_s=2.0, step_s=0.1).ends(10.0) == ((10.0, 0.0),)
