"""
Handles of a pool in words: who acquired them, where they went, and where they were last seen.

It knows a pool and rows of its handles in one dump; it refuses to know what is wrong with them.
"""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.alignment import fingerprint
from leakscope.analysis.handing_over import Collection, HandOver, collection, hand_over
from leakscope.analysis.holder_words import paths_to
from leakscope.analysis.sites import MAIN_THREAD_NAME
from leakscope.analysis.sources import module_name, plain_function, relative_path
from leakscope.model.finding import Subject, ThreadShares
from leakscope.model.pools import NOBODY, SHARED_MEMORY
from leakscope.units import format_bytes, format_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakscope.analysis.facts import Facts
    from leakscope.model.allocations import Frame
    from leakscope.model.columns import I8
    from leakscope.model.pools import Pools

_PATHS = 2
_NAMED_THREADS = 3


def by_threads(names: Sequence[str]) -> str:
    """``by the main thread``, ``by threads loop-0, loop-1``, ``by 12 threads like loop-0``."""
    if list(names) == [MAIN_THREAD_NAME]:
        return "by the main thread"
    if len(names) > _NAMED_THREADS:
        return f"by {format_count(len(names))} threads like {names[0]}"
    return f"by thread{'s' if len(names) > 1 else ''} {', '.join(sorted(names))}"


class Lent:
    """
    Some handles of one pool.

    Parameters
    ----------
    facts : Facts
        Its last dump has pools.
    pool : int
        Row of the pool table.
    rows : ndarray of int64
        Of the handle table; at least one.
    """

    def __init__(self, facts: Facts, pool: int, rows: I8) -> None:
        self.facts, self.pool, self.rows, self.dump = facts, pool, rows, facts.last
        if facts.last.pools is None:
            raise ValueError("Lent: the last dump has no pools")
        self.pools: Pools = facts.last.pools
        strings = self.dump.strings
        self.name = strings[int(self.pools.pools.name[pool])]
        self.type = strings[int(self.pools.pools.source[pool])].replace(":", ".")
        self.is_shared = int(self.pools.pools.kind[pool]) == SHARED_MEMORY
        handles = self.pools.handles
        self.count = int(handles.handles[rows].sum())
        self.bytes = int(handles.bytes[rows].sum())

    @property
    def things(self) -> str:
        """What they are called."""
        return f"segments of {self.name}" if self.is_shared else f"{self.name} handles"

    @property
    def released(self) -> str:
        """What should have happened to them."""
        return "unlinked" if self.is_shared else "released"

    @cached_property
    def stack(self) -> int:
        """That acquired most of them."""
        handles = self.pools.handles
        stacks, which = np.unique(handles.stack[self.rows], return_inverse=True)
        weight = np.bincount(which.reshape(-1), weights=handles.handles[self.rows].astype("f8"))
        return int(stacks[np.argmax(weight)])

    @property
    def frames(self) -> tuple[Frame, ...]:
        """Its frames, innermost first."""
        return tuple(self.dump.stacks.frames(self.stack))

    @property
    def place(self) -> Frame | None:
        """The frame to show."""
        return self.facts.frame(int(self.facts.pool_places[self.stack]))

    def where(self, row: int) -> str:
        """A frame as ``app/cache.py:41``; "" for none."""
        frame = self.facts.frame(row)
        return f"{relative_path(frame.file, self.facts.roots)}:{frame.line}" if frame else ""

    @property
    def acquired_at(self) -> str:
        """The place as ``app/cache.py:41``."""
        return self.where(int(self.facts.pool_places[self.stack])) or "a line that was not recorded"

    @property
    def amount(self) -> str:
        """``64 KiB each, 79.4 MiB``; "" if they do not tell their size."""
        sizes = np.unique(self.pools.handles.size[self.rows])
        if self.bytes == 0:
            return ""
        if len(sizes) == 1 and self.count > 1:
            return f"{format_bytes(int(sizes[0]))} each, {format_bytes(self.bytes)}"
        return format_bytes(self.bytes)

    @property
    def by_whom(self) -> str:
        """``by thread loop-1``."""
        return by_threads(list(self.acquired_by))

    @cached_property
    def acquired_by(self) -> dict[str, int]:
        """Handles by the thread that acquired them, most first."""
        counts: Counter[str] = Counter()
        handles = self.pools.handles
        for thread, number in zip(handles.thread[self.rows].tolist(), handles.handles[self.rows].tolist(), strict=True):
            counts[self.dump.threads.name_of(thread)] += number
        return dict(counts.most_common())

    @cached_property
    def over(self) -> HandOver | None:
        """Where they left a thread."""
        return hand_over(self.dump, self.rows.tolist(), self.facts.pool_places)

    @cached_property
    def collected(self) -> Collection | None:
        """Where most of those were collected that were."""
        return collection(self.dump, self.rows.tolist(), self.facts.pool_places)

    @property
    def over_words(self) -> str:
        """`` and handed to worker-2 at server.py:41``; "" if they never left their thread."""
        over = self.over
        if over is None:
            return ""
        to = f" to {over.to}" if over.to else " to others"
        if over.given:
            return f" and handed{to} at {self.where(over.place)}"
        return f" and passed{to} after {self.where(over.place)}"

    def shares(self) -> ThreadShares:
        """All handles ever acquired at this place: by whom, and who released those that came back."""
        cross, place = self.pools.cross, self.facts.pool_places
        here = np.flatnonzero((cross.pool == self.pool) & (place[cross.stack] == place[self.stack]))
        by: Counter[str] = Counter()
        to: Counter[str] = Counter()
        for at in here.tolist():
            by[self.dump.threads.name_of(int(cross.acquired_by[at]))] += int(cross.handles[at])
            if cross.released_by[at] != NOBODY:
                to[self.dump.threads.name_of(int(cross.released_by[at]))] += int(cross.handles[at])
        return ThreadShares(dict(by.most_common()), dict(to.most_common()))

    def holders(self) -> tuple[tuple[str, ...], ...]:
        """Who holds the handle objects, where the last dump has them."""
        walked = self.facts.walked[-1] if self.facts.walked else None
        if walked is None or walked.dump is not self.dump:
            return ()
        address = walked.heap.address
        wanted = np.unique(self.pools.handles.address[self.rows])
        at = np.searchsorted(address, wanted)
        objects = at[(at < len(address)) & (address[np.minimum(at, len(address) - 1)] == wanted)]
        return paths_to(walked, objects.astype(np.int64), self.facts.roots, _PATHS) if len(objects) else ()

    def subject(self) -> Subject:
        """The subject of a finding about them."""
        place, roots = self.place, self.facts.roots
        names = list(self.acquired_by)
        return Subject(
            kind="buffers", type=self.type, pool=self.name,
            module=module_name(place.file, roots) if place else None,
            function=plain_function(place.function) if place else None,
            file=relative_path(place.file, roots) if place else None,
            line=place.line if place and place.line else None,
            thread=names[0] if len(names) == 1 else None,
        )  # fmt: skip

    def fingerprint(self, code: str, *frames: Frame | None) -> str:
        """A name for the finding that is the same in every run."""
        named: Sequence[Frame] = [frame for frame in (self.place, *frames) if frame is not None]
        return fingerprint(f"{code} {self.type}", named, self.facts.roots)
