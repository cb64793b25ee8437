"""Start programs bare and under leakscope, as a user would."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from leakscope.formats import open_dump
from leakscope.model.dump import Dump

TIMEOUT_S = 240.0
"""For what hangs; a busy machine takes its time."""
# The installed command: `python -m leakscope` would find the checkout first when started there.
LEAKSCOPE = (str(Path(sys.executable).with_name("leakscope")),)


def bare(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """A program under plain Python."""
    return _run([sys.executable, *words], options)


def recorded(*words: str, folder: Path | None = None, **options: Any) -> subprocess.CompletedProcess[str]:
    """A program under ``leakscope run``, quietly and without a report, so that all output is the program's."""
    own = ["--quiet", "--no-report", *([] if folder is None else ["-o", str(folder)])]
    return _run([*LEAKSCOPE, "run", *own, *words], {"cwd": None, **options})


def leakscope(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Any command of leakscope."""
    return _run([*LEAKSCOPE, *words], options)


@contextlib.contextmanager
def started(folder: Path, program: str, *own: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A program under ``leakscope run``, from the moment it has printed ``ready``."""
    words = [*LEAKSCOPE, "run", "--quiet", "--no-report", "-o", str(folder), *own, "-c", program]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, **options) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def dumps_in(folder: Path) -> list[Dump]:
    """The dumps of a run, oldest first."""
    return [open_dump(path) for path in sorted(folder.glob("*.lks"))]


def _run(words: list[str], options: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    defaults = {"capture_output": True, "text": True, "timeout": TIMEOUT_S, "check": False}
    return subprocess.run(words, **{**defaults, **options})
