"""
Who holds something, as a page of text and as one JSON document, schema ``leakscope.holding/1``.

It knows lines and fields; it refuses to know anything that a `Holding` does not say.
"""

from __future__ import annotations

import io
import json
import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from leakscope.units import format_bytes, format_count, format_share

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leakscope.model.holding import HeldPath, Holding, MadeAt

SCHEMA = "leakscope.holding/1"
LEAST_WIDTH = 60
_INDENT = "      "
_LINES = 8
_THREADS = 4
_ARROW = " -> "
_NUMBER = re.compile(r"\d+")


def render(holding: Holding, *, width: int = 100, color: bool = False) -> str:
    """
    The page.

    Parameters
    ----------
    holding : Holding
    width : int
        Columns; paths are broken at their arrows, names never.
    color : bool
        With escape sequences.
    """
    stream = io.StringIO()
    console = Console(
        file=stream, width=max(width, LEAST_WIDTH), force_terminal=color, color_system="standard" if color else None,
        highlight=False, markup=False, emoji=False, legacy_windows=False, _environ={},
    )  # fmt: skip
    for text, style in _lines(holding, max(width, LEAST_WIDTH)):
        visible = "".join(char if char.isprintable() else "?" for char in text)
        console.print(Text(visible, style=style), soft_wrap=True)
    return stream.getvalue()


def as_json(holding: Holding) -> str:
    """
    The document, indented, with a line feed at its end.

    Parameters
    ----------
    holding : Holding
    """
    document: dict[str, Any] = {
        "schema": SCHEMA,
        **{name: getattr(holding, name) for name in ("source", "subject", "count", "bytes", "retained_bytes")},
        "dump_bytes": holding.dump_bytes,
        "types": [{"type": name, "count": count} for name, count in holding.types],
        "paths": [_path_document(path) for path in holding.paths],
        "more_paths": holding.more_paths,
        "more_count": holding.more_count,
        "accumulation_point": holding.point or None,
        "made": [
            {
                "count": made.count, "bytes": made.bytes, "threads": dict(made.threads),
                "stack": [asdict(frame) for frame in made.stack],
            }
            for made in holding.made
        ],
        "unknown_made": holding.unknown_made,
        "sampled": holding.sampled,
    }  # fmt: skip
    return json.dumps(document, indent=1, ensure_ascii=True, allow_nan=False) + "\n"


def _path_document(path: HeldPath) -> dict[str, Any]:
    return {
        "path": path.text, "root": path.root,
        "steps": [{"label": step.label.strip(), "name": step.name} for step in path.steps],
        "count": path.count, "bytes": path.bytes, "retained_bytes": path.retained_bytes,
        "address": f"{path.address:#x}", "also_held_by": list(path.others),
    }  # fmt: skip


def _lines(holding: Holding, width: int) -> Iterator[tuple[str, str]]:
    """Each line with its style."""
    yield f"leakscope  {holding.source}", "dim"
    yield "", ""
    yield _sentence(holding), "bold"
    if len(holding.types) > 1:
        # Only where the subject is a place: it made objects of several types.
        yield "  " + ", ".join(f"{format_count(count)} {name}" for name, count in holding.types), ""
    yield "", ""
    yield "Held by", "bold"
    for path in holding.paths:
        yield from _path(path, holding, width)
    if holding.more_paths:
        paths = "path" if holding.more_paths == 1 else "paths"
        yield (
            f"  and {_objects(holding.more_count)} by {format_count(holding.more_paths)} more {paths} (--limit)",
            "dim",
        )
    if holding.point:
        yield "", ""
        yield "What they retain comes together at", "bold"
        yield from ((line, "") for line in _broken(holding.point, width))
    if holding.made:
        yield "", ""
        yield "Made in", "bold"
        for made in holding.made:
            yield from _made(made)
    if holding.unknown_made:
        yield from _unknown(holding)


def _unknown(holding: Holding) -> Iterator[tuple[str, str]]:
    why = (
        "a sampled recording knows few small objects; --exact knows all"
        if holding.sampled
        else "made just before the dump, or before recording began"
    )
    if not holding.made:
        yield "", ""
        yield f"Who made {'it' if holding.count == 1 else 'them'} was not recorded ({why})", "dim"
    else:
        yield f"  {_objects(holding.unknown_made)}: not recorded ({why})", "dim"


def _sentence(holding: Holding) -> str:
    share = format_share(holding.retained_bytes / holding.dump_bytes) if holding.dump_bytes else "0 %"
    subject, them = holding.subject, "them"
    if holding.count == 1:
        subject, them = subject.replace(" objects", " object").replace("objects ", "object "), "it"
    what = subject if subject.startswith("the ") else f"{format_count(holding.count)} {subject}"
    own = f"{what[0].upper()}{what[1:]}, {format_bytes(holding.bytes)}"
    if holding.retained_bytes == holding.bytes:
        return f"{own}, {share} of all objects; nothing else would go with {them}"
    return f"{own}; {format_bytes(holding.retained_bytes)} would go with {them}, {share} of all objects"


def _path(path: HeldPath, holding: Holding, width: int) -> Iterator[tuple[str, str]]:
    if len(holding.paths) > 1 or holding.more_paths:
        held = (
            f", {format_bytes(path.retained_bytes)} with what {'it holds' if path.count == 1 else 'they hold'}"
            if path.retained_bytes > path.bytes
            else ""
        )
        yield f"  {_objects(path.count)}, {format_bytes(path.bytes)}{held}", ""
    for line in _broken(path.text, width):
        yield line, "yellow"
    for other in path.others:
        first, *rest = _broken(other, width)
        yield f"{_INDENT}also: {first.lstrip()}", ""
        yield from ((line, "") for line in rest)


def _broken(text: str, width: int) -> list[str]:
    """A path in as many lines as it needs; it is broken before arrows only."""
    lines = [_INDENT]
    for at, part in enumerate(text.split(_ARROW)):
        piece = part if at == 0 else _ARROW + part
        if at and len(lines[-1]) + len(piece) > width:
            lines.append(_INDENT + "  " + piece.lstrip())
        else:
            lines[-1] += piece
    return lines


def _made(made: MadeAt) -> Iterator[tuple[str, str]]:
    yield f"  {_objects(made.count)}, {format_bytes(made.bytes)}, by {_threads(made)}", ""
    for line in made.lines[:_LINES]:
        yield _INDENT + line, "cyan"
    if len(made.lines) > _LINES:
        yield f"{_INDENT}... {len(made.lines) - _LINES} more", "dim"
    if not made.lines:
        yield f"{_INDENT}no Python code was running", "dim"


def _threads(made: MadeAt) -> str:
    """Who made them; threads that differ in a number only are one."""
    groups: dict[str, list[str]] = {}
    for name in made.threads:
        groups.setdefault(_NUMBER.sub("*", name), []).append(name)
    words = [
        f"thread {names[0]}" if len(names) == 1 else f"{format_count(len(names))} threads {alike}"
        for alike, names in groups.items()
    ]
    if len(groups) > 1:
        totals = [sum(made.threads[name] for name in names) for names in groups.values()]
        words = [f"{word}: {format_count(total)}" for word, total in zip(words, totals, strict=True)]
    return ", ".join(words[:_THREADS]) + (", ..." if len(words) > _THREADS else "")


def _objects(count: int) -> str:
    return f"{format_count(count)} object{'' if count == 1 else 's'}"
