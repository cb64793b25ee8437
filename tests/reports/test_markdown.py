"""The same first screen in Markdown: golden, and nothing of a stranger's is markup."""

from __future__ import annotations

import re

import pytest
from golden import assert_golden
from reports.drawn import REPORTS

from leakscope.reports import markdown, terminal
from leakscope.reports.markdown_text import escaped


@pytest.mark.parametrize(
    "name", ["growing", "stable", "unknown", "objects", "compared", "pools", "buffers", "chunked", "builds"]
)
def test_the_page_is_the_golden_one(name: str) -> None:
    assert_golden(markdown.render(REPORTS[name]()), f"markdown/{name}.md")


@pytest.mark.parametrize("name", REPORTS)
def test_headings_are_those_of_the_terminal_in_the_same_order(name: str) -> None:
    page = markdown.render(REPORTS[name]())
    screen = terminal.render(REPORTS[name](), width=120).splitlines()

    headings = [re.sub(r"\\(.)", r"\1", line[4:]) for line in page.splitlines() if line.startswith("### ")]
    assert headings == [line for line in screen if line in headings]
    assert len(headings) >= 4


@pytest.mark.parametrize("name", REPORTS)
def test_every_row_of_a_table_has_as_many_cells_as_its_head(name: str) -> None:
    counts: list[int] = []
    for line in markdown.render(REPORTS[name]()).splitlines():
        if not line.startswith("|"):
            counts = []
            continue
        counts.append(len(re.findall(r"(?<!\\)\|", line)))
        assert counts[-1] == counts[0]


def test_nothing_that_a_stranger_named_is_markup() -> None:
    outside_code = re.sub(r"`[^`]*`", "", markdown.render(REPORTS["hostile"]()))

    assert not re.search(r"(?<!\\)<(?!/?b>)[a-z]", outside_code)
    assert not re.search(r"(?<!\\)\[", outside_code)
    assert "\x1b" not in outside_code


def test_special_characters_are_escaped_but_code_stays_code() -> None:
    assert escaped("a*b_c <d> | `x|y*` e`f") == r"a\*b\_c \<d\> \| `x\|y*` e\`f"
