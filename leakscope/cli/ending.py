"""
How this process ends: with a code, or by the signal that another process died of.

It knows signals and streams; it refuses to know why.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys

EXIT_BROKEN_PIPE = 128 + signal.SIGPIPE


def die_of(number: int) -> int:
    """
    End this process by a signal, without a core dump of its own.

    Returns only if the signal does not kill here, as for the first process of a container; then with the exit code by
    which a shell would tell it.
    """
    import resource

    flush()
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
    return 128 + number


def flush() -> None:
    """Write out what is buffered; a reader that went away is no reason to complain."""
    for stream in (sys.stdout, sys.stderr):
        # There is no stream where the shell closed it.
        if stream is not None:
            with contextlib.suppress(OSError, ValueError):
                stream.flush()


def drop_output() -> None:
    """Let standard output lead nowhere, so that the interpreter's last flush does not fail on a broken pipe."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
