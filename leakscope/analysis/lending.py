"""
What the watched pools of a run did with their chunks: which stay, which for next to nothing, and for whose sake.

It knows the chunks and handles of one dump and how old they are; it refuses to know which pools should do better.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.pool_chunks import PoolChunks, pool_chunks
from leakscope.analysis.slack import LEAST_BYTES, LEAST_SHARE
from leakscope.model.pools import DROPPED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakscope.analysis.walked import Walked
    from leakscope.model.columns import F8, I8
    from leakscope.model.dump import Dump

_OLD = 0.25
"""Part of the run that a chunk must have been there, and a handle out, to be old."""
_NEXT_TO_NOTHING = 0.25
"""Part of a chunk that is lent at most if nobody needs the chunk."""
_ENOUGH_DROPPED = 0.25
"""Part of the empty chunks that dropped handles must come to, to be what keeps them."""
_LEAST_CHUNKS = 2


@dataclass(frozen=True, slots=True, eq=False)
class PoolUse:
    """
    One watched pool.

    Attributes
    ----------
    dump : Dump
        That is looked at.
    walked : Walked or None
        The same with its object graph.
    chunks : PoolChunks
        In that dump.
    size : ndarray of float64, shape (c,)
        Bytes of each chunk.
    pinned : ndarray of int64
        Of the chunks, those that are old and have next to nothing lent, some of it for as long.
    emptied : ndarray of int64
        Those that are old and have nothing lent.
    peak_bytes : float
        Most that ever was lent.
    newest_s : float
        When it took its last chunk.
    """

    dump: Dump
    walked: Walked | None
    chunks: PoolChunks
    size: F8
    pinned: I8
    emptied: I8
    peak_bytes: float
    newest_s: float

    @property
    def held_bytes(self) -> float:
        """Of all chunks."""
        return float(self.size.sum())

    @property
    def kept_by_few(self) -> bool:
        """Whether handles that live long keep so many chunks that it matters."""
        return self._matter(self.pinned)

    @property
    def kept_by_dropped(self) -> bool:
        """Whether handles that were dropped without release do."""
        lost = self.chunks.dropped_bytes >= _ENOUGH_DROPPED * float(self.size[self.emptied].sum())
        return lost and self._matter(self.emptied)

    @property
    def pins(self) -> I8:
        """Rows of the handles in the chunks that few keep."""
        none: I8 = np.empty(0, dtype=np.int64)
        return np.concatenate([none, *(self.chunks.handles[chunk] for chunk in self.pinned.tolist())])

    @property
    def dropped(self) -> I8:
        """Rows of the handles that were dropped without release."""
        assert self.dump.pools is not None
        handles = self.dump.pools.handles
        return np.flatnonzero((handles.pool == self.chunks.pool) & (handles.state == DROPPED)).astype(np.int64)

    def _matter(self, chunks: I8) -> bool:
        least = max(LEAST_BYTES, LEAST_SHARE * self.dump.meta.process.rss_bytes)
        return len(chunks) >= _LEAST_CHUNKS and float(self.size[chunks].sum()) >= least


def find_lending(run: Sequence[Dump], walked: Sequence[Walked], running: Walked | None) -> tuple[PoolUse, ...]:
    """
    The watched pools of a run, as a dump shows them that was taken while the program ran, else the last one.

    Parameters
    ----------
    run : sequence of Dump
        In time order.
    walked : sequence of Walked
        Those with an object graph.
    running : Walked or None
        The last of these taken while the program ran.
    """
    graph = running or (walked[-1] if walked else None)
    dump = graph.dump if graph is not None else run[-1]
    return tuple(_use(run, dump, graph, chunks) for chunks in pool_chunks(dump, graph))


def _use(run: Sequence[Dump], dump: Dump, walked: Walked | None, chunks: PoolChunks) -> PoolUse:
    assert dump.pools is not None
    live, now_s = dump.allocations, dump.meta.elapsed_s
    old_s = now_s - _OLD * now_s
    earlier_s = max((each.meta.elapsed_s for each in run if each.meta.elapsed_s <= old_s), default=-1.0)
    size = live.size[chunks.rows].astype(np.float64)
    old = live.born_s[chunks.rows] <= earlier_s
    idle = old & (chunks.lent_bytes < _NEXT_TO_NOTHING * size)
    born_s = dump.pools.handles.born_s
    long_lived = np.array([bool((born_s[each] <= old_s).any()) for each in chunks.handles], dtype=bool)
    empty = np.array([len(each) == 0 for each in chunks.handles], dtype=bool)
    return PoolUse(
        dump=dump, walked=walked, chunks=chunks, size=size,
        pinned=np.flatnonzero(idle & long_lived).astype(np.int64),
        emptied=np.flatnonzero(idle & empty).astype(np.int64),
        peak_bytes=float(dump.pools.pools.peak_bytes[chunks.pool]),
        newest_s=float(live.born_s[chunks.rows].max(initial=0.0)),
    )  # fmt: skip
