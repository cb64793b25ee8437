"""
The arenas of glibc's malloc, as seen from outside a living process.

It knows how glibc lays its heaps out; it refuses to ask the process itself: ``malloc_info`` takes the locks of malloc,
which a hook or a stopped thread may hold.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from leakscope.capture.mappings import Mapping

HEAP_MOST = 64 * 1024 * 1024
"""``HEAP_MAX_SIZE`` of glibc: where a heap of a further arena begins, its address is a multiple."""


@dataclass(frozen=True, slots=True)
class Heaps:
    """
    Memory that malloc manages, large blocks with a mapping of their own not included.

    Attributes
    ----------
    main_bytes : int or None
        Resident bytes of the main arena's heap, what is free in it included; None if it has none.
    further : tuple of (int, int)
        Address and resident bytes of each heap of further arenas.
    """

    main_bytes: int | None
    further: tuple[tuple[int, int], ...]

    @property
    def resident_bytes(self) -> int:
        """Of all heaps together."""
        return (self.main_bytes or 0) + sum(resident for _, resident in self.further)


@dataclass(frozen=True, slots=True)
class Arenas:
    """
    What the arenas of a process are together.

    Attributes
    ----------
    count : int
        The main arena included; threads get further ones when they meet in malloc.
    resident_bytes : int
        Free parts included.
    """

    count: int
    resident_bytes: int


def arenas(pid: int, found: Sequence[Mapping] | None) -> Arenas | None:
    """
    The arenas of a process; None if it has none, or is gone, or not ours to look into.

    Parameters
    ----------
    pid : int
    found : sequence of Mapping or None
        Its mappings.
    """
    heaps = heaps_in(found or ())
    if heaps.main_bytes is None and not heaps.further:
        return None
    return Arenas(1 + _first_heaps(pid, [address for address, _ in heaps.further]), heaps.resident_bytes)


def heaps_in(found: Iterable[Mapping]) -> Heaps:
    """
    The heaps among the mappings of a process.

    The first heap has a name.  Those of further arenas have none, but begin at a multiple of 64 MiB and are followed by
    the reserved rest of their 64 MiB, which nothing may touch.

    Parameters
    ----------
    found : iterable of Mapping
    """
    main: int | None = None
    further: list[tuple[int, int]] = []
    candidate: Mapping | None = None
    for mapping in found:
        # Counted late: only the untouchable rest behind it shows that the mapping before was an arena's heap.
        is_rest = mapping.access[:3] == "---" and mapping.end % HEAP_MOST == 0
        if is_rest and candidate is not None and mapping.begin == candidate.end:
            further.append((candidate.begin, candidate.resident_bytes))
        if mapping.path == "[heap]":
            main = (main or 0) + mapping.resident_bytes
        nameless = not mapping.path and mapping.access[:2] == "rw"
        candidate = mapping if nameless and mapping.begin % HEAP_MOST == 0 else None
    return Heaps(main, tuple(further))


def _first_heaps(pid: int, addresses: Iterable[int]) -> int:
    """
    How many of these heaps are the first of their arena.

    A heap begins with a pointer to its arena, which lies in the arena's first heap.  Where a process' memory may not
    be read, every heap is taken for a first one: an arena has more than one only beyond 64 MiB.
    """
    count = 0
    with ExitStack() as stack:
        try:
            memory = stack.enter_context(open(f"/proc/{pid}/mem", "rb", buffering=0)).fileno()
        except OSError:
            return len(tuple(addresses))
        for address in addresses:
            try:
                pointer = int.from_bytes(os.pread(memory, 8, address), "little")
            except OSError:
                pointer = address
            count += pointer // HEAP_MOST == address // HEAP_MOST
    return count
