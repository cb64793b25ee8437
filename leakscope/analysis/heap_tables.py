"""
The tables about objects: what the report says of the last dump that has a graph, and of what it gained.

It knows which tables there are and when one has nothing to say; it refuses to judge, and to draw.  What belongs to a
single dump is context: every program has unexplained references and blocks that belong to no object.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.holder_words import path_to
from leakscope.analysis.makers import Maker
from leakscope.analysis.matching import first_of_name
from leakscope.analysis.retention import Retention
from leakscope.analysis.sites import sums
from leakscope.analysis.waste import find_duplicates, find_sparse
from leakscope.model.heap_report import Collection, Cycles, HeapReport, Held, Unreached, Waste

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakscope.analysis.facts import Facts
    from leakscope.analysis.garbage import Garbage
    from leakscope.analysis.staying import Staying
    from leakscope.analysis.walked import Walked
    from leakscope.model.columns import I8, Column

_LEAST_UNREACHED = 4096
_LEAST_WASTE, _LEAST_WASTE_SHARE = 64 << 10, 0.005
_LEAST_STAYING, _LEAST_STAYING_SHARE = 4096, 0.02
_TOPMOST = 0.5
_SHOWN_PATHS = 6
"""Rows whose holders are looked for: each takes a moment."""


def heap_report(facts: Facts, *, top: int, tables: bool, collected: bool) -> HeapReport | None:
    """
    What the report says of objects; None if no dump of the judged run has a graph.

    Parameters
    ----------
    facts : Facts
    top : int
        Most rows of each table.
    tables : bool
        With the tables, which take more than the summary.
    collected : bool
        The tables as the heap would be after a collection.
    """
    if not facts.walked:
        return None
    last = facts.walked[-1]
    garbage, heap = last.garbage, last.heap
    gone = garbage.freed if collected else np.zeros(heap.count, dtype=bool)
    summary = HeapReport(
        source=facts.dumps.index(last.dump),
        compared_with=facts.dumps.index(facts.walked[0].dump) if len(facts.walked) > 1 else None,
        objects=heap.count - int(gone.sum()), bytes=int(heap.total_size[~gone].sum()), edges=len(heap.targets),
        pause_s=heap.facts.pause_s, walk_s=heap.facts.walk_s, collection=_collection(garbage), collected=collected,
    )  # fmt: skip
    return _Tables(facts, last, gone, top).add_to(summary) if tables else summary


def _collection(garbage: Garbage) -> Collection:
    return Collection(
        enabled=garbage.enabled, objects=garbage.objects, bytes=garbage.bytes, frozen_objects=garbage.frozen_objects,
        frozen_bytes=garbage.frozen_bytes, frozen_garbage_bytes=garbage.frozen_garbage_bytes,
        uncollectable=garbage.uncollectable,
    )  # fmt: skip


class _Tables:
    """The tables of one dump."""

    def __init__(self, facts: Facts, last: Walked, gone: Column, top: int) -> None:
        self.facts, self.last, self.gone, self.top = facts, last, gone, top

    def add_to(self, summary: HeapReport) -> HeapReport:
        retention = Retention(self.facts, self.last, self.gone)
        apart = self.last.apart
        return replace(
            summary,
            by_type=retention.by_type(self.top), by_module=retention.by_module(self.top),
            by_stack=retention.by_stack(self.top), dominators=retention.tree(self.top),
            references=self.references(~apart), exports=self.exports(),
            apart_references=int(self.last.unexplained[apart].sum()),
            unreached=self.unreached(), unreached_bytes=self.unreached_bytes(),
            cycles=() if summary.collected else self.cycles(), waste=self.waste(), staying=self.staying(),
        )  # fmt: skip

    # ------------------------------------------------------------------------------------------- unaccounted

    def references(self, counts: Column) -> tuple[Held, ...]:
        """Of several dumps what gained references, of one what has most."""
        if self.facts.unaccounted.comparable:
            gained = [each for each in self.facts.unaccounted.references if not each.apart][: self.top]
            return tuple(
                self._held(each.type, each.objects, each.rows, references=each.gained, growth=(each.new_objects, None))
                for each in gained
            )
        amounts = np.where(counts, self.last.unexplained, 0)
        return self._by_type(np.arange(self.last.heap.count), amounts)

    def exports(self) -> tuple[Held, ...]:
        """Likewise for exports of buffers."""
        if self.facts.unaccounted.comparable:
            return tuple(
                self._held(each.type, each.objects, each.rows, references=each.gained)
                for each in self.facts.unaccounted.exports[: self.top]
            )
        return self._by_type(self.last.heap.export_object.astype(np.int64), self.last.exports)

    def _by_type(self, objects: I8, amounts: I8) -> tuple[Held, ...]:
        heap = self.last.heap
        having = objects[amounts > 0]
        if len(having) == 0:
            return ()
        rows = first_of_name(heap.types)[heap.type[having]]
        amount = sums(rows, amounts[amounts > 0], len(heap.types))
        found = []
        for row in np.argsort(-amount, kind="stable")[: self.top].tolist():
            members = having[rows == row]
            if len(members):
                blocks = self.last.row[members]
                name = heap.types.full_name(row)
                found.append(self._held(name, members, blocks[blocks >= 0], references=int(amount[row]), path=False))
        return tuple(found)

    def _held(
        self, type_name: str, objects: I8, rows: I8, *, references: int = 0, path: bool = True,
        growth: tuple[int | None, int | None] = (None, None), stayed: float | None = None,
    ) -> Held:  # fmt: skip
        maker = Maker(self.facts, self.last.dump, rows)
        return Held(
            type=type_name, label=maker.function, where=maker.line, objects=len(objects),
            bytes=int(self.last.heap.total_size[objects].sum()), growth_objects=growth[0], growth_bytes=growth[1],
            references=references, stayed=stayed,
            holder=path_to(self.last, objects, self.facts.roots) if path else "",
            threads=tuple(maker.by_thread), stack=maker.frames,
        )  # fmt: skip

    # --------------------------------------------------------------------------------------------- unreached

    def unreached(self) -> tuple[Unreached, ...]:
        """Of several dumps which blocks without an object became more, of one where most were asked for."""
        if self.facts.unaccounted.comparable:
            large = (each for each in self.facts.unaccounted.blocks if each.gained_bytes >= _LEAST_UNREACHED)
            gained = [each for each in large if self._is_new(each.rows)]
            return tuple(
                self._unreached(
                    each.domain, each.rows, (each.bytes[-1], each.blocks[-1]),
                    (round(each.gained_bytes), round(each.gained_blocks)),
                )
                for each in gained[: self.top]
            )  # fmt: skip
        live, rows = self.last.dump.allocations, np.flatnonzero(self.last.unreached)
        if len(rows) == 0:
            return ()
        key = live.domain[rows].astype(np.int64) << 32 | self.facts.sites.by_stack[live.stack[rows]]
        keys, group = np.unique(key, return_inverse=True)
        held = sums(group.reshape(-1), live.weight[rows], len(keys))
        found = []
        for each in np.argsort(-held, kind="stable")[: self.top].tolist():
            members = rows[group.reshape(-1) == each]
            if held[each] >= _LEAST_UNREACHED:
                domain = self.last.dump.meta.domains[int(keys[each]) >> 32]
                found.append(self._unreached(domain, members, (held[each], live.blocks[members].sum()), (None, None)))
        return tuple(found)

    def _is_new(self, rows: I8) -> bool:
        """Whether blocks came after the first dump: what is told since the imports may have been there."""
        born = self.last.dump.allocations.born_s[rows]
        return len(born) == 0 or float(np.median(born)) >= self.facts.walked[0].taken_s

    def _unreached(
        self, domain: str, rows: I8, held: tuple[float, float], growth: tuple[int | None, int | None]
    ) -> Unreached:
        maker = Maker(self.facts, self.last.dump, rows)
        return Unreached(
            domain=domain, label=maker.function, where=maker.line, bytes=round(float(held[0])),
            blocks=round(float(held[1])), growth_bytes=growth[0], growth_blocks=growth[1],
            threads=tuple(maker.by_thread), stack=maker.frames,
        )  # fmt: skip

    def unreached_bytes(self) -> tuple[tuple[str, int], ...]:
        """All of it, by domain."""
        live, domains = self.last.dump.allocations, self.last.dump.meta.domains
        held = sums(live.domain[self.last.unreached], live.weight[self.last.unreached], len(domains))
        return tuple((name, round(float(held[row]))) for row, name in enumerate(domains) if held[row] >= 1)

    # ------------------------------------------------------------------------------ cycles, waste and the new

    def cycles(self) -> tuple[Cycles, ...]:
        """Cycles that wait for a collection, by their types."""
        return tuple(
            Cycles(
                label=" + ".join(group.types) + (f" and {group.more_types} more" if group.more_types else ""),
                where=self._where(group.example), cycles=group.cycles, objects=group.objects, bytes=group.bytes,
                finalizers=group.finalizers, blocked=group.blocked,
            )
            for group in self.last.garbage.cycles[: self.top]
        )  # fmt: skip

    def waste(self) -> tuple[Waste, ...]:
        """Copies and sparse containers that waste a good part."""
        least = max(_LEAST_WASTE, _LEAST_WASTE_SHARE * int(self.last.heap.total_size.sum()))
        copies = [
            Waste("copies", self._content(each.type, each.example), self._where(each.example), each.copies, each.bytes,
                  each.wasted)
            for each in find_duplicates(self.last.heap, self.gone)[: self.top]
            if each.wasted >= least
        ]  # fmt: skip
        sparse = [
            Waste("sparse", each.type, self._where(each.example), each.containers, each.bytes, each.wasted)
            for each in find_sparse(self.last.heap, self.gone)[: self.top]
            if each.wasted >= least
        ]
        return tuple(sorted([*copies, *sparse], key=lambda each: -each.wasted_bytes)[: self.top])

    def staying(self) -> tuple[Held, ...]:
        """Objects that are new and stay, and are no part of others that are; by what they keep alive."""
        groups = self._topmost(self.facts.unaccounted.staying)
        kept = [int(self.last.holders.retained_by(group.objects)[0]) for group in groups]
        least = max(_LEAST_STAYING_SHARE * max(kept, default=0), _LEAST_STAYING)
        found: list[Held] = []
        for at in np.argsort(-np.array(kept), kind="stable")[: self.top].tolist():
            group = groups[at]
            if kept[at] >= least:
                stayed = None if group.stayed != group.stayed else group.stayed
                growth = (group.gained, max(kept[at], group.gained_bytes))
                shown = len(found) < _SHOWN_PATHS
                found.append(
                    self._held(group.type, group.objects, group.rows, growth=growth, stayed=stayed, path=shown)
                )
        return tuple(found)

    def _topmost(self, groups: Sequence[Staying]) -> list[Staying]:
        if not groups:
            return []
        together = np.concatenate([group.objects for group in groups])
        of_group = np.repeat(np.arange(len(groups)), [len(group.objects) for group in groups])
        top = sums(of_group, self.last.holders.topmost(together), len(groups))
        return [group for group, share in zip(groups, top, strict=True) if share >= _TOPMOST * len(group.objects)]

    def _where(self, number: int) -> str:
        row = int(self.last.row[number])
        return Maker(self.facts, self.last.dump, np.array([row])).line if row >= 0 else ""

    def _content(self, type_name: str, number: int) -> str:
        heap = self.last.heap
        at = int(np.searchsorted(heap.text_object, number))
        known = at < len(heap.text_object) and int(heap.text_object[at]) == number
        return f"{type_name} {heap.strings[int(heap.text_text[at])]}" if known else type_name
