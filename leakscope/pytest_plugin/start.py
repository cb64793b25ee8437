"""
Becoming a process that is recorded.

It knows how pytest was started and how to start it again in the same process: same id, terminal, streams, exit code.
It refuses to do that to a program that merely calls pytest: such a program would begin anew.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from leakscope import native
from leakscope.capture.itself import own_recording
from leakscope.errors import LeakscopeError

if TYPE_CHECKING:
    from argparse import Namespace

_STARTED = "LEAKSCOPE_PYTEST_STARTED"
_REMEDY = "start it with 'leakscope run --exact -m pytest ...'"


def become_recorded(config: pytest.Config) -> None:
    """
    Return in a process of which every block is recorded, or where others run the tests; else not at all.

    Parameters
    ----------
    config : pytest.Config
        Before its plugins and conftests are loaded.

    Raises
    ------
    pytest.UsageError
        If this process cannot be recorded.
    """
    state = native.own_state()
    started = os.environ.pop(_STARTED, None) == str(os.getpid())
    options = config.known_args_namespace
    if is_worker(options) or hands_out(options):
        return
    if state is not None and state["interval_bytes"] == 1:
        return
    if state is not None:
        raise pytest.UsageError("--leakscope needs every block recorded, and this process is sampled: add --exact")
    if started:
        raise pytest.UsageError(f"--leakscope: the recorder did not come to life in this interpreter; {_REMEDY}")
    if list(config.invocation_params.args) != sys.argv[1:]:
        raise pytest.UsageError(
            f"--leakscope: this process is not recorded, and pytest was called by a program; {_REMEDY}"
        )
    _start_again()


def is_worker(options: Namespace) -> bool:
    """Whether this process runs tests for pytest-xdist; what it starts inherits its environment, but has a terminal."""
    return "PYTEST_XDIST_WORKER" in os.environ and "no:terminal" in getattr(options, "plugins", ())


def hands_out(options: Namespace) -> bool:
    """Whether pytest-xdist will run the tests in other processes."""
    wanted = getattr(options, "numprocesses", None) or getattr(options, "tx", None)
    return bool(wanted) and not getattr(options, "usepdb", False)


def _start_again() -> None:
    try:
        changes = own_recording(os.environ)
    except LeakscopeError as error:
        raise pytest.UsageError(f"--leakscope: {error.message}; {error.remedy}") from error
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    words = [sys.executable, *sys.orig_argv[1:]]
    os.execve(sys.executable, words, {**os.environ, **changes, _STARTED: str(os.getpid())})
