"""What a dump says of pools, as a test would ask it: handles by state and line, and who releases what whom acquired."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from leakscope.model.dump import Dump
from leakscope.model.pools import HANDLE_STATES, NOBODY, TOUCH_KINDS, Pools


@dataclass(frozen=True)
class Handle:
    """A row of the handle table in words; lines are of the innermost frame."""

    pool: str
    state: str
    line: int
    thread: str
    handles: int
    bytes: int
    count: int
    touches: tuple[tuple[str, int, str], ...]  # kind, line, thread


class PoolView:
    """The pools of one dump."""

    def __init__(self, dump: Dump) -> None:
        assert dump.pools is not None
        self.dump, self.pools = dump, dump.pools

    def names(self) -> list[str]:
        """Names of the pools."""
        return [self.dump.strings[int(name)] for name in self.pools.pools.name]

    def line(self, stack: int) -> int:
        """Where a stack's innermost frame is; 0 for none."""
        frames = self.dump.stacks.frames(stack)
        return frames[0].line if frames else 0

    def thread(self, row: int) -> str:
        """Name of a thread; "nobody" for none."""
        return "nobody" if row == NOBODY else self.dump.threads.name_of(row)

    def handles(self, state: str | None = None) -> list[Handle]:
        """Rows of one state, or all."""
        rows, touches = self.pools.handles, self.pools.touches
        found = []
        for at in range(len(rows)):
            of_this = [
                (
                    TOUCH_KINDS[touches.kind[one]],
                    self.line(int(touches.stack[one])),
                    self.thread(int(touches.thread[one])),
                )
                for one in (touches.handle == at).nonzero()[0]
            ]
            handle = Handle(
                self.names()[rows.pool[at]], HANDLE_STATES[rows.state[at]], self.line(int(rows.stack[at])),
                self.thread(int(rows.thread[at])), int(rows.handles[at]), int(rows.bytes[at]), int(rows.count[at]),
                tuple(of_this),
            )  # fmt: skip
            if state in (None, handle.state):
                found.append(handle)
        return found

    def crossed(self) -> Counter[tuple[str, str]]:
        """Handles by acquiring and releasing thread."""
        cross, found = self.pools.cross, Counter[tuple[str, str]]()
        for by, to, handles in zip(cross.acquired_by, cross.released_by, cross.handles, strict=True):
            found[self.thread(int(by)), self.thread(int(to))] += int(handles)
        return found

    def totals(self) -> dict[str, tuple[int, int, int, int]]:
        """By pool: acquired, released, bytes in use and at most."""
        table: Pools = self.pools
        rows = zip(
            table.pools.acquired, table.pools.released, table.pools.used_bytes, table.pools.peak_bytes, strict=True
        )
        return {
            name: (int(acquired), int(released), int(used), int(peak))
            for name, (acquired, released, used, peak) in zip(self.names(), rows, strict=True)
        }
