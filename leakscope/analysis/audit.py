"""
References that nobody accounts for: what an object's counter says, less what the graph and the roots explain.

It knows counters and edges of one dump; it refuses to call anything a leak.  Much is unexplained in every program: C
code keeps references in static variables, and in objects that do not tell the collector what they hold.  That is why
`growing_references` only looks at what was gained between dumps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from leakscope import kernels
from leakscope.model.heap import PYTHON_TYPE

if TYPE_CHECKING:
    from leakscope.model.columns import I8, Column
    from leakscope.model.heap import HeapGraph

_CONTAINERS = frozenset(
    """
    builtins.dict builtins.list builtins.tuple builtins.set builtins.frozenset builtins.cell builtins.frame
    builtins.function builtins.method builtins.module builtins.generator builtins.coroutine builtins.async_generator
    builtins.mappingproxy builtins.property builtins.staticmethod builtins.classmethod builtins.type
    builtins.builtin_function_or_method builtins.method-wrapper builtins.traceback collections.deque
    collections.OrderedDict collections.defaultdict functools.partial weakref.ReferenceType
    """.split()
)
"""Types that refer to a buffer as to any object, without having its memory exported."""
_BUSY = ("NoneType", "code")


def unexplained_references(heap: HeapGraph) -> I8:
    """
    References to each object that neither an edge nor a root accounts for.

    Parameters
    ----------
    heap : HeapGraph

    Returns
    -------
    ndarray of int64, shape (n,)
        Zero for immortal objects, and where more was found than counted.
    """
    missing = heap.refcount.astype(np.int64)
    missing -= kernels.in_counts(heap.targets, heap.count)
    counted = heap.roots.object[heap.roots.counted == 1]
    missing -= np.bincount(counted, minlength=heap.count).astype(np.int64)[: heap.count]
    missing[heap.refcount == 0] = 0
    return np.maximum(missing, 0)


def unexplained_exports(heap: HeapGraph) -> I8:
    """
    Exports of each exporting buffer beyond the views that were found.

    Parameters
    ----------
    heap : HeapGraph

    Returns
    -------
    ndarray of int64, shape (rows of ``export_object``,)
        Whatever compiled type refers to a buffer counts as a view of it, unless it is a plain container: rather too
        many are explained than too few.
    """
    if len(heap.export_object) == 0:
        return np.empty(0, dtype=np.int64)
    exporter = np.zeros(heap.count, dtype=bool)
    exporter[heap.export_object] = True
    edges = np.flatnonzero(exporter[heap.targets])
    holder = np.searchsorted(heap.offsets, edges, side="right") - 1
    edges = edges[_may_view(heap)[heap.type[holder]]]
    views = np.bincount(heap.targets[edges], minlength=heap.count)[heap.export_object]
    missing: I8 = np.maximum(heap.export_count.astype(np.int64) - views, 0)
    return missing


def edges_of(offsets: Column) -> I8:
    """
    How many edges each object has.

    Parameters
    ----------
    offsets : ndarray of uint64, shape (n + 1,)
        As in `HeapGraph`.
    """
    begin: I8 = offsets.astype(np.int64)
    return begin[1:] - begin[:-1]


def _may_view(heap: HeapGraph) -> Column:
    """For each type whether its instances may hold the memory of a buffer exported."""
    types = heap.types
    plain = [
        f"{types.strings[int(types.module[row])]}.{types.strings[int(types.name[row])]}" in _CONTAINERS
        for row in range(len(types))
    ]
    viewers: Column = ~np.array(plain, dtype=bool) & (types.flags & PYTHON_TYPE == 0)
    return viewers


def is_type_object(heap: HeapGraph) -> Column:
    """
    Whether each object is a type: their counters move with their instances, so they are told apart.

    Parameters
    ----------
    heap : HeapGraph

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    found = np.zeros(heap.count, dtype=bool)
    known = heap.types.object[heap.types.object < heap.count]
    found[known] = True
    # Types without instances: whatever is an instance of what type objects are instances of.
    types = heap.types
    metatypes = np.array([types.full_name(row) == "type" for row in range(len(types))], dtype=bool)
    metatypes[heap.type[known]] = True
    of_types: Column = found | metatypes[heap.type]
    return of_types


def moves_in_every_program(heap: HeapGraph) -> Column:
    """
    Whether each object is one that interpreters refer to from everywhere: ``None``, which is counted below Python 3.12,
    and code, which every frame that lives or lived has a reference to.

    Parameters
    ----------
    heap : HeapGraph

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    types = heap.types
    busy = np.array([types.full_name(row) in _BUSY for row in range(len(types))], dtype=bool)
    return busy[heap.type] if len(busy) else np.zeros(heap.count, dtype=bool)
