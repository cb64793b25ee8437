"""
Every way leakscope can fail, each with a slug, an exit code and the remedy.

It knows how to say what went wrong in one line; it refuses to know where in the house that happened.  A leak is a
finding, never an error.

::

    LeakscopeError(message, remedy)
      UsageError             2   wrong options, arguments or configuration
        PolicyError          2   the gate's policy file is wrong
      CoreMissing            5   the compiled part is absent or of another version
      CaptureError           5   the program could not be started, hooked or read
      DumpUnreadable         5   no such file, a directory, no permission
      DumpFormatError        5   (path, offset, what): a dump is malformed
        UnknownFormat        5   nobody recognised the first bytes
        NewerFormat          5   written by a later leakscope
      DumpNotWritten         5   a file could not be written
        DiskFull             5   for lack of room
      NotEnoughData          3   a command needs a part this dump does not have
      ProgramFailed          4   the program of a gate failed before there was a verdict
"""

# The names say what happened; "Error" at the end of each would say nothing more.
# ruff: noqa: N818

from __future__ import annotations

from os import PathLike, fspath
from typing import ClassVar

EXIT_FINE = 0
EXIT_GATE_FAILED = 1
EXIT_USAGE = 2
EXIT_INCONCLUSIVE = 3
EXIT_PROGRAM_FAILED = 4
EXIT_COULD_NOT = 5
EXIT_BUG = 70


class LeakscopeError(Exception):
    """
    A failure the user can do something about.

    Parameters
    ----------
    message : str
        What went wrong: one line, no full stop needed, the user's words.
    remedy : str
        What to do next: one line, an exact command or option where there is one.  May be empty.
    """

    code: ClassVar[str] = "leakscope"
    """Slug of the kind of failure; also a heading in the documentation."""
    exit_code: ClassVar[int] = EXIT_COULD_NOT
    """What the command line exits with."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return self.message


class UsageError(LeakscopeError):
    """Wrong options, arguments or configuration."""

    code = "usage"
    exit_code = EXIT_USAGE


class PolicyError(UsageError):
    """The policy of the gate is wrong."""

    code = "policy"


class CoreMissing(LeakscopeError):
    """The compiled part of leakscope is absent or belongs to another version."""

    code = "core-missing"


class CaptureError(LeakscopeError):
    """The program could not be started, hooked or read."""

    code = "capture"


class DumpUnreadable(LeakscopeError):
    """The path does not lead to a file that can be read."""

    code = "dump-unreadable"


class DumpFormatError(LeakscopeError):
    """
    The file is a dump, but malformed.

    Parameters
    ----------
    path : str or path-like
        The file.
    offset : int or None
        Byte in the file where the trouble was seen; None if it has no place.
    what : str
        What was found and what was expected.
    remedy : str, optional
        What to do next; by default: take the dump again.
    """

    code = "dump-format"
    default_remedy: ClassVar[str] = "the file is damaged or incomplete: copy it again or take a new dump"

    def __init__(self, path: str | PathLike[str], offset: int | None, what: str, remedy: str | None = None) -> None:
        self.path = fspath(path)
        self.offset = offset
        self.what = what
        place = "" if offset is None else f" (at byte {offset:,})"
        super().__init__(f"{self.path}: {what}{place}", self.default_remedy if remedy is None else remedy)


class UnknownFormat(DumpFormatError):
    """No format recognised the first bytes of the file."""

    code = "unknown-format"
    default_remedy = "give a .lks dump, as written by 'leakscope run'"


class NewerFormat(DumpFormatError):
    """The file was written by a later leakscope."""

    code = "newer-format"
    default_remedy = "upgrade leakscope to read it: pip install --upgrade leakscope"


class DumpNotWritten(LeakscopeError):
    """A file could not be written."""

    code = "dump-not-written"


class DiskFull(DumpNotWritten):
    """There was no room left for the file."""

    code = "disk-full"


class NotEnoughData(LeakscopeError):
    """A command needs a part that this dump does not have."""

    code = "not-enough-data"
    exit_code = EXIT_INCONCLUSIVE


class ProgramFailed(LeakscopeError):
    """The program failed before there was a verdict."""

    code = "program-failed"
    exit_code = EXIT_PROGRAM_FAILED
