"""
Objects that do not tell what they hold, and whether they became more.

It knows which types refer to nothing the walk could see although they may; it refuses to guess what they refer to.
References, strings and bytes held by such objects look as if nobody held them.  Whatever else seems to leak, and at no
faster pace than these grow, may just be held by them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.audit import edges_of
from leakscope.analysis.matching import match_types
from leakscope.model.heap import PYTHON_TYPE

if TYPE_CHECKING:
    from leakscope.model.columns import I8, Column
    from leakscope.model.heap import HeapGraph

_HOLD_NOTHING = frozenset(
    """
    builtins.str builtins.bytes builtins.bytearray builtins.int builtins.float builtins.complex builtins.bool
    builtins.NoneType builtins.ellipsis builtins.NotImplementedType builtins.code builtins.range array.array
    decimal.Decimal datetime.date datetime.timedelta random.Random _random.Random _thread.lock _thread.RLock
    uuid.UUID numpy.ndarray numpy.dtype builtins.dict builtins.list builtins.tuple builtins.set builtins.frozenset
    builtins.slice builtins.weakref weakref.ReferenceType builtins.memoryview builtins.managedbuffer builtins.object
    """.split()
)
"""Types that hold nothing, or tell all they hold."""


def opaque_types(heap: HeapGraph) -> Column:
    """
    Whether instances of each type may hold what the walk cannot see.

    Parameters
    ----------
    heap : HeapGraph

    Returns
    -------
    ndarray of bool, shape (types,)
        Compiled types none of whose instances were seen to refer to anything but their type.
    """
    own_edges = edges_of(heap.offsets) - heap.shapes.owns_type[heap.shape].astype(np.int64)
    speaking = np.zeros(len(heap.types), dtype=bool)
    speaking[heap.type[own_edges > 0]] = True
    opaque: Column = (heap.types.flags & PYTHON_TYPE == 0) & ~speaking & ~_known(heap)
    return opaque


def _known(heap: HeapGraph) -> Column:
    """Whether each type is one of those that hold nothing, or tell it."""
    strings, types = heap.types.strings, heap.types
    return np.array(
        [
            f"{strings[int(types.module[row])]}.{strings[int(types.name[row])]}" in _HOLD_NOTHING
            for row in range(len(types))
        ],
        dtype=bool,
    )


def gained_by_type(old: HeapGraph | None, new: HeapGraph) -> I8:
    """
    Objects of each type of the new dump that it has more than the old one.

    Parameters
    ----------
    old, new : HeapGraph
        Of one run; None for a dump before everything.
    """
    if old is None:
        return np.bincount(new.type, minlength=len(new.types)).astype(np.int64)
    row = match_types(old.types, new.types)
    counts = np.bincount(old.type, minlength=len(old.types))
    before = np.bincount(row[row >= 0], weights=counts[row >= 0], minlength=len(new.types))
    return (np.bincount(new.type, minlength=len(new.types)) - before).astype(np.int64)


def possible_holders(old: HeapGraph | None, new: HeapGraph, gained: int, share: float = 0.5) -> tuple[str, int] | None:
    """
    The opaque type that grew enough to hold what was gained.

    Parameters
    ----------
    old, new : HeapGraph
    gained : int
        References or blocks that nobody accounts for.
    share : float
        Part of ``gained`` that a type must have gained in instances.

    Returns
    -------
    str and int, or None
        Its name, and by how many instances it grew.
    """
    more = np.where(opaque_types(new), gained_by_type(old, new), 0)
    if len(more) == 0 or more.max() < share * gained:
        return None
    row = int(np.argmax(more))
    return new.types.full_name(row), int(more[row])


def possible_owners(old: HeapGraph | None, new: HeapGraph, gained: float, share: float) -> tuple[str, int] | None:
    """
    The compiled type that grew enough to own native blocks that were gained.

    Parameters
    ----------
    old, new : HeapGraph
    gained : float
        Blocks.
    share : float
        Part of ``gained`` that a type must have gained in instances.

    Returns
    -------
    str and int, or None
        Its name, and by how many instances it grew.  What the builtin types own is known block by block, so they are
        out of question.
    """
    types = new.types
    compiled = types.flags & PYTHON_TYPE == 0
    foreign = np.array([types.strings[int(row)] != "builtins" for row in types.module], dtype=bool)
    more = np.where(compiled & foreign & ~_known(new), gained_by_type(old, new), 0)
    if len(more) == 0 or more.max() < max(share * gained, 1):
        return None
    row = int(np.argmax(more))
    return types.full_name(row), int(more[row])
