"""How something was gained: by the values of several dumps, by births, or nobody knows."""

from __future__ import annotations

import random

import numpy as np

from leakscope.analysis.lasting import pace_of


def spread(start: float, end: float, count: int = 40) -> np.ndarray:
    return np.linspace(start, end, count)


def test_three_moments_that_rise_at_one_pace_are_even() -> None:
    pace = pace_of([0, 100, 200], [1.0, 2.0, 3.0], None, (1.0, 3.0))
    assert (pace.kind, pace.witness) == ("even", "dumps")


def test_moments_before_the_growth_began_say_nothing_about_its_pace() -> None:
    assert pace_of([0, 0, 0, 100, 200], [1.0, 2.0, 3.0, 4.0, 5.0], None, (1.0, 5.0)).kind == "even"
    assert pace_of([0, 0, 0, 100, 101], [1.0, 2.0, 3.0, 4.0, 5.0], None, (1.0, 5.0)).kind == "uneven"


def test_births_until_the_end_are_even_and_births_that_stop_tell_nothing() -> None:
    assert pace_of([0, 100], [0.0, 10.0], spread(1.0, 9.9), (0.0, 10.0)).confidence == 0.85
    assert pace_of([0, 100], [0.0, 10.0], spread(8.0, 9.9), (0.0, 10.0)).confidence == 0.7
    assert pace_of([0, 100], [0.0, 10.0], spread(1.0, 5.0), (0.0, 10.0)).kind == "unknown"
    assert pace_of([0, 100], [0.0, 10.0], spread(1.0, 9.9, 5), (0.0, 10.0)).kind == "unknown"


def test_a_cache_that_fills_ever_more_slowly_is_not_even() -> None:
    filled = -np.log(1 - np.linspace(0.0, 0.95, 60)) * 3.3
    assert pace_of([0, 100], [0.0, 10.0], filled, (0.0, 10.0)).kind == "unknown"
    assert pace_of([0, 80, 95], [0.0, 5.0, 10.0], filled, (0.0, 10.0)).kind == "uneven"


def test_dumps_on_each_others_heels_are_overruled_by_even_births() -> None:
    values, times = [0, 90, 100], [0.0, 5.0, 10.0]
    assert pace_of(values, times, spread(0.0, 10.0), (0.0, 10.0)).witness == "births"
    assert pace_of([0, 100, 100], times, spread(0.0, 10.0), (0.0, 10.0)).kind == "uneven"


def test_where_work_is_the_clock_even_births_do_not_overrule_growth_that_has_all_but_ended() -> None:
    # given 800 places that are filled, then filled anew: whoever is there is young
    values, work = [0, 600, 790, 800], [0.0, 1000.0, 3000.0, 6000.0]
    assert pace_of(values, work, spread(3000.0, 6000.0), (0.0, 6000.0), least=0.0).kind == "uneven"
    assert pace_of([0, 600, 1000, 1550], work, spread(0.0, 6000.0), (0.0, 6000.0), least=0.0).kind == "even"


def test_a_burst_counts_only_where_the_work_was_no_longer() -> None:
    burst = np.full(40, 0.021)
    assert pace_of([0, 100], [0.01, 0.03], burst, (0.015, 0.025), 0.008).kind == "even"
    assert pace_of([0, 100], [0.0, 60.0], np.full(40, 30.0), (0.0, 60.0), 60.0).kind == "unknown"


def test_random_births_of_a_steady_leak_are_mostly_even_and_those_of_a_warm_up_never() -> None:
    generator = random.Random(5)
    steady = warm = 0
    for _ in range(200):
        births = np.array([generator.uniform(2.0, 10.0) for _ in range(30)])
        early = np.array([generator.uniform(0.0, 4.0) for _ in range(30)])
        steady += pace_of([0, 100], [0.0, 10.0], births, (0.0, 10.0)).kind == "even"
        warm += pace_of([0, 100], [0.0, 10.0], early, (0.0, 10.0)).kind == "even"
    assert steady >= 180
    assert warm == 0


def test_births_that_were_sampled_more_finely_at_first_count_by_what_they_stand_for() -> None:
    # given one blocks' worth of growth in each quarter, of which the first ones have many more rows
    births = np.concatenate(
        [spread(at, at + 2.4, count) for at, count in ((0.0, 135), (2.5, 73), (5.0, 30), (7.5, 35))]
    )
    weights = np.repeat([38.0, 73.0, 102.0, 137.0], [135, 73, 30, 35])

    assert pace_of([0, 100], [0.0, 10.0], births, (0.0, 10.0)).kind == "unknown"
    assert pace_of([0, 100], [0.0, 10.0], births, (0.0, 10.0), weights=weights).kind == "even"


def test_growth_that_slows_down_is_not_even_though_late_births_stand_for_more() -> None:
    births = np.concatenate(
        [spread(at, at + 2.4, count) for at, count in ((0.0, 200), (2.5, 60), (5.0, 10), (7.5, 10))]
    )
    weights = np.repeat([40.0, 80.0, 120.0, 120.0], [200, 60, 10, 10])
    assert pace_of([0, 100], [0.0, 10.0], births, (0.0, 10.0), weights=weights).kind == "unknown"


def test_sampled_births_of_a_steady_leak_are_mostly_even_and_those_of_a_cache_that_fills_hardly_ever() -> None:
    # given births of which ever fewer are seen, each of them standing for all that were not
    generator = np.random.default_rng(3)
    steady = filling = 0
    for _ in range(200):
        for kind in ("steady", "filling"):
            births = np.sort(
                generator.uniform(0.0, 10.0, 4000) if kind == "steady" else generator.exponential(1.5, 4000)
            )
            births = births[births <= 10.0]
            seen = generator.random(len(births)) < 1 / (5 + 10 * births)
            known = births[seen], 5 + 10 * births[seen]
            even = pace_of([0, 100], [0.0, 10.0], known[0], (0.0, 10.0), weights=known[1]).kind == "even"
            steady, filling = steady + (kind == "steady" and even), filling + (kind == "filling" and even)
    assert steady >= 190
    assert filling <= 4
