"""
Which frame of a stack a reader should look at: its place.

It knows whose code each frame runs; it refuses to know bytes.  The innermost frame is where memory was asked for, but
rarely where the mistake is: a leaked JSON document was made in ``json/decoder.py`` for a line of the program.  So:

* The place is the innermost frame of the program's own code.
* What an event loop or a new thread runs starts afresh there: the line that started the loop is not its culprit.  If
  only libraries run below, the innermost library frame is the place.
* The same holds for the top level of the main script with libraries below: ``uvicorn.run(app)`` is no culprit.
* What an import allocates belongs to the importing line.
* Without any of these: the innermost frame of the standard library, else of native code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from leakscope.analysis.sources import STARTERS, Origin, origin_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from leakscope.model.allocations import FrameTable, StackTable
    from leakscope.model.columns import I8, Column

NOWHERE = -1
"""No such frame."""
_NATIVE_KIND = 1
_TOP_LEVEL = "<module>"


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """
    Where to look, for each of ``m`` stacks; rows of the frame table or `NOWHERE`.

    Attributes
    ----------
    place : ndarray of int64, shape (m,)
        The frame to show; `NOWHERE` only for the root.
    made_in : ndarray of int64, shape (m,)
        The innermost Python frame.
    native : ndarray of int64, shape (m,)
        The innermost native frame, if native code asked for the memory.
    imported : ndarray of int64, shape (m,)
        Where the place is an importing line: the outermost frame of the module it imports.
    importing : ndarray of bool, shape (m,)
        Whether the place is an importing line, whoever asked: the imported module, the importer, or the linker.
    owner : ndarray of int64, shape (m,)
        The innermost frame of the program or a library, whoever started it: whose module it is.
    """

    place: I8
    made_in: I8
    native: I8
    imported: I8
    importing: Column
    owner: I8


def find_places(stacks: StackTable, *, command: bool) -> Places:
    """
    The place of every stack.

    Parameters
    ----------
    stacks : StackTable
        ``m`` nodes.
    command : bool
        Whether the program came from ``-c``.

    Returns
    -------
    Places

    Notes
    -----
    One vectorised step per depth of the trie: O(m) time in all.
    """
    origin = _origins(stacks.frame_table, command)
    top_level = _is_top_level(stacks.frame_table)
    walk = _Walk(len(stacks))
    for nodes in _levels(stacks):
        walk.step(nodes, stacks.parent[nodes].astype(np.int64), stacks.frame[nodes].astype(np.int64), origin, top_level)
    place = walk.place()
    owner = np.where(walk.owner >= 0, walk.owner, place)
    return Places(
        place=place, made_in=walk.python, native=walk.native,
        imported=walk.module, importing=walk.importing, owner=owner,
    )  # fmt: skip


class _Walk:
    """What is known at each node, from the outermost frame inwards."""

    def __init__(self, nodes: int) -> None:
        def unset() -> I8:
            return np.full(nodes, NOWHERE, dtype=np.int64)

        self.app, self.outer_app, self.library, self.stdlib = unset(), unset(), unset(), unset()
        self.python, self.native, self.module, self.owner = unset(), unset(), unset(), unset()
        self.top = np.zeros(nodes, dtype=bool)  # the app frame is the main script's top level
        self.importing = np.zeros(nodes, dtype=bool)  # an import runs below the app frame
        self.imported = np.zeros(nodes, dtype=bool)  # an import runs anywhere above

    def step(self, nodes: I8, parents: I8, frames: I8, origin: Column, top_level: Column) -> None:
        for column in (
            self.app, self.outer_app, self.library, self.stdlib, self.python, self.native, self.module,
            self.owner, self.top, self.importing, self.imported,
        ):  # fmt: skip
            column[nodes] = column[parents]
        kind = origin[frames]
        self._enter_app(nodes[kind == Origin.APP], frames[kind == Origin.APP], top_level)
        dispatch = nodes[kind == Origin.DISPATCH]
        self.outer_app[dispatch] = np.where(self.app[dispatch] >= 0, self.app[dispatch], self.outer_app[dispatch])
        self.app[dispatch] = self.library[dispatch] = self.module[dispatch] = NOWHERE
        self.importing[dispatch] = False
        imports = nodes[kind == Origin.IMPORT]
        self.importing[imports] = self.imported[imports] = True
        owner = kind >= Origin.LIBRARY
        self.owner[nodes[owner]] = frames[owner]
        library = (kind == Origin.LIBRARY) & ~(self.importing[nodes] & (self.app[nodes] >= 0))
        self._enter_library(nodes[library], frames[library])
        importer = (self.app[nodes] >= 0) | (self.library[nodes] >= 0)
        first = (kind > Origin.IMPORT) & self.importing[nodes] & importer & (self.module[nodes] < 0)
        self.module[nodes[first]] = frames[first]
        stdlib = (kind == Origin.STDLIB) | (kind == Origin.DISPATCH)
        self.stdlib[nodes[stdlib]] = frames[stdlib]
        native = kind == Origin.NATIVE
        self.native[nodes[native]] = frames[native]
        self.python[nodes[~native]] = frames[~native]

    def _enter_app(self, nodes: I8, frames: I8, top_level: Column) -> None:
        self.app[nodes] = frames
        self.top[nodes] = top_level[frames] & ~self.imported[nodes]
        self.library[nodes] = self.module[nodes] = NOWHERE
        self.importing[nodes] = False

    def _enter_library(self, nodes: I8, frames: I8) -> None:
        self.library[nodes] = frames
        self.module[nodes] = NOWHERE
        self.importing[nodes] = False

    def place(self) -> I8:
        only_starts = self.top & ~self.importing & (self.library >= 0)
        chosen = np.where((self.app >= 0) & ~only_starts, self.app, self.library)
        for fallback in (self.app, self.outer_app, self.stdlib, self.python, self.native):
            chosen = np.where(chosen >= 0, chosen, fallback)
        return chosen.astype(np.int64)


def _levels(stacks: StackTable) -> list[I8]:
    """Nodes by depth, outermost frames first, the root left out."""
    depth = np.zeros(len(stacks), dtype=np.int64)
    nodes = np.arange(1, len(stacks), dtype=np.int64)
    above = nodes
    while len(nodes):
        depth[nodes] += 1
        above = stacks.parent[above].astype(np.int64)
        nodes, above = nodes[above != 0], above[above != 0]
    order = np.argsort(depth, kind="stable")
    cuts = np.flatnonzero(np.diff(depth[order])) + 1
    return [level.astype(np.int64) for level in np.split(order, cuts)[1:]]


def _origins(frames: FrameTable, command: bool) -> Column:
    by_file = _by_string(
        frames.file, frames, lambda file: int(origin_of(file, native=False, command=command)), np.dtype(np.int8)
    )
    starts = _by_string(frames.function, frames, lambda name: name.rpartition(".")[2] in STARTERS, np.dtype(np.bool_))
    by_file[(by_file == Origin.DISPATCH) & ~starts] = Origin.STDLIB
    by_file[frames.kind == _NATIVE_KIND] = Origin.NATIVE
    return by_file


def _is_top_level(frames: FrameTable) -> Column:
    return _by_string(frames.function, frames, lambda name: name == _TOP_LEVEL, np.dtype(np.bool_))


def _by_string(ids: Column, frames: FrameTable, answer: Callable[[str], int], dtype: np.dtype[Any]) -> Column:
    """An answer per row, asked once per distinct string."""
    distinct, row = np.unique(ids, return_inverse=True)
    answers: Column = np.array([answer(frames.strings[int(string)]) for string in distinct], dtype=dtype)
    return answers[row.reshape(-1)]
