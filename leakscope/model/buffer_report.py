"""
What the report says of the buffer protocol: what is handed out, what small views pin, and who acquires most.

Plain data without a way back to a dump.  It knows no rule and no rendering.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leakscope.model.allocations import Frame
    from leakscope.model.buffers import BufferTotals


@dataclass(frozen=True, slots=True)
class ExportLine:
    """
    Outstanding exports of one type, acquired in one place.

    Attributes
    ----------
    type : str
        Of the exporters.
    label, where : str
        The function and the line that acquired them; empty if nobody knows.
    exports, exporters : int
        How many, and of how many objects; estimates where C code's own views are sampled.
    bytes : int
        What the exporters handed out, each counted once.
    oldest_s : float
        Age of the oldest.
    gone : int
        Exports whose view is certainly gone: it was on the C stack of a thread that has ended, or (exact recordings
        only) in memory that is free again.
    threads : tuple of str
        That acquired them, most first.
    stack : tuple of Frame
        That acquired most of them, innermost first.
    """

    type: str
    label: str
    where: str
    exports: int
    exporters: int
    bytes: int
    oldest_s: float
    gone: int
    threads: tuple[str, ...] = ()
    stack: tuple[Frame, ...] = ()


@dataclass(frozen=True, slots=True)
class PinnedLine:
    """
    Large buffers that only small views keep, which were taken in one place.

    Attributes
    ----------
    view_type, buffer_type : str
    label, where : str
        The function and the line that took the views; empty if nobody knows.
    views, seen_bytes : int
        How many views, and what they see together.
    buffers, bytes : int
        What they keep alive.
    growth : int or None
        Buffers more than in the first dump that has objects; None if there is but one.
    stack : tuple of Frame
    """

    view_type: str
    buffer_type: str
    label: str
    where: str
    views: int
    seen_bytes: int
    buffers: int
    bytes: int
    growth: int | None
    stack: tuple[Frame, ...] = ()


@dataclass(frozen=True, slots=True)
class AcquirerLine:
    """
    What one place acquired since recording began.

    Attributes
    ----------
    label, where : str
    acquired, released, foreign : int
        Exports; of them released; of these by another thread.
    """

    label: str
    where: str
    acquired: int
    released: int
    foreign: int


@dataclass(frozen=True, slots=True)
class BufferReport:
    """
    The buffer protocol in the last source.

    Attributes
    ----------
    totals : BufferTotals
    exports : tuple of ExportLine
        By bytes, most first.
    pinned : tuple of PinnedLine
        By bytes, most first; empty without objects.
    acquirers : tuple of AcquirerLine
        By exports acquired, most first.
    """

    totals: BufferTotals
    exports: tuple[ExportLine, ...]
    pinned: tuple[PinnedLine, ...]
    acquirers: tuple[AcquirerLine, ...]
