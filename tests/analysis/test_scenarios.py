"""Ten programs, each simulated fifty times: how often is each taken for growth, and how often is growth missed?

The rates are frozen.  The scenarios are those of an experiment on real interpreters, per iteration and in blocks; only
the series is judged here, without the witness of the survivors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from leakscope.analysis.growing import HALF_PACE
from leakscope.analysis.series import trend

TRIALS = 50
Random = np.random.Generator


def steady(n: int, random: Random) -> Any:
    return 1000 + random.integers(-3, 4, n)


def cycles(n: int, random: Random) -> Any:
    return 1000 + np.arange(n) % 10 * 20 + random.integers(0, 5, n)


def cache_of_128(n: int, random: Random) -> Any:
    return 1000 + np.minimum(np.arange(n), 128)


def cache_of_32(n: int, random: Random) -> Any:
    return 1000 + np.minimum(np.arange(n), 32)


def slow_cache(n: int, random: Random) -> Any:
    seen: set[int] = set()
    return 1000 + np.array([len(seen.add(int(random.integers(0, n // 2))) or seen) for _ in range(n)])


def jittery_queue(n: int, random: Random) -> Any:
    return 1000 + random.poisson(20, n)


def batch_of_25(n: int, random: Random) -> Any:
    return 1000 + np.arange(n) % 25


def leak(n: int, random: Random) -> Any:
    return 1000 + np.arange(n)


def leak_now_and_then(n: int, random: Random) -> Any:
    return 1000 + np.cumsum(random.random(n) < 0.3)


def leak_under_jitter(n: int, random: Random) -> Any:
    return 1000 + np.arange(n) + random.poisson(20, n)


# Claimed to grow, most often, of fifty: with 60, 120 and 240 samples of one per iteration.
QUIET: list[tuple[Callable[[int, Random], Any], tuple[int, int, int]]] = [
    (steady, (0, 0, 0)),
    (cycles, (0, 0, 0)),
    (cache_of_128, (50, 50, 0)),  # not full after 60 and 120: it does grow
    (cache_of_32, (0, 0, 0)),
    (slow_cache, (6, 0, 0)),
    (jittery_queue, (0, 0, 0)),
    (batch_of_25, (0, 0, 0)),
]
# Claimed to grow, least often, of fifty.
GROWING: list[tuple[Callable[[int, Random], Any], tuple[int, int, int]]] = [
    (leak, (50, 50, 50)),
    (leak_now_and_then, (39, 42, 47)),
    (leak_under_jitter, (49, 50, 50)),
]
columns = pytest.mark.parametrize("column", [0, 1, 2], ids=["60", "120", "240"])


def times_claimed(scenario: Callable[[int, Random], Any], n: int) -> int:
    """How often the series alone would carry a claim: it rises, and more likely than not goes on at half the pace."""
    times = np.arange(n, dtype=float)
    claims = 0
    for seed in range(TRIALS):
        values = scenario(n, np.random.default_rng(seed)).astype(float)
        found = trend(times, values, n * 0.1, n - 1, least=3)
        claims += found.shape == "rising" and found.late_over_early >= HALF_PACE
    return claims


@columns
@pytest.mark.parametrize(("scenario", "most"), QUIET, ids=lambda each: getattr(each, "__name__", ""))
def test_what_does_not_grow_is_rarely_taken_for_growth(scenario: Any, most: tuple[int, int, int], column: int) -> None:
    assert times_claimed(scenario, (60, 120, 240)[column]) <= most[column]


@columns
@pytest.mark.parametrize(("scenario", "least"), GROWING, ids=lambda each: getattr(each, "__name__", ""))
def test_what_grows_is_rarely_missed(scenario: Any, least: tuple[int, int, int], column: int) -> None:
    assert times_claimed(scenario, (60, 120, 240)[column]) >= least[column]
