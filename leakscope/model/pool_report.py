"""
What the report says of pools: what each holds and lends, and who releases what whom acquired.

Plain data without a way back to a dump.  It knows no rule and no rendering; a number that nobody told is None.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PoolLine:
    """
    One pool.

    Attributes
    ----------
    name : str
    kind : str
        One of ``POOL_KINDS``.
    source : str
        ``module:Class``, or what told of it.
    held_bytes, used_bytes, peak_bytes : int or None
        Taken from below; lent now; most that ever was lent.
    chunks : int or None
    acquired, released : int
        Handles since recording began.
    held, dropped : int
        Handles that are out; those that were collected without a release.
    """

    name: str
    kind: str
    source: str
    held_bytes: int | None
    used_bytes: int | None
    peak_bytes: int | None
    chunks: int | None
    acquired: int
    released: int
    held: int
    dropped: int


@dataclass(frozen=True, slots=True)
class Crossing:
    """
    Handles of one pool that one thread acquired and one released.

    Attributes
    ----------
    pool, acquired_by : str
    released_by : str or None
        None: nobody so far.
    handles, bytes : int
    growth : int or None
        Handles more than in the first dump; None if there is but one.
    """

    pool: str
    acquired_by: str
    released_by: str | None
    handles: int
    bytes: int
    growth: int | None


@dataclass(frozen=True, slots=True)
class PoolReport:
    """
    Pools of the last source.

    Attributes
    ----------
    pools : tuple of PoolLine
        Those that lend most first.
    crossings : tuple of Crossing
        Missing handles first, then by handles.
    more_crossings : int
        Pairs of threads that are not listed.
    """

    pools: tuple[PoolLine, ...]
    crossings: tuple[Crossing, ...]
    more_crossings: int
