"""
One dump with its object graph, and what is derived from that dump alone.

It knows when to derive: on first use, once, and which objects were there in another dump of the run already; it refuses
to judge what came and went, which is for those who have several.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.audit import (
    is_type_object,
    moves_in_every_program,
    unexplained_exports,
    unexplained_references,
)
from leakscope.analysis.garbage import Garbage, find_garbage
from leakscope.analysis.holders import Holders
from leakscope.analysis.matching import match_blocks, match_objects
from leakscope.analysis.naming import Naming
from leakscope.analysis.pinned import Pinned, find_pinned
from leakscope.analysis.unreached import (
    TOO_YOUNG,
    UNKNOWN,
    blocks_at,
    blocks_of_objects,
    too_young_s,
    unreached_blocks,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakscope.model.columns import I8, Column
    from leakscope.model.dump import Dump
    from leakscope.model.heap import HeapGraph

UNKNOWN_STACK = -1
ENOUGH_ROWS, ENOUGH_BIRTHS, _LEVELS = 8, 32, 3
"""
Blocks that are enough to tell who made some objects, and when; how far to look for them in what the objects hold.
"""


MOST_DUMPS = 5
"""More dumps of one run are not looked into: a million objects take some hundred megabytes each."""


def walked_dumps(run: Sequence[Dump]) -> tuple[Walked, ...]:
    """
    The dumps of a run that have a graph: all, or the first, the last and some between.

    Parameters
    ----------
    run : sequence of Dump
        In time order.
    """
    having = [dump for dump in run if dump.load_heap is not None]
    if len(having) > MOST_DUMPS:
        having = [having[round(at)] for at in np.linspace(0, len(having) - 1, MOST_DUMPS)]
    found: tuple[Walked, ...] = ()
    for dump in having:
        found = (*found, Walked(dump, found))
    return found


class Walked:
    """
    One dump with its object graph.

    Parameters
    ----------
    dump : Dump
        With a graph, which is decoded when something is first asked.
    earlier : sequence of Walked
        Dumps of the same run that it is compared with.
    """

    def __init__(self, dump: Dump, earlier: Sequence[Walked] = ()) -> None:
        self.dump = dump
        self.earlier = tuple(earlier)
        self._same_in: dict[Walked, I8] = {}

    @cached_property
    def heap(self) -> HeapGraph:
        """The graph."""
        heap = self.dump.heap
        if heap is None:
            raise ValueError("Walked: the dump has no object graph")
        return heap

    @property
    def taken_s(self) -> float:
        """When the heap was frozen."""
        return self.heap.facts.taken_s

    @cached_property
    def row(self) -> I8:
        """Row of each object's block in the live table; negative if unknown, see `blocks_of_objects`."""
        return blocks_of_objects(self.dump, self.heap)

    @cached_property
    def body_row(self) -> I8:
        """Likewise of each body."""
        return blocks_at(self.dump, self.heap, self.heap.body_address)

    @cached_property
    def doubtful_rows(self) -> Column:
        """Live blocks left out of comparisons: too young to tell whose they are, in this dump or in an earlier one."""
        live = self.dump.allocations
        doubtful: Column = live.born_s >= self.taken_s - too_young_s(self.dump, self.heap)
        for each in self.earlier:
            then = each.dump.allocations
            young = np.flatnonzero(then.born_s >= each.taken_s - too_young_s(each.dump, each.heap))
            if len(young):
                doubtful |= (match_blocks(then, live) >= 0) & (live.born_s >= then.born_s[young].min())
        return doubtful

    @cached_property
    def doubtful(self) -> Column:
        """Objects that are left out of comparisons, likewise."""
        doubtful: Column = self.row == TOO_YOUNG
        doubtful |= np.append(self.doubtful_rows, False)[np.maximum(self.row, UNKNOWN)]
        return doubtful

    @cached_property
    def stack(self) -> I8:
        """Stack that made each object; `UNKNOWN_STACK` if unknown."""
        live = self.dump.allocations
        if len(live) == 0:
            return np.full(self.heap.count, UNKNOWN_STACK, dtype=np.int64)
        return np.where(self.row >= 0, live.stack[np.maximum(self.row, 0)].astype(np.int64), UNKNOWN_STACK)

    @cached_property
    def unexplained(self) -> I8:
        """References to each object that nobody accounts for."""
        return unexplained_references(self.heap)

    @cached_property
    def exports(self) -> I8:
        """Exports of each exporting buffer beyond the views found."""
        return unexplained_exports(self.heap)

    @cached_property
    def unreached(self) -> Column:
        """Whether each live block belongs to no object."""
        return unreached_blocks(self.dump, self.heap)

    @cached_property
    def garbage(self) -> Garbage:
        """What only a collection would free."""
        return find_garbage(self.heap)

    @cached_property
    def apart(self) -> Column:
        """Whether each object is one whose unexplained references say nothing: types, code, ``None``."""
        return is_type_object(self.heap) | moves_in_every_program(self.heap)

    @cached_property
    def pinned(self) -> Pinned:
        """Large buffers that nothing but small views keeps alive."""
        return find_pinned(self.heap, self.dump.buffers.exports if self.dump.buffers is not None else None)

    @cached_property
    def holders(self) -> Holders:
        """Who keeps what alive."""
        return Holders(self.heap, self.unexplained)

    @cached_property
    def naming(self) -> Naming:
        """What objects are called."""
        return Naming(self.heap)

    def same_in(self, old: Walked) -> I8:
        """
        Each object's number in another dump of the run; negative for those that were not there.

        Parameters
        ----------
        old : Walked
        """
        if old not in self._same_in:
            births = (old.dump.allocations.born_s, self.dump.allocations.born_s)
            self._same_in[old] = match_objects(old.heap, self.heap, births, (old.row, self.row))
        return self._same_in[old]

    def rows_of(self, objects: I8, enough: int = ENOUGH_ROWS) -> I8:
        """
        Live blocks of some objects and of their bodies; and, where that is too few to tell who made them, of what they
        alone hold.

        Parameters
        ----------
        objects : ndarray of int64
        enough : int
            So many are.
        """
        members = np.zeros(self.heap.count, dtype=bool)
        members[objects] = True
        rows = self._own_rows(members)
        for _ in range(_LEVELS):
            if len(rows) >= enough:
                break
            idom = self.holders.dominators.idom
            held = idom < self.heap.count
            members[held] |= members[idom[held]]
            rows = self._own_rows(members)
        return rows

    def _own_rows(self, members: Column) -> I8:
        rows = np.concatenate([self.row[members], self.body_row[members[self.heap.body_owner]]])
        return np.unique(rows[rows >= 0])

    def objects_of(self, rows: Column) -> I8:
        """The objects that live blocks are, or are the bodies of."""
        live = self.dump.allocations
        wanted = np.zeros(len(live) + 1, dtype=bool)
        wanted[rows] = True  # the last one, of nobody, stays False
        owners = self.heap.body_owner[wanted[np.maximum(self.body_row, -1)]]
        return np.union1d(np.flatnonzero(wanted[np.maximum(self.row, -1)]), owners).astype(np.int64)

    @cached_property
    def freed_rows(self) -> Column:
        """Whether each live block would go in a collection, with its object."""
        live = self.dump.allocations
        gone = np.zeros(len(live), dtype=bool)
        if not self.garbage.objects:
            return gone
        gone[self._own_rows(self.garbage.freed)] = True
        return gone
