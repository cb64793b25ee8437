"""
What a gate says: which findings fail, which are known, and why.

Plain data that reports are drawn from.  It knows no rule and no rendering; it refuses to decide anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Literal

from leakscope.errors import EXIT_FINE, EXIT_GATE_FAILED, EXIT_INCONCLUSIVE

if TYPE_CHECKING:
    from leakscope.model.finding import Finding
    from leakscope.model.policy import Baseline, BaselineEntry, Limit, Policy, Suppression, WorkUnit
    from leakscope.model.report import Report

GateStatus = Literal["passed", "failed", "inconclusive"]
EXIT_CODES: dict[GateStatus, int] = {
    "passed": EXIT_FINE, "failed": EXIT_GATE_FAILED, "inconclusive": EXIT_INCONCLUSIVE,
}  # fmt: skip
SCHEMA = "leakscope.gate/1"


class Outcome(Enum):
    """What follows from a finding; the first fails, the second asks for another run, the rest pass."""

    NEW = "new"
    SUSPECT = "suspect"
    DOUBT = "doubt"
    UNCONFIRMED = "unconfirmed"
    WITHIN = "within limit"
    KNOWN = "known"
    SUPPRESSED = "suppressed"
    TOLD = "told"


@dataclass(frozen=True, slots=True)
class Trial:
    """
    One run of the program, judged.

    Attributes
    ----------
    report : Report
    work : float or None
        How much it was told to do; None if it cannot be told.
    unit : {"iteration", "second"}
        Of the work.
    elapsed_s : float or None
        How long it took; None if nobody looked.
    whole : bool
        Whether what the program had built was there to its end, and not taken down before the last dump.
    built_bytes : int or None
        If it was taken down: what was alive before; None if live memory had gone up and down until then, too.
    tests : int or None
        If it was a suite of tests: how many of them were repeated and judged.
    children : tuple of Report
        Of the program's child processes that run Python.
    unjudged_children : int
        Those that lived too briefly for two dumps, or were too many.
    served : bool
        Whether it is a server that was judged under its load.
    """

    report: Report
    work: float | None = None
    unit: WorkUnit = "iteration"
    elapsed_s: float | None = None
    whole: bool = True
    built_bytes: int | None = None
    tests: int | None = None
    children: tuple[Report, ...] = ()
    unjudged_children: int = 0
    served: bool = False

    @property
    def worked_s(self) -> float | None:
        """How long it was at work: a server's start is no work.  None if nobody looked."""
        times_s = [source.elapsed_s for source in self.report.sources]
        if not times_s:
            return None
        return times_s[-1] - times_s[0] if self.served and len(times_s) > 1 else times_s[-1]

    @property
    def reports(self) -> tuple[Report, ...]:
        """Of all processes that were judged, the program first."""
        return (self.report, *self.children)

    @property
    def end_bytes(self) -> int | None:
        """What was alive when the work was done; None if nobody can tell."""
        return self.report.totals.live_bytes[-1] if self.whole else self.built_bytes


@dataclass(frozen=True, slots=True)
class Decision:
    """
    What follows from one finding.

    Attributes
    ----------
    finding : Finding
        As the latest run that has it says.
    outcome : Outcome
    reason : str
        Why, in plain English: one sentence.
    seen_in : tuple of int
        Trials that have it, as indices.
    rate : float or None
        Bytes gained for each further unit of work, where two trials tell.
    limit, entry, suppression
        What it fell under, if any.
    """

    finding: Finding
    outcome: Outcome
    reason: str
    seen_in: tuple[int, ...] = (0,)
    rate: float | None = None
    limit: Limit | None = None
    entry: BaselineEntry | None = None
    suppression: Suppression | None = None


@dataclass(frozen=True, slots=True)
class Breach:
    """
    A limit of the whole program that was passed.

    Attributes
    ----------
    limit : Limit
    amount : float
        What was gained, in the limit's own terms.
    sentence : str
    confirmed : bool
        Whether it was passed in every run that was asked for.
    """

    limit: Limit
    amount: float
    sentence: str
    confirmed: bool


@dataclass(frozen=True, slots=True)
class GateResult:
    """
    Everything that a gate says.

    Attributes
    ----------
    status : {"passed", "failed", "inconclusive"}
        With the policy's word about thin evidence applied.
    sentence : str
        The same in plain English.
    trials : tuple of Trial
        At least one, in the order they were run.
    decisions : tuple of Decision
        What fails first.
    breaches : tuple of Breach
    stale : tuple of BaselineEntry
        Known, but seen in no trial.
    policy : Policy
    baseline : Baseline
    undecided : bool
        Another run would tell more, and the policy allows it.
    folder, root : str
        Where the gate was called, and the folder that paths are told from; empty if unknown.
    command, arguments : str
        What was run, or the dumps that were compared, as one would type it; and all that was typed after
        ``leakscope gate``.
    tool_version : str
        Of leakscope; empty if nobody said.
    """

    status: GateStatus
    sentence: str
    trials: tuple[Trial, ...]
    decisions: tuple[Decision, ...]
    breaches: tuple[Breach, ...]
    stale: tuple[BaselineEntry, ...]
    policy: Policy
    baseline: Baseline
    undecided: bool = False
    folder: str = ""
    root: str = ""
    command: str = ""
    arguments: str = ""
    tool_version: str = ""

    @property
    def exit_code(self) -> int:
        """What the command line exits with."""
        return EXIT_CODES[self.status]

    @property
    def report(self) -> Report:
        """The report of the last trial."""
        return self.trials[-1].report

    def with_outcome(self, *outcomes: Outcome) -> tuple[Decision, ...]:
        """Decisions of some kinds, in their order."""
        return tuple(decision for decision in self.decisions if decision.outcome in outcomes)
