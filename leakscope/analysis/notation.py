"""
A way from a root in the notation people read: ``module app.cache . _entries [dict value] -> Session . buffers``.

It knows how a programmer would write a step; it refuses to choose ways.  Namespaces are not shown, only the names in
them; containers are told by what is in brackets; a class or function reached by its own name is not named twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis import edge_labels as labels
from leakscope.analysis.root_rows import root_row_of
from leakscope.analysis.sources import relative_path
from leakscope.analysis.stages import CYCLES, UNACCOUNTED
from leakscope.model.heap import FRAME, INTERPRETER, LOCAL, MODULE, NAMESPACE, NONE, STACK, STATIC_TYPE, THREAD
from leakscope.model.holding import PathStep

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from leakscope.analysis.holders import Holders
    from leakscope.analysis.naming import Naming
    from leakscope.analysis.path_groups import Way
    from leakscope.model.columns import Column

_WORDS = {labels.ITEM: "item", labels.KEY: "key", labels.VALUE: "value", labels.MEMBER: "member"}
_DICT = "__dict__"
_CLOSURE = " . __closure__ [tuple item] . cell_contents"
_NAMELESS = {"traceback": " . __traceback__"}
"""What compiled types call references to objects of a type, where they do not tell."""
_SHOWN_THREADS = 3


class Notation:
    """
    How to write the ways of one graph.

    Parameters
    ----------
    holders : Holders
    naming : Naming
    thread_names : mapping of int to str
        The system's number of a thread to its name.
    folders : sequence of str
        Folders that files are named relative to, see `sources.program_roots`.
    """

    def __init__(
        self, holders: Holders, naming: Naming, thread_names: Mapping[int, str], folders: Sequence[str]
    ) -> None:
        self.holders = holders
        self.naming = naming
        self.heap = holders.heap
        self.thread_names = thread_names
        self.folders = folders

    def root(self, number: int, others: Column | None = None) -> str:
        """
        What keeps an object at the beginning of a way.

        Parameters
        ----------
        number : int
        others : ndarray of int, optional
            The objects at the beginnings of all ways alike, to name all their threads.
        """
        heap, stage = self.heap, int(self.holders.distances.stage[number])
        row = int(root_row_of(heap, np.array([number]))[0])
        if row < 0 or stage == UNACCOUNTED:
            return "a cycle, and nothing else" if stage == CYCLES else "a reference that nobody accounts for (C code)"
        if number in self.naming.module_namespaces:
            return self.naming.name(self.naming.module_namespaces[number])
        kind, name = int(heap.roots.kind[row]), heap.strings[int(heap.roots.name[row])]
        if kind in (LOCAL, FRAME) and int(heap.roots.frame[row]) != NONE:
            return self._frame(int(heap.roots.frame[row]), kind, name, others)
        if kind == THREAD and int(heap.roots.frame[row]) != NONE:
            return f"{self._threads(np.array([heap.roots.frame[row]]))}, {name}"
        if kind == STATIC_TYPE:
            return self.naming.name(number)
        word = {MODULE: "module", INTERPRETER: "interpreter,", THREAD: "a thread's"}.get(kind, "")
        return f"{word} {name}".strip()

    def _frame(self, frame: int, kind: int, name: str, others: Column | None) -> str:
        frames, strings = self.heap.frames, self.heap.strings
        place = f"{relative_path(strings[int(frames.file[frame])], self.folders)}:{int(frames.line[frame])}"
        function = strings[int(frames.function[frame])]
        of_all = np.array([frame])
        if others is not None:
            rows = root_row_of(self.heap, others)
            of_all = np.unique(self.heap.roots.frame[rows[rows >= 0]])
            of_all = of_all[of_all != NONE]
        what = f"local {name}" if kind == LOCAL else {"stack": "evaluation stack"}.get(name, name)
        return f"{self._threads(of_all)}, {function}() {place}, {what}"

    def _threads(self, frames: Column) -> str:
        names = sorted({self.thread_of(int(frame)) for frame in frames})
        if len(names) == 1:
            return f"thread {names[0]}"
        shown = ", ".join(names[:_SHOWN_THREADS]) + (", ..." if len(names) > _SHOWN_THREADS else "")
        return f"{len(names)} threads ({shown})"

    def thread_of(self, frame: int) -> str:
        """The name of the thread of a frame, or its number; "?" where the interpreter tells neither."""
        frames = self.heap.frames
        own, number = self.heap.strings[int(frames.thread_name[frame])], int(frames.native_id[frame])
        return own or self.thread_names.get(number, "") or self._only_thread() or str(number or "?")

    def _only_thread(self) -> str:
        names = list(self.thread_names.values())
        return names[0] if len(names) == 1 else ""

    def steps(self, way: Way, *, exact: bool = False) -> tuple[PathStep, ...]:
        """
        What is between the root and the last object of a way, which is the last step; nothing if the words for the root
        name it.

        Parameters
        ----------
        way : Way
        exact : bool
            With indexes, and with keys as far as the dump tells them: for a way that stands for itself alone.
        """
        found: list[PathStep] = []
        text, last = "", len(way.objects) - 1
        for at, number in enumerate(way.objects):
            if at:
                text += (self._place(way, at) if exact else "") or self._label(way, at)
            if self._is_root_itself(way, at) or (at < last and self._is_passed(number)):
                continue
            if at < last and self.naming.is_named(number) and text.endswith(f" . {self._own_name(number)}"):
                continue
            step = PathStep(text.replace(_CLOSURE, " [closure]"), self.naming.name(number))
            text = ""
            if found and found[-1].same_as(step) and at < last:
                continue
            found.append(step)
        return tuple(found)

    def _own_name(self, number: int) -> str:
        return self.naming.name(number).rpartition(" ")[2].rpartition(".")[2]

    def _is_passed(self, number: int) -> bool:
        return bool(self.naming.is_container[self.heap.shape[number]])

    def _is_root_itself(self, way: Way, at: int) -> bool:
        """Whether the words for the root have named the object already."""
        return at == 0 and (way.objects[0] in self.naming.modules or way.objects[0] in self.naming.types)

    def _place(self, way: Way, at: int) -> str:
        """The index or key by which an object is held, if it is held by one that can be told; else ""."""
        holder, held, label, heap = way.objects[at - 1], way.objects[at], way.labels[at - 1], self.heap
        if label not in (labels.ITEM, labels.VALUE) or not self._is_passed(holder):
            return ""
        stored = [to for _, to in heap.stored_edges(holder)]
        named = len(heap.shapes.names(int(heap.shape[holder])))
        if label == labels.ITEM:
            return f" [{stored.index(held, named) - named}]" if held in stored[named:] else ""
        keys = [key for key, value in zip(stored[named::2], stored[named + 1 :: 2], strict=False) if value == held]
        text = self.naming.key_text(keys[0]) if keys else ""
        return f" [{text}]" if text else ""

    def _label(self, way: Way, at: int) -> str:
        holder, label, heap = way.objects[at - 1], way.labels[at - 1], self.heap
        if label >= 0:
            name = heap.strings[label]
            last = at == len(way.objects) - 1
            if name == _DICT and not last and int(heap.shapes.kind[heap.shape[way.objects[at]]]) == NAMESPACE:
                return ""
            in_frame = int(heap.shapes.kind[heap.shape[holder]]) == STACK and not name.startswith("__")
            return f", local {name}" if in_frame else f" . {name}"
        if label in _WORDS:
            word = _WORDS[label]
            return f" [{self.naming.type_name(holder)} {word}]" if self._is_passed(holder) else f" [{word}]"
        if label == labels.REFERENCE:
            return _NAMELESS.get(self.naming.type_name(way.objects[at]), "")
        return {labels.TEMPORARY: " [evaluation stack]", labels.TYPE: " . __class__"}[label]
