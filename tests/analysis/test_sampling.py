"""The honest page is true: weights are unbiased, and their error is what we say it is."""

from __future__ import annotations

from math import exp, sqrt

import numpy as np
import pytest
from builders import EXACT_BYTES, dump, live
from simulation import Life, recorded

from leakscope.analysis.sampling import error_of_total, excess_weight, row_variances

KIB, MIB = 1024, 1024**2
INTERVAL = 64 * KIB


def test_the_worked_number_on_the_page_is_right() -> None:
    size = 5.4 * KIB
    chance = 1 - exp(-size / INTERVAL)

    assert chance == pytest.approx(0.081, abs=0.0005)
    assert size / chance / KIB == pytest.approx(66.7, abs=0.05)
    assert error_of_total(4000 * size, 4000, INTERVAL, EXACT_BYTES) / MIB == pytest.approx(1.1, abs=0.05)
    assert error_of_total(4000 * size, 4000, INTERVAL, EXACT_BYTES) / (4000 * size) == pytest.approx(0.053, abs=0.0005)
    assert error_of_total(4000 * size, 4000, 8 * INTERVAL, EXACT_BYTES) / (4000 * size) == pytest.approx(
        0.154, abs=5e-4
    )


def test_estimates_are_unbiased_and_as_far_off_as_their_variance_says() -> None:
    # given a thousand blocks of mixed sizes
    sizes = np.random.default_rng(1).integers(16, 4 * KIB, 1000)
    life = Life()
    for size in sizes:
        life.add("f@app.py:1", int(size), born=0.0)

    # when the same program is recorded three hundred times
    runs = [recorded(life, 1.0, samples=2, interval_bytes=INTERVAL, seed=seed) for seed in range(300)]
    estimates = np.array([run.allocations.weight.sum() for run in runs])
    variances = np.array([row_variances(run.allocations).sum() for run in runs])

    # then the mean is the truth within its error, and the stated variance is the variance seen
    spread = estimates.std()
    assert abs(estimates.mean() - sizes.sum()) < 4 * spread / sqrt(len(runs))
    assert variances.mean() == pytest.approx(spread**2, rel=0.25)


def test_blocks_recorded_exactly_have_no_error() -> None:
    sampled = dump(live({"a@app.py:1": (3, EXACT_BYTES)}), interval_bytes=INTERVAL)
    exact = dump(live({"a@app.py:1": (300, 64)}))

    assert row_variances(sampled.allocations).sum() == 0
    assert row_variances(exact.allocations).sum() == 0
    assert error_of_total(1e9, 1e6, 1, EXACT_BYTES) == 0
    assert error_of_total(1e9, 1e9 / EXACT_BYTES, INTERVAL, EXACT_BYTES) == 0


@pytest.mark.parametrize("size", [0, 1, 16, 1000, 10_000, 65_535])
def test_the_excess_of_a_weight_is_between_nothing_and_the_interval(size: int) -> None:
    assert 0 < excess_weight(size, INTERVAL, EXACT_BYTES) <= INTERVAL


def test_totals_alone_give_nearly_the_error_that_rows_give() -> None:
    # given blocks of very different sizes at one stack
    life = Life()
    for size in np.random.default_rng(2).choice([48, 700, 9000], 3000):
        life.add("f@app.py:1", int(size), born=0.0)
    seen = recorded(life, 1.0, samples=2, interval_bytes=INTERVAL).allocations

    from_rows = sqrt(row_variances(seen).sum())
    from_totals = error_of_total(seen.weight.sum(), seen.blocks.sum(), INTERVAL, EXACT_BYTES)

    assert from_totals == pytest.approx(from_rows, rel=0.1)


def test_nothing_has_no_error() -> None:
    assert error_of_total(0, 0, INTERVAL, EXACT_BYTES) == 0
