"""
The arenas of glibc's malloc, as seen from outside a living process.

It knows how glibc lays its heaps out; it refuses to ask the process itself: ``malloc_info`` takes the locks of malloc,
which a hook or a stopped thread may hold.  Reading takes the memory-map lock for a moment, so callers ration it.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_HEAP_MOST = 64 * 1024 * 1024
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


def arenas(pid: int) -> Arenas | None:
    """
    The arenas of a process; None if it is gone or not ours to look into.

    Parameters
    ----------
    pid : int
    """
    try:
        with open(f"/proc/{pid}/smaps", "rb") as smaps:
            heaps = heaps_in(smaps)
    except OSError:
        return None
    if heaps.main_bytes is None and not heaps.further:
        return None
    return Arenas(1 + _first_heaps(pid, [address for address, _ in heaps.further]), heaps.resident_bytes)


def heaps_in(smaps: Iterable[bytes]) -> Heaps:
    """
    The heaps in the lines of a ``smaps`` file.

    The first heap has a name.  Those of further arenas have none, but begin at a multiple of 64 MiB and are followed by
    the reserved rest of their 64 MiB, which nothing may touch.

    Parameters
    ----------
    smaps : iterable of bytes
    """
    main: int | None = None
    further: list[tuple[int, int]] = []
    candidate = (0, 0)  # where a heap may begin, and where its used part ends
    resident = 0
    heap = False
    for line in smaps:
        if line[:1].isupper():
            if line.startswith(b"Rss:"):
                resident = int(line.split()[1]) * 1024
                main = (main or 0) + resident if heap else main
            continue
        fields = line.split()
        start, _, end = fields[0].partition(b"-")
        begin, finish = int(start, 16), int(end, 16)
        # Counted late: only the untouchable rest behind it shows that the mapping before was an arena's heap.
        if begin == candidate[1] and fields[1][:3] == b"---" and finish % _HEAP_MOST == 0:
            further.append((candidate[0], resident))
        heap = len(fields) == 6 and fields[5] == b"[heap]"
        nameless = len(fields) == 5 and fields[1][:2] == b"rw"
        candidate = (begin, finish) if nameless and begin % _HEAP_MOST == 0 else (0, 0)
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
            count += pointer // _HEAP_MOST == address // _HEAP_MOST
    return count
