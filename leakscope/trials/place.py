"""
Where to look in one stack of this process: the scalar sister of ``analysis.places``, for a process without NumPy.

It knows whose code a frame runs, and that what a harness asks for is nobody's leak; it refuses to know bytes.  A
harness is whatever calls the work that is repeated: pytest, its plugins, leakscope.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from leakscope.analysis.sources import STARTERS, Origin, origin_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakscope.model.allocations import Frame

OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_TOP_LEVEL = "<module>"


@dataclass(slots=True)
class _Walk:
    """What is known at a frame, coming from the outermost one."""

    app: Frame | None = None
    outer_app: Frame | None = None
    library: Frame | None = None
    stdlib: Frame | None = None
    python: Frame | None = None
    native: Frame | None = None
    top: bool = False
    importing: bool = False
    imported: bool = False
    below_harness: bool = False

    def step(self, frame: Frame, kind: Origin) -> None:
        if kind is Origin.APP:
            self.app, self.library, self.importing = frame, None, False
            self.top = frame.function == _TOP_LEVEL and not self.imported
        elif kind is Origin.DISPATCH:
            self.outer_app = self.app or self.outer_app
            self.app = self.library = None
            self.importing = False
        elif kind is Origin.IMPORT:
            self.importing = self.imported = True
        elif kind is Origin.LIBRARY and not (self.importing and self.app):
            self.library, self.importing = frame, False
        if kind in {Origin.STDLIB, Origin.DISPATCH}:
            self.stdlib = frame
        if kind is Origin.NATIVE:
            self.native = frame
        else:
            self.python = frame

    def place(self) -> Frame | None:
        only_starts = self.top and not self.importing and self.library is not None
        chosen = self.app if self.app and not only_starts else self.library
        known = chosen or self.app or self.outer_app
        # A harness uses the standard library, too: without a frame of somebody else below it, it is its own affair.
        return known or (None if self.below_harness else self.stdlib or self.python or self.native)


def place_of(stack: Sequence[Frame], harness: Sequence[str] = (), *, command: bool = False) -> Frame | None:
    """
    The frame of a stack to look at; None if the harness asked for the memory itself.

    Parameters
    ----------
    stack : sequence of Frame
        Innermost first.
    harness : sequence of str
        Beginnings of the paths of files whose code is the harness'; leakscope's own is always one.
    command : bool
        Whether the program came from ``-c``.
    """
    prefixes = (OURS, *harness)
    walk = _Walk()
    for frame in reversed(stack):
        if frame.kind == "python" and frame.file.startswith(prefixes):
            walk = _Walk(below_harness=True)
        else:
            walk.step(frame, _origin(frame, command=command))
    return walk.place()


def _origin(frame: Frame, *, command: bool) -> Origin:
    kind = origin_of(frame.file, native=frame.kind == "native", command=command)
    starts = frame.function.rpartition(".")[2] in STARTERS
    return Origin.STDLIB if kind is Origin.DISPATCH and not starts else kind
