"""
Caches: those of the standard library, emptied so that nothing they keep looks like a leak, and bounded ones of others,
which fill with every new key until they are full.

It knows ``functools.lru_cache`` and the standard library's own caches; it refuses to empty anybody else's: a program
may rely on getting the same object again.
"""

from __future__ import annotations

import functools
import gc
import sys
from bisect import bisect_left
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_WRAPPER = type(functools.lru_cache(len))
_SHARE = 0.4
"""Blocks of a place that must be found in a cache: tables behind dicts and lists are no objects of their own."""
_MOST_OBJECTS = 50_000
_DEPTH = 8
_CLEARING = (
    ("re", "purge"), ("linecache", "clearcache"), ("struct", "_clearcache"), ("urllib.parse", "clear_cache"),
    ("filecmp", "clear_cache"), ("_strptime", "_regex_cache.clear"),
)  # fmt: skip
_BY_PATH = (("sys", "path_importer_cache"), ("zipimport", "_zip_directory_cache"))


class StandardCaches:
    """
    Caches of the standard library, and what was in those by path before.

    Parameters
    ----------
    wrappers : list of ``lru_cache``
        All there are, see `lru_caches`.
    """

    def __init__(self, wrappers: list[Any]) -> None:
        # Before 3.12 texts of one character are made when they are first asked for, and kept.
        _ = [chr(code) for code in range(256)]
        self._clear = [function for module, name in _CLEARING if (function := _find(module, name)) is not None]
        self._clear += [wrapper.cache_clear for wrapper in wrappers if _is_standard(wrapper)]
        self._clear += getattr(sys.modules.get("typing"), "_cleanups", [])
        self._by_path = [
            (cache, frozenset(cache)) for module, name in _BY_PATH if (cache := _find(module, name)) is not None
        ]

    def empty(self) -> None:
        """Forget what was cached."""
        forget_names()
        for clear in self._clear:
            clear()
        for cache, before in self._by_path:
            for path in cache.keys() - before:
                del cache[path]


def forget_names() -> None:
    """Forget the names of attributes that were looked up: the interpreter keeps some thousand in a table."""
    # The function was renamed.
    clear = getattr(sys, "_clear_type_cache", None) or getattr(sys, "_clear_internal_caches", None)
    if clear is not None:
        clear()


class BoundedCaches:
    """
    Those ``lru_cache``s of others that have a bound, and how full they were.

    Parameters
    ----------
    wrappers : list of ``lru_cache``
        All there are, see `lru_caches`.
    """

    def __init__(self, wrappers: list[Any]) -> None:
        self._sizes = {id(wrapper): wrapper.cache_info().currsize for wrapper in wrappers if _is_bounded(wrapper)}

    def filled(self) -> list[Any]:
        """Those that hold more than before."""
        return [
            wrapper
            for wrapper in lru_caches()
            if _is_bounded(wrapper) and wrapper.cache_info().currsize > self._sizes.get(id(wrapper), 0)
        ]


def lru_caches() -> list[Any]:
    """Every function in an ``lru_cache`` that the collector knows."""
    return [found for found in gc.get_objects() if type(found) is _WRAPPER]


def holds(wrapper: Any, blocks: Sequence[tuple[int, int]]) -> bool:
    """
    Whether a cache holds most of some blocks.

    Parameters
    ----------
    wrapper : an ``lru_cache``
    blocks : sequence of (address, bytes)
    """
    addresses = sorted(_reached(gc.get_referents(wrapper)))

    def is_reached(block: tuple[int, int]) -> bool:
        at = bisect_left(addresses, block[0])
        return at < len(addresses) and addresses[at] < block[0] + block[1]

    return bool(blocks) and sum(map(is_reached, blocks)) >= _SHARE * len(blocks)


def _reached(roots: Iterable[Any]) -> set[int]:
    """Addresses of what the roots hold; classes, modules and functions are not gone through."""
    seen: set[int] = set()
    waiting = deque((root, 0) for root in roots)
    while waiting and len(seen) < _MOST_OBJECTS:
        found, depth = waiting.popleft()
        if id(found) in seen or isinstance(found, type | type(sys) | type(_reached)):
            continue
        seen.add(id(found))
        if depth < _DEPTH:
            waiting.extend((held, depth + 1) for held in gc.get_referents(found))
    return seen


def _is_bounded(wrapper: Any) -> bool:
    return wrapper.cache_parameters()["maxsize"] is not None and not _is_standard(wrapper)


def _is_standard(wrapper: Any) -> bool:
    module = getattr(wrapper, "__module__", None) or ""
    return module.partition(".")[0] in sys.stdlib_module_names


def _find(module: str, path: str) -> Any:
    """An attribute of a module that is loaded, or None."""
    found: Any = sys.modules.get(module)
    for name in path.split("."):
        found = getattr(found, name, None)
    return found
