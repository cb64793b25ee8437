"""
What a gate says in Markdown, for the summary of a pipeline's job or a comment on a pull request.

It knows headings, lists and details to unfold; it refuses to be longer than such summaries may be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakscope.model.gate import Outcome
from leakscope.reports.gate_lines import GROUPS, run_text, stale_text, told, what_next
from leakscope.reports.markdown_text import code, escaped
from leakscope.reports.pieces import printable
from leakscope.reports.report_format import ReportFormat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leakscope.model.gate import Decision, GateResult

_MOST_CHARS = 200_000
"""GitHub takes a mebibyte for all steps of a job."""
_SIGNS = {"passed": "✅", "failed": "❌", "inconclusive": "❔"}


def render(result: GateResult) -> str:
    """
    The page; cut at a line's end, and said so, where it would be too long.

    Parameters
    ----------
    result : GateResult
    """
    kept: list[str] = []
    length = 0
    for line in _lines(result):
        length += len(line) + 1
        if length > _MOST_CHARS:
            kept += ["", "*More than fits here: see the log.*"]
            break
        kept.append(line)
    return "\n".join(kept).rstrip("\n") + "\n"


GATE_MARKDOWN = ReportFormat(name="markdown", suffix=".md", render=render)


def _lines(result: GateResult) -> Iterator[str]:
    yield f"## {_SIGNS[result.status]} leakscope gate: {result.status}"
    yield ""
    said = result.sentence.removeprefix(result.status).lstrip(": ")
    yield f"**{escaped(printable(said))}** ({escaped(run_text(result))})"
    yield ""
    yield code(printable(result.command))
    if result.breaches:
        yield ""
        yield from (f"- {escaped(breach.sentence)}" for breach in result.breaches)
    for outcome, title in GROUPS:
        decisions = result.with_outcome(outcome)
        if decisions:
            full = outcome in (Outcome.NEW, Outcome.SUSPECT)
            yield from _in_full(decisions, title, result) if full else _folded(decisions, title, result)
    if result.stale:
        yield from _unfolds(f"In the baseline, but not seen: {len(result.stale)}")
        yield from (f"- {escaped(stale_text(entry, result))}" for entry in result.stale)
        yield from ("", "</details>")
    following = [*what_next(result)]
    if following:
        yield from ("", "### Next", "")
        yield from (f"- {escaped(printable(line))}" for line in following)


def _in_full(decisions: tuple[Decision, ...], title: str, result: GateResult) -> Iterator[str]:
    yield from ("", f"### {title}", "")
    for number, decision in enumerate(decisions, 1):
        words = told(decision, result)
        where = f"{code(words.site)} ({decision.finding.code})"
        yield f"{number}. **{escaped(words.title)}** {escaped(words.gain)}: {where}"
        for text in (words.sentence, words.reason, *words.details):
            yield f"   - {escaped(text)}"
        if words.command:
            yield f"   - next: {code(words.command)}"


def _folded(decisions: tuple[Decision, ...], title: str, result: GateResult) -> Iterator[str]:
    yield from _unfolds(f"{title}: {len(decisions)}")
    for decision in decisions:
        words = told(decision, result)
        yield f"- {escaped(words.title)} {escaped(words.gain)}: {code(words.site)} ({decision.finding.code})"
        yield f"  - {escaped(words.reason)}"
    yield from ("", "</details>")


def _unfolds(summary: str) -> Iterator[str]:
    yield from ("", f"<details><summary>{summary}</summary>", "")
