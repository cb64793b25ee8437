"""
What the report says of chunks: how much allocators hold and use, and the chunks with most between.

Plain data without a way back to a dump.  It knows no rule and no rendering; a number that nobody measured is None.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ChunkPin:
    """
    Blocks of one place that live in a chunk, and so keep it.

    Attributes
    ----------
    function, where : str
        Who asked for them: ``load`` and ``app.py:12``; ``where`` is empty if no Python code ran.
    type : str or None
        What most of them are, if the dump has an object graph that tells.
    blocks, bytes : int
        Estimates in a sampled run.
    threads : tuple of str
        Who allocated them, most bytes first.
    """

    function: str
    where: str
    type: str | None
    blocks: int
    bytes: int
    threads: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ChunkLine:
    """
    One chunk.

    Attributes
    ----------
    address, size_bytes : int
    kind : str
        One of ``CHUNK_KINDS``.
    label : str
        See ``ChunkTable.label``.
    used_bytes, free_bytes, largest_free_bytes : int or None
    resident_bytes, dirty_bytes, swapped_bytes, trimmable_bytes : int or None
    attached_threads : int or None
    idle_bytes : int or None
        In memory, and not used; None if its use is not known.
    age_s : float or None
        None if nobody saw it being taken.
    thread : str or None
        Who made the allocator take it.
    function, where : str
        Where that was asked for; empty if nobody saw it.
    pinned_by : tuple of ChunkPin
        Who has most in it; a few.
    places : int
        How many places have something in it.
    """

    address: int
    size_bytes: int
    kind: str
    label: str
    used_bytes: int | None
    free_bytes: int | None
    largest_free_bytes: int | None
    resident_bytes: int | None
    dirty_bytes: int | None
    swapped_bytes: int | None
    trimmable_bytes: int | None
    attached_threads: int | None
    idle_bytes: int | None
    age_s: float | None
    thread: str | None
    function: str
    where: str
    pinned_by: tuple[ChunkPin, ...]
    places: int


@dataclass(frozen=True, slots=True)
class ChunkKindTotals:
    """
    All chunks of one kind.

    Attributes
    ----------
    kind : str
    count, size_bytes : int
    used_bytes, free_bytes, resident_bytes, swapped_bytes : int or None
        None if it is not known of each of them.
    """

    kind: str
    count: int
    size_bytes: int
    used_bytes: int | None
    free_bytes: int | None
    resident_bytes: int | None
    swapped_bytes: int | None


@dataclass(frozen=True, slots=True)
class ChunkReport:
    """
    Chunks of the last source.

    Attributes
    ----------
    estimated : bool
        Blocks in chunks were sampled: ``pinned_by`` may miss some, and its sizes are estimates.
    kinds : tuple of ChunkKindTotals
        Those that there are.
    idle_bytes : int or None
        Freed but still resident, in all arenas and heaps that were measured: what is in memory and not used.
    trimmable_bytes : int or None
        Of that, what ``malloc_trim`` would give back: whole pages in heaps.
    further_arenas : int
        Heaps of malloc besides the main one.
    further_arenas_idle_bytes : int or None
        Of ``idle_bytes`` what lies in these: a smaller ``M_ARENA_MAX`` gives back at most this.
    rows : tuple of ChunkLine
        Most memory held and not used first, or held if nobody knows its use; only where tables were asked for.
    """

    estimated: bool
    kinds: tuple[ChunkKindTotals, ...]
    idle_bytes: int | None
    trimmable_bytes: int | None
    further_arenas: int
    further_arenas_idle_bytes: int | None
    rows: tuple[ChunkLine, ...] = ()
