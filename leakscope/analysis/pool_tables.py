"""
The tables about pools: what each holds and lends, and between which threads its handles go.

It knows sums and their order; it refuses to judge them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from leakscope.model.pool_report import Crossing, PoolLine, PoolReport
from leakscope.model.pools import DROPPED, HELD, NOBODY, POOL_KINDS, RETAINED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakscope.model.dump import Dump
    from leakscope.model.pools import Pools

Pair = tuple[int, int, int]  # pool, acquiring thread, releasing thread


def pool_report(run: Sequence[Dump], top: int) -> PoolReport | None:
    """
    What the last dump of a run says of pools; None if there is none.

    Parameters
    ----------
    run : sequence of Dump
        In time order.
    top : int
        Most pairs of threads.
    """
    last = run[-1]
    if last.pools is None or len(last.pools.pools) == 0:
        return None
    crossings = _crossings(run)
    lines = sorted(_lines(last, last.pools), key=lambda line: -(line.used_bytes or 0))
    return PoolReport(tuple(lines), tuple(crossings[:top]), max(len(crossings) - top, 0))


def _lines(dump: Dump, pools: Pools) -> list[PoolLine]:
    table, handles, strings = pools.pools, pools.handles, dump.strings

    def count(pool: int, *states: int) -> int:
        return int(handles.handles[(handles.pool == pool) & np.isin(handles.state, states)].sum())

    return [
        PoolLine(
            name=strings[int(table.name[at])], kind=POOL_KINDS[int(table.kind[at])],
            source=strings[int(table.source[at])], held_bytes=_known(table.held_bytes[at]),
            used_bytes=_known(table.used_bytes[at]), peak_bytes=_known(table.peak_bytes[at]),
            chunks=int(table.chunks[at]) or None, acquired=int(table.acquired[at]), released=int(table.released[at]),
            held=count(at, HELD, RETAINED), dropped=count(at, DROPPED),
        )
        for at in range(len(table))
    ]  # fmt: skip


def _crossings(run: Sequence[Dump]) -> list[Crossing]:
    last, first = run[-1], run[0]
    now = _pairs(last)
    before = _pairs(first) if len(run) > 1 else None
    names: list[int] = last.pools.pools.name.tolist() if last.pools is not None else []
    found = [
        Crossing(
            pool=last.strings[names[pool]], acquired_by=last.threads.name_of(by),
            released_by=None if to == NOBODY else last.threads.name_of(to), handles=handles, bytes=size,
            growth=None if before is None else handles - before.get((pool, by, to), (0, 0))[0],
        )
        for (pool, by, to), (handles, size) in now.items()
    ]  # fmt: skip
    return sorted(found, key=lambda row: (row.released_by is not None, -row.handles, row.acquired_by))


def _pairs(dump: Dump) -> dict[Pair, tuple[int, int]]:
    """Handles and bytes, over all places that acquired."""
    if dump.pools is None:
        return {}
    cross = dump.pools.cross
    keys = np.stack([cross.pool, cross.acquired_by, cross.released_by], axis=1)
    pairs, row = np.unique(keys, axis=0, return_inverse=True)
    handles, sizes = np.zeros(len(pairs), np.uint64), np.zeros(len(pairs), np.uint64)
    np.add.at(handles, row.reshape(-1), cross.handles)
    np.add.at(sizes, row.reshape(-1), cross.bytes)
    return {
        (int(pair[0]), int(pair[1]), int(pair[2])): (int(count), int(size))
        for pair, count, size in zip(pairs, handles, sizes, strict=True)
    }


def _known(value: float) -> int | None:
    return None if value != value else int(value)
