"""
What a gate runs: the program, the load that drives it, and how it is told to do more.

It knows the shape of a plan; it refuses to know processes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from leakscope.model.config import EXACT_INTERVAL, CaptureConfig

if TYPE_CHECKING:
    from pathlib import Path

PLACEHOLDER = "{iterations}"
"""In the words of a program or load: where the number of iterations goes."""
ITERATIONS_VARIABLE = "LEAKSCOPE_ITERATIONS"
"""In the environment of a program: the same number."""


@dataclass(frozen=True, slots=True)
class Load:
    """
    A command that keeps a server busy.

    Attributes
    ----------
    command : str
        For a shell; started again and again until the time is over.
    for_s : float or None
        How long; None for once, to its end.
    warmup_s : float
        How long before that, without being judged.
    ready_s : float or None
        Seconds until the server is ready; None for when it listens on a port.
    """

    command: str
    for_s: float | None = None
    warmup_s: float = 0.0
    ready_s: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """
    What a gate runs.

    Attributes
    ----------
    target : tuple of str
        What would follow ``python``.
    folder : Path
        For dumps, a folder below it for each run; those of an earlier gate there are replaced.
    config : CaptureConfig
        Exact by default: a gate that misses small leaks lets them in.
    load : Load or None
        For servers.
    python : str or None
        Another interpreter.
    python_args : tuple of str
        Options of the interpreter.
    iterations : int or None
        How much the program does at first; None if it cannot be told.
    ignore_failure : bool
        Judge a program that fails, too.
    tests : int
        The program is pytest: how many words of the target say so, its own arguments follow; 0 for any other program.
    """

    target: tuple[str, ...]
    folder: Path
    config: CaptureConfig = field(default_factory=lambda: CaptureConfig(interval_bytes=EXACT_INTERVAL))
    load: Load | None = None
    python: str | None = None
    python_args: tuple[str, ...] = ()
    iterations: int | None = None
    ignore_failure: bool = False
    tests: int = 0
