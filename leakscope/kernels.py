"""
The graph kernels of the compiled core, as functions from NumPy columns to NumPy columns.

It knows item types, allocates what the core fills and says failures in our words; it refuses to know what an object,
a root or a leak is.  A graph is two columns: object ``v`` of n refers to ``targets[offsets[v]:offsets[v + 1]]``,
multiplicity included.  All kernels are iterative, take O(m log n) time or less on any graph, run without the
interpreter's lock, and check their input, which may come from a file that anyone made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from leakscope import native
from leakscope.errors import DumpFormatError, LeakscopeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    from numpy.typing import NDArray

    U1: TypeAlias = NDArray[np.uint8]
    U4: TypeAlias = NDArray[np.uint32]
    U8: TypeAlias = NDArray[np.uint64]

NONE = 0xFFFFFFFF
"""Stands for "no object" in columns of objects."""
UNREACHED = 255
"""Stands for "no stage" in ``Ways.stage``."""

_THREADS = 2
_WHERE = "object graph"


class Objects(NamedTuple):
    """
    Decoded objects, one row each, with their references and out-of-line memory.

    Attributes
    ----------
    address : ndarray of uint64
        Ascending.
    shape : ndarray of uint32
    flags : ndarray of uint8
        1 tracked by the collector, 2 frozen, 4 has bodies, 8 has its own size, 16 has a digest.
    refcount : ndarray of uint32
        0 is immortal.
    size : ndarray of uint64
        Bytes of the object's own block.
    digest : ndarray of uint32
        0 where there is none.
    offsets : ndarray of uint64, shape (n + 1,)
    targets : ndarray of uint32
        The reference to its type first where the object owns one, then those of the stream without empty ones.
    body_owner : ndarray of uint32
        Object each body belongs to; ascending.
    body_address, body_size : ndarray of uint64
    """

    address: U8
    shape: U4
    flags: U1
    refcount: U4
    size: U8
    digest: U4
    offsets: U8
    targets: U4
    body_owner: U4
    body_address: U8
    body_size: U8


class DominatorTree(NamedTuple):
    """
    Who alone keeps whom alive.

    Attributes
    ----------
    idom : ndarray of uint32
        The nearest object on every way from the roots; n if there is none but the roots; `NONE` if unreachable.
    order : ndarray of uint32
        The reachable objects in the order of a depth-first search: each behind its dominator.
    """

    idom: U4
    order: U4


class Ways(NamedTuple):
    """
    A shortest way from the roots to each object.

    Attributes
    ----------
    parent : ndarray of uint32
        The object before it on the way; n for roots; `NONE` if unreached.
    distance : ndarray of uint32
        References from the root; `NONE` if unreached.
    stage : ndarray of uint8
        The stage that reached it first; `UNREACHED` if none did.
    """

    parent: U4
    distance: U4
    stage: U1


def decode_objects(
    stream: U1, block_offset: U8, block_address: U8, block_edges: U8, block_bodies: U8,
    objects: int, edges: int, bodies: int, shape_size: U4, shape_owns_type: U1, shape_type_object: U4,
) -> Objects:  # fmt: skip
    """
    The objects of a dump, decoded by two threads.

    Parameters
    ----------
    stream, block_offset, block_address, block_edges, block_bodies
        The columns ``object.*`` of a dump.
    objects, edges, bodies : int
        How many of each there are; checked against the stream before any memory is asked for.
    shape_size, shape_owns_type : ndarray
        Columns of the shapes.
    shape_type_object : ndarray of uint32
        The type of each shape as an object; `NONE` if it was not walked, and then it is no reference of its objects.

    Returns
    -------
    Objects
        Read-only.

    Raises
    ------
    DumpFormatError
        With the byte of ``stream`` where the trouble is, if it is there.
    """
    _check_counts(len(stream), objects, edges, bodies)
    decoded = Objects(
        address=np.empty(objects, np.uint64),
        shape=np.empty(objects, np.uint32),
        flags=np.empty(objects, np.uint8),
        refcount=np.empty(objects, np.uint32),
        size=np.empty(objects, np.uint64),
        digest=np.empty(objects, np.uint32),
        offsets=np.empty(objects + 1, np.uint64),
        targets=np.empty(edges, np.uint32),
        body_owner=np.empty(bodies, np.uint32),
        body_address=np.empty(bodies, np.uint64),
        body_size=np.empty(bodies, np.uint64),
    )
    encoded = (_u1(stream), _u8(block_offset), _u8(block_address), _u8(block_edges), _u8(block_bodies))
    shapes = (_u4(shape_size), _u1(shape_owns_type), _u4(shape_type_object))
    _call(native.core().decode_objects, encoded, shapes, tuple(decoded), _THREADS)
    for column in decoded:
        column.flags.writeable = False
    return decoded


def stored_edges(stream: U1, block_offset: U8, number: int) -> list[int]:
    """
    The referents of one object at their positions in the stream, -1 where a position is empty.

    The reference to its type is not among them.  Reads the object's block up to it, some 50 microseconds.

    Raises
    ------
    DumpFormatError
        With the byte of ``stream`` where the trouble is.
    """
    if not 0 <= number < NONE:
        raise DumpFormatError(_WHERE, None, f"there is no object {number}")
    edges: list[int] = _call(native.core().stored_edges, _u1(stream), _u8(block_offset), number)
    return edges


def edge_places(stream: U1, block_offset: U8, objects: U4, edges: int) -> U4:
    """
    Where in their records the edges of some objects are, one place for each edge.

    Parameters
    ----------
    stream, block_offset
        As in `decode_objects`.
    objects : ndarray of uint32
        Ascending.
    edges : int
        How many there are, without empty places and references to types.

    Raises
    ------
    DumpFormatError
        With the byte of ``stream`` where the trouble is, if it is there.

    Notes
    -----
    Reads each block up to the last of the objects: at most what decoding takes, on one thread.
    """
    if not 0 <= edges <= len(stream):
        raise DumpFormatError(_WHERE, None, f"{edges:,} edges cannot be in {len(stream):,} bytes")
    places = np.empty(edges, np.uint32)
    _call(native.core().edge_places, _u1(stream), _u8(block_offset), _u4(objects), places)
    return places


def reverse(offsets: U8, targets: U4) -> tuple[U8, U4]:
    """The graph with every reference turned around: who refers to each object, ascending, multiplicity kept."""
    in_offsets = np.empty(len(offsets), np.uint64)
    in_targets = np.empty(len(targets), np.uint32)
    _call(native.core().reverse, _u8(offsets), _u4(targets), in_offsets, in_targets)
    return in_offsets, in_targets


def in_counts(targets: U4, n: int) -> U4:
    """How many references lead to each of ``n`` objects."""
    counts = np.empty(n, np.uint32)
    _call(native.core().in_counts, _u4(targets), counts)
    return counts


def dominators(offsets: U8, targets: U4, roots: U4) -> DominatorTree:
    """
    Immediate dominators as seen from all roots together.

    At its peak it needs, besides the graph, 32 bytes per object, or 20 and 4 per reference that leads back or across.
    """
    n = max(len(offsets) - 1, 0)
    idom, order = np.empty(n, np.uint32), np.empty(n, np.uint32)
    reached: int = _call(native.core().dominators, _u8(offsets), _u4(targets), _u4(roots), idom, order)
    return DominatorTree(idom, order[:reached])


def retained(idom: U4, order: U4, size: U8) -> U8:
    """
    The sum of ``size`` over what each object dominates, itself included: what goes if it goes.

    Unreachable objects retain 0: nothing that is reachable goes with them.
    """
    sums = np.empty(len(idom), np.uint64)
    _call(native.core().retained, _u4(idom), _u4(order), _u8(size), sums)
    return sums


def components(offsets: U8, targets: U4) -> tuple[U4, int]:
    """
    The strongly connected component of each object, and how many there are.

    Numbered in reverse topological order: a reference leads to a component of the same or a lower number.
    """
    component = np.empty(max(len(offsets) - 1, 0), np.uint32)
    count: int = _call(native.core().components, _u8(offsets), _u4(targets), component)
    return component, count


def distances(offsets: U8, targets: U4, stages: Sequence[U4]) -> Ways:
    """
    Shortest ways, breadth first, from the roots of one stage after the other.

    What an earlier stage reaches belongs to it, however much nearer a later root is.  At most 255 stages.
    """
    n = max(len(offsets) - 1, 0)
    ways = Ways(np.empty(n, np.uint32), np.empty(n, np.uint32), np.empty(n, np.uint8))
    roots = np.concatenate([_u4(stage) for stage in stages]) if stages else np.empty(0, np.uint32)
    begins = np.cumsum([0, *map(len, stages)], dtype=np.uint64)
    _call(native.core().distances, _u8(offsets), _u4(targets), roots, begins, *ways)
    return ways


def reachable(offsets: U8, targets: U4, roots: U4, avoid: U1) -> U1:
    """1 for what can be reached from the roots without entering an object whose ``avoid`` is not 0, else 0."""
    mask = np.empty(max(len(offsets) - 1, 0), np.uint8)
    _call(native.core().reachable, _u8(offsets), _u4(targets), _u4(roots), _u1(avoid), mask)
    return mask


def collectable(refcount: U4, flags: U1, offsets: U8, targets: U4) -> U1:
    """
    1 for tracked objects that a collection of the oldest generation would find unreachable, else 0.

    CPython's own algorithm on columns.  References that a type has but does not show the collector count as shown, so
    the result may be larger than what a collection frees; see the core's ``collection.cpp``.
    """
    mask = np.empty(max(len(offsets) - 1, 0), np.uint8)
    _call(native.core().collectable, _u4(refcount), _u1(flags), _u8(offsets), _u4(targets), mask)
    return mask


def _check_counts(stream_bytes: int, objects: int, edges: int, bodies: int) -> None:
    # At least a byte for each number: four of an object, one of an edge (but that to its type), two of a body.
    most = {"objects": stream_bytes // 4, "edges": stream_bytes, "bodies": stream_bytes // 2}
    for what, count in (("objects", objects), ("edges", edges), ("bodies", bodies)):
        if not 0 <= count <= most[what]:
            raise DumpFormatError(_WHERE, None, f"{count:,} {what} cannot be in {stream_bytes:,} bytes")


def _call(kernel: Callable[..., Any], *arguments: Any) -> Any:
    error_type: type[Exception] = native.core().CoreError
    try:
        return kernel(*arguments)
    except error_type as error:
        slug, text, offset = error.args
        if slug == "no-memory":
            raise LeakscopeError(text, "analyse the dump on a machine with more memory") from error
        raise DumpFormatError(_WHERE, None if offset < 0 else offset, text) from error


def _u1(column: U1) -> U1:
    return np.require(column, np.uint8, ("C", "A"))


def _u4(column: U4) -> U4:
    return np.require(column, np.uint32, ("C", "A"))


def _u8(column: U8) -> U8:
    return np.require(column, np.uint64, ("C", "A"))
