"""
What a gate tolerates: limits, what is known already, what is not to be told.

It knows the shape of these; it refuses to know files and how anything is decided.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from leakscope.model.finding import Verdict
from leakscope.units import format_bytes, format_count

LimitScope = Literal["verdict", "module", "type", "total"]
WorkUnit = Literal["iteration", "second"]
Inconclusive = Literal["tell", "pass", "fail"]
BASELINE_SCHEMA = "leakscope.baseline/1"
POLICY_KEYS = ("limits", "suppress", "repeats", "iterations", "warmup", "inconclusive")
"""Keys of ``[tool.leakscope.gate]`` that are the policy's."""


@dataclass(frozen=True, slots=True)
class Limit:
    """
    How much may be gained: more than that fails.

    Attributes
    ----------
    scope : {"verdict", "module", "type", "total"}
        Findings of one verdict, in one module or about one type, added up; or all live memory of the program.
    name : str
        The verdict, or a pattern (as in a shell) of modules or types; ``*`` for the total.
    bytes, count : int or None
        One of the two: bytes, or objects (blocks, references).
    per : {"iteration", "second"} or None
        The limit is for each unit of work; None for all the work of the first run.
    """

    scope: LimitScope
    name: str
    bytes: int | None = None
    count: int | None = None
    per: WorkUnit | None = None

    def __post_init__(self) -> None:
        if (self.bytes is None) == (self.count is None):
            raise ValueError("Limit: either bytes or count is needed")

    @property
    def text(self) -> str:
        """``64.0 KiB per iteration``."""
        if self.bytes == 0 or self.count == 0:
            return "nothing"
        amount = format_bytes(self.bytes) if self.bytes is not None else f"{format_count(self.count or 0)} objects"
        return f"{amount} per {self.per}" if self.per else amount


@dataclass(frozen=True, slots=True)
class Suppression:
    """
    Findings that are not to fail anything: those that match all patterns (as in a shell).

    Attributes
    ----------
    reason : str
        Why; never empty.
    code, module, symbol, type, holder : str
        Of the finding: its code; a module, a function or native symbol of its stack; its type; a path that holds it, as
        reports show it.
    origin : str
        Who says so: ``policy``, or ``leakscope`` for those of well-known libraries that come with it.
    """

    reason: str
    code: str = "*"
    module: str = "*"
    symbol: str = "*"
    type: str = "*"
    holder: str = "*"
    origin: str = "policy"

    def __post_init__(self) -> None:
        if not self.reason.strip():
            raise ValueError("Suppression: a reason is needed")

    @property
    def text(self) -> str:
        """What it matches, in words: ``code LS601, module app.cache``."""
        names = ("code", "module", "symbol", "type", "holder")
        return (
            ", ".join(f"{name} {pattern}" for name in names if (pattern := getattr(self, name)) != "*") or "everything"
        )


@dataclass(frozen=True, slots=True)
class BaselineEntry:
    """
    A finding that somebody knows about and lives with.

    Attributes
    ----------
    fingerprint, code : str
        Of the finding.
    what : str
        The finding in a few words without numbers, for whoever reads the file.
    note : str
        The owner's: why it is there, whose it is, where it is dealt with.  Empty until somebody writes it.
    added : str
        Day of the entry, ``2026-11-30``.
    """

    fingerprint: str
    code: str
    what: str
    note: str
    added: str


@dataclass(frozen=True, slots=True)
class Baseline:
    """
    All that is known already, by fingerprint.

    Attributes
    ----------
    entries : tuple of BaselineEntry
        Sorted by fingerprint.
    path : str or None
        The file, for messages.
    """

    entries: tuple[BaselineEntry, ...] = ()
    path: str | None = None


DEFAULT_LIMITS = (
    Limit("verdict", Verdict.LEAK.value, bytes=0),
    Limit("verdict", Verdict.GROWTH.value, bytes=64 * 1024),
)
"""A leak is never tolerated; growth that may be the program's own data is, up to what free lists and buffers take."""


@dataclass(frozen=True, slots=True)
class Policy:
    """
    What a gate tolerates, and how often it looks before it fails.

    Attributes
    ----------
    limits : tuple of Limit
        A finding falls under one: that of its type, else of its module, else of its verdict; under none it informs.
    suppressions : tuple of Suppression
    repeats : int
        Most runs of the program.  From two on, what is suspected is seen in a second run, with more work if the program
        can be told to do more, before it fails.
    iterations : int or None
        Work of the first run, for programs that can be told how much to do.
    warmup_s : float
        Seconds at the start of each run that gains are not counted from.
    inconclusive : {"tell", "pass", "fail"}
        What follows where the evidence is too thin: an exit code of its own, or one of the other two.
    """

    limits: tuple[Limit, ...] = DEFAULT_LIMITS
    suppressions: tuple[Suppression, ...] = ()
    repeats: int = 3
    iterations: int | None = None
    warmup_s: float = 0.0
    inconclusive: Inconclusive = "tell"
