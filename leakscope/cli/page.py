"""
A report as one stream wants it: its width, its colours, its characters.

It knows streams; it refuses to know what is in a report.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from leakscope import api

if TYPE_CHECKING:
    from typing import TextIO

    from leakscope.cli.voice import Manners
    from leakscope.model.report import Report

_WITHOUT_TERMINAL = 100


def page(report: Report, stream: TextIO, manners: Manners) -> str:
    """
    The first screen for a stream.

    Parameters
    ----------
    report : Report
    stream : TextIO
        Where it will be written; a terminal or not.
    manners : Manners
        Whether to use colour.
    """
    return api.render(
        report, "terminal", width=width_of(stream), color=manners.colored(stream), plain=not _draws(stream)
    )


def print_report(report: Report, manners: Manners, *, json: bool, quiet: bool) -> None:
    """
    Write a report to standard output.

    Parameters
    ----------
    report : Report
    manners : Manners
    json : bool
        One JSON document instead of the first screen; ``quiet`` does not silence it.
    quiet : bool
        Nothing.
    """
    if json:
        sys.stdout.write(api.render(report, "json"))
    elif not quiet:
        text = page(report, sys.stdout, manners)
        encoding = sys.stdout.encoding or "utf-8"
        # Names from the dump may hold characters that this stream has not.
        sys.stdout.write(text.encode(encoding, errors="replace").decode(encoding))


def width_of(stream: TextIO) -> int:
    """Columns of a terminal; of anything else what ``COLUMNS`` says, or 100."""
    told = os.environ.get("COLUMNS", "")
    if told.isdecimal() and int(told) > 0:
        return int(told)
    try:
        return os.get_terminal_size(stream.fileno()).columns or _WITHOUT_TERMINAL
    except (OSError, ValueError, AttributeError):
        return _WITHOUT_TERMINAL


def _draws(stream: TextIO) -> bool:
    """Whether the stream can take the characters that bars are drawn with."""
    try:
        "█▁…±".encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
