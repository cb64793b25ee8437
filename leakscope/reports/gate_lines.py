"""
What every report of a gate says, in words and places: shared, so that all of them say the same.

It knows how a finding's line is found in the repository, and what to type next; it refuses to know any format.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from posixpath import isabs, join, normpath, relpath
from typing import TYPE_CHECKING

from leakscope.model.finding import Verdict
from leakscope.model.gate import Outcome
from leakscope.reports.pieces import outside, printable, way
from leakscope.units import format_bytes, format_count

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from leakscope.model.allocations import Frame
    from leakscope.model.finding import Finding
    from leakscope.model.gate import Decision, GateResult, Trial
    from leakscope.model.policy import BaselineEntry
    from leakscope.model.report import Report

_INSTALLED = re.compile(r"/(?:site-packages|dist-packages|node_modules|\.venv|\.tox|\.nox|lib/python\d+(?:\.\d+)?t?)/")
GROUPS: tuple[tuple[Outcome, str], ...] = (
    (Outcome.NEW, "New"), (Outcome.SUSPECT, "Suspected"), (Outcome.DOUBT, "In doubt"),
    (Outcome.UNCONFIRMED, "Seen, but not relied on"), (Outcome.WITHIN, "Within limits"),
    (Outcome.KNOWN, "Known"), (Outcome.SUPPRESSED, "Suppressed"), (Outcome.TOLD, "For information"),
)  # fmt: skip
"""Outcomes in the order they are told, with their titles."""


@dataclass(frozen=True, slots=True)
class Place:
    """A line in the repository: path from its root, with slashes; and the line, 1-based."""

    path: str
    line: int


@dataclass(frozen=True, slots=True)
class Told:
    """
    A decision in words.

    Attributes
    ----------
    decision : Decision
    title : str
        ``LEAK of app.Session in Cache.get``.
    place : Place or None
        In the repository; None if nothing of it is on the stack.
    site : str
        The same for people, or what there is instead: ``app/cache.py:12``.
    gain : str
        ``+1.6 MiB in 5,000 objects``.
    sentence, reason : str
        What is so, and why it fails or passes.
    details : tuple of str
        Holder, callers, advice.
    command : str
        What to type next to see more; empty where the details say it, or there is nothing more to see.
    """

    decision: Decision
    title: str
    place: Place | None
    site: str
    gain: str
    sentence: str
    reason: str
    details: tuple[str, ...]
    command: str


def told(decision: Decision, result: GateResult) -> Told:
    """
    A decision in words, printable on one line each.

    Parameters
    ----------
    decision : Decision
    result : GateResult
    """
    finding = decision.finding
    place = place_of(finding, result)
    details = tuple(map(printable, _details(finding)))
    command = _look_closer(finding, _teller(finding, result.trials[decision.seen_in[-1]]))
    if any("leakscope " in detail for detail in details):
        command = ""
    return Told(
        decision=decision,
        title=printable(title_of(finding)),
        place=place,
        site=printable(f"{place.path}:{place.line}" if place else _site(finding)),
        gain=gain_of(finding),
        sentence=printable(finding.sentence),
        reason=printable(decision.reason),
        details=details,
        command=command,
    )


def title_of(finding: Finding) -> str:
    """``LEAK of app.Session in Cache.get``."""
    subject = finding.subject
    what = f" of {subject.type}" if subject.type else f" in {subject.pool}" if subject.pool else ""
    where = subject.function or subject.symbol or subject.library
    return f"{finding.verdict.value}{what}{f' in {where}' if where else ''}"


def gain_of(finding: Finding) -> str:
    """``+1.6 MiB in 5,000 objects``; the size where nothing was gained."""
    growth, kind = finding.growth, finding.subject.kind
    size = format_bytes(growth.bytes, signed=True) if growth else format_bytes(finding.bytes)
    count = growth.count if growth else finding.count
    if not count:
        return size
    return f"{size} in {format_count(count)} {kind[:-1] if count == 1 and kind.endswith('s') else kind}"


def place_of(finding: Finding, result: GateResult) -> Place | None:
    """
    The line to look at: the one the finding names, or else the innermost one of the repository on its stack.

    Parameters
    ----------
    finding : Finding
    result : GateResult
    """
    subject = finding.subject
    own = [(path, frame) for frame in finding.stack if (path := repository_path(frame, result)) is not None]
    for path, frame in own:
        if frame.line == subject.line and subject.file and f"/{path}".endswith(f"/{subject.file}"):
            return Place(path, frame.line)
    for path, frame in own:
        return Place(path, frame.line)
    return None


def repository_path(frame: Frame, result: GateResult) -> str | None:
    """The path of a frame's file from the root of the repository; None if it lies elsewhere, as installed code does."""
    if frame.kind != "python" or frame.line < 1 or frame.file.startswith("<") or not result.root:
        return None
    full = normpath(frame.file if isabs(frame.file) else join(result.folder, frame.file))
    root = normpath(result.root)
    if not full.startswith(root.rstrip("/") + "/") or _INSTALLED.search(full[len(root.rstrip("/")) :]):
        return None
    return relpath(full, root)


def breach_place(result: GateResult) -> str:
    """A file for formats that want one where there is none: the program itself."""
    for word in shlex.split(result.command):
        if word.endswith(".py") and not isabs(word):
            return relpath(normpath(join(result.folder, word)), normpath(result.root)) if result.root else word
    return "pyproject.toml"


def run_text(result: GateResult) -> str:
    """``2 runs with 100 and 200 iterations, 3.1 s``; what was compared where nothing was run."""
    trials = result.trials
    tests = trials[-1].tests
    if tests is not None:
        judged = f"{format_count(tests)} test{'' if tests == 1 else 's'} judged"
        return f"{judged}, {sum(trial.elapsed_s or 0.0 for trial in trials):.1f} s"
    if all(trial.elapsed_s is None for trial in trials):
        count = len(result.report.sources)
        return f"{count} dump{'' if count == 1 else 's'}"
    runs = f"{len(trials)} run{'' if len(trials) == 1 else 's'}"
    works = [format_count(trial.work) for trial in trials if trial.work is not None]
    if works:
        listed = works[0] if len(works) == 1 else f"{', '.join(works[:-1])} and {works[-1]}"
        unit = trials[0].unit
        runs = f"{runs} with {listed} {unit}{'' if works == ['1'] else 's'}"
    return f"{runs}{_children(trials)}, {sum(trial.elapsed_s or 0.0 for trial in trials):.1f} s"


def _children(trials: Iterable[Trial]) -> str:
    """``, 4 child processes judged, 1 too brief``; "" if there were none."""
    judged = sum(len(trial.children) for trial in trials)
    unjudged = sum(trial.unjudged_children for trial in trials)
    if not judged + unjudged:
        return ""
    words = f", {format_count(judged)} child process{'' if judged == 1 else 'es'} judged"
    return f"{words}, {format_count(unjudged)} too brief or too many" if unjudged else words


def what_next(result: GateResult) -> Iterator[str]:
    """What to do about a gate that did not pass, one line each; nothing if it did."""
    if result.with_outcome(Outcome.NEW):
        again = f"leakscope gate --update-baseline --note WHY {result.arguments}"
        yield f"fix it and run the gate again, or accept it: {again}"
    elif result.breaches:
        yield f"find what grew: {_show(result)}; or raise the limit in [tool.leakscope.gate.limits]"
    elif result.status != "passed":
        if result.trials[-1].tests is not None:
            yield "see above which tests could not be repeated, and why; tests that depend on a first run cannot be"
        elif result.trials[-1].work is None:
            yield (
                "give it more work: put {iterations} where the program takes how much to do, or let it read "
                "LEAKSCOPE_ITERATIONS, and say --iterations N"
            )
        else:
            yield f"give it more work: the same with --iterations {round(10 * result.trials[-1].work)}"
        yield "or say what follows from thin evidence: --inconclusive pass, or fail"


def stale_text(entry: BaselineEntry, result: GateResult) -> str:
    """An entry of the baseline that was not seen."""
    what = f"{entry.code} {entry.what}".strip()
    note = f"; {entry.note}" if entry.note else ""
    return printable(
        f"{what} ({entry.fingerprint}, known since {entry.added}{note}) was not seen: once it is fixed, leave it out "
        "with --update-baseline"
    )


def _site(finding: Finding) -> str:
    subject = finding.subject
    if subject.file:
        return f"{subject.file}:{subject.line}" if subject.line else subject.file
    return subject.library or subject.pool or ""


def _details(finding: Finding) -> Iterable[str]:
    subject = finding.subject
    for holder in finding.holders[:1]:
        yield f"held by {way(holder)}"
    callers = outside(finding.stack, subject.function or "", subject.line or 0, ", ")
    if callers:
        yield f"called by {callers}"
    if finding.advice:
        yield f"try: {finding.advice[0]}"


def _teller(finding: Finding, trial: Trial) -> Report:
    """Whose dumps show a finding."""
    same = (one for one in trial.reports if any(its.fingerprint == finding.fingerprint for its in one.findings))
    return next(same, trial.report)


def _look_closer(finding: Finding, report: Report) -> str:
    """A command that shows more about a finding."""
    sources, subject = report.sources, finding.subject
    if not sources or not all(source.path for source in sources):
        return ""
    if finding.holders and finding.verdict in (Verdict.LEAK, Verdict.GROWTH) and subject.kind == "objects":
        asked = subject.type if subject.type and "." in subject.type else ""
        if not asked and subject.file and subject.line:
            asked = f"{subject.file}:{subject.line}"
        if asked:
            return f"leakscope path {shlex.quote(sources[-1].path)} {shlex.quote(asked)}"
    if len(sources) < 2:
        return f"leakscope show {shlex.quote(sources[-1].path)} --by stack"
    return f"leakscope diff {' '.join(shlex.quote(source.path) for source in sources)}"


def _show(result: GateResult) -> str:
    sources = result.report.sources
    return f"leakscope show {shlex.quote(sources[-1].path)} --by stack" if sources else "leakscope diff DUMPS"
