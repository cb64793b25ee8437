"""
A run of the recorder, while it goes on and when it is over.

It knows how the program did and where its dumps are; it refuses to know what is in them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from leakscope.model.dump import Death


@dataclass(frozen=True, slots=True)
class Progress:
    """
    What can be told while the program runs.

    Attributes
    ----------
    elapsed_s : float
        Seconds since recording began.
    rss_bytes : int or None
        Resident memory.
    live_bytes : int
    biggest : int or None
        The stack with the most live bytes.
    dump : Path or None
        The latest dump: it has the names of the stacks.
    """

    elapsed_s: float
    rss_bytes: int | None
    live_bytes: int
    biggest: int | None
    dump: Path | None


@dataclass(frozen=True, slots=True)
class End:
    """
    The end of a process.

    Attributes
    ----------
    exit_code : int
        What it exited with; 0 if a signal killed it.
    signal : int
        The signal that killed it; 0 if none.
    core_dumped : bool
    """

    exit_code: int
    signal: int = 0
    core_dumped: bool = False

    @classmethod
    def from_status(cls, status: int) -> End:
        """The end behind a status of ``wait``."""
        if os.WIFSIGNALED(status):
            return cls(0, os.WTERMSIG(status), os.WCOREDUMP(status))
        return cls(os.WEXITSTATUS(status))

    @property
    def shell_code(self) -> int:
        """The code a shell would show: 128 + the signal."""
        return 128 + self.signal if self.signal else self.exit_code


@dataclass(frozen=True, slots=True)
class Child:
    """
    A followed child process.

    Attributes
    ----------
    pid : int
    folder : Path
    dumps : tuple of Path
    """

    pid: int
    folder: Path
    dumps: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Recording:
    """
    What became of a run.

    Attributes
    ----------
    end : End
        How the program ended.
    death : Death or None
        The same in words, if it did not end by itself.
    folder : Path
        Of the dumps; absent if there are none.
    dumps : tuple of Path
        Oldest first.
    children : tuple of Child
        The followed ones.
    recorded : bool
        Whether the recorder came to life.
    problem : str
        Why it did not, in the recorder's words; may be empty.
    problems : tuple of Exception
        What went wrong on our side; the program did not notice.
    elapsed_s : float
        How long it recorded.
    sampling_cpu_s : float
        Processor time that sampling took, outside the program.
    """

    end: End
    death: Death | None
    folder: Path
    dumps: tuple[Path, ...]
    children: tuple[Child, ...]
    recorded: bool
    problem: str
    problems: tuple[Exception, ...]
    elapsed_s: float
    sampling_cpu_s: float
