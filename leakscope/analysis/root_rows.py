"""
Which of its roots speaks for an object that has several, and which roots are alike.

It knows the rows of the root table; it refuses to know words.  Modules speak before the interpreter, and of the frames
that have an object in a local variable the outermost one: the others were handed it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.stages import CYCLES, OF_THREADS, UNACCOUNTED
from leakscope.model.heap import FRAME, LOCAL, NONE

if TYPE_CHECKING:
    from leakscope.model.columns import I8, Column
    from leakscope.model.heap import HeapGraph

NO_ROW = -1
_FIRST = -1000
"""Numbers of kinds of roots are below it: they are no labels of edges."""


def root_row_of(heap: HeapGraph, objects: Column) -> I8:
    """
    The row of the root table that speaks for each object; `NO_ROW` for those that are no recorded roots.

    Parameters
    ----------
    heap : HeapGraph
    objects : ndarray of int
    """
    roots = heap.roots
    if len(roots) == 0:
        return np.full(len(objects), NO_ROW, dtype=np.int64)
    depth = np.zeros(len(roots), dtype=np.int64)
    framed = roots.frame != NONE
    depth[framed] = heap.frames.depth[roots.frame[framed]]
    of_threads = np.isin(roots.kind, OF_THREADS)
    order = np.lexsort((np.arange(len(roots)), -depth, roots.kind, of_threads))
    known, first = np.unique(roots.object[order], return_index=True)
    at = np.minimum(np.searchsorted(known, objects), len(known) - 1)
    return np.where(known[at] == objects, order[first[at]], NO_ROW).astype(np.int64)


def same_roots(heap: HeapGraph, objects: Column, stage: Column) -> I8:
    """
    A number for the root of each object, equal for roots alike: threads and lines do not count, names do.

    Parameters
    ----------
    heap : HeapGraph
    objects : ndarray of int
        At the beginning of ways.
    stage : ndarray of uint8
        Of each.
    """
    numbers: dict[tuple[int, ...], int] = {}
    found = np.empty(len(objects), dtype=np.int64)
    for at, row in enumerate(root_row_of(heap, objects).tolist()):
        if int(stage[at]) in (UNACCOUNTED, CYCLES):
            key: tuple[int, ...] = (int(stage[at]),)
        else:
            key = (int(heap.roots.kind[row]), int(heap.roots.name[row]))
            if key[0] in (LOCAL, FRAME):
                frame = int(heap.roots.frame[row])
                key += (int(heap.frames.function[frame]), int(heap.frames.file[frame])) if frame != NONE else ()
        found[at] = _FIRST - numbers.setdefault(key, len(numbers))
    return found
