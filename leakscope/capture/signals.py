"""
Which signals the parent hands on to the program.

It knows senders, signals and process states; it refuses to know what the program is.

The program runs in the parent's own process group and terminal, as it would without us.  So what the *terminal* sends
(Ctrl-C, Ctrl-Z, a resize) reaches it without our help, and a copy would be a second Ctrl-C, which many programs take
for "now at once".  What somebody sends with ``kill`` to the parent, whose number is the only one a supervisor knows,
reaches nobody but us and is handed on.  The kernel says which of the two it was (``si_code``), and that is what
``sudo`` goes by, too.  ``env`` has no such choice to make, it turns into the program; ``timeout`` moves the program to
a group of its own, which takes the terminal's input away from it.  One case cannot be told apart: a ``kill`` to the
whole group (``kill %1`` in a shell) reaches the program twice.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from leakscope.errors import UsageError

_OURS = {
    # Cannot be caught, or would hide a crash of our own.
    "SIGKILL", "SIGSTOP", "SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGTRAP", "SIGSYS",
    # Answers to what this process itself wrote, used or read.
    "SIGPIPE", "SIGXFSZ", "SIGXCPU", "SIGTTIN", "SIGTTOU", "SIGPROF", "SIGVTALRM", "SIGALRM",
}  # fmt: skip

WATCHED = frozenset(
    number
    for number in signal.valid_signals()
    if number not in {getattr(signal, name) for name in _OURS if hasattr(signal, name)}
)
"""Signals the parent waits for while the program runs; SIGCHLD is among them."""

FOLLOWED_STOPS = frozenset({signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU})
"""Stops of the program that the parent imitates, so that a shell sees a stopped job."""

_FROM_THE_KERNEL = 0x80
"""``SI_KERNEL``: the terminal driver, or the end of the session."""


def hands_on(number: int, code: int, sender: int, program: int, *, stopped: bool, session_leader: bool) -> bool:
    """
    Whether a signal that reached the parent is handed on to the program.

    Parameters
    ----------
    number : int
        The signal.
    code, sender : int
        ``si_code`` and ``si_pid`` of what arrived.
    program : int
        Its process id.
    stopped : bool
        Whether the program is stopped at this moment.
    session_leader : bool
        Whether the parent leads its session, as it does at the start of a container or of a remote command.

    Returns
    -------
    bool
        False for what the program has got already, and for what it sent itself.
    """
    if number == signal.SIGCHLD:
        return False
    if number == signal.SIGCONT:
        # A shell continues the whole group: then the program runs already.  Only a lone parent finds it stopped.
        return stopped
    if number == signal.SIGHUP and session_leader:
        # A terminal that hangs up tells nobody but the leader, which would be the program.
        return True
    return code != _FROM_THE_KERNEL and sender != program


def is_stopped(pid: int) -> bool:
    """Whether a process is stopped by a signal; False if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] == b"T"
    except OSError:
        return False


def send(pid: int, number: int) -> None:
    """Send a signal to a process that may be gone, or may have become somebody else's by setuid."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def stop_too() -> None:
    """Stop this process until somebody continues it."""
    os.kill(os.getpid(), signal.SIGSTOP)


def signal_name(number: int) -> str:
    """``SIGKILL``; ``signal 40`` for one without a name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def check_dump_signal(number: int | None) -> None:
    """
    Nothing, or an error if a signal cannot be waited for.

    Raises
    ------
    UsageError
    """
    if number is not None and (number not in WATCHED or number == signal.SIGCHLD):
        raise UsageError(
            f"{signal_name(number)} cannot ask for a dump: it is no signal to wait for", "choose another, or none"
        )
