"""
What was measured over time: one row per sample, and per-stack totals at those samples.

It knows the measured numbers; it refuses to know trends, which analysis derives.  The series is thinned as a run
gets longer, so samples are not equally spaced.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from leakscope.model.columns import check_columns

if TYPE_CHECKING:
    from leakscope.model.columns import F8, U4, Column

AGE_EDGES_S = (1.0, 10.0, 60.0, 600.0)
"""Upper edges of the age classes of survivors; the last class is everything older."""
AGE_CLASSES = len(AGE_EDGES_S) + 1


@dataclass(frozen=True, slots=True, eq=False)
class WorkLog:
    """
    How the work went on, finer than samples: kept by the program itself, some 256 to 512 rows in time order.

    Attributes
    ----------
    time_s : ndarray of float64, shape (r,)
        Seconds since recording began.
    alloc_blocks : ndarray of float64, shape (r,)
        Blocks asked for until then.
    """

    time_s: F8
    alloc_blocks: F8

    def __post_init__(self) -> None:
        check_columns("WorkLog", {"time_s": self.time_s, "alloc_blocks": self.alloc_blocks})

    def __len__(self) -> int:
        return len(self.time_s)


@dataclass(frozen=True, slots=True, eq=False)
class SiteSamples:
    """
    Totals of single stacks at sample times, ``s`` rows ordered by sample.

    A stack without a row at a sample was too small to be listed there, which is not the same as zero.

    Attributes
    ----------
    sample : ndarray of uint32, shape (s,)
        Row of the series.
    stack : ndarray of uint32, shape (s,)
        Node of the stack table.
    live_bytes, live_blocks : ndarray of float64, shape (s,)
        Alive at that time, allocated by that stack.
    age_bytes : ndarray of float64, shape (s, 5)
        The same bytes by age, see `AGE_EDGES_S`; NaN where ages were not taken, since they cost a look at every block.
    """

    sample: U4
    stack: U4
    live_bytes: F8
    live_blocks: F8
    age_bytes: F8

    def __post_init__(self) -> None:
        columns: dict[str, Column] = {
            "sample": self.sample, "stack": self.stack, "live_bytes": self.live_bytes,
            "live_blocks": self.live_blocks, "age_bytes": self.age_bytes,
        }  # fmt: skip
        check_columns("SiteSamples", columns)
        if self.age_bytes.shape != (len(self.sample), AGE_CLASSES):
            raise ValueError(f"SiteSamples: age_bytes must have {AGE_CLASSES} columns, not {self.age_bytes.shape}")

    def __len__(self) -> int:
        return len(self.sample)


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """
    Measurements over the run, ``k`` rows in time order; NaN where a number was not taken.

    Attributes
    ----------
    time_s : ndarray of float64, shape (k,)
        Seconds since recording began.
    rss_bytes, pss_bytes, uss_bytes : ndarray of float64, shape (k,)
        Resident, proportional and unique memory of the process.
    threads, fds : ndarray of float64, shape (k,)
        Threads and open file descriptors.
    live_bytes, live_blocks : ndarray of float64, shape (k,)
        Alive according to the ledger.
    arena_count, arena_bytes, mapping_bytes, large_mapping_count : ndarray of float64, shape (k,)
        Chunks; large mappings have 16 MiB or more, or what ``--chunk-size`` says.
    glibc_arena_count, glibc_arena_bytes : ndarray of float64, shape (k,)
        Arenas of glibc's malloc, and their resident bytes, what is free in them included.
    arena_used_bytes, arena_free_bytes : ndarray of float64, shape (k,)
        Handed out of, and free in, all arenas of pymalloc, those from before recording included.
    glibc_used_bytes, glibc_free_bytes : ndarray of float64, shape (k,)
        The same of all heaps of glibc's malloc.
    ledger_bytes : ndarray of float64, shape (k,)
        Resident memory of the recorder's own ledger; part of ``rss_bytes``.
    alloc_blocks : ndarray of float64, shape (k,)
        Blocks asked for since recording began.
    cpu_s : ndarray of float64, shape (k,)
        Processor time of the program.
    sites : SiteSamples
    """

    time_s: F8
    rss_bytes: F8
    pss_bytes: F8
    uss_bytes: F8
    threads: F8
    fds: F8
    live_bytes: F8
    live_blocks: F8
    arena_count: F8
    arena_bytes: F8
    mapping_bytes: F8
    large_mapping_count: F8
    glibc_arena_count: F8
    glibc_arena_bytes: F8
    arena_used_bytes: F8
    arena_free_bytes: F8
    glibc_used_bytes: F8
    glibc_free_bytes: F8
    ledger_bytes: F8
    alloc_blocks: F8
    cpu_s: F8
    sites: SiteSamples

    def __post_init__(self) -> None:
        check_columns("Series", {name: getattr(self, name) for name in SERIES_COLUMNS})

    def __len__(self) -> int:
        return len(self.time_s)


SERIES_COLUMNS: tuple[str, ...] = tuple(field.name for field in fields(Series) if field.name != "sites")
"""Names of the columns of `Series`, in order; the file calls them ``series.<name>``."""
