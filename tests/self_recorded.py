"""Programs that record themselves, for tests: started with the environment that the pytest plugin gives its process."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from leakscope.capture.itself import own_recording
from leakscope.errors import CaptureError

TIMEOUT_S = 240


def environment(**more: str) -> dict[str, str]:
    """Of a process that records every block for itself; the test is skipped where there is no recorder."""
    try:
        return {**os.environ, **own_recording(os.environ), **more}
    except CaptureError as error:
        pytest.skip(str(error))


def run(code: str, folder: Path, **more: str) -> str:
    """What a program prints that records itself; it must end well."""
    program = folder / "app.py"
    program.write_text(textwrap.dedent(code))
    done = subprocess.run(
        [sys.executable, str(program)],
        cwd=folder, env=environment(**more), capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout
