"""
How full another process' arenas and heaps are, and which of its pages are in memory.

It knows how the core answers; it refuses to know which chunks there are.  The process is neither stopped nor locked
out, pages that it never touched or that lie in swap stay where they are, and every question has a processor
time after which what is left is NaN.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from leakscope import native

if TYPE_CHECKING:
    from collections.abc import Iterable

    from leakscope.model.columns import F8

HEAP_MEASURES = (
    "is_heap", "size", "used_bytes", "free_bytes", "largest_free_bytes", "trimmable_bytes", "attached_threads", "arena",
    "number",
)  # fmt: skip
"""Columns of `measure_heaps`."""


def measure_arenas(pid: int, arenas: Iterable[tuple[int, int]], timeout_s: float) -> F8:
    """
    Used, free and largest free bytes, and pools in use, of arenas of pymalloc: float64 of shape (n, 4).

    Parameters
    ----------
    pid : int
        If it runs, each pool is as it was at some moment meanwhile.
    arenas : iterable of (int, int)
        Address and bytes.  What is no arena is NaN.
    timeout_s : float

    Notes
    -----
    Some 15 us for each arena of 1 MiB.
    """
    return _rows(native.core().measure_arenas(pid, _words(arenas), timeout_s), 4)


def measure_heaps(
    pid: int, heaps: Iterable[tuple[int, int, int]], library: Iterable[tuple[int, int]], timeout_s: float
) -> F8:
    """
    The `HEAP_MEASURES` of heaps of glibc's malloc: float64 of shape (n, 9).

    ``arena`` counts from 0, the main one, in order of birth; ``number`` is that of the heap in its arena.

    Parameters
    ----------
    pid : int
        If it runs, a heap that changes so much that its pieces do not follow each other any more is NaN.
    heaps : iterable of (int, int, int)
        Begin, end, and 1 for the main heap.  Of others only the beginning counts, and may be wrong: then ``is_heap``
        is 0.
    library : iterable of (int, int)
        Begin and end of the C library's data.
    timeout_s : float

    Notes
    -----
    Reads the pages that hold headers of blocks: some 0.3 s for each GiB of small blocks.
    """
    answer = native.core().measure_heaps(pid, _words(heaps), _words(library), timeout_s)
    return _rows(answer, len(HEAP_MEASURES))


def measure_pages(pid: int, spans: Iterable[tuple[int, int]], timeout_s: float) -> F8:
    """
    Bytes of a process' memory in whole pages that are resident, and in swap: float64 of shape (n, 2).

    Parameters
    ----------
    pid : int
    spans : iterable of (int, int)
        Begin and end.
    timeout_s : float
    """
    return _rows(native.core().measure_pages(pid, _words(spans), timeout_s), 2)


def _words(rows: Iterable[tuple[int, ...]]) -> bytes:
    return np.array([word for row in rows for word in row], np.uint64).tobytes()


def _rows(answer: bytes, width: int) -> F8:
    return np.frombuffer(answer, np.float64).reshape(-1, width)
