"""
Memory that holds nothing new: the same string many times, and containers that are mostly empty.

It knows digests, edges and the sizes of bodies; it refuses to say that it matters: that is for who knows the program.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.audit import edges_of
from leakscope.model.heap import HAS_DIGEST, ITEMS, MEMBERS, NAMESPACE, PAIRS

if TYPE_CHECKING:
    from leakscope.model.columns import Column
    from leakscope.model.heap import HeapGraph

LEAST_COPIES = 10
_SLOT, _LEAST_LIST, _LEAST_TABLE = 8, 1024, 2048
"""Bytes of a reference; bodies below these sizes are not worth a look."""
_FILLED = 0.25
_ENTRY, _SET_ENTRY = 36, 16
"""Bytes of a dictionary's table for each key (24 an entry, of which two thirds are used), and of a set's."""


@dataclass(frozen=True, slots=True)
class Duplicates:
    """
    One content that exists many times.

    Attributes
    ----------
    type : str
        ``str`` or ``bytes``.
    copies, bytes, wasted : int
        Objects, what they take together, and what sharing one would save.
    example : int
        One of the objects.
    """

    type: str
    copies: int
    bytes: int
    wasted: int
    example: int


@dataclass(frozen=True, slots=True)
class Sparse:
    """
    Containers of one type that are mostly empty.

    Attributes
    ----------
    type : str
    containers, bytes, wasted : int
        How many, what their memory takes, and how much of it holds nothing.
    example : int
        The one that wastes most.
    """

    type: str
    containers: int
    bytes: int
    wasted: int
    example: int


def find_duplicates(heap: HeapGraph, ignored: Column | None = None) -> tuple[Duplicates, ...]:
    """
    Strings and bytes of which there are at least ten copies, by what sharing would save, most first.

    Parameters
    ----------
    heap : HeapGraph
    ignored : ndarray of bool, shape (n,), optional
        Objects to leave out.
    """
    if heap.digest is None:
        return ()
    having = (heap.flags & HAS_DIGEST) != 0
    objects = np.flatnonzero(having if ignored is None else having & ~ignored)
    if len(objects) == 0:
        return ()
    digests, sizes = heap.digest[objects].astype(np.int64), heap.size[objects].astype(np.int64)
    content = np.stack([digests << 32 | heap.type[objects], sizes])
    order = np.lexsort(content)
    begins = np.flatnonzero(np.concatenate([[True], (np.diff(content[:, order]) != 0).any(axis=0)]))
    copies = np.diff(np.concatenate([begins, [len(objects)]]))
    first = objects[order[begins]]
    wasted = (copies - 1) * heap.total_size[first].astype(np.int64)
    many = np.flatnonzero(copies >= LEAST_COPIES)
    return tuple(
        Duplicates(
            type=heap.types.full_name(int(heap.type[first[each]])), copies=int(copies[each]),
            bytes=int(copies[each]) * int(heap.total_size[first[each]]), wasted=int(wasted[each]),
            example=int(first[each]),
        )
        for each in many[np.argsort(-wasted[many], kind="stable")].tolist()
    )  # fmt: skip


def find_sparse(heap: HeapGraph, ignored: Column | None = None) -> tuple[Sparse, ...]:
    """
    Lists, dictionaries and sets filled to less than a quarter, by type, most waste first.

    Parameters
    ----------
    heap : HeapGraph
    ignored : ndarray of bool, shape (n,), optional
        Objects to leave out.

    Notes
    -----
    Only memory out of line counts, from one kibibyte on.  What a container of that many elements needs is reckoned
    generously, so a table that has just been enlarged is not called sparse.
    """
    if len(heap.body_owner) == 0:
        return ()
    body = np.bincount(heap.body_owner, weights=heap.body_size, minlength=heap.count)
    kind = heap.shapes.kind[heap.shape]
    edges = edges_of(heap.offsets)
    needed = np.select(
        [kind == ITEMS, (kind == PAIRS) | (kind == NAMESPACE), kind == MEMBERS],
        [edges * _SLOT, edges / 2 * _ENTRY, edges * _SET_ENTRY],
        default=np.inf,
    )
    least = np.where(kind == ITEMS, _LEAST_LIST, _LEAST_TABLE)
    sparse = (body >= least) & (needed < _FILLED * body)
    objects = np.flatnonzero(sparse if ignored is None else sparse & ~ignored)
    wasted = body - np.where(np.isfinite(needed), needed, 0)
    found = []
    for row in np.unique(heap.type[objects]).tolist():
        members = objects[heap.type[objects] == row]
        found.append(
            Sparse(
                type=heap.types.full_name(row), containers=len(members), bytes=int(body[members].sum()),
                wasted=int(wasted[members].sum()), example=int(members[np.argmax(wasted[members])]),
            )
        )  # fmt: skip
    return tuple(sorted(found, key=lambda sparse: -sparse.wasted))
