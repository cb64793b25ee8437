"""
The buffer protocol: which memory is handed out, to whom, and who acquires and releases it.

It knows what the recorder saw at the functions of types; it refuses to know objects.  A type without a release function
(``bytes``, NumPy's arrays, ctypes) has no outstanding exports here: nobody is told when one ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from leakscope.model.columns import check_columns

if TYPE_CHECKING:
    from leakscope.model.columns import F4, U1, U4, U8, Column


@dataclass(frozen=True, slots=True, eq=False)
class ExportTable:
    """
    Outstanding exports, ``v`` rows.

    Attributes
    ----------
    exporter, address : ndarray of uint64, shape (v,)
        Addresses of the object whose memory was handed out, and of the ``Py_buffer`` that tells of it.
    bytes : ndarray of uint64, shape (v,)
        How much was handed out.
    stack : ndarray of uint32, shape (v,)
        Node of the stack table that acquired it.
    thread : ndarray of uint32, shape (v,)
        Row of the thread that did.
    born_s : ndarray of float32, shape (v,)
        Seconds since recording began.
    type : ndarray of uint32, shape (v,)
        String id: the exporter's type.
    weight : ndarray of uint32, shape (v,)
        Exports that the row stands for.
    on_stack : ndarray of uint8, shape (v,)
        1 if the ``Py_buffer`` was a local variable of C code.
    """

    exporter: U8
    address: U8
    bytes: U8
    stack: U4
    thread: U4
    born_s: F4
    type: U4
    weight: U4
    on_stack: U1

    def __post_init__(self) -> None:
        columns: dict[str, Column] = {
            "exporter": self.exporter, "address": self.address, "bytes": self.bytes, "stack": self.stack,
            "thread": self.thread, "born_s": self.born_s, "type": self.type, "weight": self.weight,
            "on_stack": self.on_stack,
        }  # fmt: skip
        check_columns("ExportTable", columns)

    def __len__(self) -> int:
        return len(self.exporter)


@dataclass(frozen=True, slots=True, eq=False)
class AcquirerTable:
    """
    What stacks acquired so far, ``a`` rows; those alone whose acquisitions had their stack recorded.

    Attributes
    ----------
    stack : ndarray of uint32, shape (a,)
        Ascending.
    acquired, released, foreign : ndarray of uint64, shape (a,)
        Exports; of those acquired here the ones released, and of these the ones that another thread released.
    """

    stack: U4
    acquired: U8
    released: U8
    foreign: U8

    def __post_init__(self) -> None:
        columns: dict[str, Column] = {
            "stack": self.stack, "acquired": self.acquired, "released": self.released, "foreign": self.foreign,
        }  # fmt: skip
        check_columns("AcquirerTable", columns)

    def __len__(self) -> int:
        return len(self.stack)


@dataclass(frozen=True, slots=True)
class BufferTotals:
    """
    All of the buffer protocol since recording began.

    Attributes
    ----------
    acquired, released : int
        Exports, of types that have a release function.
    foreign : int
        Released by another thread, as far as that was looked at.
    unseen : int
        Acquired from types that have none.
    unknown : int
        Released without having been seen acquired.
    replaced : int
        Acquired into a ``Py_buffer`` whose export before was never released.
    dropped : int
        Not recorded for lack of room.
    refused : int
        Types that could not be watched.
    """

    acquired: int = 0
    released: int = 0
    foreign: int = 0
    unseen: int = 0
    unknown: int = 0
    replaced: int = 0
    dropped: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Buffers:
    """
    What a dump knows of the buffer protocol.

    Attributes
    ----------
    exports : ExportTable
    acquirers : AcquirerTable
    totals : BufferTotals
    """

    exports: ExportTable
    acquirers: AcquirerTable
    totals: BufferTotals
