"""
A process that records itself: the environment that makes the next interpreter one.

It knows what the recorder reads from the environment; it refuses to start anything.  Nobody else reads such a ledger,
so nothing waits for a parent, and there are no dumps unless somebody is asked for one.  It is imported inside recorded
processes, so it uses the standard library and the core only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakscope.capture.interpreter import recorder_for, this_interpreter

if TYPE_CHECKING:
    from collections.abc import Mapping

OWN = "LEAKSCOPE_OWN"
_PRELOAD = "LD_PRELOAD"
_PRELOAD_WAS = "LEAKSCOPE_PRELOAD_WAS"
_FOLLOWED = "LEAKSCOPE_SOCKET"
_EXACT = "1,65536,64,2097152"
"""Interval, exact from, frames, most stacks: what ``hook/process.cpp`` reads."""


def own_recording(environment: Mapping[str, str]) -> dict[str, str]:
    """
    What to change in an environment, so that the interpreter started with it records every block for itself.

    Parameters
    ----------
    environment : mapping
        The recorder takes the changes back before the program can see them.

    Returns
    -------
    dict
        Nothing, if what is started is followed anyhow.

    Raises
    ------
    CaptureError
        If this interpreter cannot be recorded.
    """
    if _FOLLOWED in environment:
        return {}
    recorder = recorder_for(this_interpreter())
    before = environment.get(_PRELOAD, "")
    changes = {_PRELOAD: f"{recorder}:{before}" if before else str(recorder), OWN: _EXACT}
    if _PRELOAD in environment:
        changes[_PRELOAD_WAS] = before
    return changes
