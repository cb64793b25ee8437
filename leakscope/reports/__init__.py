"""
Report to text: the table of formats.

It knows which formats there are; it refuses to know anything a `Report` does not say.
"""

from __future__ import annotations

from leakscope.reports.json_file import JSON
from leakscope.reports.markdown import MARKDOWN
from leakscope.reports.report_format import ReportFormat
from leakscope.reports.terminal import TERMINAL

REPORTS: tuple[ReportFormat, ...] = (TERMINAL, JSON, MARKDOWN)
"""Every format; a new one is one file and one entry here."""
