"""The first screen on a terminal: golden, never a cut number, nothing of a stranger's taken for an instruction."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from golden import assert_golden
from reports.drawn import REPORTS
from rich.cells import cell_len

from leakscope.reports.first_screen import first_screen
from leakscope.reports.pieces import Column, Table, printable
from leakscope.reports.terminal import draw_table, fitting, render

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize(
    "name", ["growing", "stable", "unknown", "mapped", "objects", "compared", "pools", "buffers", "chunked", "builds"]
)
@pytest.mark.parametrize("width", [100, 60])
def test_the_first_screen_is_the_golden_one(name: str, width: int) -> None:
    assert_golden(render(REPORTS[name](), width=width), f"terminal/{name}-{width}.txt")


@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize("width", [60, 72, 80, 100, 120, 200])
def test_no_line_is_wider_than_the_terminal(name: str, width: int) -> None:
    text = render(REPORTS[name](), width=width)
    shown = [line for line in text.splitlines() if not line.startswith("  leakscope show")]

    assert max(map(cell_len, shown)) <= width


@pytest.mark.parametrize("width", [20, 60, 61, 65, 75, 85, 100])
def test_numbers_are_whole_at_any_width(width: int) -> None:
    # given every number the widest screen shows in the tables
    report = REPORTS["growing"]()
    whole = {
        cell
        for table in first_screen(report).tables
        for column in table.columns
        if column.right
        for cell in column.cells
    }

    text = render(report, width=width)

    for line in text[text.index("Gained most") :].splitlines():
        for number in re.findall(r"[+-]?[\d,.]+ (?:[KMGT]iB|B|%)", line):
            assert number in whole | {"2.0 MiB", "3.8 %", "64.0 KiB"} or "ledger" in line or line.startswith("  - ")


@pytest.mark.parametrize("width", range(60, 121, 3))
def test_no_line_ends_between_a_number_and_its_unit(width: int) -> None:
    lines = render(REPORTS["growing"](), width=width).splitlines()

    assert not [
        line for line, after in pairwise(lines) if re.search(r"\d$", line) and re.match(r" *([KM]iB|s|%)", after)
    ]


def test_whole_columns_go_first_and_in_their_order() -> None:
    columns = [
        Column("a", ("1" * 10,), right=True), Column("b", ("x" * 10,), drop=2), Column("c", ("y" * 10,), drop=9),
        Column("d", ("z" * 10,), drop=5),
    ]  # fmt: skip

    assert ["".join(column.title for column in fitting(columns, width)) for width in (60, 40, 32, 21, 5)] == [
        "abcd", "abd", "ab", "a", "a",
    ]  # fmt: skip


def test_words_are_shortened_from_the_left_where_nothing_else_can_go() -> None:
    table = Table(
        "t", (Column("live", ("12.3 MiB",), right=True), Column("line", ("a/very/long/path/to/module.py:123",)))
    )

    assert draw_table(table, 30)[1].plain == "12.3 MiB  …th/to/module.py:123"


def test_columns_are_as_wide_as_their_words_and_no_wider() -> None:
    table = Table(
        "t", (Column("live", ("1 B",), right=True), Column("line", ("a.py:1",)), Column("threads", ("main",)))
    )

    assert [row.plain for row in draw_table(table, 60)] == ["live  line    threads", " 1 B  a.py:1  main"]


def test_nothing_that_a_stranger_named_moves_the_cursor_or_changes_colours() -> None:
    plain, coloured = render(REPORTS["hostile"](), width=100), render(REPORTS["hostile"](), width=100, color=True)

    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069\ud800-\udfff]", plain)
    assert ESCAPE.sub("", coloured) == plain
    assert "[red]f[/red]" in plain
    assert "日本.py" in plain


def test_colour_changes_nothing_but_colour() -> None:
    report = REPORTS["growing"]()

    assert "\x1b[" in render(report, width=100, color=True)
    assert ESCAPE.sub("", render(report, width=100, color=True)) == render(report, width=100)


def test_a_terminal_without_unicode_gets_letters() -> None:
    text = render(REPORTS["growing"](), width=100, plain=True)

    assert text.isascii()
    assert len(text.splitlines()) == len(render(REPORTS["growing"](), width=100).splitlines())


def test_the_order_is_verdict_memory_time_findings_tables_losses_cost_next() -> None:
    text = render(REPORTS["growing"](), width=100)
    order = [" GROWTH ", "Where ", "Over ", "Findings", "Gained most", "Holds most", "What was not seen",
             "What leakscope itself took", "Next"]  # fmt: skip

    places = [re.search(rf"^{heading}", text, re.MULTILINE) for heading in order]
    assert all(places)
    assert sorted(place.start() for place in places if place) == [place.start() for place in places if place]
    assert text.startswith("leakscope  app.py --port 80  (CPython 3.11.7, pid 4242, exact)")
    assert "\nkilled by SIGKILL after 40.0 s\n\n GROWTH " in text


def test_the_bar_is_as_wide_as_its_parts_together() -> None:
    lines = render(REPORTS["growing"](), width=100).splitlines()
    bar = lines[next(index for index, line in enumerate(lines) if line.startswith("Where ")) + 1].strip()

    assert len(bar) == 96


def test_what_is_printable_stays_and_the_rest_does_not() -> None:
    assert printable("abc é 日本 ✓") == "abc é 日本 ✓"
    assert printable("a\x1bb\u202ec\nd\te\ud800") == "a\ufffdb\ufffdc d e\ufffd"
