"""
What we say: the verdict over everything, and all that the first screen shows.

Plain data with no way back to a dump, the exact content of the JSON report.  It knows no rule and no rendering: a
number a report needs is a field here, computed by whoever builds it.  Fields that do not apply are None.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from leakscope.model.allocations import Frame
    from leakscope.model.buffer_report import BufferReport
    from leakscope.model.chunk_report import ChunkReport
    from leakscope.model.comparison import Comparison
    from leakscope.model.dump import Death, Health
    from leakscope.model.finding import Finding, Verdict
    from leakscope.model.heap_report import HeapReport
    from leakscope.model.pool_report import PoolReport

SCHEMA = "leakscope.report/1"

SegmentName = Literal[
    "python_objects", "pymalloc_free", "native", "mappings", "malloc_free", "before", "mapped_files", "shared",
    "recorder", "unknown",
]  # fmt: skip
SEGMENT_NAMES: tuple[SegmentName, ...] = (
    "python_objects", "pymalloc_free", "native", "mappings", "malloc_free", "before", "mapped_files", "shared",
    "recorder", "unknown",
)  # fmt: skip
"""
Parts of resident memory in the order they are drawn.  ``before`` is what was there when recording began, ``shared``
is shared memory without leakscope's own ledger, which is ``recorder``.
"""
Grouping = Literal["line", "stack", "module", "thread", "library"]
GROUPINGS: tuple[Grouping, ...] = ("line", "stack", "module", "thread", "library")
"""By what the rows of the top tables are added up."""


@dataclass(frozen=True, slots=True)
class Source:
    """
    One dump the report was made from.

    Attributes
    ----------
    path : str
    runtime, runtime_version : str
    argv : tuple of str
    pid, number : int
    reason : str
        Why the dump was taken.
    taken_unix_s, elapsed_s : float
    interval_bytes : int
        1 if exact.
    death : Death or None
    run : int
        Which of the runs that are compared, from 0 on.
    """

    path: str
    runtime: str
    runtime_version: str
    argv: tuple[str, ...]
    pid: int
    number: int
    reason: str
    taken_unix_s: float
    elapsed_s: float
    interval_bytes: int
    death: Death | None = None
    run: int = 0


@dataclass(frozen=True, slots=True)
class Segment:
    """
    A part of the resident memory.

    Attributes
    ----------
    name : one of `SEGMENT_NAMES`
    label : str
        The same for people: ``free inside allocators``.
    bytes : int
        Never negative.
    """

    name: SegmentName
    label: str
    bytes: int


@dataclass(frozen=True, slots=True)
class ResidentBar:
    """
    Where the resident memory of the last source went; the segments add up to it exactly.

    Attributes
    ----------
    rss_bytes : int
    segments : tuple of Segment
        In the order of `SEGMENT_NAMES`; what nobody can explain is ``unknown``.
    unbacked_bytes : int
        Asked for, but not resident, and therefore in no segment: never written to, or swapped out.
    """

    rss_bytes: int
    segments: tuple[Segment, ...]
    unbacked_bytes: int = 0

    def __post_init__(self) -> None:
        if any(segment.bytes < 0 for segment in self.segments):
            raise ValueError("ResidentBar: a segment is negative")
        if sum(segment.bytes for segment in self.segments) != self.rss_bytes:
            raise ValueError("ResidentBar: the segments do not add up to the resident memory")


@dataclass(frozen=True, slots=True)
class Totals:
    """
    Totals of each source, in the order of the sources; None where a source does not know.

    Attributes
    ----------
    rss_bytes, live_bytes, objects, chunks : tuple of int or None
    resident : ResidentBar or None
        Where the resident memory of the last source went.
    """

    rss_bytes: tuple[int | None, ...]
    live_bytes: tuple[int | None, ...]
    objects: tuple[int | None, ...]
    chunks: tuple[int | None, ...]
    resident: ResidentBar | None

    def __post_init__(self) -> None:
        if len({len(self.rss_bytes), len(self.live_bytes), len(self.objects), len(self.chunks)}) > 1:
            raise ValueError("Totals: one number per source is needed in each row")


@dataclass(frozen=True, slots=True)
class Sparkline:
    """
    One row of measurements to draw small.

    Attributes
    ----------
    name : str
        ``rss_bytes``, ``live_bytes``, ``live_blocks``, ``objects``.
    label : str
        The same for people: ``resident``.
    unit : {"bytes", "count"}
    times_s, values : tuple of float
        Seconds since recording began; the values, None where not taken.
    """

    name: str
    label: str
    unit: Literal["bytes", "count"]
    times_s: tuple[float, ...]
    values: tuple[float | None, ...]

    def __post_init__(self) -> None:
        if len(self.times_s) != len(self.values):
            raise ValueError("Sparkline: one value per time is needed")


@dataclass(frozen=True, slots=True)
class TableRow:
    """
    One row of a table of who holds how much.

    Attributes
    ----------
    label : str
        What the row is about: ``handle``, ``requests.models``, ``worker-1``.
    where : str
        For code, the line to look at: ``app/cache.py:41``; else empty.
    made_in : str
        For code, the line that asked for the memory if it is another: ``json/decoder.py:353``; else empty.
    bytes, blocks : int
        Alive in the last source.
    share : float
        Part of all live bytes.
    error_bytes : int
        Standard error of ``bytes`` from sampling; 0 if exact.
    growth_bytes, growth_blocks : int or None
        Gain since the earlier run or the first source or, of a single one, of the low-water mark over its run; None if
        unknown.
    threads : tuple of str
        Owner threads, most blocks first.
    age_bytes : tuple of int
        Live bytes by age, in the classes of ``AGE_EDGES_S``: below 1, 10, 60 and 600 seconds, and older.
    stack : tuple of Frame
        The heaviest stack of the row, innermost first; empty where there is none.
    """

    label: str
    where: str
    made_in: str
    bytes: int
    blocks: int
    share: float
    error_bytes: int = 0
    growth_bytes: int | None = None
    growth_blocks: int | None = None
    threads: tuple[str, ...] = ()
    age_bytes: tuple[int, ...] = ()
    stack: tuple[Frame, ...] = ()


@dataclass(frozen=True, slots=True)
class OwnCost:
    """
    What recording itself cost.

    Attributes
    ----------
    ledger_bytes : int
        Resident memory of the ledger.
    share_of_rss : float or None
        What the program has mapped of it, as a fraction of its resident memory.
    interval_bytes : int
        How finely it recorded; 1 is exact.
    """

    ledger_bytes: int
    share_of_rss: float | None
    interval_bytes: int


@dataclass(frozen=True, slots=True)
class Report:
    """
    Everything a reader may see.

    Attributes
    ----------
    verdict : Verdict
        Of the whole run.
    sentence : str
        The verdict in plain English: the first line of every report.
    sources : tuple of Source
        The dumps, in time order.
    health : Health
        Of the last source.
    notes : tuple of str
        What weakens the verdict, one sentence each; empty if nothing does.
    totals : Totals
        Per source; and where the resident memory went.
    sparklines : tuple of Sparkline
    findings : tuple of Finding
        ``LEAK`` first, then by bytes of growth.
    grouped_by : one of `GROUPINGS`
        What the rows of the two tables are.
    top_live, top_growing : tuple of TableRow
        Who holds the most live bytes, and who gained most.
    own_cost : OwnCost or None
    next_command : str or None
        What to type next.
    heap : HeapReport or None
        About objects; None if no source has an object graph.
    pools : PoolReport or None
        About pools; None if the last source knows of none.
    buffers : BufferReport or None
        About the buffer protocol; None if nobody asked, or the last source knows nothing of it.
    chunks : ChunkReport or None
        About arenas, heaps and mappings; None if the last source knows of none.
    compared : Comparison or None
        The earlier run; None if all sources are of one.
    schema : str
    """

    verdict: Verdict
    sentence: str
    sources: tuple[Source, ...]
    health: Health
    notes: tuple[str, ...]
    totals: Totals
    sparklines: tuple[Sparkline, ...]
    findings: tuple[Finding, ...]
    grouped_by: Grouping
    top_live: tuple[TableRow, ...]
    top_growing: tuple[TableRow, ...]
    own_cost: OwnCost | None
    next_command: str | None
    heap: HeapReport | None = None
    pools: PoolReport | None = None
    buffers: BufferReport | None = None
    chunks: ChunkReport | None = None
    compared: Comparison | None = None
    schema: str = SCHEMA
