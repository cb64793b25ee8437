"""How each tool under comparison is started: one line per configuration.

Knows command lines only; what a run costs is :mod:`measure`'s business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Tool:
    """One configuration: how its command line begins, and what has to be known to read its figures."""

    name: str
    begin: Callable[[str, Path], list[str]]
    """From the interpreter and a path for the output to the words before ``script scale``."""

    peer: bool = False
    """Needs the interpreter that has the peers installed."""

    parent: bool = False
    """Runs the program in a child process; figures of parent and child are kept apart."""

    interval_bytes: int = 0
    """Of the recorder, for counting instructions without the parent; see :mod:`counted`."""


def _plain(*options: str) -> Callable[[str, Path], list[str]]:
    return lambda python, out: [python, *options]


def _leakscope(*options: str) -> Callable[[str, Path], list[str]]:
    return lambda python, out: [python, "-m", "leakscope", "run", "-o", str(out), *options]


def _memray(*options: str) -> Callable[[str, Path], list[str]]:
    return lambda python, out: [python, "-m", "memray", "run", "-f", "-q", *options, "-o", str(out)]


BARE = Tool("bare", _plain())

TOOLS: Sequence[Tool] = (
    BARE,
    Tool("leakscope", _leakscope(), parent=True, interval_bytes=65536),
    Tool("leakscope-exact", _leakscope("--exact"), parent=True, interval_bytes=1),
    Tool("memray", _memray(), peer=True),
    Tool("memray-pyalloc", _memray("--trace-python-allocators"), peer=True),
    Tool("memray-aggregate", _memray("--aggregate"), peer=True),
    Tool("tracemalloc-1", _plain("-X", "tracemalloc=1")),
    Tool("tracemalloc-25", _plain("-X", "tracemalloc=25")),
)
