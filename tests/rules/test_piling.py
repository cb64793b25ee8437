"""LS608: objects that pile up in a container, in which words, whose it is, and when it keeps quiet."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from builders import column
from heap_builders import heap_series
from heap_lives import born_at_once, born_evenly, sampled

from leakscope.analysis.facts import Facts
from leakscope.model.dump import Dump
from leakscope.model.finding import Finding, Verdict
from leakscope.rules.piling import check

REGISTRY = "<module app.jobs> m=module .queue -> q=list"
SCRIPT = "<module __main__> m=module .queue -> q=list"
IMPORT = "<module>@app.py:1 > _find@<frozen importlib._bootstrap>:9 > <module>@/usr/lib/python3.11/re.py:5"


def findings(dumps: Sequence[Dump]) -> tuple[Finding, ...]:
    return check(Facts(dumps))


def adding(*counts: int, before: str = REGISTRY, made: str = "main@app.py:3 > add@app/jobs.py:12") -> list[Dump]:
    """Dumps with one generation of jobs after the other."""
    drawn, text = [], before
    for n, count in enumerate(counts):
        if count:
            text += f"; q -> job{n}#{count}=app.Job:200"
        drawn.append(text)
    return heap_series(*drawn, made={f"job{n}": (made, "worker-1") for n in range(len(counts))})


def test_objects_that_pile_up_in_a_modules_container_leak() -> None:
    (finding,) = findings(born_evenly(adding(100, 200, 200)))

    assert finding.sentence == (
        "400 app.Job objects made by `add` in app/jobs.py:12 have piled up in one list since the first dump, and "
        "nothing takes them out: they keep 78.1 KiB alive, allocated by thread worker-1."
    )
    assert (finding.verdict, finding.code, finding.subject.type) == (Verdict.LEAK, "LS608", "app.Job")
    assert finding.holders == (("module app.jobs . queue [list item]", "Job"),)
    assert finding.advice[0].endswith("leakscope path drawn-0003.lks app.Job")
    assert 0.7 < finding.confidence < 0.85


def test_births_until_the_end_are_enough_with_two_dumps() -> None:
    (finding,) = findings(born_evenly(adding(100, 400)))
    assert finding.verdict is Verdict.LEAK
    assert findings(born_at_once(adding(100, 400))) == ()


def test_what_the_main_script_collects_in_a_variable_of_its_own_is_growth() -> None:
    (finding,) = findings(born_evenly(adding(100, 200, 200, before=SCRIPT)))

    assert finding.verdict is Verdict.GROWTH
    assert " were collected in one list since the first dump" in finding.sentence


def test_what_a_call_collects_is_its_own_though_an_exception_that_is_kept_leads_there() -> None:
    kept = (
        "<module app.jobs> m=module .failed -> list -> e=app.Error .__traceback__ -> t=traceback .tb_frame -> f=frame"
    )
    assert findings(born_evenly(adding(100, 200, 200, before=f"{kept} -> q=list"))) == ()
    assert findings(born_evenly(adding(100, 200, 200, before=f"{kept}; e .q -> q=list")))


def test_what_an_installed_tool_gathers_is_growth() -> None:
    site = "<module>@/v/site-packages/tool/__main__.py:3 > add@/v/site-packages/_tool/jobs.py:12"
    dumps = born_evenly(adding(100, 200, 200, before="<module _tool.jobs> m=module .queue -> q=list", made=site))
    (script,) = findings(dumps)
    (tool,) = findings([replace(each, meta=replace(each.meta, argv=("-m", "tool", "run"))) for each in dumps])

    assert (script.verdict, tool.verdict) == (Verdict.LEAK, Verdict.GROWTH)
    assert [each.claim for each in tool.evidence if each.stance == "against"] == [
        "containers of tool, which was started"
    ]


def test_an_attribute_that_objects_of_old_get_is_no_pile() -> None:
    before = "<module app.jobs> m=module .known -> known=dict -> f#300=app.F"
    drawn = [before, f"{before}; f .s -> job1#300=app.Job:200"]
    dumps = born_evenly(heap_series(*drawn, made={"job1": ("main@app.py:3 > add@app/jobs.py:12", "worker-1")}))
    assert findings(dumps) == ()


def test_the_latest_of_many_that_are_gone_are_no_pile() -> None:
    # An unbounded dict cannot be told from one that its owner keeps short, if all that is left was born late.
    *before, last = born_evenly(adding(100, 400))
    live, stacks = last.allocations, last.stacks
    late = column(live.born_s.max() - (live.born_s.max() - live.born_s) * 0.3, "f4")
    gone = column(stacks.alloc_bytes * 0.4, "f8")

    kept = replace(last, allocations=replace(live, born_s=late))
    turned_over = replace(kept, stacks=replace(stacks, free_bytes=gone))
    assert len(findings([*before, kept])) == 1
    assert findings([*before, turned_over]) == ()


def chained(*counts: int, before: str = "<module app.log> m=module .last -> ") -> list[Dump]:
    """Dumps of a chain in which each event keeps the one before it."""
    drawings = []
    for count in counts:
        links = "; ".join(f"e{n} .before -> e{n - 1}" for n in range(count - 1, 0, -1))
        typed = re.sub(r"-> (e[0-9]+)", r"-> \1=app.Event:200", links)
        drawings.append(f"{before}e{count - 1}=app.Event:200; {typed}")
    return heap_series(*drawings, made={f"e{n}": "main@app.py:3 > log@app/log.py:7" for n in range(max(counts))})


def test_a_chain_in_which_each_keeps_what_came_before_leaks() -> None:
    (finding,) = findings(born_evenly(chained(20, 140, 260)))

    assert (finding.verdict, finding.subject.type) == (Verdict.LEAK, "app.Event")
    assert "hang in a chain in which each keeps what came before" in finding.sentence
    assert finding.advice[0].startswith("keep no reference to the one before")


def test_quiet_twins_of_chains() -> None:
    assert findings(born_evenly(chained(140, 140, 140))) == ()
    assert findings(born_evenly(chained(20, 60, 100))) == ()  # few
    assert findings(born_evenly(chained(20, 140, 260, before="<local last main@app.py:3> "))) == ()


def test_a_sampled_recording_finds_it() -> None:
    (finding,) = findings(sampled(born_evenly(adding(1000, 1000, 1000)), 10))
    assert finding.growth is not None
    assert finding.growth.count == 2000


def test_the_line_of_the_objects_themselves_is_told_not_that_of_their_heavier_contents() -> None:
    drawn, text, made = [], REGISTRY, {}
    for n, count in enumerate((200, 200, 200)):
        text += f"; q -> job{n}#{count}=app.Job:64 .load -> load{n}#{count}=app.Load:4000"
        drawn.append(text)
        made[f"job{n}"] = "main@app.py:3 > add@app/jobs.py:12"
        made[f"load{n}"] = "main@app.py:3 > add@app/jobs.py:12 > fill@app/load.py:7"
    few_are_known = sampled(born_evenly(heap_series(*drawn, made=made)), 40)
    (finding,) = findings(few_are_known)
    assert finding.sentence.startswith("400 app.Job objects made by `add` in app/jobs.py:12 have piled up")


def test_quiet_twins() -> None:
    going = [f"{REGISTRY}; gap#{n}=str; q -> job0#300=app.Job:200" for n in (1, 2, 3)]
    twins = {
        "level": adding(100, 0, 0),
        "gained once": adding(100, 400, 0),
        "ever more slowly": adding(100, 300, 60),
        "few": adding(100, 40, 40),
        "a single dump": adding(400),
        "objects that take turns": heap_series(*going, made={"job0": "main@app.py:3 > add@app/jobs.py:12"}),
        "made by imports": adding(100, 200, 200, made=IMPORT),
        "in what keeps at most so many": adding(100, 200, 200, before=REGISTRY.replace("list", "deque(bound=900)")),
        "in what has just become full": adding(100, 200, 200, before=REGISTRY.replace("list", "deque(bound=500)")),
        "held by nobody": adding(100, 200, 200, before="q=list!1"),
        "held by a frame": adding(100, 200, 200, before="<local jobs main@app.py:3> q=list"),
    }

    assert {name: findings(born_evenly(dumps)) for name, dumps in twins.items()} == dict.fromkeys(twins, ())
