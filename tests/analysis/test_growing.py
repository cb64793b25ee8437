"""Whole simulated programs: which of them are said to keep growing, which may, which are left in peace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from builders import column
from simulation import FOREVER, Life, recorded

from leakscope.analysis.facts import Facts
from leakscope.analysis.growing import Judgement
from leakscope.model.dump import Dump

KIB = 1024
SITE = "main@app.py:3 > handle@app.py:41"
OTHER = "main@app.py:3 > poll@app.py:60"
END = 40.0


def leak(life: Life, end: float = END, rate: float = 100.0, size: int = 1000) -> None:
    for born in np.arange(0, end, 1 / rate):
        life.add(SITE, size, float(born))


def lru(life: Life, end: float = END, rate: float = 100.0, room_s: float = 4.0) -> None:
    """Each block lives until so many newer ones have come."""
    for born in np.arange(0, end, 1 / rate):
        life.add(SITE, 1000, float(born), float(born) + room_s)


def filled_then_kept(life: Life, end: float = END) -> None:
    for born in np.arange(0, end / 4, 0.01):
        life.add(SITE, 1000, float(born))


def warm_up(life: Life, end: float = END) -> None:
    for born in np.linspace(0, end / 20, 2000):
        life.add(SITE, 1000, float(born))


def sawtooth(life: Life, end: float = END, period: float = 3.0) -> None:
    for born in np.arange(0, end, 0.01):
        life.add(SITE, 1000, float(born), float((born // period + 1) * period))


def random_replacement(life: Life, end: float = END) -> None:
    random = np.random.default_rng(3)
    for born in np.arange(0, end, 0.01):
        life.add(SITE, 1000, float(born), float(born + random.exponential(end / 10)))


def jittery_queue(life: Life, end: float = END) -> None:
    random = np.random.default_rng(4)
    for born in np.arange(0, end, 0.01):
        life.add(SITE, 1000, float(born), float(born + random.uniform(0.1, 2.0)))


QUIET = [lru, filled_then_kept, warm_up, sawtooth, random_replacement, jittery_queue]


def judgements(dumps: list[Dump]) -> list[Judgement]:
    return [grown.judgement for grown in Facts(dumps).growth]


@pytest.mark.parametrize("interval", [1, 8 * KIB])
@pytest.mark.parametrize("program", QUIET, ids=lambda program: program.__name__)
def test_quiet_programs_are_left_in_peace(program: Callable[[Life], None], interval: int) -> None:
    life = Life()
    program(life)

    assert judgements([recorded(life, END, interval_bytes=interval)]) == []


@pytest.mark.parametrize("interval", [1, 8 * KIB])
@pytest.mark.parametrize("program", [None, *QUIET], ids=lambda program: getattr(program, "__name__", "alone"))
def test_a_leak_is_found_alone_and_among_others(program: Callable[[Life], None] | None, interval: int) -> None:
    # given another function that leaks, beside something quiet
    life = Life()
    for born in np.arange(0, END, 0.02):
        life.add(OTHER, 2000, float(born), thread="worker-1")
    if program is not None:
        program(life)

    facts = Facts([recorded(life, END, interval_bytes=interval)])

    (grown,) = facts.growth
    assert (grown.judgement.growing, grown.judgement.kind) == (True, "kept")
    assert grown.judgement.gain_bytes == pytest.approx(2000 / 0.02 * grown.judgement.trend.length_s, rel=0.2)
    place = facts.frame(int(facts.sites.place[grown.sites[0]]))
    assert place is not None
    assert place.line == 60


def test_a_leak_in_a_line_that_also_churns_is_found() -> None:
    life = Life()
    leak(life, rate=20)
    sawtooth(life)

    (judged,) = judgements([recorded(life, END)])

    assert judged.growing
    assert judged.gain_bytes == pytest.approx(20 * 1000 * judged.trend.length_s, rel=0.2)


def test_a_line_that_shrinks_does_not_hide_another_of_the_function_that_grows() -> None:
    # given a cache that empties slowly in line 41, and a leak two lines below
    life = Life()
    for number in range(4000):
        life.add(SITE, 4000, 0.01, 1 + number / 110)
    for born in np.arange(0, END, 0.02):
        life.add("main@app.py:3 > handle@app.py:43", 1000, float(born))
    facts = Facts([recorded(life, END)])

    (grown,) = facts.growth

    assert grown.judgement.growing
    assert grown.judgement.gain_bytes == pytest.approx(50_000 * grown.judgement.trend.length_s, rel=0.1)
    assert [facts.frame(int(facts.sites.place[site])).line for site in grown.sites] == [43]  # type: ignore[union-attr]


def test_a_backlog_grows_although_everything_is_freed_in_the_end() -> None:
    # given a queue whose blocks wait ever longer
    life = Life()
    for born in np.arange(0, END, 0.01):
        life.add(SITE, 1000, float(born), float(1.2 + born * 2))
    for born in np.arange(0, END, 0.01):
        life.add(SITE, 1000, float(born), float(born + 0.1))

    (judged,) = judgements([recorded(life, END)])

    assert (judged.growing, judged.kind) == (True, "backlog")
    assert judged.confidence <= 0.9 * 0.8


def test_one_buffer_that_is_enlarged_again_and_again_grows_although_it_is_always_young() -> None:
    life = Life()
    for step in range(200):
        life.add(SITE, 10_000 * (step + 1), step * END / 200, (step + 1) * END / 200 if step < 199 else FOREVER)

    (judged,) = judgements([recorded(life, END)])

    assert (judged.growing, judged.kind) == (True, "enlarged")


def test_what_was_freed_in_the_last_moment_has_grown_until_then() -> None:
    # given a leak into a local variable of main
    life = Life()
    for born in np.arange(0, END, 0.01):
        life.add(SITE, 1000, float(born), END - 0.01)
    for born in (0.0, 0.1):
        life.add(OTHER, 100, born)

    (judged,) = judgements([recorded(life, END, sample_at=[*np.linspace(0.3, END - 0.3, 100), END], reason="exit")])

    assert (judged.growing, judged.kind) == (True, "kept")
    assert judged.trend.end_s == pytest.approx(END - 0.3)


def test_what_was_freed_while_nobody_looked_has_grown_until_the_last_look_before() -> None:
    # given a busy machine: no sample for a second, then five after all is gone
    life = Life()
    for born in np.arange(0, END - 0.1, 0.01):
        life.add(SITE, 1000, float(born), END - 0.1)
    for born in (0.0, 0.1):
        life.add(OTHER, 100, born)
    times = [*np.linspace(0.3, END - 1.0, 100), *np.linspace(END - 0.08, END, 5)]

    (judged,) = judgements([recorded(life, END, sample_at=times, reason="exit")])

    assert (judged.growing, judged.kind) == (True, "kept")
    assert judged.trend.end_s == pytest.approx(END - 1.0)


def test_a_sawtooth_that_was_freed_in_the_last_moment_has_not() -> None:
    life = Life()
    for born in np.arange(0, END, 0.01):
        life.add(SITE, 1000, float(born), min(float((born // 3 + 1) * 3), END - 0.01))
    life.add(OTHER, 100, 0.0)

    assert judgements([recorded(life, END, sample_at=[*np.linspace(0.3, END - 0.3, 100), END], reason="exit")]) == []


def test_two_dumps_of_a_run_are_judged_between_them() -> None:
    life = Life()
    leak(life)
    early, late = recorded(life, END / 4, number=1), recorded(life, END, number=2)

    (judged,) = judgements([late, early])

    assert judged.growing
    assert (judged.trend.start_s, judged.trend.end_s) == (END / 4, END)


def test_survivors_and_three_samples_are_enough_for_a_short_run() -> None:
    life = Life()
    leak(life, end=0.8, rate=10_000)

    found = judgements([recorded(life, 0.8, sample_at=[0.1, 0.3, 0.5, 0.8])])

    assert [judged.growing for judged in found] == [True]
    assert found[0].confidence < 0.8


def test_growth_in_a_window_of_a_fifth_of_a_second_is_a_doubt() -> None:
    life = Life()
    leak(life, end=0.2, rate=20_000)

    (judged,) = judgements([recorded(life, 0.2, samples=40)])

    assert (judged.growing, judged.doubt, judged.confidence) == (False, "short", 0.0)
    assert judged.longer_s == 2.0


def test_birth_times_too_coarse_for_the_window_are_no_witness() -> None:
    # given births known to a quarter of a second, coarser than an exact recording keeps them, and a window of half one
    life = Life()
    for number in range(4000):
        life.add(SITE, 1000, number / 4000 * 0.5)
    seen = recorded(life, 0.5, samples=20)
    coarse = column(np.floor(seen.allocations.born_s * 4) / 4, "f4")

    (judged,) = judgements([replace(seen, allocations=replace(seen.allocations, born_s=coarse))])

    assert (judged.growing, judged.kind) == (True, "kept")
    assert judged.confidence == pytest.approx(0.9 * 0.8 * (0.6 + 0.4 * judged.trend.length_s), rel=0.05)


@pytest.mark.parametrize(
    ("doubt", "sample_at", "rate", "interval"),
    [("short", [20.0, 40.0], 100, 1), ("thin", None, 15, 64 * KIB)],
)
def test_what_cannot_be_told_is_doubted_and_says_for_how_long(
    doubt: str, sample_at: list[float] | None, rate: float, interval: int
) -> None:
    life = Life()
    leak(life, rate=rate)

    (judged,) = judgements([recorded(life, END, sample_at=sample_at, interval_bytes=interval, seed=1)])

    assert (judged.growing, judged.doubt) == (False, doubt)
    assert judged.longer_s > judged.trend.length_s


def test_growth_that_began_at_the_very_end_is_doubted() -> None:
    # given a program that builds its result in the last twentieth of its time
    life = Life()
    for born in np.arange(0.95 * END, END, 0.0005):
        life.add(SITE, 1000, float(born))

    (judged,) = judgements([recorded(life, END, samples=400)])

    assert (judged.growing, judged.doubt) == (False, "late")


def test_a_program_that_was_idle_when_it_stopped_growing_is_doubted() -> None:
    # given a server under load for half of its time; the processor time stops with the load
    life = Life()
    leak(life, end=END / 2)
    seen = recorded(life, END)
    cpu = np.minimum(seen.series.time_s, END / 2)
    cpu.flags.writeable = False
    idle = replace(seen, series=replace(seen.series, cpu_s=cpu))

    assert judgements([seen]) == []
    assert [(judged.growing, judged.doubt) for judged in judgements([idle])] == [(False, "idle")]
