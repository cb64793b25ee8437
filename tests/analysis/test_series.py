"""Trends of one series; each clever algorithm beside a stupid twin on seeded random input."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest

from leakscope.analysis.series import (
    block_minima,
    held_for_half,
    late_over_early,
    level_since,
    noise_of,
    theil_sen,
    trend,
)


def stupid_minima(times: Any, values: Any, start: float, end: float, blocks: int) -> list[tuple[float, float]]:
    found: dict[int, list[tuple[float, float]]] = {}
    for time, value in zip(times, values, strict=True):
        block = min(int((time - start) * (blocks / (end - start))), blocks - 1)
        found.setdefault(block, []).append((value, time))
    return [(min(found[block])[1], min(found[block])[0]) for block in sorted(found)]


@pytest.mark.parametrize("seed", range(20))
def test_block_minima_equal_those_of_a_loop(seed: int) -> None:
    random = np.random.default_rng(seed)
    times = np.sort(random.uniform(3, 17, random.integers(1, 60)))
    values = random.integers(0, 9, len(times)).astype(float)

    at, minima = block_minima(times, values, 3, 17, 7)

    assert list(zip(at, minima, strict=True)) == stupid_minima(times, values, 3, 17, 7)


@pytest.mark.parametrize("seed", range(20))
def test_theil_sen_equals_the_median_over_all_pairs(seed: int) -> None:
    random = np.random.default_rng(seed)
    times = random.integers(0, 30, 15).astype(float)
    values = random.normal(0, 5, 15) + times

    slope, low, high = theil_sen(times, values)

    slopes = [(values[j] - values[i]) / (times[j] - times[i])
              for i, j in combinations(range(15), 2) if times[i] != times[j]]  # fmt: skip
    assert slope == pytest.approx(float(np.median(slopes)))
    assert min(slopes) <= low <= slope <= high <= max(slopes)


def test_the_interval_of_the_rate_holds_the_truth_nineteen_times_of_twenty() -> None:
    random = np.random.default_rng(5)
    times = np.arange(24.0)
    held = 0
    for _ in range(400):
        _, low, high = theil_sen(times, 2.0 * times + random.normal(0, 10, 24))
        held += low <= 2.0 <= high

    assert 0.92 <= held / 400 <= 0.98


@pytest.mark.parametrize("wild", [1e3, -1e3, 1e9])
def test_the_rate_does_not_mind_a_quarter_of_wild_values(wild: float) -> None:
    times = np.arange(20.0)
    values = 3.0 * times
    values[::5] += wild

    assert theil_sen(times, values)[0] == pytest.approx(3.0, rel=0.2)


def test_noise_is_that_of_the_points_not_of_the_curve() -> None:
    random = np.random.default_rng(3)
    curve = np.linspace(0, 10, 400) ** 2

    assert noise_of(curve) < 0.01
    assert noise_of(curve + random.normal(0, 5, 400)) == pytest.approx(5, rel=0.15)


@pytest.mark.parametrize("seed", range(20))
def test_level_since_equals_trying_every_beginning(seed: int) -> None:
    random = np.random.default_rng(seed)
    times = np.arange(30.0)
    values = np.minimum(times, 12) + random.uniform(0, 1, 30)

    found = level_since(times, values, 1.0)

    tried = [time for at, time in enumerate(times) if values[at:].max() - values[at:].min() <= 1.0]
    assert found == tried[0]


def test_a_curve_that_saturates_is_told_by_its_second_half() -> None:
    times = np.linspace(0, 8, 33)
    values = 1 - np.exp(-times / 4)

    ratio, _ = late_over_early(times, values, 4, noise=0, error=0)

    # the second half is the first one a window's half later: exp(-4 / 4)
    assert ratio == pytest.approx(np.exp(-1), rel=0.1)


def test_the_window_and_holes_are_respected() -> None:
    times = np.arange(40.0)
    values = np.where(times < 10, 1000.0, times)
    values[15] = np.nan

    found = trend(times, values, 10, 39)

    assert (found.shape, found.points) == ("rising", 29)
    assert found.minima == (10, 18, 25, 32)
    assert found.gain == pytest.approx(29)


@pytest.mark.parametrize("times", [[], [1.0], list(range(7)), [*range(40, 50)]])
def test_too_few_samples_or_empty_quarters_are_short(times: list[float]) -> None:
    assert trend(np.array(times, float), np.array(times, float), 0, 50).shape == "short"


def test_a_gain_within_its_error_is_level() -> None:
    times = np.arange(40.0)

    assert trend(times, times, 0, 39, error=9).shape == "rising"
    assert trend(times, times, 0, 39, error=10.5).shape == "level"
    assert trend(times, times, 0, 39, least=31).shape == "level"
    assert trend(times, -times, 0, 39).shape == "falling"


@pytest.mark.parametrize("seed", range(20))
def test_what_was_held_for_half_of_the_time_equals_counting_moments(seed: int) -> None:
    random = np.random.default_rng(seed)
    lasted, values = random.integers(1, 9, 12), random.integers(0, 5, 13).astype(float)
    moments = np.repeat(values[:-1], lasted)

    found = held_for_half(np.concatenate([[0.0], np.cumsum(lasted)]), values)

    assert (moments >= found).mean() >= 0.5
    assert (moments > found).mean() < 0.5
