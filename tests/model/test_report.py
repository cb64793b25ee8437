"""A report cannot be made that contradicts itself: bars add up, rows are as long as there are sources."""

from __future__ import annotations

from dataclasses import replace

import pytest

from leakscope.model.finding import Finding, Subject, Verdict
from leakscope.model.report import SEGMENT_NAMES, ResidentBar, Segment, Sparkline, Totals

FINDING = Finding(
    code="LS601",
    rule="leak",
    verdict=Verdict.LEAK,
    confidence=0.99,
    fingerprint="f",
    sentence="it leaks",
    subject=Subject(kind="blocks"),
    bytes=1,
    count=1,
    growth=None,
    stack=(),
    evidence=(),
    advice=(),
)


def test_a_bar_adds_up_to_the_resident_memory() -> None:
    parts = tuple(
        Segment(name, name, size) for name, size in zip(SEGMENT_NAMES, (50, 20, 10, 5, 5, 5, 2, 1, 1, 1), strict=True)
    )

    assert ResidentBar(100, parts).segments == parts
    with pytest.raises(ValueError, match="do not add up"):
        ResidentBar(101, parts)
    with pytest.raises(ValueError, match="negative"):
        ResidentBar(0, (Segment("native", "native", 5), Segment("unknown", "unknown", -5)))


def test_totals_have_one_number_per_source() -> None:
    with pytest.raises(ValueError, match="one number per source"):
        Totals(rss_bytes=(1, 2), live_bytes=(1,), objects=(None, None), chunks=(0, 0), resident=None)


def test_a_sparkline_has_one_value_per_time() -> None:
    with pytest.raises(ValueError, match="one value per time"):
        Sparkline("rss_bytes", "resident", "bytes", (0.0, 1.0), (None,))


def test_confidence_is_a_share() -> None:
    with pytest.raises(ValueError, match="confidence"):
        replace(FINDING, confidence=1.5)


def test_the_verdicts_are_the_seven_answers() -> None:
    assert [verdict.value for verdict in Verdict] == (
        "LEAK GROWTH FRAGMENTATION POOLING BOUNDED STABLE UNKNOWN".split()
    )
