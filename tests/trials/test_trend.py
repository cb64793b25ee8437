"""When a series of numbers, one for each repetition, is a leak: the rule against simulated programs."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from leakscope.trials.trend import Trend, gain_each, trend_of

LONG = 24


def leak(rng: random.Random) -> list[int]:
    return [100 + 3 * step for step in range(LONG)]


def leak_under_jitter(rng: random.Random) -> list[int]:
    return [100 + 3 * step + rng.randrange(3) for step in range(LONG)]


def leak_now_and_then(rng: random.Random) -> list[int]:
    held, series = 0, []
    for _ in range(LONG * 4):
        held += rng.random() < 0.3
        series.append(held)
    return series


def steady(rng: random.Random) -> list[int]:
    return [100] * LONG


def jitter(rng: random.Random) -> list[int]:
    return [100 + rng.randrange(10) for _ in range(LONG)]


def flushed_now_and_then(rng: random.Random) -> list[int]:
    return [step % 5 for step in range(LONG)]


def grown_once(rng: random.Random) -> list[int]:
    return [10] * 5 + [50] * (LONG - 5)


def full_cache(rng: random.Random) -> list[int]:
    return [min(step, 9) for step in range(LONG)]


@pytest.mark.parametrize("program", [leak, leak_under_jitter, leak_now_and_then])
def test_a_leak_is_steady(program: Callable[[random.Random], list[int]]) -> None:
    found = [trend_of(program(random.Random(seed))) for seed in range(50)]

    assert found.count(Trend.STEADY) >= 48


@pytest.mark.parametrize("program", [steady, jitter, flushed_now_and_then, grown_once, full_cache])
def test_what_is_no_leak_is_never_steady(program: Callable[[random.Random], list[int]]) -> None:
    assert all(trend_of(program(random.Random(seed))) is not Trend.STEADY for seed in range(50))


def test_a_cache_that_fills_slows_down() -> None:
    held: set[int] = set()
    rng = random.Random(1)
    series = []
    for _ in range(LONG):
        held.update(rng.randrange(60) for _ in range(8))
        series.append(len(held))

    assert trend_of(series) is Trend.SLOWING


def test_few_numbers_arouse_suspicion_and_no_more() -> None:
    assert trend_of([1, 2, 3, 4, 5, 6, 7]) is Trend.RISING
    assert trend_of([1, 2]) is Trend.RISING
    assert trend_of([2, 1, 2]) is Trend.FLAT
    assert trend_of([4]) is Trend.FLAT
    assert trend_of([]) is Trend.FLAT


@pytest.mark.parametrize("length", [2, 5, 8, 9, 15, 24, 64])
def test_the_gain_of_each_repetition_is_exact_for_a_straight_line(length: int) -> None:
    assert gain_each([7 + 3 * step for step in range(length)]) == pytest.approx(3)
