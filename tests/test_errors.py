"""Every failure has a slug of its own, an exit code and one line to read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from leakscope import errors
from leakscope.errors import DumpFormatError, LeakscopeError, NewerFormat


def kinds(root: type[LeakscopeError] = LeakscopeError) -> Iterator[type[LeakscopeError]]:
    yield root
    for kind in root.__subclasses__():
        yield from kinds(kind)


def test_every_kind_has_a_slug_of_its_own() -> None:
    slugs = [kind.code for kind in kinds()]

    assert len(set(slugs)) == len(slugs)
    assert all(slug == slug.lower().replace(" ", "-") for slug in slugs)


def test_every_kind_is_in_the_tree_at_the_top() -> None:
    tree = errors.__doc__ or ""

    assert [kind.__name__ for kind in kinds() if kind.__name__ not in tree] == []


@pytest.mark.parametrize(
    ("kind", "code"),
    [("UsageError", 2), ("PolicyError", 2), ("NotEnoughData", 3), ("CaptureError", 5), ("DiskFull", 5)],
)
def test_the_exit_codes_are_those_of_the_table(kind: str, code: int) -> None:
    assert getattr(errors, kind).exit_code == code


def test_a_malformed_dump_says_where() -> None:
    error = DumpFormatError("a.lks", 1040, "column 'live.size' is missing")

    assert str(error) == error.message == "a.lks: column 'live.size' is missing (at byte 1,040)"
    assert error.remedy
    assert "upgrade" in NewerFormat("a.lks", 8, "version 2").remedy
