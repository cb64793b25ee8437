from __future__ import annotations

import itertools
import random

import pytest

from leakscope.capture.thinning import Thinning

MINUTE, DAY = 60.0, 86_400.0


def simulate(
    length_s: float, pause_s: float = 0.0, jitter: random.Random | None = None
) -> tuple[Thinning, list[float]]:
    """Take every moment as soon as it is due, and keep the list that the answers dictate."""
    thinning, times, now = Thinning(), [], 0.0
    while now <= length_s:
        if thinning.due(now):
            times.append(now)
            kept = thinning.keep(now)
            if kept is not None:
                times = [times[index] for index in kept]
        now = max(thinning.next_s(), now + pause_s) + (jitter.random() * 0.02 if jitter else 0.0)
    return thinning, times


@pytest.mark.parametrize("length_s", [MINUTE, 3600.0, DAY, 30 * DAY])
def test_any_length_of_run_fits_and_is_covered_from_end_to_end(length_s: float) -> None:
    thinning, times = simulate(length_s)
    assert len(times) == len(thinning) <= 240
    assert len(times) >= 100
    assert times[0] == 0.0
    assert length_s - times[-1] <= thinning.step_s


@pytest.mark.parametrize("length_s", [MINUTE, DAY])
def test_kept_samples_are_spread_evenly(length_s: float) -> None:
    thinning, times = simulate(length_s)
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert max(gaps) <= 2 * thinning.step_s
    assert max(gaps) <= length_s / 60


def test_a_short_run_keeps_every_sample() -> None:
    _, times = simulate(2.0)
    assert len(times) == 201
    assert times == pytest.approx([index * 0.01 for index in range(201)])


def test_late_and_irregular_ticks_leave_no_hole_and_no_surplus() -> None:
    thinning, times = simulate(2 * 3600.0, jitter=random.Random(7))
    assert 100 <= len(times) <= 240
    assert times == sorted(times)
    assert max(after - before for before, after in itertools.pairwise(times)) <= 2.5 * thinning.step_s


def test_a_sampler_that_can_only_afford_a_sample_every_ten_seconds_still_keeps_the_bound() -> None:
    _, times = simulate(DAY, pause_s=10.0)
    assert 100 <= len(times) <= 240
    assert times[0] == 0.0


def test_a_machine_that_slept_for_a_week_does_not_upset_the_grid() -> None:
    thinning, times, now = Thinning(), [], 0.0
    for now in [index * 0.01 for index in range(239)] + [7 * DAY, 7 * DAY + 1, 7 * DAY + 2, 7 * DAY + 3]:
        if thinning.due(now):
            times.append(now)
            kept = thinning.keep(now)
            times = times if kept is None else [times[index] for index in kept]
    assert times[0] == 0.0
    assert times[-1] == now
    assert len(times) <= 240


def test_a_moment_that_is_not_due_is_refused() -> None:
    thinning = Thinning()
    thinning.keep(0.0)
    with pytest.raises(ValueError, match="no moment is due"):
        thinning.keep(0.005)
