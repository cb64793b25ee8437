"""
Where some blocks were made, and by which threads: what findings and rows of tables tell of them.

It knows the stack that made most of them and its place; it refuses to make sentences of that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakscope.analysis.sites import NO_PYTHON, blocks_by_thread
from leakscope.analysis.sources import plain_function, relative_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakscope.analysis.facts import Facts
    from leakscope.model.allocations import Frame
    from leakscope.model.columns import Column
    from leakscope.model.dump import Dump


class Maker:
    """
    Where some blocks were made.

    Parameters
    ----------
    facts : Facts
    dump : Dump
        The dump of the rows, of the judged run.
    rows : ndarray of int
        Live blocks of it; none if nobody knows where the objects were made.
    sites : sequence of int
        Where to look if there are no rows.
    stack : int, optional
        The stack, if something else than the rows tells it.

    Attributes
    ----------
    known : bool
        Whether there are rows or sites.
    stack : int
        That made most of them.
    frames : tuple of Frame
        Its frames, innermost first.
    place, made_in, native : Frame or None
        As in `Places`.
    by_thread : dict of str to float
        Blocks by the thread that made them, most first.
    """

    def __init__(
        self, facts: Facts, dump: Dump, rows: Column, sites: Sequence[int] = (), stack: int | None = None
    ) -> None:
        self.facts, self.dump, self.rows = facts, dump, rows
        self.known = len(rows) > 0 or len(sites) > 0 or stack is not None
        self.stack = stack or 0
        if stack is None and self.known:
            self.stack = facts.heaviest_stack(dump.allocations, rows, sites)
        self.frames = tuple(facts.last.stacks.frames(self.stack))
        places = facts.places
        self.place, self.native = self._frame(places.place), self._frame(places.native)
        self.made_in = self._frame(places.made_in)
        self.by_thread = blocks_by_thread(dump.allocations, dump.threads, rows)

    def _frame(self, of_stack: Column) -> Frame | None:
        return self.facts.frame(int(of_stack[self.stack])) if self.known else None

    @property
    def function(self) -> str:
        """The function of the place; "" if nobody knows."""
        if self.place is None:
            return NO_PYTHON if self.known else ""
        return plain_function(self.place.function)

    @property
    def line(self) -> str:
        """The place as ``app/cache.py:41``; "" if there is none."""
        return self.line_of(self.place) if self.place else ""

    def line_of(self, frame: Frame) -> str:
        """A frame as ``app/cache.py:41``."""
        path = relative_path(frame.file, self.facts.roots)
        return f"{path}:{frame.line}" if frame.line else path
