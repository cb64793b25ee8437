"""
What the edges of objects are called: an attribute, an item of a list, a value of a dict.

It knows how edges are stored and numbers their names so that equal names have equal numbers; it refuses to know paths.
Indexes and keys that are not names are masked: all items of lists are called alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.stages import edges_from
from leakscope.model.heap import ITEMS, MEMBERS, NAMESPACE, NONE, OTHERS, PAIRS, STACK

if TYPE_CHECKING:
    from leakscope.model.columns import I8, Column
    from leakscope.model.heap import HeapGraph

REFERENCE, ITEM, KEY, VALUE, MEMBER, TEMPORARY, TYPE = range(-7, 0)
"""Labels that are no names; names are their string ids, from 0."""
_BY_KIND = {OTHERS: REFERENCE, ITEMS: ITEM, PAIRS: VALUE, MEMBERS: MEMBER, NAMESPACE: VALUE, STACK: TEMPORARY}
_LATE = {TEMPORARY: 1, KEY: 2, TYPE: 3}


@dataclass(frozen=True, slots=True, eq=False)
class Edges:
    """
    Edges with their labels, ``k`` rows, those of one holder together and in order.

    Attributes
    ----------
    holder, target, label : ndarray of int64, shape (k,)
        ``label`` is a string id, or `REFERENCE` and so on.
    """

    holder: I8
    target: I8
    label: I8


def labelled_edges(heap: HeapGraph, holders: Column) -> Edges:
    """
    All edges of some objects, with their labels.

    Parameters
    ----------
    heap : HeapGraph
    holders : ndarray of int, ascending

    Notes
    -----
    Where the number of edges shows that no place is empty, positions are counted; the records of other objects are read
    once more.
    """
    holder, target = edges_from(heap, holders)
    shape, offsets = heap.shape[holders], heap.offsets.astype(np.int64)
    counts = offsets[np.asarray(holders) + 1] - offsets[holders]
    owned = (heap.shapes.owns_type[shape] == 1) & (heap.types.object[heap.shapes.type[shape]] != NONE)
    first = np.cumsum(counts) - counts
    position = np.arange(len(holder)) - np.repeat(first + owned, counts)
    gaps = ~_without_gaps(heap, shape, counts - owned)
    if gaps.any():
        read = heap.read_places(np.asarray(holders, dtype=np.uint32)[gaps], int((counts - owned)[gaps].sum()))
        position[np.repeat(gaps, counts) & (position >= 0)] = read
    return Edges(holder, target.astype(np.int64), _labels(heap, holder, target, position))


def labels_of_ways(heap: HeapGraph, objects: Column, parent: Column) -> I8:
    """
    What the edge is called by which each object is held by its parent; of several the best that is there.

    Parameters
    ----------
    heap : HeapGraph
    objects : ndarray of int, ascending, shape (k,)
    parent : ndarray of int, shape (k,)
        Objects that refer to them.

    Returns
    -------
    ndarray of int64, shape (k,)
        A name rather than a key, a key rather than the type.
    """
    edges = labelled_edges(heap, np.unique(parent))
    at = np.minimum(np.searchsorted(objects, edges.target), len(objects) - 1)
    on_way = np.flatnonzero((objects[at] == edges.target) & (parent[at] == edges.holder))
    late = np.zeros(len(on_way), dtype=np.int64)
    for label, rank in _LATE.items():
        late[edges.label[on_way] == label] = rank
    order = np.lexsort((on_way, late, at[on_way]))
    found = np.full(len(objects), REFERENCE, dtype=np.int64)
    # Written from the last to the first: the best one stays.
    found[at[on_way][order][::-1]] = edges.label[on_way][order][::-1]
    return found


def names_of_shapes(heap: HeapGraph) -> I8:
    """How many names each shape has."""
    begins: I8 = heap.shapes.name_offset.astype(np.int64)
    return begins[1:] - begins[:-1]


def _without_gaps(heap: HeapGraph, shape: Column, stored: Column) -> Column:
    """Whether the edges of each holder are where counting them puts them, or where they are makes no difference."""
    named = names_of_shapes(heap)[shape]
    kind = heap.shapes.kind[shape]
    most = np.zeros(len(heap.shapes), dtype=np.int64)
    np.maximum.at(most, shape, stored)
    pairs = (kind == PAIRS) | (kind == NAMESPACE)
    # If no object of the shape has more edges than names, then all of this one's edges are named ones.
    full = (kind == OTHERS) & (stored == named) & (most[shape] == named)
    without: Column = np.where(named == 0, ~pairs | (stored % 2 == 0), full)
    return without


def _labels(heap: HeapGraph, holder: Column, target: Column, position: I8) -> I8:
    shape, shapes = heap.shape[holder], heap.shapes
    beyond: I8 = position - names_of_shapes(heap)[shape]
    kind = shapes.kind[shape]
    label = np.array([_BY_KIND[number] for number in range(len(_BY_KIND))])[kind]
    pairs = (kind == PAIRS) | (kind == NAMESPACE)
    label[pairs & (beyond % 2 == 0)] = KEY
    (values,) = np.nonzero((kind == NAMESPACE) & (beyond % 2 == 1) & (beyond > 0))
    label[values] = _names_of_keys(heap, target[values - 1])
    (named,) = np.nonzero((beyond < 0) & (position >= 0))
    label[named] = shapes.name[shapes.name_offset[shape[named]].astype(np.int64) + position[named]]
    label[position < 0] = TYPE
    return label


def _names_of_keys(heap: HeapGraph, keys: Column) -> Column:
    """The string id of each key of a namespace; `VALUE` for keys that are no names."""
    if len(heap.name_object) == 0:
        return np.full(len(keys), VALUE, dtype=np.int64)
    at = np.minimum(np.searchsorted(heap.name_object, keys), len(heap.name_object) - 1)
    return np.where(heap.name_object[at] == keys, heap.name_text[at].astype(np.int64), VALUE)
