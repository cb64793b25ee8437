"""LS605: objects that become more and stay, told with their holder, and when it keeps quiet."""

from __future__ import annotations

from collections.abc import Sequence

from heap_builders import heap_series
from heap_lives import born_evenly

from leakscope.analysis.facts import Facts
from leakscope.model.dump import Dump
from leakscope.model.finding import Finding, Verdict
from leakscope.rules.kept import check

GENERATIONS = 5
MADE = {
    **{f"job{n}": ("main@app.py:3 > add@app/jobs.py:12", "worker-1") for n in range(GENERATIONS)},
    **{f"part{n}": "main@app.py:3 > split@app/parts.py:5" for n in range(GENERATIONS)},
}


def findings(dumps: Sequence[Dump]) -> tuple[Finding, ...]:
    return check(Facts(dumps))


def adding(*counts: int, job: str = "=app.Job:100 .part -> part{n}#{count}=list:56") -> list[Dump]:
    """Dumps with one generation of jobs after the other."""
    drawn, text = [], "<module app.jobs> m=module .queue -> q=list"
    for n, count in enumerate(counts):
        if count:
            text += f"; q -> job{n}#{count}" + job.format(n=n, count=count)
        drawn.append(text)
    return born_evenly(heap_series(*drawn, made=MADE))


def test_the_topmost_objects_that_become_more_are_told_with_their_holder() -> None:
    (finding,) = findings(adding(100, 80, 80, 80))

    assert finding.sentence == (
        "app.Job objects made by `add` in app/jobs.py:12 become more from dump to dump and stay: +240, which keep "
        "36.6 KiB alive, allocated by thread worker-1."
    )
    assert (finding.verdict, finding.code) == (Verdict.GROWTH, "LS605")
    assert finding.growth is not None
    assert finding.growth.count == 240
    assert finding.holders == (("module app.jobs . queue [list item]", "Job"),)
    assert finding.advice[0].endswith("leakscope path drawn-0004.lks app.Job")
    assert 0.7 < finding.confidence < 0.8


def importing(count: int, generations: int = 4) -> list[Dump]:
    """Dumps during a long import that makes objects."""
    line = "main@app.py:3 > _find_and_load@<frozen importlib._bootstrap>:1 > <module>@/v/site-packages/orm/a.py:7"
    drawn, text = [], "<module orm.a> m=module .cache -> q=list"
    for n in range(generations):
        text += f"; q -> job{n}#{count}=orm.Type:100"
        drawn.append(text)
    return born_evenly(heap_series(*drawn, made={f"job{n}": line for n in range(generations)}))


def test_quiet_twins() -> None:
    going = [f"<module app> m=module .queue -> q=list; gap#{n}=str; q -> job0#100=app.Job:200" for n in (1, 2, 3, 4)]
    twins = {
        "three dumps": adding(100, 80, 80),
        "level": adding(100, 0, 0, 0),
        "gained once": adding(100, 300, 0, 0),
        "ever more slowly": adding(100, 200, 60, 20),
        "few": adding(100, 20, 20, 20),
        "made by an import": importing(80),
        "objects that take turns": born_evenly(heap_series(*going, made=MADE)),
        "big enough for LS501": adding(100, 80, 80, 80, job="=app.Job:5000"),
        "held by native code only": born_evenly(
            heap_series(*(f"*l=list; job0#{100 + 80 * n}=app.Job:100!1" for n in range(4)), made=MADE)
        ),
        "waiting for the collector": born_evenly(
            heap_series(*(f"*l=list; job0#{100 + 80 * n}=app.Job:100 .me -> job0" for n in range(4)), made=MADE)
        ),
    }

    assert {name: findings(dumps) for name, dumps in twins.items()} == dict.fromkeys(twins, ())
