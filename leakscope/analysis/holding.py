"""
The answer to who holds something: its size, its paths from the roots, and who made it.

It knows how the parts are put together; it refuses to compute any of them, and to print them.
"""

from __future__ import annotations

from collections import Counter
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.edge_labels import labels_of_ways
from leakscope.analysis.notation import Notation
from leakscope.analysis.owners import further_ways
from leakscope.analysis.path_groups import Way, group_paths
from leakscope.analysis.sources import program_roots, relative_path
from leakscope.analysis.stages import GLOBAL, THREADS
from leakscope.analysis.subjects import find_subject
from leakscope.analysis.walked import Walked
from leakscope.errors import NotEnoughData
from leakscope.model.holding import HeldPath, Holding, MadeAt, path_text

if TYPE_CHECKING:
    from leakscope.analysis.path_groups import PathGroup
    from leakscope.analysis.subjects import FoundSubject
    from leakscope.model.allocations import Frame
    from leakscope.model.columns import I8, Column
    from leakscope.model.dump import Dump

_FURTHER_OWNERS = 2
_STACKS = 5
_TYPES = 8
_POINT_SHARE = 0.5
_IMPORTING = "<frozen importlib"
_REMEDY = "take one with 'leakscope run', without --no-heap"


def find_holding(dump: Dump, subject: str, limit: int) -> Holding:
    """
    Who holds the objects that a text means.

    Parameters
    ----------
    dump : Dump
    subject : str
        See `subjects.find_subject`.
    limit : int
        Most paths.

    Raises
    ------
    NotEnoughData
        If the dump has no objects.
    UsageError
        If the text means nothing in it.
    """
    if dump.heap is None:
        raise NotEnoughData(f"{dump.source}: there are no objects in this dump: {dump.meta.heap_problem}", _REMEDY)
    walked = Walked(dump)
    folders = program_roots(dump.meta)
    answer = _Answer(walked, find_subject(walked, subject, folders), folders)
    return answer.holding(limit)


class _Answer:
    """The parts of one answer."""

    def __init__(self, walked: Walked, found: FoundSubject, folders: tuple[str, ...]) -> None:
        self.walked = walked
        self.found = found
        self.heap = walked.heap
        self.holders, self.naming = walked.holders, walked.naming
        threads = walked.dump.threads
        alive = [row for row in range(len(threads)) if threads.is_alive(row)]
        names = {int(threads.native_id[row]): threads.name_of(row) for row in alive}
        self.notation = Notation(self.holders, self.naming, names, folders)

    def holding(self, limit: int) -> Holding:
        objects = self.found.objects
        groups = group_paths(self.holders, self.naming, objects)
        made, unknown = self._made(objects)
        total = self.heap.total_size
        return Holding(
            source=self.walked.dump.source,
            subject=self.found.words,
            types=self._types(objects),
            count=len(objects),
            bytes=int(total[objects].sum()),
            retained_bytes=int(self.holders.retained_by(objects)[0]),
            dump_bytes=int(total.sum()),
            paths=tuple(self._path(group) for group in groups[:limit]),
            more_paths=max(len(groups) - limit, 0),
            more_count=sum(len(group.members) for group in groups[limit:]),
            point=self._point(objects),
            made=made,
            unknown_made=unknown,
            sampled=self.walked.dump.meta.sampled,
        )

    def _path(self, group: PathGroup) -> HeldPath:
        root = group.way.objects[0]
        return HeldPath(
            root=self.notation.root(root, group.roots),
            steps=self.notation.steps(group.way, exact=len(group.members) == 1),
            count=len(group.members),
            bytes=int(self.heap.total_size[group.members].sum()),
            retained_bytes=group.retained_bytes,
            address=int(self.heap.address[group.way.objects[-1]]),
            others=self._others(group),
        )

    def _others(self, group: PathGroup) -> tuple[str, ...]:
        """Further owners; only what the program itself holds by is worth a line."""
        if int(self.holders.distances.stage[group.way.objects[-1]]) not in (GLOBAL, THREADS):
            return ()
        texts = []
        for way in further_ways(self.holders, self.naming, group.way, _FURTHER_OWNERS):
            text = path_text(self.notation.root(way.objects[0]), self.notation.steps(way))
            texts.append(text)
        return tuple(dict.fromkeys(texts))

    def _types(self, objects: I8) -> tuple[tuple[str, int], ...]:
        group = self.naming.type_group[self.heap.type[objects]]
        rows, counts = np.unique(group, return_counts=True)
        order = np.lexsort((rows, -counts))[:_TYPES]
        return tuple((self.heap.types.full_name(int(rows[at])), int(counts[at])) for at in order)

    def _point(self, objects: I8) -> str:
        """Where memory comes together below the object that holds most, if that is much of all they hold."""
        retained = self.holders.retained[objects]
        top = int(objects[np.argmax(retained)])
        total = int(self.holders.retained_by(objects)[0])
        way = self.holders.accumulation(top)
        if len(way) < 2 or int(self.holders.retained[way[-1]]) < _POINT_SHARE * total:
            return ""
        return self._downwards(way)

    def _downwards(self, way: list[int]) -> str:
        """A way down the dominator tree in words, by edges where there are some."""
        held = np.array(way[1:])
        order = np.argsort(held)
        labels = np.empty(len(held), dtype=np.int64)
        labels[order] = labels_of_ways(self.heap, held[order], np.array(way[:-1])[order])
        root = self.naming.name(way[0]) if way[0] in self.naming.modules or way[0] in self.naming.types else ""
        return path_text(root, self.notation.steps(Way(tuple(way), tuple(labels.tolist())))).removeprefix(" -> ")

    def _line(self, frame: Frame) -> str:
        file = relative_path(frame.file, self.notation.folders)
        return f"{frame.function} {file}:{frame.line}" if frame.line else f"{frame.function} {file}".strip()

    def _made(self, objects: Column) -> tuple[tuple[MadeAt, ...], int]:
        rows = self.walked.row[objects]
        known = objects[rows >= 0]
        rows = rows[rows >= 0]
        live, dump = self.walked.dump.allocations, self.walked.dump
        stacks, which = np.unique(live.stack[rows], return_inverse=True)
        counts = np.bincount(which.reshape(-1), minlength=len(stacks))
        found = []
        for at in np.lexsort((stacks, -counts))[:_STACKS].tolist():
            here = which.reshape(-1) == at
            threads = Counter(dump.threads.name_of(int(row)) for row in live.thread[rows[here]])
            stack = tuple(dump.stacks.frames(int(stacks[at])))
            found.append(
                MadeAt(
                    stack=stack,
                    lines=tuple(self._line(frame) for frame in stack if not frame.file.startswith(_IMPORTING)),
                    threads=MappingProxyType(dict(threads.most_common())),
                    count=int(counts[at]),
                    bytes=int(self.heap.total_size[known[here]].sum()),
                )
            )
        return tuple(found), len(objects) - len(known)
