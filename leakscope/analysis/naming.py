"""
What a programmer calls the objects on a way: modules, classes and functions by their names, others by their type.

It knows which objects have a name of their own and which are mere containers on the way to something; it refuses to
know ways.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.edge_labels import labelled_edges
from leakscope.model.heap import MODULE, NAMESPACE

if TYPE_CHECKING:
    from leakscope.model.columns import I8, Column
    from leakscope.model.heap import HeapGraph

_CONTAINERS = frozenset({"list", "tuple", "dict", "set", "frozenset", "cell", "collections.deque"})
"""Types that say no more than the label of the edge out of them does."""
_NAMED_FUNCTIONS = {
    "type": "class", "function": "function", "generator": "generator", "coroutine": "coroutine",
    "async_generator": "async generator",
}  # fmt: skip
_MRO = "__mro__"
"""Only classes have an attribute of this name."""
_NAMES = ("__qualname__", "__name__")


class Naming:
    """
    The names of objects of one graph.

    Parameters
    ----------
    heap : HeapGraph
    """

    def __init__(self, heap: HeapGraph) -> None:
        self.heap = heap

    @cached_property
    def type_group(self) -> I8:
        """For each row of the type table the first row of that name: classes that are made again and again are one."""
        types = self.heap.types
        key = types.module.astype(np.int64) << 32 | types.name
        _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
        group: I8 = first[inverse.reshape(-1)].astype(np.int64)
        return group

    @cached_property
    def is_container(self) -> Column:
        """For each shape whether its objects are containers of which only what they hold is worth a word."""
        types, shapes = self.heap.types, self.heap.shapes
        plain = np.array([types.full_name(row) in _CONTAINERS for row in range(len(types))], dtype=bool)
        found: Column = plain[shapes.type] if len(types) else np.zeros(len(shapes), dtype=bool)
        found |= shapes.kind == NAMESPACE
        return found

    @cached_property
    def modules(self) -> dict[int, str]:
        """Module objects, and their names."""
        roots = self.heap.roots
        of_modules = np.flatnonzero(roots.kind == MODULE)[::-1]
        return {int(roots.object[row]): self.heap.strings[int(roots.name[row])] for row in of_modules}

    @cached_property
    def types(self) -> dict[int, int]:
        """Type objects, and their rows in the type table."""
        return {int(number): row for row, number in enumerate(self.heap.types.object) if number < self.heap.count}

    @cached_property
    def module_namespaces(self) -> dict[int, int]:
        """Namespaces of modules, and the modules they are of."""
        edges = labelled_edges(self.heap, np.array(sorted(self.modules), dtype=np.int64))
        rows = zip(edges.holder.tolist(), edges.target.tolist(), edges.label.tolist(), strict=True)
        return {
            target: holder for holder, target, label in rows if label >= 0 and self.heap.strings[label] == "__dict__"
        }

    @cached_property
    def _function_types(self) -> dict[int, str]:
        """Types whose objects have a name of their own, and what to call these: also classes without instances."""
        types, shapes = self.heap.types, self.heap.shapes
        found = {int(self.heap.type[number]): "class" for number in self.types}
        mros = np.flatnonzero([self.heap.strings[int(name)] == _MRO for name in shapes.name])
        found |= {int(row): "class" for row in shapes.type[np.searchsorted(shapes.name_offset, mros, side="right") - 1]}
        for row in range(len(types)):
            name = types.full_name(row)
            if name in _NAMED_FUNCTIONS:
                found[row] = _NAMED_FUNCTIONS[name]
        return found

    @cached_property
    def is_function(self) -> Column:
        """For each shape whether its objects are functions, generators, classes and their like."""
        return np.isin(self.heap.shapes.type, list(self._function_types))

    def function_identity(self, objects: Column) -> I8:
        """
        The object that is the name of each function: closures of one piece of code share it.

        Parameters
        ----------
        objects : ndarray of int, ascending
        """
        found = np.zeros(len(objects), dtype=np.int64)
        edges = labelled_edges(self.heap, objects)
        for string, text in self._name_strings.items():
            if text == _NAMES[0]:
                (named,) = np.nonzero(edges.label == string)
                found[np.searchsorted(objects, edges.holder[named])] = edges.target[named] + 1
        return found

    @cached_property
    def _name_strings(self) -> dict[int, str]:
        """String ids of the attributes that hold an object's own name."""
        found = {}
        for string in np.unique(self.heap.shapes.name).tolist():
            text = self.heap.strings[string]
            if text in _NAMES:
                found[string] = text
        return found

    def type_name(self, number: int) -> str:
        """The name of the type of an object, without its module."""
        return self.heap.strings[int(self.heap.types.name[self.heap.type[number]])]

    def name(self, number: int) -> str:
        """
        What an object is called: ``module app.cache``, ``class Session``, ``function serve``, else its type.

        Parameters
        ----------
        number : int
        """
        if number in self.modules:
            return f"module {self.modules[number]}"
        if number in self.types:
            row = self.types[number]
            return f"class {self.heap.strings[int(self.heap.types.name[row])]}"
        word = self._function_types.get(int(self.heap.type[number]))
        if word is None:
            return self.type_name(number)
        own = self._own_name(number)
        return f"{word} {own}" if own else word

    def is_named(self, number: int) -> bool:
        """Whether an object has a name of its own, not only a type."""
        return number in self.modules or number in self.types or int(self.heap.type[number]) in self._function_types

    def _own_name(self, number: int) -> str:
        """What a function or class is called, if its name is one that some namespace knows."""
        edges = labelled_edges(self.heap, np.array([number]))
        by_name = {
            self._name_strings[label]: target
            for label, target in zip(edges.label.tolist(), edges.target.tolist(), strict=True)
            if label in self._name_strings
        }
        for name in _NAMES:
            text = self.text_of(by_name[name]) if name in by_name else ""
            if text:
                return text
        return ""

    def text_of(self, number: int) -> str:
        """The text of a str object that is a name; else ""."""
        return self._text_in(self.heap.name_object, self.heap.name_text, number)

    def key_text(self, number: int) -> str:
        """A key as a program would write it, if the dump tells it; else ""."""
        name = self.text_of(number)
        return repr(name) if name else self._text_in(self.heap.text_object, self.heap.text_text, number)

    def _text_in(self, objects: Column, texts: Column, number: int) -> str:
        at = int(np.searchsorted(objects, number))
        known = at < len(objects) and int(objects[at]) == number
        return self.heap.strings[int(texts[at])] if known else ""
