"""
How leakscope speaks to a person: one line for what went wrong, one for what to do, always on standard error.

It knows wording and colour; it refuses to know what went wrong.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from leakscope.errors import EXIT_BUG, LeakscopeError

if TYPE_CHECKING:
    from typing import TextIO

WHEN = ("auto", "always", "never")
_REPORT_AT = "report it with this line and what 'leakscope --debug ...' prints"


@dataclass(slots=True)
class Manners:
    """
    How to speak; carried by click's context.

    Attributes
    ----------
    debug : bool
        Show tracebacks.
    color : one of `WHEN`
    """

    debug: bool = False
    color: str = "auto"

    def colored(self, stream: TextIO) -> bool:
        """Whether to use colour on a stream."""
        if self.color != "auto":
            return self.color == "always"
        if os.environ.get("NO_COLOR"):
            return False
        if os.environ.get("FORCE_COLOR"):
            return True
        return stream.isatty() and os.environ.get("TERM") != "dumb"


def say(manners: Manners, label: str, text: str, color: str) -> None:
    """One line on standard error, control characters made harmless; silent if nobody listens any more."""
    if sys.stderr is None:
        return
    visible = "".join(char if char.isprintable() else "?" for char in text.replace("\n", " "))
    prefix = click.style(f"{label}:", fg=color, bold=True) if manners.colored(sys.stderr) else f"{label}:"
    try:
        sys.stderr.write(f"{prefix} {visible}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        pass


def error(manners: Manners, message: str, hint: str = "") -> None:
    """What went wrong, and what to do about it."""
    say(manners, "error", message, "red")
    if hint:
        say(manners, "hint", hint, "cyan")


def warning(manners: Manners, message: str, hint: str = "") -> None:
    """What went wrong without stopping us."""
    say(manners, "warning", message, "yellow")
    if hint:
        say(manners, "hint", hint, "cyan")


def failure(manners: Manners, problem: BaseException) -> int:
    """
    Say any failure, and the exit code for it: a known one with its remedy, an unknown one as a bug of ours.

    Parameters
    ----------
    manners : Manners
    problem : BaseException
    """
    import traceback  # only needed here, and slow to load

    if manners.debug:
        traceback.print_exception(type(problem), problem, problem.__traceback__)
    if isinstance(problem, LeakscopeError):
        error(manners, problem.message, problem.remedy)
        return problem.exit_code
    what = f"{type(problem).__name__}: {problem}" if str(problem) else type(problem).__name__
    error(manners, f"a bug in leakscope: {what}{_place(problem)}", _REPORT_AT)
    return EXIT_BUG


def _place(problem: BaseException) -> str:
    """The innermost line of ours, which is worth more than the message."""
    import traceback

    frames = traceback.extract_tb(problem.__traceback__)
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
    ours = [frame for frame in frames if os.path.abspath(frame.filename).startswith(package)]
    return f" ({os.path.basename(ours[-1].filename)}:{ours[-1].lineno})" if ours else ""
