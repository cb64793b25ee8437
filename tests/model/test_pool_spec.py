"""Pools as they are written on the command line and in pyproject.toml: one line each, or one clear error."""

from __future__ import annotations

from typing import Any

import pytest

from leakscope.errors import UsageError
from leakscope.model.pool_spec import parse_pool, pool_of_table


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("app.pool:Buffer", "app.pool:Buffer"),
        (" pyarrow ", "pyarrow"),
        ("app:Outer.Buffer(release=close)", "app:Outer.Buffer\trelease=close"),
        (
            " app:Buffer ( acquire = take, release=give+close , size=2048, pool=app:Pool ) ",
            "app:Buffer\tacquire=take\trelease=give close\tsize=2048\tpool=app:Pool",
        ),
        ("app:Buffer(release=give, name=my buffers)", "app:Buffer\trelease=give\tname=my buffers"),
    ],
)
def test_what_stands_on_the_command_line_is_one_line(text: str, line: str) -> None:
    assert parse_pool(text) == line


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "names no pool"),
        ("app.pool", "names no pool"),
        ("app:Buffer(release=close", "names no pool"),
        ("app:Buffer(release)", "says nothing"),
        ("app:Buffer(free=close)", "unknown word 'free'"),
        ("app:Buffer(release=)", "release cannot be"),
        ("app:Buffer(size=a+b)", "size cannot be"),
        ("app:Buffer(pool=Pool)", "pool cannot be"),
        ("app:Buffer(release=__import__('os'))", "release cannot be"),
    ],
)
def test_what_is_no_pool_is_one_clear_error(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        parse_pool(text)
    assert "\n" not in str(caught.value)


def test_a_table_is_the_same_line_and_its_name_the_pools() -> None:
    table: dict[str, Any] = {"class": "app:Buffer", "release": ["give", "close"], "size": 64}

    assert pool_of_table("buffers", table) == "app:Buffer\tname=buffers\trelease=give close\tsize=64"


def test_a_library_whose_pools_tell_of_themselves_is_its_name() -> None:
    assert pool_of_table("arrow", {"library": "pyarrow"}) == "pyarrow"


@pytest.mark.parametrize(
    "table",
    [
        {},
        {"library": "numpy"},
        {"class": 3},
        {"class": "app"},
        {"class": "app:B", "frees": "x"},
        {"class": "app:B", "size": [1, 2]},
    ],
)
def test_a_table_that_is_wrong_is_one_clear_error(table: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"tool\.leakscope\.pools\.buffers"):
        pool_of_table("buffers", table)
