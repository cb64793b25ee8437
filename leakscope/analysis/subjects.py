"""
What somebody means who asks for holders: a type, an address, a line or function that made objects.

It knows the ways to name objects and what to say to a name that means nothing; it refuses to know findings, whose
fingerprints are turned into places before.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.sources import plain_function, relative_path
from leakscope.errors import NotEnoughData, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakscope.analysis.walked import Walked
    from leakscope.model.allocations import Frame
    from leakscope.model.columns import I8
    from leakscope.model.heap import HeapGraph

_ADDRESS = re.compile(r"0x[0-9a-fA-F]+")
_LINE = re.compile(r"(?P<file>.+):(?P<line>\d+)")
_SIMILAR, _ALIKE = 3, 0.75
_LISTED = 6
_LINES = 8
_NAMING = "name a type (app.Session), an address (0x7f...), a line (app.py:12) or a function that made the objects"


@dataclass(frozen=True, slots=True, eq=False)
class FoundSubject:
    """
    Objects somebody asked for.

    Attributes
    ----------
    words : str
        What they are: ``app.Session objects``, ``the dict at 0x7f...``, ``objects made in app.py:12``.
    objects : ndarray of int64
        Ascending, at least one.
    """

    words: str
    objects: I8


def find_subject(walked: Walked, text: str, roots: Sequence[str]) -> FoundSubject:
    """
    The objects that a text means.

    Parameters
    ----------
    walked : Walked
    text : str
        A type by its full or short name, an address, ``file:line`` or a function.
    roots : sequence of str
        Folders that files are named relative to.

    Raises
    ------
    UsageError
        If it means nothing, with what it may have meant; or several things.
    NotEnoughData
        If nothing is known of where objects were made.
    """
    if _ADDRESS.fullmatch(text):
        return _at_address(walked.heap, int(text, 16))
    line = _LINE.fullmatch(text)
    found = None if line is not None else _of_type(walked.heap, text)
    found = found or _made_at(walked, text, roots)
    if found is None and line is not None:
        raise UsageError(
            f"the recorder saw no object made in {text}", _other_lines(walked, line["file"], int(line["line"]), roots)
        )
    if found is None:
        raise UsageError(f"there is no object of type {text!r}, and none that {text!r} made", _hint(walked.heap, text))
    return found


def _at_address(heap: HeapGraph, address: int) -> FoundSubject:
    at = int(np.searchsorted(heap.address, address, side="right")) - 1
    for number in (at, at + 1):
        if 0 <= number < heap.count:
            lead = int(heap.shapes.lead[heap.shape[number]])
            begin = int(heap.address[number]) - lead
            if begin <= address < begin + max(int(heap.size[number]), 1):
                return _single(heap, number)
    inside = np.flatnonzero((heap.body_address <= address) & (address < heap.body_address + heap.body_size))
    if len(inside):
        number = int(heap.body_owner[inside[0]])
        return _single(heap, number)
    raise UsageError(
        f"there is no object at {address:#x}",
        "it may be memory of C code, or free by then; addresses are those of this dump",
    )


def _single(heap: HeapGraph, number: int) -> FoundSubject:
    name = heap.types.full_name(int(heap.type[number]))
    return FoundSubject(f"the {name} at {int(heap.address[number]):#x}", np.array([number]))


def _of_type(heap: HeapGraph, text: str) -> FoundSubject | None:
    present = np.flatnonzero(np.bincount(heap.type, minlength=len(heap.types)))
    names = {int(row): heap.types.full_name(int(row)) for row in present}
    wanted = text.removeprefix("builtins.")
    exact = [row for row, name in names.items() if name == wanted]
    if exact:
        return FoundSubject(f"{wanted} objects", _of_rows(heap, exact))
    short = [row for row, name in names.items() if name.endswith(f".{wanted}")]
    meant = sorted({names[row] for row in short})
    if len(meant) > 1:
        counts = {name: len(_of_rows(heap, [row for row in short if names[row] == name])) for name in meant}
        most = sorted(counts, key=lambda name: (-counts[name], name))[:_LISTED]
        raise UsageError(
            f"{text!r} is the name of {len(meant)} types",
            "name one of them: " + ", ".join(f"{name} ({counts[name]:,})" for name in most),
        )
    return FoundSubject(f"{meant[0]} objects", _of_rows(heap, short)) if meant else None


def _of_rows(heap: HeapGraph, rows: Sequence[int]) -> I8:
    return np.flatnonzero(np.isin(heap.type, rows)).astype(np.int64)


def _made_at(walked: Walked, text: str, roots: Sequence[str]) -> FoundSubject | None:
    """
    Objects whose stack has a line or function: as the innermost frame if some have, else anywhere.  If it made none,
    those that it gave more memory.
    """
    stacks = walked.dump.stacks
    table = stacks.frame_table
    frames = np.array([_means(table[row], text, roots) for row in range(len(table))], dtype=bool)
    if not frames.any():
        return None
    if len(walked.dump.allocations) == 0:
        raise NotEnoughData("the dump does not say where objects were made", "record with 'leakscope run'")
    innermost = np.zeros(len(stacks), dtype=bool)
    innermost[1:] = frames[stacks.frame[1:]]
    within = innermost.copy()
    for node in range(1, len(within)):  # callers come before those they call
        within[node] |= within[stacks.parent[node]]
    live = walked.dump.allocations
    for stack in (innermost, within):
        objects = np.flatnonzero((walked.stack >= 0) & stack[walked.stack])
        if len(objects):
            return FoundSubject(f"objects made in {text}", objects)
        objects = walked.objects_of(np.flatnonzero(stack[live.stack]))
        if len(objects):
            return FoundSubject(f"objects that grew in {text}", objects)
    raise UsageError(f"nothing of what {text!r} made is an object, as far as the recorder knows", _no_object(walked))


def _no_object(walked: Walked) -> str:
    if walked.dump.meta.sampled:
        return "sampled recordings know few small objects: record with --exact, or name a type"
    return "it was freed, or is memory of C code: see 'leakscope show'; or name a type"


def _means(frame: Frame, text: str, roots: Sequence[str]) -> bool:
    line = _LINE.fullmatch(text)
    if line is None:
        function = plain_function(frame.function)
        return function == text or function.endswith(f".{text}")
    file = relative_path(frame.file, roots)
    named = line["file"]
    return frame.line == int(line["line"]) and (file == named or frame.file == named or file.endswith(f"/{named}"))


def _other_lines(walked: Walked, file: str, asked: int, roots: Sequence[str]) -> str:
    table = walked.dump.stacks.frame_table
    lines = {
        frame.line
        for frame in (table[row] for row in range(len(table)))
        if frame.line and f"/{relative_path(frame.file, roots)}".endswith(f"/{file}")
    }
    near = sorted(sorted(lines, key=lambda line: abs(line - asked))[:_LINES])
    return (
        f"lines near it that made some: {', '.join(map(str, near))}"
        if lines
        else "name a file as the stacks of 'leakscope show' do"
    )


def _hint(heap: HeapGraph, text: str) -> str:
    names = [heap.types.full_name(row) for row in range(len(heap.types))]
    last = {name.rpartition(".")[2].lower(): name for name in names}
    near = difflib.get_close_matches(text.rpartition(".")[2].lower(), last, n=_SIMILAR, cutoff=_ALIKE)
    return f"did you mean {' or '.join(last[name] for name in near)}?" if near else _NAMING
