"""
Where the blocks or objects of a finding were made, and by whom: the words and the data that findings share.

It knows rows of one dump and how their place is told; it refuses to know why they are told.
"""

from __future__ import annotations

import re
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.alignment import fingerprint
from leakscope.analysis.longer import longer_run_s
from leakscope.analysis.makers import Maker
from leakscope.analysis.sites import MAIN_THREAD_NAME, NO_PYTHON
from leakscope.analysis.sources import module_name, relative_path
from leakscope.model.finding import Subject, ThreadShares
from leakscope.units import format_count, format_duration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leakscope.analysis.facts import Facts
    from leakscope.analysis.walked import Walked
    from leakscope.model.columns import I8
    from leakscope.model.finding import SubjectKind

UNKNOWN_PLACE = "a line that was not recorded"
_NAMED_THREADS = 3
_MOST_THREAD_TEXT = 40
_DIGITS = re.compile(r"\d+")
_MOSTLY = 0.5
_TENTHS = 10
_TELLING_ROWS = 3
"""Sampled blocks that are enough to speak of all threads, or of all objects."""


class Made(Maker):
    """Where the blocks or objects of a finding were made, in words."""

    @classmethod
    def of_objects(cls, facts: Facts, walked: Walked, objects: I8, enough: int) -> Made:
        """
        Where some objects were made: by their own blocks, where a few of these are known, not by what they hold.

        Parameters
        ----------
        facts : Facts
        walked : Walked
        objects : ndarray of int64
        enough : int
            So many rows tell when and by whom, those of what they hold included, see `Walked.rows_of`.
        """
        rows, own = walked.rows_of(objects, enough), walked.rows_of(objects, _TELLING_ROWS)
        stack = facts.heaviest_stack(walked.dump.allocations, own, ()) if len(own) else None
        return cls(facts, walked.dump, rows, stack=stack)

    @property
    def by_imports(self) -> bool:
        """Whether most of them were made while a module was imported: that happens once."""
        imported = self.facts.places.importing[self.dump.allocations.stack[self.rows]]
        return len(imported) > 0 and float(np.mean(imported)) >= _MOSTLY

    @property
    def where(self) -> str:
        """``app/cache.py:41``, or why there is no such line."""
        return self.line or (NO_PYTHON if self.known else UNKNOWN_PLACE)

    @property
    def name(self) -> str:
        """The function and the line, `handle` in app/cache.py:41, or why there is no such name."""
        return f"`{self.function}` in {self.where}" if self.place else self.where

    @property
    def by_whom(self) -> str:
        """``, allocated by thread worker-1``; "" if nobody knows."""
        names = list(self.by_thread)
        if not names or (self.dump.meta.sampled and len(self.rows) < _TELLING_ROWS):
            return ""
        if names == [MAIN_THREAD_NAME]:
            return ", allocated by the main thread"
        named = ", ".join(names)
        if len(names) > 1 and (len(names) > _NAMED_THREADS or len(named) > _MOST_THREAD_TEXT):
            alike = len({_DIGITS.sub("", name) for name in names}) == 1
            most = f" like {names[0]}" if alike else f", most by {names[0]}"
            return f", allocated by {format_count(len(names))} threads{most}"
        return f", allocated by thread{'s' if len(names) > 1 else ''} {named}"

    @property
    def enough(self) -> str:
        """``a run of 2.4 s, with 6 times the work,``: what would tell whether these go on to become more."""
        elapsed_s = self.facts.last.meta.elapsed_s
        began_s = float(self.dump.allocations.born_s[self.rows].min()) if len(self.rows) else 0.0
        longer_s = longer_run_s(self.facts.work, began_s, elapsed_s)
        times = ceil(_TENTHS * longer_s / max(elapsed_s, 1e-9)) / _TENTHS
        return f"a run of {format_duration(longer_s)}, with {times:g} times the work,"

    def shares(self, released_by: Mapping[str, int] | None = None) -> ThreadShares | None:
        """Blocks by the thread that allocated them, and by who released others; None if nobody knows."""
        if not self.by_thread:
            return None
        return ThreadShares({name: round(blocks) for name, blocks in self.by_thread.items()}, dict(released_by or {}))

    def subject(self, kind: SubjectKind, type_name: str | None) -> Subject:
        """The subject of a finding about them."""
        place, native, roots = self.place, self.native, self.facts.roots
        return Subject(
            kind=kind, type=type_name,
            module=module_name(place.file, roots) if place else None,
            function=self.function if place else None,
            file=relative_path(place.file, roots) if place else None,
            line=place.line if place and place.line else None,
            library=native.file.rpartition("/")[2] if native else None,
            symbol=(native.function or None) if native else None,
            thread=next(iter(self.by_thread)) if len(self.by_thread) == 1 else None,
        )  # fmt: skip

    def fingerprint(self, code: str, type_name: str) -> str:
        """A name for the finding that is the same in every run."""
        return fingerprint(f"{code} {type_name}", [self.place] if self.place else [], self.facts.roots)
