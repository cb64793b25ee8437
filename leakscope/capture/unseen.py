"""
Chunks that no hook saw being taken, found among the mappings of a process.

It knows how heaps of malloc, shared memory and large anonymous memory look from outside; it refuses to know how full
they are.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from leakscope.capture.arenas import HEAP_MOST

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from leakscope.capture.mappings import Mapping

OWN_MEMORY = "/memfd:leakscope"
"""The ledger is no chunk of the program."""
_SHARED = re.compile(r"/dev/shm/(.+?)(?: \(deleted\))?|/memfd:(.*?)(?: \(deleted\))?|/(SYSV[0-9a-f]+)(?: \(deleted\))?")
_LIBRARY = re.compile(r".*/libc(\.so\.6|-2\.\d+\.so)")
_PAGE = 4096
_BLOCK_HEAD = 16
"""malloc's own, before a block that has a mapping of its own."""
_MOST_GUARD = 1 << 20
THREAD_STACK = "thread stack"


class Piece(NamedTuple):
    """A stretch of memory with a name, which may be empty."""

    begin: int
    end: int
    label: str


def main_heap(found: Iterable[Mapping]) -> tuple[int, int] | None:
    """Where the heap by ``sbrk`` lies; None if the process has none."""
    parts = [mapping for mapping in found if mapping.path == "[heap]"]
    return (parts[0].begin, parts[-1].end) if parts else None


def heap_places(found: Iterable[Mapping]) -> Iterator[tuple[int, int]]:
    """Where heaps of further arenas may lie; whether they do is for their own headers to say."""
    for mapping in found:
        if not mapping.path and mapping.access == "rw-p":
            for begin in range(-(-mapping.begin // HEAP_MOST) * HEAP_MOST, mapping.end, HEAP_MOST):
                yield begin, min(mapping.end, begin + HEAP_MOST)


def library_data(found: Sequence[Mapping]) -> Iterator[tuple[int, int]]:
    """Where the C library's variables lie."""
    end = 0
    for mapping in found:
        if mapping.access[:2] == "rw" and (_LIBRARY.fullmatch(mapping.path) or (mapping.begin == end and end)):
            yield mapping.begin, mapping.end
            end = mapping.end if mapping.path else 0
        else:
            end = 0


def shared_memory(found: Iterable[Mapping]) -> list[Piece]:
    """Memory that has a name and that processes may have in common; parts of one segment that touch are one."""
    pieces: list[Piece] = []
    for mapping in found:
        match = None if mapping.path.startswith(OWN_MEMORY) else _SHARED.fullmatch(mapping.path)
        if match is None or mapping.access[3] != "s":
            continue
        label = next((group for group in match.groups() if group is not None), "")
        if pieces and pieces[-1].end == mapping.begin and pieces[-1].label == label:
            pieces[-1] = pieces[-1]._replace(end=mapping.end)
        else:
            pieces.append(Piece(mapping.begin, mapping.end, label))
    return pieces


def large_rest(
    found: Sequence[Mapping], known: Iterable[tuple[int, int]], blocks: Iterable[tuple[int, int]], at_least: int
) -> list[Piece]:
    """
    Anonymous memory in pieces of at least so many bytes that nobody accounts for.

    Parameters
    ----------
    found : sequence of Mapping
    known : iterable of (int, int)
        Begin and end of what is a chunk already.
    blocks : iterable of (int, int)
        Address and size of malloc's large blocks; those that have a mapping of their own fill it from its second word
        but one on.
    at_least : int
    """
    taken = sorted(
        [*known, *(((address - _BLOCK_HEAD) // _PAGE * _PAGE, -(-(address + size) // _PAGE) * _PAGE)
                   for address, size in blocks if address % _PAGE == _BLOCK_HEAD)]
    )  # fmt: skip
    pieces: list[Piece] = []
    below: Mapping | None = None
    for mapping in found:
        if mapping.access[1] == "w" and not mapping.path.startswith(("/", "[")) and mapping.size >= at_least:
            label = THREAD_STACK if below is not None and _guards(below, mapping) else ""
            pieces += [
                Piece(begin, end, label)
                for begin, end in _without(mapping.begin, mapping.end, taken)
                if end - begin >= at_least
            ]
        below = mapping
    return pieces


def _guards(below: Mapping, mapping: Mapping) -> bool:
    """Whether a mapping is what lies below a stack: small, and nobody may touch it."""
    return below.access[:3] == "---" and below.end == mapping.begin and below.size <= _MOST_GUARD


def _without(begin: int, end: int, taken: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """What is left of a stretch; what is taken comes in order of its beginnings."""
    for first, last in taken:
        if last <= begin:
            continue
        if first >= end:
            break
        if first > begin:
            yield begin, first
        begin = max(begin, last)
    if begin < end:
        yield begin, end
