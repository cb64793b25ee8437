"""
A dump: one moment of one process, from any runtime.

It knows what was recorded and what is known to be missing; it refuses to know where the columns came from.  Parts
a runtime does not have are empty tables.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from leakscope.model.allocations import AllocationTable, StackTable, StringTable, ThreadTable
    from leakscope.model.buffers import Buffers
    from leakscope.model.chunks import ChunkTable
    from leakscope.model.heap import HeapGraph, HeapMeta
    from leakscope.model.pools import Pools
    from leakscope.model.series import Series, WorkLog

SCHEMA = "leakscope.dump/1"
REASONS = ("exit", "interval", "signal", "request", "rss", "death", "baseline")
"""Why a dump was taken."""
FREELISTS = ("none", "drained", "tracer")
"""How objects that come from a free list, not from an allocator, were seen; index is ``Health.freelists``."""

DeathKind = Literal["signal", "exit", "oom"]


@dataclass(frozen=True, slots=True)
class Death:
    """
    How the process ended, if it did not end by itself.

    Attributes
    ----------
    kind : {"signal", "exit", "oom"}
        Killed by a signal, left through ``os._exit``, or killed for lack of memory.
    signal : int
        Number of the signal; 0 if none.
    text : str
        The same in words.
    """

    kind: DeathKind
    signal: int
    text: str


@dataclass(frozen=True, slots=True)
class Health:
    """
    What the recorder knows it missed; all zero is a perfect recording.

    Attributes
    ----------
    dropped_stacks, dropped_blocks, dropped_threads : int
        Not recorded, for lack of room in the ledger.
    unknown_frees : int
        Frees of blocks the ledger did not know although it should have.
    collisions : int
        Different stacks that could not be told apart.
    truncated_stacks : int
        Stacks deeper than ``max_frames``.
    tracer_lost : int
        Times another tool took the allocator hooks away.
    freelists : int
        Index into `FREELISTS`.
    dropped_handles, dropped_crosses : int
        Handles of pools, and pairs of threads that exchange them, not recorded for lack of room.
    """

    dropped_stacks: int = 0
    dropped_blocks: int = 0
    dropped_threads: int = 0
    unknown_frees: int = 0
    collisions: int = 0
    truncated_stacks: int = 0
    tracer_lost: int = 0
    freelists: int = 0
    dropped_handles: int = 0
    dropped_crosses: int = 0

    @property
    def complete(self) -> bool:
        """Whether nothing was dropped or lost; truncated stacks only shorten names."""
        return not (self.dropped_stacks or self.dropped_blocks or self.dropped_threads or self.tracer_lost)


@dataclass(frozen=True, slots=True)
class ProcessMemory:
    """
    Memory of the process as the system sees it, in bytes, when the dump was taken.

    Attributes
    ----------
    rss_bytes, rss_anon_bytes, rss_file_bytes, rss_shmem_bytes : int
        Resident memory, and its parts: anonymous, mapped files, shared (the ledger is in there).
    ledger_bytes : int
        Resident memory of the recorder's ledger.
    began_rss_anon_bytes : int
        Anonymous resident memory when recording began: what the recorder could not see being allocated.
    malloc_heap_bytes : int or None
        What glibc's malloc holds, free parts included; None if unknown.
    """

    rss_bytes: int
    rss_anon_bytes: int
    rss_file_bytes: int
    rss_shmem_bytes: int
    ledger_bytes: int
    began_rss_anon_bytes: int
    malloc_heap_bytes: int | None


@dataclass(frozen=True, slots=True)
class LedgerTotals:
    """
    Sums over the whole ledger; estimates in a sampled run.

    Attributes
    ----------
    live_bytes, live_blocks : int
        Alive now.
    live_bytes_by_domain : mapping of str to int
        The same bytes by the names of ``DumpMeta.domains``.
    alloc_bytes, alloc_blocks, free_bytes, free_blocks : int
        Asked for and given back since recording began.
    foreign_frees : int
        Blocks freed by another thread than the one that allocated them.
    arena_count, arena_bytes, mapping_count, mapping_bytes, large_mapping_count : int
        Live chunks; large mappings have 16 MiB or more, or what ``--chunk-size`` says.
    threads, threads_alive, stacks : int
        Rows of the thread table, those alive, nodes of the trie.
    """

    live_bytes: int = 0
    live_blocks: int = 0
    live_bytes_by_domain: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    alloc_bytes: int = 0
    alloc_blocks: int = 0
    free_bytes: int = 0
    free_blocks: int = 0
    foreign_frees: int = 0
    arena_count: int = 0
    arena_bytes: int = 0
    mapping_count: int = 0
    mapping_bytes: int = 0
    large_mapping_count: int = 0
    threads: int = 0
    threads_alive: int = 0
    stacks: int = 0


@dataclass(frozen=True, slots=True)
class DumpMeta:
    """
    The small facts of a dump.

    Attributes
    ----------
    leakscope : str
        Version that wrote it.
    runtime, runtime_version : str
        ``CPython``, ``3.11.7``.
    argv : tuple of str
        The program and its arguments.
    cwd : str
        Where it was started.
    pid : int
    number : int
        1-based number of the dump in its run.
    reason : str
        One of `REASONS`.
    taken_unix_s, elapsed_s : float
        When; and seconds since recording began.
    interval_bytes, exact_bytes, max_frames : int
        See ``CaptureConfig``.
    platform : str
        ``linux-x86_64``.
    domains, chunk_kinds : tuple of str
        Names of the values of ``AllocationTable.domain`` and ``ChunkTable.kind``.
    death : Death or None
        Set in the last dump of a program that was killed.
    process : ProcessMemory
    totals : LedgerTotals
    heap : HeapMeta or None
        How the object graph was taken, or why there is none; None if nobody asked for it.
    """

    leakscope: str
    runtime: str
    runtime_version: str
    argv: tuple[str, ...]
    cwd: str
    pid: int
    number: int
    reason: str
    taken_unix_s: float
    elapsed_s: float
    interval_bytes: int
    exact_bytes: int
    max_frames: int
    platform: str
    domains: tuple[str, ...]
    chunk_kinds: tuple[str, ...]
    death: Death | None
    process: ProcessMemory
    totals: LedgerTotals
    heap: HeapMeta | None = None

    @property
    def sampled(self) -> bool:
        """Whether rows stand for more than themselves."""
        return self.interval_bytes > 1

    @property
    def heap_problem(self) -> str:
        """Why there is no object graph; "" if there is one."""
        return "it was taken without the object graph" if self.heap is None else self.heap.problem


@dataclass(frozen=True, slots=True, eq=False)
class Dump:
    """
    One moment of one process.

    Attributes
    ----------
    source : str
        Path it was read from, or a name for drawn dumps.
    meta : DumpMeta
    health : Health
    allocations : AllocationTable
        Live blocks.
    stacks : StackTable
        Who allocated, and how much so far.
    threads : ThreadTable
    chunks : ChunkTable
        Live arenas and mappings.
    series : Series
        Measurements from the beginning up to this moment.
    load_heap : callable or None
        Gives the object graph, the same one every time; None if there is none.
    pools : Pools or None
        Pools and their handles; None in dumps that know of none.
    buffers : Buffers or None
        The buffer protocol; None where it was not watched.
    work : WorkLog or None
        How the work went on; None if nobody kept that.
    """

    source: str
    meta: DumpMeta
    health: Health
    allocations: AllocationTable
    stacks: StackTable
    threads: ThreadTable
    chunks: ChunkTable
    series: Series
    load_heap: Callable[[], HeapGraph] | None = None
    pools: Pools | None = None
    buffers: Buffers | None = None
    work: WorkLog | None = None

    @property
    def heap(self) -> HeapGraph | None:
        """The object graph, decoded on first use; None if there is none, for which ``meta.heap_problem`` says why."""
        return None if self.load_heap is None else self.load_heap()

    @property
    def runtime(self) -> str:
        """Name of the runtime, ``CPython``."""
        return self.meta.runtime

    @property
    def strings(self) -> StringTable:
        """The strings all tables point into."""
        return self.stacks.strings
