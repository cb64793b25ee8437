"""
What a gate says as JUnit XML: a test case for the gate itself, and one for each finding.

It knows the elements that readers of such files agree on; it refuses to use any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

from leakscope.model.gate import Outcome
from leakscope.reports.gate_lines import told, what_next
from leakscope.reports.pieces import printable
from leakscope.reports.report_format import ReportFormat

if TYPE_CHECKING:
    from leakscope.model.gate import Decision, GateResult

_SUITE = "leakscope gate"
_PASSED_OVER = (Outcome.KNOWN, Outcome.SUPPRESSED)


def render(result: GateResult) -> str:
    """
    The document.

    Parameters
    ----------
    result : GateResult
        What is new fails, what is known or suppressed is skipped, the rest passes; thin evidence is an error.
    """
    suite = ElementTree.Element("testsuite", {"name": _SUITE})
    elapsed = f"{sum(trial.elapsed_s or 0.0 for trial in result.trials):.3f}"
    _add_gate(suite, result, elapsed)
    for decision in result.decisions:
        _add_finding(suite, decision, result)
    counts = {
        name: str(len(suite.findall(f"testcase/{element}")))
        for name, element in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped"))
    }
    suite.attrib |= {"tests": str(len(suite.findall("testcase"))), **counts, "time": elapsed}
    suites = ElementTree.Element("testsuites", {"name": _SUITE})
    suites.append(suite)
    ElementTree.indent(suites, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(suites, encoding="unicode") + "\n"


JUNIT = ReportFormat(name="junit", suffix=".xml", render=render)


def _add_gate(suite: ElementTree.Element, result: GateResult, elapsed: str) -> None:
    case = ElementTree.SubElement(
        suite, "testcase", {"classname": "leakscope", "name": printable(result.command) or "gate", "time": elapsed}
    )
    following = [printable(line) for line in what_next(result)]
    if result.breaches:
        _problem(case, "failure", "limit", result.breaches[0].sentence, following)
    elif result.status == "inconclusive":
        _problem(case, "error", "inconclusive", result.sentence, following)
    elif result.status == "failed" and not result.with_outcome(Outcome.NEW):
        _problem(case, "failure", "inconclusive", result.sentence, following)
    output = ElementTree.SubElement(case, "system-out")
    output.text = printable(result.sentence)


def _add_finding(suite: ElementTree.Element, decision: Decision, result: GateResult) -> None:
    words, finding = told(decision, result), decision.finding
    # Names of test cases are how their history is found again: the fingerprint is the same tomorrow, numbers are not.
    name = f"{words.title} [{finding.fingerprint}]"
    case = ElementTree.SubElement(suite, "testcase", {"classname": f"leakscope.{finding.code}", "name": name})
    if decision.outcome is Outcome.NEW:
        lines = [f"at {words.site}: {words.gain}", words.reason, *words.details]
        if words.command:
            lines.append(f"next: {words.command}")
        _problem(case, "failure", finding.verdict.value, words.sentence, lines)
    elif decision.outcome in _PASSED_OVER:
        ElementTree.SubElement(case, "skipped", {"message": words.reason})
    else:
        ElementTree.SubElement(case, "system-out").text = f"{words.sentence} {words.reason}"


def _problem(case: ElementTree.Element, element: str, kind: str, message: str, lines: list[str]) -> None:
    problem = ElementTree.SubElement(case, element, {"type": kind, "message": printable(message)})
    problem.text = "\n".join(lines)
