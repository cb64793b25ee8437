"""
What people type to start a program, as words for an interpreter: ``python app.py``, ``pytest``, ``uvicorn app:app``.

It knows where commands of Python packages lie and how their first line names an interpreter; it refuses to start them.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from leakscope.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

_PYTHON = re.compile(r"(?:python|pypy)[\d.]*t?")
_INTERPRETER = re.compile(rb"(/[^\s'\"]*/(?:python|pypy)[\d.]*t?)\b|/env\s+(?:-\S+\s+)*((?:python|pypy)[\d.]*t?)\b")
_VALUED = frozenset("WX")
_HEAD_BYTES = 512
_PYTEST = frozenset({"pytest", "py.test"})
_SPECIAL = frozenset({"-m", "-c", "-"})
"""Where Python's own options end."""


@dataclass(frozen=True, slots=True)
class Command:
    """
    What to run, and with what.

    Attributes
    ----------
    target : tuple of str
        What would follow ``python`` and its options.
    python : str or None
        The interpreter that was named, or that a command's first line names; None for the one of leakscope itself.
    python_args : tuple of str
        Options of the interpreter.
    """

    target: tuple[str, ...]
    python: str | None = None
    python_args: tuple[str, ...] = ()

    @property
    def tests(self) -> int:
        """How many words of the target start pytest; 0 if it is another program."""
        if self.target[0] == "-m":
            return 2 if self.target[1] in _PYTEST else 0
        return 1 if os.path.basename(self.target[0]) in _PYTEST else 0


def resolve(words: Sequence[str], python: str | None) -> Command:
    """
    The command behind what was typed.

    Parameters
    ----------
    words : sequence of str
        ``app.py x``, ``-m mod``, ``-c code``, ``python -X dev app.py``, ``pytest tests``.
    python : str or None
        The interpreter that an option names; it has the last word.

    Raises
    ------
    UsageError
        If there is nothing to run, or it is no Python program.
    """
    if not words:
        raise UsageError("there is nothing to run", "name a program: leakscope gate -- app.py")
    first = words[0]
    is_file, is_path = os.path.isfile(first), os.sep in first
    if first in _SPECIAL:
        return Command(_complete(words), python)
    if _PYTHON.fullmatch(os.path.basename(first)) and (is_path or not is_file):
        count = _count_options(words[1:])
        rest = words[1 + count :]
        if not rest:
            raise UsageError(f"{first!r} without a program", "name a program after it: leakscope gate -- python app.py")
        return Command(_complete(rest), python or first, tuple(words[1 : 1 + count]))
    if is_file:
        named = _named_interpreter(first) if is_path and os.access(first, os.X_OK) else None
        # Installed commands have no suffix, and name the interpreter they were installed for.
        return Command(tuple(words), python or (named if "." not in os.path.basename(first) else None))
    return _installed(words, python)


def _installed(words: Sequence[str], python: str | None) -> Command:
    """A command of an installed package, beside the interpreter or in PATH."""
    first = words[0]
    beside = Path(python or sys.executable).parent / first
    found = str(beside) if os.access(beside, os.X_OK) and beside.is_file() else shutil.which(first)
    if found is None:
        similar = f"{first}.py" if os.path.isfile(f"{first}.py") else f"-m {first}" if first.isidentifier() else ""
        hint = (
            f"did you mean: leakscope gate -- {similar}" if similar else "name a file, -m MODULE, or a command in PATH"
        )
        raise UsageError(f"there is no file and no command {first!r}", hint)
    if _interpreter_in(found) is None:
        raise UsageError(f"{found} is no Python program", "leakscope sees Python programs only: name one, or -m MODULE")
    return Command((found, *words[1:]), python or _named_interpreter(found))


def _named_interpreter(file: str) -> str | None:
    """The interpreter that a command's first line names, if it is not our own."""
    interpreter = _interpreter_in(file)
    return None if interpreter is None or _is_ours(interpreter) else interpreter


def _interpreter_in(path: str) -> str | None:
    """The interpreter that a file's first line names; None if it names none."""
    with open(path, "rb") as file:
        named = _INTERPRETER.search(file.read(_HEAD_BYTES)) if file.read(2) == b"#!" else None
    return None if named is None else (named[1] or named[2]).decode("utf-8", "surrogateescape")


def _is_ours(interpreter: str) -> bool:
    return os.path.abspath(interpreter) == os.path.abspath(sys.executable)


def _count_options(words: Sequence[str]) -> int:
    """How many words after ``python`` are its own options."""
    count = 0
    while count < len(words) and words[count].startswith("-") and words[count][:2] not in _SPECIAL:
        word = words[count]
        count += 2 if len(word) == 2 and word[1] in _VALUED else 1
    return count


def _complete(words: Sequence[str]) -> tuple[str, ...]:
    if words[0] in ("-m", "-c") and len(words) < 2:
        raise UsageError(f"{words[0]} needs a word after it", f"leakscope gate -- {words[0]} ...")
    return tuple(words)
