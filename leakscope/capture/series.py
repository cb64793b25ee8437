"""
The series of one recording while it grows: samples, thinned, and their columns for a dump.

It knows what a sample is and how samples become columns; it refuses to know where the numbers come from.  At most
``capacity`` samples of at most `MOST_SITES` stacks are held: about 8 MB at the very most, however long the run.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

from leakscope.capture.thinning import Thinning
from leakscope.model.series import AGE_CLASSES, SERIES_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from leakscope.native import Columns

MOST_SITES = 500
NOT_TAKEN = float("nan")


@dataclass(frozen=True, slots=True)
class Sites:
    """
    The stacks with the most live bytes at one moment, in the order of the file's columns.

    Attributes
    ----------
    stack : array of "I"
    live_bytes, live_blocks : array of "d"
    age_bytes : array of "d"
        Five per stack; none of them a number if ages were not taken.
    """

    stack: array[int]
    live_bytes: array[float]
    live_blocks: array[float]
    age_bytes: array[float]

    @classmethod
    def of(cls, columns: Mapping[str, bytes]) -> Sites:
        """The sites that the core's columns tell of."""
        stack = array("I", columns["stack"])
        ages = columns.get("age_bytes")
        return cls(
            stack,
            array("d", array("q", columns["live_bytes"])),
            array("d", array("q", columns["live_blocks"])),
            array("d", [NOT_TAKEN]) * (AGE_CLASSES * len(stack)) if ages is None else array("d", array("q", ages)),
        )

    @property
    def biggest(self) -> int | None:
        """The stack with the most live bytes."""
        if not self.stack:
            return None
        return self.stack[max(range(len(self.stack)), key=self.live_bytes.__getitem__)]


@dataclass(frozen=True, slots=True)
class Sample:
    """
    One row of the series, and its sites.

    Attributes
    ----------
    values : mapping of str to float
        By the names of `SERIES_COLUMNS`; what is missing was not taken.
    sites : Sites
    """

    values: Mapping[str, float]
    sites: Sites

    @property
    def time_s(self) -> float:
        """Seconds since recording began."""
        return self.values["time_s"]


class GrowingSeries:
    """
    The kept samples of a run so far.

    Parameters
    ----------
    thinning : Thinning
        Decides which samples stay.
    """

    def __init__(self, thinning: Thinning) -> None:
        self._thinning = thinning
        self._samples: list[Sample] = []

    def __len__(self) -> int:
        return len(self._samples)

    @property
    def step_s(self) -> float:
        """How far apart samples are wanted now."""
        return self._thinning.step_s

    def next_s(self) -> float:
        """The earliest time at which another sample is wanted."""
        return self._thinning.next_s()

    def due(self, time_s: float) -> bool:
        """Whether a sample is wanted now."""
        return self._thinning.due(time_s)

    def add(self, sample: Sample) -> None:
        """Keep a sample that is due, and let others go if there is no room."""
        self._samples.append(sample)
        kept = self._thinning.keep(sample.time_s)
        if kept is not None:
            self._samples = [self._samples[index] for index in kept]

    def columns(self, last: Sample) -> Columns:
        """
        The columns ``series.*`` and ``site.*`` up to a moment that need not be kept.

        Parameters
        ----------
        last : Sample
            The moment of the dump: the last row.
        """
        samples = [sample for sample in self._samples if sample.time_s < last.time_s]
        return columns_of([*samples, last])


def columns_of(samples: Sequence[Sample]) -> Columns:
    """The columns of a file for samples in time order."""
    columns: dict[str, tuple[str, array[int] | array[float]]] = {
        f"series.{name}": ("f8", array("d", [sample.values.get(name, NOT_TAKEN) for sample in samples]))
        for name in SERIES_COLUMNS
    }
    rows = array("I")
    stack, live_bytes, live_blocks, age_bytes = array("I"), array("d"), array("d"), array("d")
    for row, sample in enumerate(samples):
        sites = sample.sites
        rows.extend([row] * len(sites.stack))
        stack.extend(sites.stack)
        live_bytes.extend(sites.live_bytes)
        live_blocks.extend(sites.live_blocks)
        age_bytes.extend(sites.age_bytes)
    columns["site.sample"] = ("u4", rows)
    columns["site.stack"] = ("u4", stack)
    columns["site.live_bytes"] = ("f8", live_bytes)
    columns["site.live_blocks"] = ("f8", live_blocks)
    columns["site.age_bytes"] = ("f8", age_bytes)
    return columns
