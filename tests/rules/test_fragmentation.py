"""LS201: freed memory that small blocks keep from going back, and when there is nothing to tell."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from builders import Moment, chunks, live, series

from leakscope.analysis.facts import Facts
from leakscope.model.dump import Dump
from leakscope.model.finding import Finding, Verdict
from leakscope.rules.fragmentation import check
from leakscope.verdict import judge

MIB = 1 << 20
AT = 0x7E00_0000_0000
KEPT = "main@app.py:30 > pick@app.py:12"
BATCH = "main@app.py:30 > read@app.py:7"
ARENAS = 40
RSS = 60 * MIB


def findings(dumps: Sequence[Dump]) -> tuple[Finding, ...]:
    return check(Facts(dumps))


def in_each(site: str, size: int, cells: int, step: int = MIB) -> Moment:
    """A block in each of so many cells."""
    return sum((live({site: size}, address=AT + cell * step) for cell in range(cells)), Moment())


def arenas(count: int, used: int = 400) -> Moment:
    return chunks({BATCH: (count, MIB)}, address=AT, used_bytes=used, free_bytes=MIB - used, resident_bytes=MIB)


def heap(free: int, used: int = MIB, largest: int = 64 << 10, **measures: float) -> Moment:
    return chunks(
        {"": free + used}, kind="heap", thread=None, label="main", address=AT, used_bytes=used, free_bytes=free,
        largest_free_bytes=largest, resident_bytes=free + used, attached_threads=1, **measures,
    )  # fmt: skip


def pinned(arenas_kept: int = ARENAS, moments: int = 6, **facts: object) -> list[Dump]:
    """A run in which arenas are nearly empty from the first dump on."""
    moment = arenas(ARENAS) + heap(0) + in_each(KEPT, 400, arenas_kept)
    return series(*[moment] * moments, rss_bytes=RSS, **facts)  # type: ignore[arg-type]


def test_arenas_that_small_blocks_keep_are_fragmentation_with_the_line_that_made_them() -> None:
    (finding,) = findings(pinned())

    assert finding.sentence == (
        "Freed memory cannot go back: 40.0 MiB of 60.0 MiB resident lie free in 40 arenas of Python's allocator since "
        "second 60.0, most of them kept by 40 blocks (15.6 KiB) made by `pick` in app.py:12, allocated by the main "
        "thread."
    )
    assert (finding.verdict, finding.code) == (Verdict.FRAGMENTATION, "LS201")
    assert (finding.subject.kind, finding.subject.function, finding.subject.line) == ("chunks", "pick", 12)
    assert judge(pinned()).verdict is Verdict.FRAGMENTATION


def test_who_keeps_most_arenas_is_named_not_who_has_most_blocks() -> None:
    many = live({"main@app.py:30 > load@app.py:20": (2000, 64)}, address=AT + 4096)
    dumps = series(*[arenas(ARENAS) + heap(0) + in_each(KEPT, 400, ARENAS) + many] * 6, rss_bytes=RSS)

    (finding,) = findings(dumps)

    assert finding.subject.function == "pick"


def test_holes_in_the_heap_of_malloc_are_fragmentation() -> None:
    moment = arenas(0) + heap(40 * MIB) + in_each(KEPT, 700, 160, 256 << 10)

    (finding,) = findings(series(*[moment] * 6, rss_bytes=RSS))

    assert finding.sentence == (
        "Freed memory cannot go back: 40.0 MiB of 60.0 MiB resident lie free in malloc's heap since second 60.0, in "
        "holes between 160 blocks (109.4 KiB) made by `pick` in app.py:12, allocated by the main thread."
    )
    assert "malloc_trim(0)" in finding.advice[1]


def test_sampled_pins_are_estimates_and_say_so() -> None:
    dumps = pinned(interval_bytes=4096)

    (finding,) = findings(dumps)

    assert "kept by some " in finding.sentence
    assert "sampled blocks that tell who made what keeps them" in {each.claim for each in finding.evidence}


def test_resident_memory_that_rises_alone_is_fragmentation() -> None:
    """Batches grow; what is kept of each replaces what was kept before."""
    rising = []
    for arenas_now in range(4, 44, 2):
        full = arenas(arenas_now, used=MIB) + heap(0) + live({BATCH: (arenas_now * 2048, 512)}, address=AT)
        rising += [full, arenas(arenas_now) + heap(0) + in_each(KEPT, 400, arenas_now)]
    rss = [(20 + 2 * (each // 2)) * MIB for each in range(len(rising))]

    (finding,) = findings(series(*rising, every_s=1.0, rss_bytes=rss))

    assert "while what is alive did not rise" in finding.sentence
    assert finding.growth is not None
    assert finding.growth.bytes > 20 * MIB


@pytest.mark.parametrize(
    ("name", "moments", "rss"),
    [
        ("in use", [arenas(ARENAS, used=900_000) + heap(0)] * 6, RSS),
        ("little", [arenas(6) + heap(0)] * 6, RSS),
        ("small part", [arenas(ARENAS) + heap(0)] * 6, 400 * MIB),
        ("needed again", [arenas(ARENAS, used=400 if at % 2 else 900_000) + heap(0) for at in range(8)], RSS),
        ("just freed", [*[arenas(ARENAS, used=900_000) + heap(0)] * 6, arenas(ARENAS) + heap(0)], RSS),
        ("not measured", [chunks({BATCH: (ARENAS, MIB)})] * 6, RSS),
        ("at the end of the heap", [arenas(0) + heap(40 * MIB, largest=39 * MIB)] * 6, RSS),
        ("given back page by page", [arenas(0) + heap(40 * MIB)], 20 * MIB),
    ],
)
def test_quiet_twins(name: str, moments: Sequence[Moment], rss: int) -> None:
    assert findings(series(*moments, rss_bytes=rss)) == (), name


def test_one_dump_and_one_sample_are_too_little() -> None:
    assert findings(pinned(moments=1)) == ()


def test_free_memory_is_no_excuse_for_what_is_alive_and_grows() -> None:
    """The same line pins arenas and leaks."""
    moments = [arenas(ARENAS) + heap(0) + live({KEPT: (500 * at, 4000)}) + in_each(KEPT, 400, 40) for at in range(12)]

    codes = [found.code for found in judge(series(*moments, rss_bytes=120 * MIB)).findings]

    assert codes == ["LS501", "LS201"]


def test_peaks_that_stay_after_earlier_ones_went_back_are_fragmentation() -> None:
    """Each batch took the heap and gave it back, but for the last."""
    moments, rss = [], []
    for at in range(8):
        batch = live({BATCH: (20_000, 2048)})
        moments += [arenas(1) + heap(0, used=40 * MIB) + batch, arenas(1) + (heap(40 * MIB) if at > 6 else heap(0))]
        rss += [60 * MIB, 60 * MIB if at > 6 else 20 * MIB]
    dumps = series(*moments, every_s=1.0, rss_bytes=rss)

    (finding,) = findings(dumps)

    assert "after 7 peaks (after earlier ones it went back)" in finding.sentence
    assert finding.confidence < 0.7
    assert findings(dumps[:-2]) == ()
