"""
What a gate says, on a terminal or in the log of a pipeline.

It knows lines and colours; it refuses to cut anything: logs are read and searched.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from leakscope.model.gate import Outcome
from leakscope.reports.gate_lines import GROUPS, run_text, stale_text, told, what_next
from leakscope.reports.pieces import printable
from leakscope.reports.report_format import ReportFormat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leakscope.model.gate import GateResult
    from leakscope.reports.gate_lines import Told

_STYLES = {"passed": "1;30;42", "failed": "1;37;41", "inconclusive": "1;7"}
_IN_FULL = (Outcome.NEW, Outcome.SUSPECT)
_UNBROKEN = -1
_LEAST_WIDTH = 60
_MOST_WIDTH = 120


def render(result: GateResult, *, width: int = 100, color: bool = False) -> str:
    """
    The page.

    Parameters
    ----------
    result : GateResult
    width : int
        Columns; paths and commands are never broken.
    color : bool
        With escape sequences.
    """
    columns = max(_LEAST_WIDTH, min(width, _MOST_WIDTH))
    lines: list[str] = []
    for indent, text in _lines(result, color=color):
        lines += _wrapped(text, indent, columns)
    return "\n".join(lines).rstrip("\n") + "\n"


GATE_TERMINAL = ReportFormat(name="terminal", suffix=".txt", render=render)


def _lines(result: GateResult, *, color: bool) -> Iterator[tuple[int, str]]:
    """Indent and text of each line; one that is less than zero is that of a line that is not broken, less one."""
    yield _UNBROKEN, f"leakscope gate  {printable(result.command)}"
    yield 0, run_text(result)
    yield 0, ""
    word = result.status.upper()
    label = f"\x1b[{_STYLES[result.status]}m {word} \x1b[0m" if color else f" {word} "
    yield 0, f"{label}  {printable(_without_status(result))}"
    for breach in result.breaches:
        yield 2, f"- {printable(breach.sentence)}"
    for outcome, title in GROUPS:
        decisions = result.with_outcome(outcome)
        if decisions:
            yield 0, ""
            yield 0, f"\x1b[1m{title}\x1b[0m" if color else title
        for number, decision in enumerate(decisions, 1):
            words = told(decision, result)
            yield from _in_full(words, number, color=color) if outcome in _IN_FULL else _in_short(words)
    if result.stale:
        yield 0, ""
        yield 0, "\x1b[1mIn the baseline, but not seen\x1b[0m" if color else "In the baseline, but not seen"
        yield from ((2, f"- {stale_text(entry, result)}") for entry in result.stale)
    following = [*what_next(result)]
    if following:
        yield 0, ""
        yield 0, "\x1b[1mNext\x1b[0m" if color else "Next"
        yield from ((_UNBROKEN - 2, printable(line)) for line in following)


def _in_full(words: Told, number: int, *, color: bool) -> Iterator[tuple[int, str]]:
    finding = words.decision.finding
    verdict = f"\x1b[1;31m{finding.verdict.value}\x1b[0m" if color else finding.verdict.value
    function = finding.subject.function or finding.subject.symbol or finding.rule
    yield 2, f"{number}. {verdict}  {words.gain}  {printable(function)}  {words.site}  [{finding.code}]"
    yield 5, words.sentence
    yield 5, words.reason
    yield from ((5, detail) for detail in words.details)
    if words.command:
        yield _UNBROKEN - 5, f"next: {words.command}"


def _in_short(words: Told) -> Iterator[tuple[int, str]]:
    yield 2, f"- {words.title}  {words.gain}  {words.site}  [{words.decision.finding.code}]"
    yield 4, words.reason


def _without_status(result: GateResult) -> str:
    """The sentence after its first word, which is the label's."""
    return result.sentence.removeprefix(result.status).lstrip(": ")


def _wrapped(text: str, indent: int, columns: int) -> list[str]:
    if indent < 0 or not text:
        return [" " * (_UNBROKEN - indent) + text]
    hanging = (
        indent + 2 if text.startswith("- ") else indent + 3 if text[:1].isdigit() and text[1:3] == ". " else indent
    )
    return textwrap.wrap(
        text, columns, initial_indent=" " * indent, subsequent_indent=" " * hanging, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
