"""
What a gate says as annotations of GitHub Actions: lines that the runner reads in the log of a step.

It knows the runner's commands and how their values are escaped; it refuses to print more annotations than GitHub shows,
ten of a step.  The summary of the job is the Markdown report.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakscope.model.gate import Outcome
from leakscope.reports.gate_lines import stale_text, told, what_next
from leakscope.reports.pieces import printable
from leakscope.reports.report_format import ReportFormat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leakscope.model.gate import GateResult
    from leakscope.reports.gate_lines import Place

MOST = 10


def render(result: GateResult) -> str:
    """
    Workflow commands, one a line; nothing but a notice if the gate passed.

    Parameters
    ----------
    result : GateResult
    """
    lines = [*_annotations(result)]
    if len(lines) > MOST:
        rest = len(lines) - MOST + 1
        lines = [*lines[: MOST - 1], annotation("error", "leakscope", f"{rest} more are in the log and the summary")]
    return "\n".join(lines) + "\n"


GITHUB = ReportFormat(name="github", suffix=".github", render=render)


def _annotations(result: GateResult) -> Iterator[str]:
    for decision in result.with_outcome(Outcome.NEW):
        words = told(decision, result)
        text = "\n".join([words.sentence, words.reason, *words.details, *_labelled(words.command)])
        yield annotation("error", f"{words.title} [{decision.finding.code}]", text, words.place)
    for breach in result.breaches:
        yield annotation("error", "leakscope gate", "\n".join(map(printable, [breach.sentence, *what_next(result)])))
    if result.status == "inconclusive":
        yield annotation("warning", "leakscope gate", "\n".join(map(printable, [result.sentence, *what_next(result)])))
    if result.stale:
        texts = [stale_text(entry, result) for entry in result.stale]
        yield annotation("notice", "leakscope baseline", "\n".join(texts))
    if result.status == "passed":
        yield annotation("notice", "leakscope gate", result.sentence)


def annotation(level: str, title: str, text: str, place: Place | None = None) -> str:
    """
    One workflow command.

    Parameters
    ----------
    level : {"error", "warning", "notice"}
    title, text : str
        The text may have several lines.
    place : Place, optional
    """
    properties = {"title": printable(title)}
    if place is not None:
        properties |= {"file": printable(place.path), "line": str(place.line), "endLine": str(place.line)}
    told_properties = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{level} {told_properties}::{_data(text)}"


def _labelled(command: str) -> list[str]:
    return [f"next: {command}"] if command else []


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
