"""Printed numbers are rounded and never cut; typed ones are understood or refused with the accepted forms."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakscope.units import (
    GIB,
    KIB,
    MIB,
    format_bytes,
    format_count,
    format_duration,
    format_estimate,
    format_share,
    parse_bytes,
    parse_duration,
)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "0 B"),
        (1023, "1,023 B"),
        (1023.7, "1.0 KiB"),
        (KIB, "1.0 KiB"),
        (1023.96 * KIB, "1.0 MiB"),
        (21.4 * MIB, "21.4 MiB"),
        (-3 * GIB, "-3.0 GiB"),
        (5000 * 1024**6, "5,000.0 EiB"),
        (math.nan, "?"),
    ],
)
def test_bytes_print_in_the_largest_binary_unit_that_fits(value: float, words: str) -> None:
    assert format_bytes(value) == words


def test_gains_print_with_a_sign_and_nothing_with_none() -> None:
    assert format_bytes(2 * MIB, signed=True) == "+2.0 MiB"
    assert format_count(1234, signed=True) == "+1,234"
    assert [format_bytes(0, signed=True), format_count(0.2, signed=True), format_count(-0.2)] == ["0 B", "0", "0"]


@pytest.mark.parametrize(("value", "words"), [(1234, "1,234"), (999.6, "1,000"), (-5, "-5"), (math.inf, "?")])
def test_counts_print_whole(value: float, words: str) -> None:
    assert format_count(value) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.0004, "0.4 ms"),
        (0.85, "850 ms"),
        (0.9996, "1.0 s"),
        (12.34, "12.3 s"),
        (59.96, "1 min"),
        (200, "3 min 20 s"),
        (3599.7, "1 h"),
        (7500, "2 h 5 min"),
        (4 * 86400 + 3700, "4 d 1 h"),
        (-12.34, "-12.3 s"),
        (math.nan, "?"),
    ],
)
def test_durations_print_in_at_most_two_units(seconds: float, words: str) -> None:
    assert format_duration(seconds) == words


@pytest.mark.parametrize(
    ("share", "words"), [(0, "0 %"), (0.0001, "<0.1 %"), (0.123, "12.3 %"), (1, "100 %"), (math.nan, "?")]
)
def test_shares_print_as_percent(share: float, words: str) -> None:
    assert format_share(share) == words


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ("65536", 65536),
        ("64KiB", 65536),
        ("64k", 65536),
        (" 1.5 MiB ", 1_572_864),
        ("2GB", 2_000_000_000),
        ("1gib", GIB),
    ],
)
def test_sizes_are_understood_with_and_without_unit(words: str, value: int) -> None:
    assert parse_bytes(words) == value


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("10", 10),
        ("10s", 10),
        ("500ms", 0.5),
        ("2min", 120),
        ("2m", 120),
        ("1.5h", 5400),
        ("1h30m", 5400),
        ("1d", 86400),
    ],
)
def test_durations_are_understood_with_and_without_unit(words: str, seconds: float) -> None:
    assert parse_duration(words) == pytest.approx(seconds)


@pytest.mark.parametrize("words", ["", "KiB", "-1", "1 parsec", "1.2.3", "1e3", "0x10", "ten", "1h half", "٣"])
def test_what_is_no_number_is_refused_with_the_accepted_forms(words: str) -> None:
    with pytest.raises(ValueError, match="write it like"):
        parse_bytes(words)
    with pytest.raises(ValueError, match="write it like"):
        parse_duration(words)


@given(st.floats(min_value=0, max_value=1e21))
def test_printed_bytes_are_parsed_back_to_within_the_rounding(value: float) -> None:
    words = format_bytes(value)

    if "P" not in words and "E" not in words:
        assert parse_bytes(words.replace(",", "")) == pytest.approx(value, rel=0.05, abs=0.5)
    assert "e" not in words


@pytest.mark.parametrize(
    ("value", "words"),
    [(8811, "8,800"), (99, "99"), (104.4, "100"), (5, "5"), (0, "0"), (-8811, "-8,800"), (float("nan"), "?")],
)
def test_estimates_have_two_digits(value: float, words: str) -> None:
    assert format_estimate(value) == words
