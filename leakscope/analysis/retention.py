"""
Who retains most: by type, by module, by the line that made the objects, and as the tree of who keeps whom alive.

It knows the dominator tree of one dump; it refuses to judge.  What a group retains is what would go with all of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.matching import first_of_name
from leakscope.analysis.places import NOWHERE
from leakscope.analysis.sites import NO_PYTHON, named_groups
from leakscope.analysis.sources import module_name, plain_function, relative_path
from leakscope.model.heap_report import Dominator, Retained

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from leakscope.analysis.facts import Facts
    from leakscope.analysis.walked import Walked
    from leakscope.model.columns import I8, Column

_BIG = 0.02
"""Part of all bytes from which on an object or a group of objects alike is shown in the tree."""
_OF_PARENT = 0.1
_MOST_CHILDREN, _MOST_DEPTH = 3, 6
_AT = "\0"


class Retention:
    """
    Who retains most in one dump.

    Parameters
    ----------
    facts : Facts
    walked : Walked
    left_out : ndarray of bool, shape (n,)
        Objects that do not count.
    """

    def __init__(self, facts: Facts, walked: Walked, left_out: Column) -> None:
        self.facts, self.walked, self.heap = facts, walked, walked.heap
        self.holders, self.naming = walked.holders, walked.naming
        self.left_out = left_out
        self.objects = np.flatnonzero(~left_out)
        self.total = max(int(self.heap.total_size[self.objects].sum()), 1)

    def by_type(self, most: int) -> tuple[Retained, ...]:
        """Types by what their objects retain."""
        group = first_of_name(self.heap.types)[self.heap.type[self.objects]]
        return self._rows(self.objects, group, lambda row: (self.heap.types.full_name(row), ""), most)

    def by_module(self, most: int) -> tuple[Retained, ...]:
        """Modules by what the objects retain that their code made; empty where most of that was not recorded."""
        objects = self._known()
        owner = self.facts.places.owner[self.walked.stack[objects]]
        group, names = named_groups(owner, self._module)
        return self._rows(objects, group, lambda row: (names[row], ""), most)

    def by_stack(self, most: int) -> tuple[Retained, ...]:
        """Lines by what the objects retain that they made; empty where most of that was not recorded."""
        objects = self._known()
        place = self.facts.places.place[self.walked.stack[objects]]
        group, names = named_groups(place, self._line)

        def words(row: int) -> tuple[str, str]:
            label, _, where = names[row].partition(_AT)
            return label, where

        return self._rows(objects, group, words, most)

    def _known(self) -> I8:
        """Objects of which it is known who made them; none in a sampled run, which knows of few."""
        if self.walked.dump.meta.sampled:
            return np.empty(0, dtype=np.int64)
        return self.objects[self.walked.stack[self.objects] >= 0]

    def _module(self, frame: int) -> str:
        return NO_PYTHON if frame == NOWHERE else module_name(self._file(frame), self.facts.roots)

    def _line(self, frame: int) -> str:
        if frame == NOWHERE:
            return NO_PYTHON
        table = self.facts.last.stacks.frame_table
        path, line = relative_path(self._file(frame), self.facts.roots), int(table.line[frame])
        return f"{plain_function(table.strings[int(table.function[frame])])}{_AT}{path}{f':{line}' if line else ''}"

    def _file(self, frame: int) -> str:
        table = self.facts.last.stacks.frame_table
        return table.strings[int(table.file[frame])]

    def _rows(
        self, objects: Column, group: Column, words: Callable[[int], tuple[str, str]], most: int
    ) -> tuple[Retained, ...]:
        if len(objects) == 0:
            return ()
        groups = int(group.max()) + 1
        retained = self.holders.retained_by(objects, group, groups)
        counts = np.bincount(group, minlength=groups)
        own = np.bincount(group, weights=self.heap.total_size[objects], minlength=groups)
        return tuple(
            Retained(
                *words(row), objects=int(counts[row]), bytes=int(own[row]), retained_bytes=int(retained[row]),
                share=int(retained[row]) / self.total,
            )
            for row in np.argsort(-retained, kind="stable")[:most].tolist()
            if counts[row] and retained[row] > 0
        )  # fmt: skip

    def tree(self, most: int) -> tuple[Dominator, ...]:
        """The biggest dominators, and below each what it mainly holds."""
        found: list[Dominator] = []
        tops = self.holders.held_directly(self.heap.count)
        for row in self._alike(tops[~self.left_out[tops]], _BIG * self.total)[:most]:
            self._descend(row, 0, found)
        return tuple(found)

    def _descend(self, alike: I8, depth: int, found: list[Dominator]) -> None:
        retained = int(self.holders.retained[alike].sum())
        found.append(
            Dominator(
                depth=depth, label=self._label(alike), objects=len(alike),
                bytes=int(self.heap.total_size[alike].sum()), retained_bytes=retained, share=retained / self.total,
                address=int(self.heap.address[alike[0]]),
            )
        )  # fmt: skip
        if len(alike) > 1 or depth >= _MOST_DEPTH:
            return
        below = self.holders.held_directly(int(alike[0]))
        for row in self._alike(below, max(_BIG * self.total, _OF_PARENT * retained))[:_MOST_CHILDREN]:
            self._descend(row, depth + 1, found)

    def _label(self, alike: I8) -> str:
        if len(alike) > 1:
            return self.heap.types.full_name(int(self.heap.type[alike[0]]))
        return self.naming.name(int(alike[0]))

    def _alike(self, objects: Column, least: float) -> Sequence[I8]:
        """Big objects by themselves and the others by type, what retains less than that left out, biggest first."""
        retained = self.holders.retained[objects].astype(np.int64)
        big = retained >= least
        pieces = [np.array([number]) for number in objects[big].tolist()]
        rest = objects[~big]
        rows = first_of_name(self.heap.types)[self.heap.type[rest]] if len(rest) else np.empty(0, dtype=np.int64)
        sums = np.bincount(rows, weights=retained[~big]) if len(rest) else np.empty(0)
        pieces += [rest[rows == row].astype(np.int64) for row in np.flatnonzero(sums >= least).tolist()]
        return sorted(pieces, key=lambda piece: -int(self.holders.retained[piece].sum()))
