"""
The pieces of a page: tables, lines, lists, and text that is safe to print.

It knows what a piece is made of; it refuses to know what stands in it, and how it is drawn.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakscope.model.allocations import Frame

_CALLERS = 3
_STEPS_BEFORE, _STEPS_AFTER = 3, 4
"""Of a longer way only the first and the last steps are shown."""
_UNPRINTABLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the resident memory: its name, label, size, share in words, and share as a number."""

    name: str
    label: str
    size: str
    share: str
    fraction: float


@dataclass(frozen=True, slots=True)
class Line:
    """A measurement over time: label, values to draw, lowest, highest and last in words."""

    label: str
    times_s: tuple[float, ...]
    values: tuple[float | None, ...]
    span: str


@dataclass(frozen=True, slots=True)
class Item:
    """A finding: what can stand in one line, its sentence ("" if it is the headline), and further lines."""

    verdict: str
    growth: str
    sure: str
    site: str
    sentence: str
    details: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; of several that do not fit, those with the highest ``drop`` go first."""

    title: str
    cells: tuple[str, ...]
    right: bool = False
    drop: int = 0
    beginning: bool = False
    """Whether it is the beginning that stays where words have to be shortened."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a title."""

    title: str
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One of a list: its head, and lines that say more."""

    head: str
    details: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A list with a title: what is too long for the columns of a table."""

    title: str
    entries: tuple[Entry, ...]


def printable(text: str) -> str:
    """
    Text that cannot move the cursor, change colours or turn the reading direction.

    Parameters
    ----------
    text : str
        Anything; line ends and tabs become blanks, other control characters a replacement character.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        " " if char in "\n\r\t" else "\N{REPLACEMENT CHARACTER}" if unicodedata.category(char) in _UNPRINTABLE else char
        for char in text
    )


def outside(stack: Sequence[Frame], function: str, line: int, separator: str) -> str:
    """The frames outside the one that is shown already, which may be a comprehension in the function."""
    shown = (
        index for index, frame in enumerate(stack)
        if frame.line == line and (frame.function == function or frame.function.startswith(f"{function}.<locals>"))
    )  # fmt: skip
    callers = stack[next(shown, len(stack)) + 1 :]
    if callers and (callers[0].function, callers[0].line) == (function, line):
        callers = callers[1:]
    # A function that calls itself is shown once.
    different = list({(frame.function, frame.file): frame for frame in reversed(callers)}.values())[::-1]
    words = [_named(frame) for frame in different[:_CALLERS]] + (["..."] if len(different) > _CALLERS else [])
    return separator.join(words)


def way(steps: Sequence[str]) -> str:
    """
    A way from a root to an object, in one line: long ones without their middle.

    Parameters
    ----------
    steps : sequence of str
        From the root on.
    """
    left_out = len(steps) - _STEPS_BEFORE - _STEPS_AFTER
    if left_out > 1:
        steps = [*steps[:_STEPS_BEFORE], f"({left_out} more)", *steps[-_STEPS_AFTER:]]
    return " -> ".join(steps)


def _named(frame: Frame) -> str:
    name = frame.file.rpartition("/")[2]
    return f"{frame.function} {name}:{frame.line}" if frame.line else f"{frame.function} {name}"
