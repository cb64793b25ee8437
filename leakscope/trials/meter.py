"""
What each place of this process holds after each repetition.

It knows the counters of our own ledger and how stacks become places; it refuses to judge.  Between two repetitions
nothing is allocated for their sake: counters are copied into memory that was mapped before.
"""

from __future__ import annotations

import gc
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from leakscope import native
from leakscope.errors import CaptureError
from leakscope.model.allocations import Frame
from leakscope.trials.place import place_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from leakscope._core import LiveCounts

SLOTS = 64
_REMEDY = (
    "run it under 'leakscope run --exact app.py', or tests with 'pytest --leakscope' "
    "('leakscope gate -- pytest' does the same for a build)"
)
_MOST_COLLECTIONS = 3


@dataclass(slots=True)
class Grown:
    """
    A place, and what it held after each repetition.

    Attributes
    ----------
    place : Frame
    blocks, bytes : list of int
    stacks : dict of int to int
        Its stacks that changed, and how many bytes each gained from first to last.
    """

    place: Frame
    blocks: list[int]
    bytes: list[int]
    stacks: dict[int, int] = field(default_factory=dict)


class Stacks:
    """
    Stacks of this process by number, and their places; both never change and are asked for once.

    Parameters
    ----------
    harness : sequence of str
        See `place.place_of`.
    """

    def __init__(self, harness: Sequence[str] = ()) -> None:
        self._harness = tuple(harness)
        self._places: dict[int, Frame | None] = {}
        self._counts: LiveCounts | None = None

    def counts(self) -> LiveCounts:
        """Room for counters, for one meter at a time: mapping it anew for each costs more than counting does."""
        if self._counts is None:
            self._counts = native.live_counts(SLOTS)
        return self._counts

    def frames(self, stack: int) -> tuple[Frame, ...]:
        """Innermost first; native ones without their names."""
        return tuple(
            Frame(function, file, line, "native" if is_native else "python", offset)
            for function, file, line, is_native, offset in native.own_frames(stack)
        )

    def place(self, stack: int) -> Frame | None:
        """Where to look; None if it is the harness' own affair."""
        if stack not in self._places:
            self._places[stack] = place_of(self.frames(stack), self._harness)
        return self._places[stack]


def require_exact() -> None:
    """
    Nothing, if every block of this process is recorded.

    Raises
    ------
    CaptureError
        If not.
    """
    state = native.own_state()
    if state is None:
        raise CaptureError("tracking needs a process that leakscope records", _REMEDY)
    if state["interval_bytes"] != 1:
        raise CaptureError("tracking needs every block recorded, and this process is sampled", _REMEDY)


class Meter:
    """
    A series of moments of this process.

    Parameters
    ----------
    stacks : Stacks

    Raises
    ------
    CaptureError
        If not every block of this process is recorded.
    """

    def __init__(self, stacks: Stacks) -> None:
        require_exact()
        self.stacks = stacks
        self._counts = stacks.counts()
        self.restart()

    def restart(self) -> None:
        """Forget all moments."""
        self.began_s = native.own_now()
        self._slot = 0
        self._width = 1
        self._marks = 0

    @property
    def width(self) -> int:
        """Repetitions that one number of a series stands for: more than one in a very long series."""
        return self._width

    def mark(self) -> None:
        """Take what is alive now, after a collection."""
        collect()
        if self._slot == SLOTS:
            self._counts.halve()
            self._slot //= 2
            self._width *= 2
        self._counts.mark(self._slot, self._marks > 0)
        self._marks += 1
        if self._marks == self._width:
            self._slot += 1
            self._marks = 0

    def grown(self) -> list[Grown]:
        """The places that do not hold the same at all moments."""
        found: dict[tuple[str, str], Grown] = {}
        for stack, blocks, sizes in self._changed():
            place = self.stacks.place(stack)
            if place is None:
                continue
            key = (place.file, place.function)
            one = found.get(key)
            if one is None:
                one = found[key] = Grown(place, [0] * self._slot, [0] * self._slot)
            one.blocks = [a + b for a, b in zip(one.blocks, blocks, strict=True)]
            one.bytes = [a + b for a, b in zip(one.bytes, sizes, strict=True)]
            one.stacks[stack] = sizes[-1] - sizes[0]
        for one in found.values():
            most = max(one.stacks, key=lambda stack: one.stacks[stack])
            one.place = self.stacks.place(most) or one.place
        return list(found.values())

    def _changed(self) -> Iterator[tuple[int, tuple[int, ...], tuple[int, ...]]]:
        if self._slot == 0:
            return
        for row in struct.iter_unpack(f"={1 + 2 * self._slot}q", self._counts.changed(self._slot)):
            yield row[0], row[1 : 1 + self._slot], row[1 + self._slot :]


def collect() -> None:
    """Collect until nothing more is found: finalizers may make more garbage."""
    for _ in range(_MOST_COLLECTIONS):
        if gc.collect() == 0:
            return


@dataclass(frozen=True, slots=True)
class OwnBlock:
    """A live block of this process."""

    address: int
    size: int
    stack: int
    thread: int
    born_s: float


def blocks_of(stacks: Sequence[int], after_s: float) -> list[OwnBlock]:
    """
    Live blocks of some stacks.

    Parameters
    ----------
    stacks : sequence of int
    after_s : float
        Born then or later, in seconds of ``native.own_now``.
    """
    packed = native.own_blocks(struct.pack(f"{len(stacks)}I", *stacks), after_s)
    return [OwnBlock(*row) for row in struct.iter_unpack(native.OWN_BLOCK, packed)]
