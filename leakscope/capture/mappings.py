"""
The mappings of a living process, each with what of it is in memory.

It knows ``smaps``; it refuses to know what a mapping is for.  Reading takes the memory-map lock of the process for a
moment, so callers ration it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

_LINES = re.compile(
    rb"^(?:([0-9a-f]+)-([0-9a-f]+) (....) \S+ \S+ \d+ *(.*)|(Rss|Private_Dirty|Shared_Dirty|Swap): +(\d+) kB)$",
    re.MULTILINE,
)


class Mapping(NamedTuple):
    """
    One mapping.

    Attributes
    ----------
    begin, end : int
        Addresses.
    access : str
        ``rw-p``: read, write, execute, private or shared.
    path : str
        File, ``[heap]``, or "" if it has no name.
    resident_bytes, dirty_bytes, swapped_bytes : int
        In memory, of that written to, in swap.
    """

    begin: int
    end: int
    access: str
    path: str
    resident_bytes: int
    dirty_bytes: int
    swapped_bytes: int

    @property
    def size(self) -> int:
        """Bytes of address space."""
        return self.end - self.begin


def mappings(pid: int) -> list[Mapping] | None:
    """
    The mappings of a process in ascending order; None if it is gone or not ours to look into.

    Parameters
    ----------
    pid : int
    """
    try:
        found = mappings_in(Path(f"/proc/{pid}/smaps").read_bytes())
    except OSError:
        return None
    return found or None


def mappings_in(smaps: bytes) -> list[Mapping]:
    """
    The mappings that a ``smaps`` file tells of.

    Parameters
    ----------
    smaps : bytes
    """
    found: list[Mapping] = []
    amounts: dict[bytes, int] = {}
    head: tuple[int, int, str, str] | None = None
    for line in _LINES.finditer(smaps):
        begin, end, access, path, name, kib = line.groups()
        if name is not None:
            amounts[name] = int(kib) * 1024
            continue
        if head is not None:
            found.append(_mapping(head, amounts))
        head = int(begin, 16), int(end, 16), access.decode(), path.decode("utf-8", "replace")
        amounts = {}
    if head is not None:
        found.append(_mapping(head, amounts))
    return found


def _mapping(head: tuple[int, int, str, str], amounts: dict[bytes, int]) -> Mapping:
    dirty = amounts.get(b"Private_Dirty", 0) + amounts.get(b"Shared_Dirty", 0)
    return Mapping(*head, amounts.get(b"Rss", 0), dirty, amounts.get(b"Swap", 0))
