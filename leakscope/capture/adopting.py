"""
Reading the ledger of a process that records itself, for as long as it wants a dump.

It knows how such a process is watched; it refuses to start or end it.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from leakscope import native
from leakscope.capture.budget import Budget
from leakscope.capture.dumps import DumpFolder
from leakscope.capture.meta import RunFacts
from leakscope.capture.watch import Watch
from leakscope.model.config import EXACT_INTERVAL, CaptureConfig

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_MOST_DUMPS = 2


@contextmanager
def adopted(fd: int, pid: int, argv: Sequence[str], folder: Path) -> Iterator[None]:
    """
    While this lasts the process can ask for dumps.

    Parameters
    ----------
    fd : int
        Of its ledger; closed at the end.
    pid : int
    argv : sequence of str
        What it runs, for the names in its dumps.
    folder : Path
        Of its dumps.

    Raises
    ------
    CaptureError
        If there is no ledger behind the descriptor.
    """
    config = CaptureConfig(interval_bytes=EXACT_INTERVAL, baseline_after_s=None)
    ledger = native.adopt_ledger(fd)
    facts = RunFacts(tuple(argv), os.getcwd())
    watch = Watch(ledger, pid, DumpFolder(folder, _MOST_DUMPS), facts, config, Budget())
    watch.start()
    try:
        yield
    finally:
        watch.abandon()
