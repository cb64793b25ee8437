"""Confidence means something: of what is claimed with it, about that share goes on as claimed.

Programs that fill a cache of unknown size, from nearly full to nearly empty at the end of the run, beside programs that
leak, recorded with different intervals.  The truth is what the same program would gain in another window of the
length that was seen: at least half as much, or not.
"""

from __future__ import annotations

import numpy as np
import pytest
from simulation import Life, recorded

from leakscope.analysis.facts import Facts

END = 30.0
RUNS = 150
BLOCKS = 3000
SIZE = 1000


def one_program(seed: int) -> tuple[float, bool] | None:
    """Confidence of the claim that a program grows, and whether it was right; None without a claim."""
    random = np.random.default_rng(seed)
    tau = END * 10 ** random.uniform(-0.7, 1.3)
    share = -np.expm1(-END / tau)
    # births of a curve that saturates: the inverse of its distribution
    born = -tau * np.log1p(-np.sort(random.random(BLOCKS)) * share)
    life = Life([("f@app.py:1")] * BLOCKS, [SIZE] * BLOCKS, born.tolist(), [np.inf] * BLOCKS, ["MainThread"] * BLOCKS)
    interval = int(random.choice([1, 8_192, 65_536]))
    growing = [
        grown.judgement for grown in Facts([recorded(life, END, interval_bytes=interval, seed=seed)]).growth
        if grown.judgement.growing
    ]  # fmt: skip
    if not growing:
        return None
    return growing[0].confidence, bool(np.exp(-growing[0].trend.length_s / tau) >= 0.5)


@pytest.fixture(scope="module")
def claims() -> list[tuple[float, bool]]:
    return [claim for claim in map(one_program, range(RUNS)) if claim is not None]


def test_there_are_claims_of_all_degrees(claims: list[tuple[float, bool]]) -> None:
    confidences = [confidence for confidence, _ in claims]

    assert len(claims) > RUNS / 3
    assert min(confidences) >= 0.45
    assert max(confidences) == pytest.approx(0.9)
    assert sum(confidence < 0.8 for confidence in confidences) >= 10


@pytest.mark.parametrize(("low", "high", "least_right"), [(0.8, 0.91, 0.9), (0.45, 0.8, 0.5)])
def test_claims_are_right_as_often_as_they_say(
    claims: list[tuple[float, bool]], low: float, high: float, least_right: float
) -> None:
    right = [truth for confidence, truth in claims if low <= confidence < high]

    assert np.mean(right) >= least_right
