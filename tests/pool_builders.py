"""Drawn pools: what of them is out, what came back and what went wrong, with ids that agree between dumps of a run.

It is to `builders` what ``_Run`` is to blocks: handles that are still out at the next moment keep their age, serial and
address; of fewer, the youngest come back.  What came back and what went wrong adds up over the moments.

::

    lent({"app.py:10": (9, 4096)}, pool="app:Buffer")       nine handles that are out
    lent({...}, touches=[("touched", "work@app.py:30", "worker-1")], state="collected without release")
    returned({"app.py:10": (50, 4096)}, pool="app:Buffer", by="worker-1")       handles that came back
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from leakscope.model.pools import (
    ACQUIRED,
    HANDLE_STATES,
    HELD,
    NOBODY,
    RETAINED,
    TOUCH_KINDS,
    CrossTable,
    HandleTable,
    Pools,
    PoolTable,
    TouchTable,
)

if TYPE_CHECKING:
    from builders import Moment

Sites = Mapping[str, int | tuple[int, int]]
Touch = tuple[str, str, str]  # kind, stack, thread

HANDLE = {
    "serial": "u8", "pool": "u4", "address": "u8", "size": "u8", "count": "i4", "state": "u1", "releases": "u4",
    "handles": "u8", "bytes": "u8", "stack": "u4", "thread": "u4", "born_s": "f4", "last_s": "f4",
}  # fmt: skip
CROSS = {"pool": "u4", "stack": "u4", "acquired_by": "u4", "released_by": "u4", "handles": "u8", "bytes": "u8"}


@dataclass(frozen=True)
class Lent:
    """Handles alike: of one pool, acquired at one place by one thread, with the same touches after that."""

    pool: str
    site: str
    thread: str
    size: int
    state: str = HANDLE_STATES[HELD]
    touches: tuple[Touch, ...] = ()
    released_by: str | None = None  # then they are not out


def lent(
    sites: Sites, *, pool: str, thread: str = "MainThread", touches: Sequence[Touch] = (), state: str = "held"
) -> Moment:
    """Handles that are out, or (with another state than held or retained) went wrong since the moment before."""
    return _moment(sites, lambda site, size: Lent(pool, site, thread, size, state, tuple(touches)))


def returned(sites: Sites, *, pool: str, thread: str = "MainThread", by: str | None = None) -> Moment:
    """Handles that were acquired and released since the moment before."""
    return _moment(sites, lambda site, size: Lent(pool, site, thread, size, released_by=by or thread))


def _moment(sites: Sites, made: Callable[[str, int], Lent]) -> Moment:
    from builders import Moment

    pairs = ((site, size if isinstance(size, tuple) else (1, size)) for site, size in sites.items())
    return Moment(lent=tuple((made(site, each), count) for site, (count, each) in pairs))


@dataclass
class _Batch:
    born_s: float
    count: int
    serial: int


@dataclass
class PoolBooks:
    """The pools of one drawn recording; ``stack``, ``thread`` and ``text`` give the ids of the run."""

    stack: Callable[[str], int]
    thread: Callable[[str], int]
    text: Callable[[str], int]
    names: list[str] = field(default_factory=list)
    batches: dict[Lent, list[_Batch]] = field(default_factory=dict)
    acquired: Counter[str] = field(default_factory=Counter)
    released: Counter[str] = field(default_factory=Counter)
    crossed: Counter[tuple[int, int, int, int, int]] = field(default_factory=Counter)  # with the size
    peak: Counter[str] = field(default_factory=Counter)
    serial: int = 1

    def advance(self, drawn: Sequence[tuple[Lent, int]], time_s: float) -> None:
        """What is there at the next moment."""
        wanted: Counter[Lent] = Counter()
        for lent, count in drawn:
            self._meet(lent)
            wanted[lent] += count
        for lent in dict.fromkeys([*self.batches, *wanted]):
            if lent.released_by is not None:
                self._return(lent, wanted[lent])
            elif lent.state in (HANDLE_STATES[HELD], HANDLE_STATES[RETAINED]):
                self._resize(lent, wanted[lent], time_s)
            elif wanted[lent]:
                self._resize(lent, self._count(lent) + wanted[lent], time_s)
        for name in self.names:
            self.peak[name] = max(self.peak[name], self._used(name))

    def tables(self) -> Pools | None:
        """The four tables as they are now; None if no pool was ever drawn."""
        if not self.names:
            return None
        handles = self._handles()
        return Pools(self._pools(), HandleTable(**_columns([row for row, _ in handles], HANDLE)),
                     self._touches([lent for _, lent in handles], [row[11] for row, _ in handles]),
                     CrossTable(**_columns(self._cross(), CROSS)))  # fmt: skip

    def _meet(self, lent: Lent) -> None:
        if lent.pool not in self.names:
            self.names.append(lent.pool)
        self.text(lent.pool)
        for _, site, thread in (("", lent.site, lent.thread), *lent.touches):
            self.stack(site), self.thread(thread)
        if lent.released_by is not None:
            self.thread(lent.released_by)

    def _return(self, lent: Lent, count: int) -> None:
        self.acquired[lent.pool] += count
        self.released[lent.pool] += count
        by = self.thread(lent.released_by or "")
        self.crossed[self.names.index(lent.pool), self.stack(lent.site), self.thread(lent.thread), by, lent.size] += (
            count
        )

    def _resize(self, lent: Lent, count: int, time_s: float) -> None:
        batches = self.batches.setdefault(lent, [])
        gain = count - self._count(lent)
        if gain > 0:
            batches.append(_Batch(time_s, gain, self.serial))
            self.serial += gain
            self.acquired[lent.pool] += gain if lent.state != HANDLE_STATES[2] else 0
        while gain < 0:
            taken = min(batches[-1].count, -gain)
            batches[-1].count -= taken
            gain += taken
            self.released[lent.pool] += taken
            pool, thread = self.names.index(lent.pool), self.thread(lent.thread)
            self.crossed[pool, self.stack(lent.site), thread, thread, lent.size] += taken
            if batches[-1].count == 0:
                batches.pop()

    def _count(self, lent: Lent) -> int:
        return sum(batch.count for batch in self.batches.get(lent, ()))

    def _used(self, name: str) -> int:
        return sum(self._count(lent) * lent.size for lent in self.batches if lent.pool == name and _is_out(lent))

    def _pools(self) -> PoolTable:
        rows = [
            (self.text(name), 0, float("nan"), self._used(name), self.peak[name], 0, self.acquired[name],
             self.released[name], self.text(name))
            for name in self.names
        ]  # fmt: skip
        names = {"name": "u4", "kind": "u1", "held_bytes": "f8", "used_bytes": "f8", "peak_bytes": "f8"}
        return PoolTable(**_columns(rows, names | {"chunks": "u4", "acquired": "u8", "released": "u8", "source": "u4"}))

    def _handles(self) -> list[tuple[tuple[Any, ...], Lent]]:
        rows = []
        for lent, batches in self.batches.items():
            state = HANDLE_STATES.index(lent.state)
            counts = 1 + sum({"retained": 1, "released": -1}.get(kind, 0) for kind, _, _ in lent.touches)
            released = sum(kind == "released" for kind, _, _ in lent.touches)
            at = (self.stack(lent.site), self.thread(lent.thread))
            pool = self.names.index(lent.pool)
            if _is_out(lent):
                for batch in batches:
                    for one in range(batch.serial, batch.serial + batch.count):
                        row = (one, pool, 0x5000_0000 + 64 * one, lent.size, counts, state, released, 1, lent.size)
                        rows.append(((*row, *at, batch.born_s, batch.born_s), lent))
            elif batches:
                count, first = self._count(lent), batches[0]
                row = (first.serial, pool, 0x5000_0000 + 64 * first.serial, lent.size, counts, state, released, count)
                rows.append(((*row, count * lent.size, *at, first.born_s, batches[-1].born_s), lent))
        return rows

    def _touches(self, lents: Sequence[Lent], born_s: Sequence[float]) -> TouchTable:
        rows = [
            (at, TOUCH_KINDS.index(kind), self.stack(site), self.thread(thread), born)
            for at, (lent, born) in enumerate(zip(lents, born_s, strict=True))
            for kind, site, thread in ((TOUCH_KINDS[ACQUIRED], lent.site, lent.thread), *lent.touches)
        ]
        names = {"handle": "u4", "kind": "u1", "stack": "u4", "thread": "u4", "time_s": "f4"}
        return TouchTable(**_columns(rows, names))

    def _cross(self) -> list[tuple[int, ...]]:
        sums: dict[tuple[int, int, int, int], list[int]] = {}
        missing = Counter({
            (self.names.index(lent.pool), self.stack(lent.site), self.thread(lent.thread), NOBODY, lent.size):
            self._count(lent)
            for lent in self.batches if lent.state != HANDLE_STATES[2]
        })  # fmt: skip
        for (*key, size), count in (self.crossed + missing).items():
            total = sums.setdefault((key[0], key[1], key[2], key[3]), [0, 0])
            total[0] += count
            total[1] += count * size
        return [(*key, *total) for key, total in sums.items()]


def _is_out(lent: Lent) -> bool:
    return lent.released_by is None and lent.state in (HANDLE_STATES[HELD], HANDLE_STATES[RETAINED])


def _columns(rows: Sequence[Sequence[Any]], names: Mapping[str, str]) -> dict[str, np.ndarray[Any, Any]]:
    made = {}
    for at, (name, dtype) in enumerate(names.items()):
        made[name] = np.array([row[at] for row in rows], "<" + dtype)
        made[name].flags.writeable = False
    return made
