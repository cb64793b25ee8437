"""
Pools: memory that a program takes once and lends to itself piece by piece, and what became of each piece.

It knows pools, the handles that are out, the touches that tell a handle's way, and who releases what whom acquired; it
refuses to know which of that is a fault.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from leakscope.model.columns import check_columns

if TYPE_CHECKING:
    from leakscope.model.columns import F4, F8, I4, U1, U4, U8, Column

NOBODY = 0xFFFFFFFF
"""``CrossTable.released_by``: not released so far."""

POOL_KINDS = ("watched", "pyarrow", "torch", "shared memory", "numpy")
"""Names of the values of ``PoolTable.kind``; those of the first kind have handles."""
WATCHED, PYARROW, TORCH, SHARED_MEMORY, NUMPY = range(5)

HELD, DROPPED, RELEASED_TWICE, USED_AFTER, RETAINED = range(5)
"""``HandleTable.state``."""
HANDLE_STATES = (
    "held", "collected without release", "released twice", "used after release", "retained without release",
)  # fmt: skip

ACQUIRED, RETAIN, RELEASED, TOUCHED, HANDED_OFF, COLLECTED = range(6)
"""``TouchTable.kind``."""
TOUCH_KINDS = ("acquired", "retained", "released", "touched", "handed off", "collected")


@dataclass(frozen=True, slots=True, eq=False)
class PoolTable:
    """
    Pools, ``p`` rows.

    Attributes
    ----------
    name, source : ndarray of uint32, shape (p,)
        String ids: what it is called, and where that comes from (``module:Class``, ``pyarrow.system_memory_pool``).
    kind : ndarray of uint8, shape (p,)
        Index into `POOL_KINDS`.
    held_bytes, used_bytes, peak_bytes : ndarray of float64, shape (p,)
        Taken from below, lent to the program, and most that ever was lent; NaN unknown.
    chunks : ndarray of uint32, shape (p,)
        Units it holds, where it tells; else 0.
    acquired, released : ndarray of uint64, shape (p,)
        Handles since recording began.
    """

    name: U4
    kind: U1
    held_bytes: F8
    used_bytes: F8
    peak_bytes: F8
    chunks: U4
    acquired: U8
    released: U8
    source: U4

    def __post_init__(self) -> None:
        columns: dict[str, Column] = {
            "name": self.name, "kind": self.kind, "held_bytes": self.held_bytes, "used_bytes": self.used_bytes,
            "peak_bytes": self.peak_bytes, "chunks": self.chunks, "acquired": self.acquired,
            "released": self.released, "source": self.source,
        }  # fmt: skip
        check_columns("PoolTable", columns)

    def __len__(self) -> int:
        return len(self.name)


@dataclass(frozen=True, slots=True, eq=False)
class HandleTable:
    """
    Handles that are out, and those that went wrong; ``h`` rows.

    A row of state `HELD` or `RETAINED` is one handle.  One of another state stands for all handles to which the same
    happened at the same places; what it says of one handle is said of the first.

    Attributes
    ----------
    serial : ndarray of uint64, shape (h,)
        Counts acquisitions in the program, from 1.
    pool : ndarray of uint32, shape (h,)
        Row of the pool table.
    address : ndarray of uint64, shape (h,)
        Of the handle object.
    size : ndarray of uint64, shape (h,)
        Bytes that it lends, as its class says; 0 if it does not.
    count : ndarray of int32, shape (h,)
        References that its pool counts: one for the acquisition, one more for each retain, one less for each release.
    state : ndarray of uint8, shape (h,)
        `HELD` and the like, index into `HANDLE_STATES`.  `RETAINED` is a handle that was released, but not as often as
        it was acquired and retained.
    releases : ndarray of uint32, shape (h,)
        How often it was released.
    handles, bytes : ndarray of uint64, shape (h,)
        How many handles the row stands for, and their bytes together.
    stack : ndarray of uint32, shape (h,)
        Node of the stack table that acquired it.
    thread : ndarray of uint32, shape (h,)
        Row of the thread that did.
    born_s, last_s : ndarray of float32, shape (h,)
        Seconds since recording began: when it was acquired, and when last touched; of a row that stands for several,
        the first and the last time that it happened.
    """

    serial: U8
    pool: U4
    address: U8
    size: U8
    count: I4
    state: U1
    releases: U4
    handles: U8
    bytes: U8
    stack: U4
    thread: U4
    born_s: F4
    last_s: F4

    def __post_init__(self) -> None:
        columns: dict[str, Column] = {
            "serial": self.serial, "pool": self.pool, "address": self.address, "size": self.size,
            "count": self.count, "state": self.state, "releases": self.releases, "handles": self.handles,
            "bytes": self.bytes, "stack": self.stack, "thread": self.thread, "born_s": self.born_s,
            "last_s": self.last_s,
        }  # fmt: skip
        check_columns("HandleTable", columns)

    def __len__(self) -> int:
        return len(self.serial)


@dataclass(frozen=True, slots=True, eq=False)
class TouchTable:
    """
    What happened to the handles, ``u`` rows: of each handle the first few and the last few touches, in their order.

    Attributes
    ----------
    handle : ndarray of uint32, shape (u,)
        Row of the handle table; ascending.
    kind : ndarray of uint8, shape (u,)
        Index into `TOUCH_KINDS`.
    stack : ndarray of uint32, shape (u,)
        Node of the stack table that called.
    thread : ndarray of uint32, shape (u,)
        Row of the thread.
    time_s : ndarray of float32, shape (u,)
        Seconds since recording began.
    """

    handle: U4
    kind: U1
    stack: U4
    thread: U4
    time_s: F4

    def __post_init__(self) -> None:
        columns: dict[str, Column] = {
            "handle": self.handle, "kind": self.kind, "stack": self.stack, "thread": self.thread,
            "time_s": self.time_s,
        }  # fmt: skip
        check_columns("TouchTable", columns)

    def __len__(self) -> int:
        return len(self.handle)


@dataclass(frozen=True, slots=True, eq=False)
class CrossTable:
    """
    Who released what whom acquired, ``x`` rows; each handle ever acquired is in one of them.

    Attributes
    ----------
    pool : ndarray of uint32, shape (x,)
        Row of the pool table.
    stack : ndarray of uint32, shape (x,)
        Node of the stack table that acquired.
    acquired_by, released_by : ndarray of uint32, shape (x,)
        Rows of the threads; `NOBODY` in the second: not released, be it held or collected.
    handles, bytes : ndarray of uint64, shape (x,)
    """

    pool: U4
    stack: U4
    acquired_by: U4
    released_by: U4
    handles: U8
    bytes: U8

    def __post_init__(self) -> None:
        columns: dict[str, Column] = {
            "pool": self.pool, "stack": self.stack, "acquired_by": self.acquired_by,
            "released_by": self.released_by, "handles": self.handles, "bytes": self.bytes,
        }  # fmt: skip
        check_columns("CrossTable", columns)

    def __len__(self) -> int:
        return len(self.pool)


@dataclass(frozen=True, slots=True, eq=False)
class Pools:
    """
    The four tables about pools.

    Attributes
    ----------
    pools : PoolTable
    handles : HandleTable
    touches : TouchTable
    cross : CrossTable
    """

    pools: PoolTable
    handles: HandleTable
    touches: TouchTable
    cross: CrossTable

    def __len__(self) -> int:
        return len(self.pools)
