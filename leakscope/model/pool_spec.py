"""
A pool to watch, as somebody writes it down: on the command line, or in a table of ``pyproject.toml``.

It knows the words of ``leakscope.watch_pool`` and one line of text for each pool, which the program understands without
a parser; it refuses to know the classes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from leakscope.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

LISTS = ("acquire", "retain", "release", "touch")
WORDS = (*LISTS, "size", "name", "pool")
LIBRARIES = ("pyarrow", "torch")
"""Libraries whose pools tell of themselves, at the exit if they are named, and at each ``leakscope.dump()``."""
_CLASS = r"[\w.]+:[\w.]+"
_SPEC = re.compile(rf"\s*({_CLASS})\s*(?:\((.*)\))?\s*", re.DOTALL)
_VALUE = re.compile(r"[\w.]+")
_EXAMPLE = "write it as 'app.pool:Buffer(acquire=take, retain=retain, release=release+close, pool=app.pool:Pool)'"


def parse_pool(text: str) -> str:
    """
    The line for a pool that was written as ``module:Class(acquire=take, release=give+close, pool=module:Class)``, or
    as one of `LIBRARIES`.

    Parameters
    ----------
    text : str

    Raises
    ------
    UsageError
        If it is not written so.
    """
    if text.strip() in LIBRARIES:
        return text.strip()
    found = _SPEC.fullmatch(text)
    if found is None:
        raise UsageError(f"{text!r} names no pool", _EXAMPLE)
    values: dict[str, Any] = {}
    for part in filter(None, map(str.strip, (found[2] or "").split(","))):
        word, equals, value = part.partition("=")
        if not equals:
            raise UsageError(f"{part!r} says nothing about a pool", _EXAMPLE)
        word, value = word.strip(), value.strip()
        values[word] = value.split("+") if word in LISTS else value
    return _line(found[1], values, text)


def pool_of_table(name: str, table: Mapping[str, Any]) -> str:
    """
    The line for a pool that is a table: ``[tool.leakscope.pools.NAME]`` with ``class`` and the words, or ``library``.

    Parameters
    ----------
    name : str
        What to call the pool, unless the table has a ``name``.
    table : mapping

    Raises
    ------
    UsageError
        If a word is missing, unknown, or has a wrong value.
    """
    where = f"tool.leakscope.pools.{name}"
    if isinstance(table, dict) and table.get("library") in LIBRARIES and len(table) == 1:
        return str(table["library"])
    if not isinstance(table, dict) or not isinstance(table.get("class"), str):
        raise UsageError(f"{where} has no class", f'write class = "module:Class" in [{where}]')
    if not re.fullmatch(_CLASS, table["class"]):
        raise UsageError(f"{where}: {table['class']!r} names no class", 'write class = "module:Class"')
    return _line(
        table["class"], {"name": name, **{key: value for key, value in table.items() if key != "class"}}, where
    )


def _line(cls: str, values: Mapping[str, Any], where: str) -> str:
    """``class`` and words, between tabs."""
    fields = [cls]
    for word, value in values.items():
        if word not in WORDS:
            raise UsageError(f"{where}: unknown word {word!r}", f"there are: {', '.join(WORDS)}")
        items = value if isinstance(value, list) else [value]
        pattern = re.compile(_CLASS) if word == "pool" else re.compile(r"[^\t\n=]+") if word == "name" else _VALUE
        texts = [str(item).strip() for item in items]
        if (len(texts) != 1 and word not in LISTS) or not all(map(pattern.fullmatch, texts)):
            raise UsageError(f"{where}: {word} cannot be {value!r}", _EXAMPLE)
        fields.append(f"{word}={' '.join(texts) if word in LISTS else texts[0]}")
    return "\t".join(fields)
