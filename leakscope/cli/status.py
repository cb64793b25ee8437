"""
The one line that tells on a terminal how a run goes.

It knows how to draw and wipe a line; it refuses to know where the numbers come from.  The cursor is left at the line's
beginning, so that what the program prints takes its place.
"""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING

from leakscope.units import format_bytes, format_duration

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import TextIO

    from leakscope.model.recording import Progress

_WIPE = "\r\x1b[2K"


class StatusLine:
    """
    A line on a terminal, drawn anew with each progress.

    Parameters
    ----------
    stream : TextIO
        A terminal.
    name_site : callable
        Where a stack allocates, from a dump that has its name: ``parse (app.py:12)``; "" if it has not.
    """

    def __init__(self, stream: TextIO, name_site: Callable[[Path, int], str]) -> None:
        self._stream = stream
        self._name_site = name_site
        self._names: dict[int, str] = {}
        self._dump: Path | None = None

    def __call__(self, progress: Progress) -> None:
        """Draw."""
        width = shutil.get_terminal_size().columns
        self._write(_WIPE + status_text(progress, self._name(progress), width - 1) + "\r")

    def wipe(self) -> None:
        """Leave nothing behind."""
        self._write(_WIPE)

    def _name(self, progress: Progress) -> str:
        stack = progress.biggest
        if stack is None or progress.dump is None:
            return ""
        # A stack that is younger than the latest dump has a name only in the next one.
        if not self._names.get(stack) and progress.dump != self._dump:
            self._names[stack] = self._name_site(progress.dump, stack)
            self._dump = progress.dump
        return self._names.get(stack, "")

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()


def status_text(progress: Progress, site: str, width: int) -> str:
    """
    The line: numbers whole, the site shortened from the left, or left out, to fit.

    Parameters
    ----------
    progress : Progress
    site : str
        Name of the biggest site; "" if unknown.
    width : int
        Columns.
    """
    rss = "?" if progress.rss_bytes is None else format_bytes(progress.rss_bytes)
    parts = [f"{format_duration(progress.elapsed_s)}", f"resident {rss}", f"live {format_bytes(progress.live_bytes)}"]
    line = "  ".join(parts)
    if len(line) > width:
        return ""
    room = width - len(line) - len("  most: ")
    if not site or room < 10:
        return line
    return f"{line}  most: {site if len(site) <= room else '…' + site[-(room - 1) :]}"
