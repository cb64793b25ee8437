"""
One judgement: what it is about, how sure it is, and the evidence for and against.

It knows the shape of a judgement; it refuses to know the rules that make one and the reports that show it.  Fields
that do not apply are None.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leakscope.model.allocations import Frame

SubjectKind = Literal["objects", "blocks", "buffers", "chunks", "pool", "references"]
SUBJECT_KINDS: tuple[SubjectKind, ...] = ("objects", "blocks", "buffers", "chunks", "pool", "references")


class Verdict(Enum):
    """The seven answers; ``LEAK`` first, in the order findings are listed."""

    LEAK = "LEAK"
    GROWTH = "GROWTH"
    FRAGMENTATION = "FRAGMENTATION"
    POOLING = "POOLING"
    BOUNDED = "BOUNDED"
    STABLE = "STABLE"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Evidence:
    """
    One measured statement for or against a finding.

    Attributes
    ----------
    stance : {"for", "against"}
    claim : str
        The statement in words, without the number.
    value, error : float
        The number and its standard error (0 if exact).
    unit : str
        ``bytes``, ``blocks``, ``s``, ``share``, ...
    """

    stance: Literal["for", "against"]
    claim: str
    value: float
    unit: str
    error: float = 0.0


@dataclass(frozen=True, slots=True)
class Subject:
    """
    What a finding is about.

    Attributes
    ----------
    kind : one of `SUBJECT_KINDS`
    type : str or None
        Qualified type of the objects.
    module, function, file, line
        Where it is allocated: the innermost frame of the program's own code.  The file is named within its package or
        relative to where the program was started, so that it means the same on every machine; the stack has full paths.
    library, symbol
        The native library and function, where native code allocates.
    thread : str or None
        The owner thread, if there is one that matters.
    pool : str or None
        Label of a pool.
    """

    kind: SubjectKind
    type: str | None = None
    module: str | None = None
    function: str | None = None
    file: str | None = None
    line: int | None = None
    library: str | None = None
    symbol: str | None = None
    thread: str | None = None
    pool: str | None = None


@dataclass(frozen=True, slots=True)
class Growth:
    """
    How much a subject grew.

    Attributes
    ----------
    bytes, count : int
        Gain; negative if it shrank.
    between : (int, int)
        The two sources compared, as indices into ``Report.sources``; equal if the growth was seen in one source's
        series.
    """

    bytes: int
    count: int
    between: tuple[int, int]


@dataclass(frozen=True, slots=True)
class ThreadShares:
    """
    Blocks by thread name.

    Attributes
    ----------
    allocated_by, released_by : mapping of str to int
        Thread name to blocks, biggest first.
    """

    allocated_by: Mapping[str, int]
    released_by: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Finding:
    """
    One judgement with its evidence.

    Attributes
    ----------
    code, rule : str
        ``LS601`` and ``leak``; a code never changes its meaning.
    verdict : Verdict
    confidence : float
        0 to 1.
    fingerprint : str
        Stable across runs and machines: no addresses, no line numbers of the runtime.
    sentence : str
        The judgement in plain English.
    subject : Subject
    bytes, count : int
        Size of the subject in the last source.
    growth : Growth or None
        None where one moment was judged.
    stack : tuple of Frame
        Where it is allocated, innermost first.
    holders : tuple of tuple of str
        Paths from roots, merged; empty if the dump has no objects.
    threads : ThreadShares or None
    evidence : tuple of Evidence
    advice : tuple of str
        What to do, most useful first.
    """

    code: str
    rule: str
    verdict: Verdict
    confidence: float
    fingerprint: str
    sentence: str
    subject: Subject
    bytes: int
    count: int
    growth: Growth | None
    stack: tuple[Frame, ...]
    evidence: tuple[Evidence, ...]
    advice: tuple[str, ...]
    holders: tuple[tuple[str, ...], ...] = ()
    threads: ThreadShares | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.confidence <= 1.0:
            raise ValueError(f"Finding {self.code}: confidence {self.confidence} is not between 0 and 1")
