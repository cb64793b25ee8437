"""
Which object of one dump is which of another dump of the same run.

It knows three names that together are an identity: address, type, and the birth of the block; it refuses to believe an
address alone, because freed memory is handed out again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from leakscope.model.allocations import AllocationTable
    from leakscope.model.columns import I8, Column
    from leakscope.model.heap import HeapGraph, TypeTable

UNMATCHED = -1


def match_types(old: TypeTable, new: TypeTable) -> I8:
    """
    For each type of the old dump the row of the same name in the new one.

    Parameters
    ----------
    old, new : TypeTable

    Returns
    -------
    ndarray of int64, shape (types of old,)
        Row of ``new``, or `UNMATCHED`.  Of several types with one name, as functions that make classes leave behind,
        each is matched with the same of them: the first.
    """
    rows: dict[tuple[str, str], int] = {}
    for row in range(len(new)):
        rows.setdefault(_names(new, row), row)
    return np.array([rows.get(_names(old, row), UNMATCHED) for row in range(len(old))], dtype=np.int64)


def first_of_name(types: TypeTable) -> I8:
    """
    For each type the first row with its name: what `match_types` matches.

    Parameters
    ----------
    types : TypeTable
    """
    return match_types(types, types)


def match_objects(old: HeapGraph, new: HeapGraph, births: tuple[Column, Column], rows: tuple[Column, Column]) -> I8:
    """
    For each object of the new dump the same object of the old one.

    Parameters
    ----------
    old, new : HeapGraph
        Of one run.
    births : pair of ndarray of float
        ``born_s`` of the live blocks of both dumps.
    rows : pair of ndarray of int
        For each object the row of its block, negative if nobody knows.

    Returns
    -------
    ndarray of int64, shape (objects of new,)
        Number in ``old``, or `UNMATCHED`.  Blocks that were not recorded match by address and type, as both dumps say
        that they were not.
    """
    if len(old) == 0 or len(new) == 0:
        return np.full(len(new), UNMATCHED, dtype=np.int64)
    at = np.minimum(np.searchsorted(old.address, new.address), len(old) - 1)
    type_of_old = match_types(old.types, new.types)[old.type[at]]
    same = (old.address[at] == new.address) & (type_of_old == first_of_name(new.types)[new.type])
    same &= _births_of(births[0], rows[0])[at] == _births_of(births[1], rows[1])
    return np.where(same, at, UNMATCHED).astype(np.int64)


def match_blocks(old: AllocationTable, new: AllocationTable) -> I8:
    """
    For each live block of the new dump the same block of the old one.

    Parameters
    ----------
    old, new : AllocationTable
        Of one run.

    Returns
    -------
    ndarray of int64, shape (rows of new,)
        Row of ``old``, or `UNMATCHED`.
    """
    if len(old) == 0:
        return np.full(len(new), UNMATCHED, dtype=np.int64)
    order = np.argsort(old.address, kind="stable")
    at = order[np.minimum(np.searchsorted(old.address, new.address, sorter=order), len(old) - 1)]
    same = (old.address[at] == new.address) & (old.born_s[at] == new.born_s) & (old.size[at] == new.size)
    return np.where(same, at, UNMATCHED).astype(np.int64)


def _births_of(births: Column, rows: Column) -> Column:
    """When each object's block was born; -1 where nobody knows."""
    if len(births) == 0:
        return np.full(len(rows), -1.0)
    return np.where(rows >= 0, births[np.maximum(rows, 0)], -1.0)


def _names(types: TypeTable, row: int) -> tuple[str, str]:
    return types.strings[int(types.module[row])], types.strings[int(types.name[row])]
