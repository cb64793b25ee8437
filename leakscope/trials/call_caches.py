"""
Caches that CPython 3.10 makes for a function when it is called the 1024th time, and keeps with its code.

It knows how big they are: one byte for each instruction, and an entry for each that looks up a global or an attribute.
Functions of a library reach that number one after the other, which looks like a leak of a few blocks each.  Later
versions keep such caches within the code itself.
"""

from __future__ import annotations

import gc
import sys
from collections import Counter
from opcode import opmap
from types import CodeType, FunctionType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from leakscope.trials.meter import OwnBlock, Stacks

MAKES_THEM = sys.version_info[:2] == (3, 10)
_ENTRY_BYTES = 32
_MOST_ENTRIES = 254
_CACHED = frozenset(opmap[name] for name in ("LOAD_GLOBAL", "LOAD_ATTR") if name in opmap)


def are_call_caches(blocks: Sequence[OwnBlock], stacks: Stacks) -> bool:
    """
    Whether blocks are such caches, all of them: of each function one of each kind.

    Parameters
    ----------
    blocks : sequence of OwnBlock
    stacks : Stacks
        Of which they are.
    """
    if not MAKES_THEM or not blocks:
        return False
    allowed = sizes_by_function(_codes())
    for block in blocks:
        inner = stacks.frames(block.stack)[0]
        left = allowed.get((inner.file, inner.function))
        if left is None or not left[block.size]:
            return False
        left[block.size] -= 1
    return True


def sizes_by_function(codes: Iterator[CodeType]) -> dict[tuple[str, str], Counter[int]]:
    """
    How big the caches of functions are, by their file and name.

    Parameters
    ----------
    codes : iterator of code
    """
    found: dict[tuple[str, str], Counter[int]] = {}
    for code in codes:
        instructions = code.co_code[::2]
        entries = min(sum(one in _CACHED for one in instructions), _MOST_ENTRIES)
        if entries:
            sizes = found.setdefault((code.co_filename, code.co_name), Counter())
            sizes.update((len(instructions), entries * _ENTRY_BYTES))
    return found


def _codes() -> Iterator[CodeType]:
    """Of every function that the collector knows, and of those inside them."""
    waiting = list({one.__code__ for one in gc.get_objects() if type(one) is FunctionType})
    seen: set[int] = set()
    while waiting:
        code = waiting.pop()
        if id(code) not in seen:
            seen.add(id(code))
            yield code
            waiting.extend(each for each in code.co_consts if isinstance(each, CodeType))
