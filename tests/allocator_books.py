"""
What allocators say of themselves: the accounts of ``sys._debugmallocstats`` and of glibc's ``malloc_info``, read.

It knows their texts; it refuses to know what leakscope measured.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

UNHOOKED = """
import ctypes, sys
hooked = (ctypes.c_void_p * 5)()
ctypes.pythonapi.PyMem_GetAllocator(2, hooked)
# What a hook gets as its context begins, in leakscope's, with the allocator that it hooked.
unhooked = (ctypes.c_void_p * 5).from_address(hooked[0])
set_allocator, tell = ctypes.pythonapi.PyMem_SetAllocator, sys._debugmallocstats

def pymalloc_says():
    set_allocator(2, unhooked)
    tell()
    set_allocator(2, hooked)
"""
"""Source of ``pymalloc_says()`` for a recorded program: ``sys._debugmallocstats()`` tells of pymalloc only unhooked."""


@dataclass(frozen=True)
class PymallocAccount:
    """Bytes, over all arenas of the interpreter."""

    arenas: int
    used: int
    free_in_pools: int
    unused_pools: int
    headers: int
    unusable: int

    @classmethod
    def read(cls, text: str) -> PymallocAccount:
        """The account in what ``sys._debugmallocstats()`` wrote; the last one if there are several."""
        return cls(
            arenas=_last(text, r"# arenas allocated current\s+=\s+([\d,]+)"),
            used=_last(text, r"# bytes in allocated blocks\s+=\s+([\d,]+)"),
            free_in_pools=_last(text, r"# bytes in available blocks\s+=\s+([\d,]+)"),
            unused_pools=_last(text, r"\d+ unused pools \* \d+ bytes\s+=\s+([\d,]+)"),
            headers=_last(text, r"# bytes lost to pool headers\s+=\s+([\d,]+)"),
            unusable=_last(text, r"# bytes lost to quantization\s+=\s+([\d,]+)")
            + _last(text, r"# bytes lost to arena alignment\s+=\s+([\d,]+)"),
        )

    @property
    def free(self) -> int:
        """What can be handed out again without a further arena."""
        return self.free_in_pools + self.unused_pools


@dataclass(frozen=True)
class ArenaAccount:
    """
    One arena of malloc.

    ``free`` is what is in bins and at the top; glibc adds up the sizes of pieces in bins with a flag in their lowest
    bit, which is taken off here.
    """

    system: int
    free: int
    fast: int


def read_malloc_info(text: str) -> list[ArenaAccount]:
    """The arenas in what ``malloc_info`` wrote, the main one first; those of the last account if there are several."""
    arenas = []
    for part in text.rpartition("<malloc ")[2].split("<heap nr=")[1:]:
        heap = part.partition("</heap>")[0]
        fast = int(_group(heap, r'type="fast" count="\d+" size="(\d+)"'))
        count, rest = (int(_group(heap, rf'type="rest" {what}="(\d+)"')) for what in ("count", 'count="\\d+" size'))
        binned = count - 1  # the top is one of them, and has no flag
        arenas.append(ArenaAccount(int(_group(heap, r'system type="current" size="(\d+)"')), rest - binned, fast))
    return arenas


def _last(text: str, pattern: str) -> int:
    return int(re.findall(pattern, text)[-1].replace(",", ""))


def _group(text: str, pattern: str) -> str:
    found = re.search(pattern, text)
    assert found, pattern
    return found[1]
