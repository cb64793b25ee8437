"""
Where handles change hands: the last touch in one thread before the first in another, and what is known of it.

It knows touches and threads; it refuses to guess where a handle went that nobody touched again.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from leakscope.analysis.handles import touches_of
from leakscope.model.pools import COLLECTED, HANDED_OFF

if TYPE_CHECKING:
    from collections.abc import Iterable

    from leakscope.model.columns import Column
    from leakscope.model.dump import Dump

_ENOUGH = 2_000


@dataclass(frozen=True, slots=True)
class Collection:
    """
    Where most of some handles were collected.

    Attributes
    ----------
    place : int
        Row of the frame table.
    threads : tuple of str
        That did it there, most handles first.
    handles : int
        How many there.
    """

    place: int
    threads: tuple[str, ...]
    handles: int


@dataclass(frozen=True, slots=True)
class HandOver:
    """
    Where some handles left the thread that had them.

    Attributes
    ----------
    place : int
        Row of the frame table: the last touch before.
    by : str
        The thread.
    to : str
        The thread that touched them next; "" if none did.
    given : bool
        Whether that touch was the hand-off: a queue or an executor was given the handle.
    handles : int
        How many of those asked went this way.
    """

    place: int
    by: str
    to: str
    given: bool
    handles: int


def hand_over(dump: Dump, rows: Iterable[int], place_of_stack: Column) -> HandOver | None:
    """
    The way that most of some handles left a thread; None if most never did.

    Parameters
    ----------
    dump : Dump
    rows : iterable of int
        Of its handle table.
    place_of_stack : ndarray of int
    """
    asked = list(rows)[:_ENOUGH]
    ways = Counter(_way(dump, row, place_of_stack) for row in asked)
    (way, handles), *_ = ways.most_common(1) or [(None, 0)]
    return HandOver(*way, handles) if way is not None else None


def collection(dump: Dump, rows: Iterable[int], place_of_stack: Column) -> Collection | None:
    """
    Where most of some handles were collected; None if they are still there.

    Parameters
    ----------
    dump : Dump
    rows : iterable of int
        Of its handle table.
    place_of_stack : ndarray of int
    """
    pools, found = dump.pools, dict[int, Counter[str]]()
    if pools is None:
        return None
    for row in list(rows)[:_ENOUGH]:
        touches = touches_of(pools, row).tolist()
        if touches and pools.touches.kind[touches[-1]] == COLLECTED:
            where = int(place_of_stack[pools.touches.stack[touches[-1]]])
            thread = dump.threads.name_of(int(pools.touches.thread[touches[-1]]))
            found.setdefault(where, Counter())[thread] += int(pools.handles.handles[row])
    if not found:
        return None
    place = max(found, key=lambda where: found[where].total())
    names = tuple(name for name, _ in found[place].most_common())
    return Collection(place, names, found[place].total())


def _way(dump: Dump, row: int, place_of_stack: Column) -> tuple[int, str, str, bool] | None:
    pools, threads = dump.pools, dump.threads
    assert pools is not None
    touches = [at for at in touches_of(pools, row).tolist() if pools.touches.kind[at] != COLLECTED]
    by = int(pools.handles.thread[row])
    steps = [(by, int(pools.handles.stack[row]), False)]
    steps += [
        (int(pools.touches.thread[at]), int(pools.touches.stack[at]), pools.touches.kind[at] == HANDED_OFF)
        for at in touches
    ]
    for (before, stack, given), (after, _, _) in reversed(list(pairwise(steps))):
        if before != after:
            return int(place_of_stack[stack]), threads.name_of(before), threads.name_of(after), bool(given)
    thread, stack, given = steps[-1]
    return (int(place_of_stack[stack]), threads.name_of(thread), "", True) if given else None
