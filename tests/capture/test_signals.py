from __future__ import annotations

import signal

import pytest

from leakscope.capture.signals import WATCHED, check_dump_signal, hands_on
from leakscope.errors import UsageError

KERNEL, USER = 0x80, 0
PROGRAM, STRANGER = 100, 7


def handed_on(
    number: int, code: int = USER, sender: int = STRANGER, *, stopped: bool = False, leader: bool = False
) -> bool:
    return hands_on(number, code, sender, PROGRAM, stopped=stopped, session_leader=leader)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGWINCH])
def test_what_the_terminal_sends_the_program_has_got_already(number: int) -> None:
    assert not handed_on(number, KERNEL, 0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGRTMIN + 3])
def test_what_somebody_sends_to_the_parent_alone_is_handed_on(number: int) -> None:
    assert handed_on(number)


def test_what_the_program_sends_to_its_parent_does_not_come_back() -> None:
    assert not handed_on(signal.SIGTERM, USER, PROGRAM)


def test_continue_goes_to_a_stopped_program_only() -> None:
    assert handed_on(signal.SIGCONT, stopped=True)
    assert not handed_on(signal.SIGCONT, stopped=False)


def test_a_hang_up_reaches_the_program_through_a_parent_that_leads_the_session() -> None:
    assert handed_on(signal.SIGHUP, KERNEL, 0, leader=True)
    assert not handed_on(signal.SIGHUP, KERNEL, 0, leader=False)


def test_signals_of_our_own_faults_are_not_waited_for() -> None:
    assert not WATCHED & {signal.SIGSEGV, signal.SIGBUS, signal.SIGPIPE, signal.SIGKILL, signal.SIGSTOP}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGCHLD, 32, 999])
def test_a_signal_that_cannot_be_waited_for_cannot_ask_for_a_dump(number: int) -> None:
    with pytest.raises(UsageError, match="cannot ask for a dump"):
        check_dump_signal(number)


def test_the_usual_signals_can_ask_for_a_dump_and_so_can_none() -> None:
    check_dump_signal(signal.SIGUSR2)
    check_dump_signal(None)
