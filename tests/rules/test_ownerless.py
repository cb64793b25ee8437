"""LS607: native memory without an owner, in which words, and when it keeps quiet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from builders import column, live
from heap_builders import heap_series, with_heap
from heap_lives import born_at_once, born_evenly, sampled

from leakscope.analysis.facts import Facts
from leakscope.model.allocations import POINTED
from leakscope.model.dump import Dump
from leakscope.model.finding import Finding, Verdict
from leakscope.model.heap import PYTHON_TYPE
from leakscope.rules.ownerless import check

DRAWING = "*cache=list -> a"


def findings(dumps: Sequence[Dump]) -> tuple[Finding, ...]:
    return check(Facts(dumps))


def native(*counts: int, site: str = "main@app.py:3 > step@app.py:12", drawings: Sequence[str] = ()) -> list[Dump]:
    moments = [live({site: (count, 2000)}, domain="native") for count in counts]
    drawn = drawings or [DRAWING] * len(counts)
    return heap_series(*drawn, made={"a": "main@app.py:1"}, others=moments, types={"app.Job": PYTHON_TYPE})


def test_native_blocks_that_become_more_without_an_owner_leak() -> None:
    (finding,) = findings(born_evenly(native(4, 104)))

    assert finding.sentence == (
        "100 blocks (195.3 KiB) that native code asked for in `step` in app.py:12 leak: they are still there, and no "
        "object became more that could own them, allocated by the main thread."
    )
    assert (finding.verdict, finding.code) == (Verdict.LEAK, "LS607")
    assert finding.growth is not None
    assert (finding.growth.count, finding.growth.bytes) == (100, 200_000)
    assert (finding.subject.function, finding.subject.line) == ("step", 12)


def test_three_dumps_that_rise_evenly_are_enough_whoever_was_born_when() -> None:
    (finding,) = findings(born_at_once(native(4, 104, 204)))

    assert finding.confidence > 0.8
    assert findings(born_at_once(native(4, 104))) == ()


def test_a_sampled_recording_finds_it_and_says_about() -> None:
    (finding,) = findings(sampled(born_evenly(native(40, 1040, 2040)), 10))

    assert finding.sentence.startswith("about ")
    assert finding.evidence[0].error > 0


def test_the_latest_of_many_that_are_gone_have_an_owner() -> None:
    before, last = born_evenly(native(4, 104))
    stacks = last.stacks

    for share, told in ((0.4, 0), (0.1, 1)):
        gone = replace(stacks, free_bytes=column(stacks.alloc_bytes * share, "f8"))
        assert len(findings([before, replace(last, stacks=gone)])) == 1  # some are old
        late = replace(last, allocations=replace(last.allocations, born_s=_late(last)), stacks=gone)
        assert len(findings([before, late])) == told


def _late(dump: Dump) -> np.ndarray:
    """Births in the last third of the time before a dump."""
    count, end = len(dump.allocations), dump.meta.elapsed_s
    return column(np.linspace(0.66 * end, 0.99 * end, count), "f4")


def test_quiet_twins() -> None:
    imported = "<module>@app.py:1 > _find@<frozen importlib._bootstrap>:9 > <module>@/usr/lib/python3.11/re.py:5"

    assert findings(born_evenly(native(104, 104, 104))) == ()  # level
    assert findings(born_evenly(native(4, 104, 110))) == ()  # a pool that is full
    assert findings(born_evenly(native(4, 24, 44))) == ()  # little
    assert findings(born_evenly(native(4, 104, 204, site=imported))) == ()  # what modules set up


def test_objects_of_compiled_types_that_became_more_may_be_the_owners() -> None:
    frames = [f"*l=list -> f#{count}=lz.Frame" for count in (1, 11, 21)]
    jobs = [f"*l=list -> f#{count}=app.Job" for count in (1, 11, 21)]

    assert findings(born_evenly(native(4, 104, 204, drawings=frames))) == ()
    assert len(findings(born_evenly(native(4, 104, 204, drawings=jobs)))) == 1


def test_what_nothing_points_to_is_lost_whoever_became_more_and_however_short_the_run() -> None:
    frames = [f"*l=list -> f#{count}=lz.Frame" for count in (1, 21)]

    (finding,) = findings(looked_at(born_at_once(native(4, 104, drawings=frames)), "no"))
    assert finding.verdict is Verdict.LEAK
    assert "leak: nothing in the program's memory leads to them any more" in finding.sentence
    assert (finding.evidence[0].claim, finding.evidence[0].value) == ("part of them that nothing leads to", 1.0)
    (few,) = findings(looked_at(born_at_once(native(4, 30)), "no"))
    assert few.verdict is Verdict.LEAK
    assert findings(looked_at(born_at_once(native(4, 10)), "no")) == ()


def test_what_is_pointed_to_may_have_an_owner_and_is_a_doubt_at_most() -> None:
    (finding,) = findings(looked_at(born_evenly(native(4, 104, 204)), "yes"))

    assert (finding.verdict, finding.confidence) == (Verdict.UNKNOWN, 0.0)
    assert "may leak" in finding.sentence
    assert findings(looked_at(born_at_once(native(4, 104)), "yes")) == ()


def looked_at(dumps: Sequence[Dump], answer: str) -> list[Dump]:
    """The same dumps; at the end the memory was searched for pointers, with one answer for all blocks."""
    *before, last = dumps
    table = last.allocations
    pointed = column(np.full(len(table), POINTED.index(answer)), "u1")
    return [*before, replace(last, allocations=replace(table, pointed=pointed))]


def test_in_a_run_too_short_for_a_second_dump_births_until_the_end_tell() -> None:
    brief = [brisk(born_evenly(native(104))[0], one_in=1000)]

    (finding,) = findings(brief)
    assert finding.growth is not None
    assert 90 < finding.growth.count <= 104
    assert findings(born_evenly(native(104))) == ()  # a long run had time for one


def brisk(dump: Dump, one_in: int) -> Dump:
    """The same dump of a program that is so many times faster."""
    live, heap = dump.allocations, dump.heap
    assert heap is not None
    born = column(live.born_s / one_in, "f4")
    graph = replace(heap, facts=replace(heap.facts, taken_s=heap.facts.taken_s / one_in))
    meta = replace(dump.meta, elapsed_s=dump.meta.elapsed_s / one_in)
    return with_heap(replace(dump, allocations=replace(live, born_s=born), meta=meta), graph)
