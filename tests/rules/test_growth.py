"""LS501: what it says, in which words, and when it keeps quiet."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders import column, live, series
from simulation import FOREVER, Life, recorded

from leakscope.analysis.facts import Facts
from leakscope.model.dump import Dump
from leakscope.model.finding import Finding, Verdict
from leakscope.rules.growth import check

KIB, MIB = 1024, 1 << 20
STD = "/usr/lib/python3.11"
END = 40.0


def leaking(
    site: str, *, thread: str = "MainThread", rate: float = 100.0, size: int = 1024, start: float = 0.0
) -> Life:
    life = Life()
    for born in np.arange(start, END, 1 / rate):
        life.add(site, size, float(born), thread=thread)
    return life


def findings(*dumps: Dump) -> tuple[Finding, ...]:
    return check(Facts(dumps))


def test_a_leak_is_told_with_place_size_rate_and_thread() -> None:
    # given 100 blocks of 1 KiB a second, on a worker
    life = leaking("main@app.py:3 > handle@app/cache.py:41", thread="worker-1")

    (finding,) = findings(recorded(life, END))

    assert finding.sentence == (
        "`handle` in app/cache.py:41 keeps growing: 3.9 MiB in 4,000 blocks, +100.0 KiB/s over the last 36.0 s, "
        "allocated by thread worker-1."
    )
    assert (finding.verdict, finding.code, finding.rule) == (Verdict.GROWTH, "LS501", "growth")
    assert finding.growth is not None
    assert finding.growth.bytes == pytest.approx(3600 * KIB, rel=0.01)
    assert finding.growth.count == pytest.approx(3600, rel=0.01)
    subject = finding.subject
    assert (subject.module, subject.function, subject.file, subject.line) == ("app.cache", "handle", "app/cache.py", 41)
    assert (subject.kind, subject.thread, subject.library) == ("blocks", "worker-1", None)
    assert [frame.line for frame in finding.stack] == [41, 3]
    assert finding.threads is not None
    assert dict(finding.threads.allocated_by) == {"worker-1": 3600}
    assert finding.confidence == pytest.approx(0.9)


def test_several_threads_are_named_and_many_are_counted() -> None:
    few, many = Life(), Life()
    for number in range(4000):
        few.add("f@app.py:1", 1024, number / 100, thread=f"worker-{number % 2 + 1}")
        many.add("f@app.py:1", 1024, number / 100, thread=f"worker-{number * number % 7 + 1}")

    assert "allocated by threads worker-1, worker-2." in findings(recorded(few, END))[0].sentence
    assert "allocated by 4 threads like worker-2." in findings(recorded(many, END))[0].sentence


def test_what_a_library_made_is_told_with_the_line_that_made_it() -> None:
    life = leaking(f"handle@app.py:7 > loads@{STD}/json/__init__.py:3 > raw_decode@{STD}/json/decoder.py:353")

    assert "`handle` in app.py:7 keeps growing: 3.9 MiB in 4,000 blocks made in json/decoder.py:353, " in (
        findings(recorded(life, END))[0].sentence
    )


def test_native_blocks_are_told_with_library_and_symbol() -> None:
    life = leaking("step@app.py:7 > !istr_new@/v/lib/python3.11/site-packages/multidict/_multidict.so")

    (finding,) = findings(recorded(life, END))

    assert "`step` in app.py:7 keeps growing: 3.9 MiB in 4,000 blocks made in `istr_new` of _multidict.so, " in (
        finding.sentence
    )
    assert (finding.subject.library, finding.subject.symbol) == ("_multidict.so", "istr_new")


def test_memory_without_python_code_is_told_too() -> None:
    (finding,) = findings(recorded(leaking(""), END))

    assert finding.sentence.startswith("memory (no Python code was running) keeps growing: ")
    assert (finding.subject.function, finding.subject.file, finding.stack) == (None, None, ())


def test_lines_of_one_function_are_one_finding() -> None:
    life = leaking("f@app.py:10")
    for born in np.arange(0, END, 0.02):
        life.add("f@app.py:12", 512, float(born))
        life.add("g@app.py:30", 512, float(born))

    found = findings(recorded(life, END))

    assert [(finding.subject.function, finding.subject.line) for finding in found] == [("f", 10), ("g", 30)]
    assert "`f` in app.py:10 (also line 12) keeps growing" in found[0].sentence


def test_a_buffer_and_a_backlog_are_told_apart() -> None:
    buffer, backlog = Life(), Life()
    for step in range(200):
        buffer.add("f@app.py:1", 10_000 * (step + 1), step / 5, (step + 1) / 5 if step < 199 else FOREVER)
    for born in np.arange(0, END, 0.01):
        backlog.add("f@app.py:1", 1000, float(born), float(1.2 + born * 2))

    assert "1.9 MiB in 1 block, enlarged again and again, +" in findings(recorded(buffer, END))[0].sentence
    (queue,) = findings(recorded(backlog, END))
    assert ", filled faster than it is emptied, +" in queue.sentence
    assert "bound the queue" in queue.advice[0]


def test_what_was_freed_at_the_end_is_told_so_and_an_earlier_dump_knows_the_thread() -> None:
    life = Life()
    for born in np.arange(0, END, 0.01):
        life.add("f@app.py:1", 1024, float(born), END - 0.01, thread="reader")
    early = recorded(life, END / 2, number=1)
    last = recorded(life, END, sample_at=[*np.linspace(0.3, END - 0.3, 100), END], reason="exit", number=2)

    (finding,) = findings(early, last)

    assert finding.sentence == (
        "`f` in app.py:1 kept growing: 3.9 MiB in 3,971 blocks, +100.0 KiB/s until second 39.7, allocated by thread "
        "reader; it was freed when the program ended."
    )


def test_several_dumps_are_named_by_their_place_among_the_sources() -> None:
    life = leaking("f@app.py:1")
    other = recorded(life, END, pid=1)

    (finding,) = findings(other, recorded(life, END / 2, pid=2), recorded(life, END, pid=2))

    assert finding.growth is not None
    assert finding.growth.between == (1, 2)


def test_evidence_has_a_stance_a_number_and_a_unit() -> None:
    (finding,) = findings(recorded(leaking("f@app.py:1"), END, interval_bytes=16 * KIB))

    by_claim = {evidence.claim: evidence for evidence in finding.evidence}
    gained = by_claim["gained over the window"]
    assert (gained.stance, gained.unit) == ("for", "bytes")
    assert gained.value == pytest.approx(3600 * KIB, rel=0.15)
    assert 0 < gained.error < 0.1 * gained.value
    assert by_claim["survivors from the quarter with the fewest"].value > 500 * KIB
    assert by_claim["rate of the low-water mark"].unit == "bytes/s"


def test_what_cannot_be_told_says_how_long_it_would_take() -> None:
    (finding,) = findings(recorded(leaking("f@app.py:1"), END, sample_at=[20.0, 40.0]))

    assert finding.verdict is Verdict.UNKNOWN
    assert finding.sentence == (
        "`f` in app.py:1 may be growing: +2.0 MiB in 36.0 s, but 2 samples cannot tell growth from a start: "
        "let it run 2 min 24 s or more."
    )
    assert finding.confidence == 0


def test_growth_late_in_the_run_and_before_idleness_is_doubted_in_words() -> None:
    late = recorded(leaking("f@app.py:1", start=0.95 * END, rate=2000), END, samples=400)
    stopped = Life()
    for born in np.arange(0, END / 2, 0.005):
        stopped.add("f@app.py:1", 1024, float(born))
    idle = recorded(stopped, END)
    cpu = column(np.minimum(idle.series.time_s, END / 2), "f8")
    idle = replace(idle, series=replace(idle.series, cpu_s=cpu))

    assert "but only in the last 1.8 s of the run: let it go on for 10.0 s more" in findings(late)[0].sentence
    assert "until second 19, then the program was idle: keep it busy" in findings(idle)[0].sentence


def test_small_doubts_are_not_worth_a_sentence() -> None:
    life = leaking("f@app.py:1", rate=5)
    for number in range(2000):
        life.add("cache@app.py:9", 4096, number / 1000)

    assert findings(recorded(life, END, sample_at=[20.0, 40.0])) == ()


def test_a_few_dumps_that_agree_are_enough() -> None:
    # given five dumps without anything sampled between them, and blocks born all the time
    life = leaking("f@app.py:1")
    dumps = [
        recorded(life, at, sample_at=[at], number=number) for number, at in enumerate((8.0, 16.0, 24.0, 32.0, 40.0))
    ]

    (finding,) = findings(*dumps)

    assert finding.verdict is Verdict.GROWTH
    assert "+100.0 KiB/s over the last 32.0 s" in finding.sentence


def test_drawn_moments_of_a_level_program_say_nothing() -> None:
    assert findings(*series(*[live({"f@app.py:1": (5000, 1024)}, fresh=True)] * 8)) == ()
