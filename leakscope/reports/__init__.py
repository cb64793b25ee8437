"""
Report to text, and what a gate says to text: the tables of formats.

It knows which formats there are; it refuses to know anything a `Report` or a `GateResult` does not say.
"""

from __future__ import annotations

from leakscope.reports.gate_json import GATE_JSON
from leakscope.reports.gate_markdown import GATE_MARKDOWN
from leakscope.reports.gate_terminal import GATE_TERMINAL
from leakscope.reports.github import GITHUB
from leakscope.reports.gitlab import GITLAB
from leakscope.reports.json_file import JSON
from leakscope.reports.junit import JUNIT
from leakscope.reports.markdown import MARKDOWN
from leakscope.reports.report_format import ReportFormat
from leakscope.reports.sarif import SARIF
from leakscope.reports.terminal import TERMINAL

REPORTS: tuple[ReportFormat, ...] = (TERMINAL, JSON, MARKDOWN)
"""Every format; a new one is one file and one entry here."""
GATE_REPORTS: tuple[ReportFormat, ...] = (
    GATE_TERMINAL, GATE_JSON, GATE_MARKDOWN, SARIF, JUNIT, GITHUB, GITLAB,
)  # fmt: skip
"""Every format of what a gate says."""
