"""LS301: a cache that is not full yet, with its bound, and when the bound is no excuse."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from heap_builders import heap_series
from heap_lives import born_evenly

from leakscope.analysis.facts import Facts
from leakscope.analysis.filling import bounded_container
from leakscope.model.dump import Dump
from leakscope.model.finding import Finding, Verdict
from leakscope.rules.filling import check
from leakscope.verdict import judge

MADE = {"blob": ("main@app.py:3 > fill@app/cache.py:12", "worker-1")}
COUNTS = range(20, 120, 10)


def findings(dumps: Sequence[Dump]) -> tuple[Finding, ...]:
    return check(Facts(dumps))


def cached(cache: str = "cache=deque({})", bound: str = "bound=200") -> list[Dump]:
    """Ten dumps in which a cache gets ten blobs more each time."""
    drawn = [f"<module app> m=module .CACHE -> {cache.format(bound)} -> blob#{count}=bytes:20000" for count in COUNTS]
    return born_evenly(heap_series(*drawn, made=MADE))


def test_growth_in_a_cache_that_is_not_full_is_bounded() -> None:
    (finding,) = findings(cached())

    assert finding.sentence == (
        "`fill` in app/cache.py:12 fills a deque that keeps at most 200 items and has 110: 2.1 MiB now, some 3.8 MiB "
        "when it is full, allocated by thread worker-1."
    )
    assert (finding.verdict, finding.code) == (Verdict.BOUNDED, "LS301")
    assert finding.holders == (("module app . CACHE", "deque [item]", "bytes"),)
    assert [found.code for found in judge(cached()).findings] == ["LS301"]


@pytest.mark.parametrize(
    ("cache", "bound"),
    [
        ("cache=deque({})", ""),
        ("cache=deque({})", "bound=110"),  # full
        ("cache=deque({})", "bound=20000"),  # as good as none
    ],
)
def test_quiet_twins_keep_growing(cache: str, bound: str) -> None:
    dumps = cached(cache, bound)

    assert findings(dumps) == ()
    assert [found.code for found in judge(dumps).findings] == ["LS501"]


def test_items_of_a_cache_are_those_of_its_dictionary() -> None:
    drawn = "*c=functools.cache(bound=9) -> d=dict -> blob#5=bytes:100"
    walked = Facts(born_evenly(heap_series(drawn, made=MADE))).walked[0]

    blobs = (walked.heap.size == 100).nonzero()[0]

    assert bounded_container(walked, blobs[:0]) is None
    found = bounded_container(walked, blobs)
    assert found is not None
    assert (found.items, found.bound) == (5, 9)


def given(each: str = "r .page -> blob{}=bytes:20000", first: int = 10) -> list[Dump]:
    """Ten dumps in which ten more of two hundred old requests get a page each time."""
    old = "<module app> m=module .ALL -> all=list"
    old += "".join(f"; all -> r{at}=app.Request .number -> n{at}=int" for at in range(200)) + "; r0 .pages -> p=list"
    drawn = [
        "; ".join([old, *(each.format(at).replace("r .", f"r{at} .") for at in range(first * count))])
        for count in range(1, 11)
    ]
    return born_evenly(heap_series(*drawn, made={f"blob{at}": MADE["blob"] for at in range(200)}))


def test_what_each_of_the_old_objects_gets_once_is_bounded() -> None:
    dumps = given()
    (finding,) = findings(dumps)

    assert finding.sentence == (
        "`fill` in app/cache.py:12 gives each of 200 old objects (app.Request) something once, 100 have it: 1.9 MiB "
        "now, some 3.8 MiB when all have it, allocated by thread worker-1."
    )
    assert (finding.verdict, finding.code) == (Verdict.BOUNDED, "LS301")
    assert [found.code for found in judge(dumps).findings] == ["LS301"]


@pytest.mark.parametrize(
    "each",
    [
        "all -> x{0}=app.Request; x{0} .page -> blob{0}=bytes:20000",  # on a new object
        "all -> blob{}=bytes:20000",  # in the list itself
        "p -> blob{}=bytes:20000",  # all on one
    ],
)
def test_what_is_not_given_once_to_old_objects_keeps_growing(each: str) -> None:
    assert findings(given(each)) == ()
