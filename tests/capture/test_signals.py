from __future__ import annotations

import signal

import pytest

from leakscope.capture.signals import WATCHED, hands_on, parse_signal

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


@pytest.mark.parametrize("text", ["SIGUSR2", "usr2", "12", " SigUsr2 "])
def test_a_signal_is_named_in_any_usual_way(text: str) -> None:
    assert parse_signal(text) == signal.SIGUSR2


@pytest.mark.parametrize("text", ["KILL", "SIGCHLD", "NOPE", "", "0", "999", "-1"])
def test_a_signal_that_cannot_be_waited_for_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write it like SIGUSR2"):
        parse_signal(text)
