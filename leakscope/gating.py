"""
The verbs of the gate: read what is tolerated, run a program or take dumps until it can be decided, render what follows.

It knows the order of things; it refuses to do any of them itself.  They stand beside `api` and use it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from leakscope import api
from leakscope.errors import DumpNotWritten, UsageError
from leakscope.model.gate import Trial
from leakscope.model.policy import Baseline, Policy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from os import PathLike
    from typing import Any

    from leakscope.model.gate import GateResult
    from leakscope.model.plan import Plan


def read_policy(path: str | PathLike[str]) -> Policy:
    """
    The policy in a TOML file, with the suppressions that come with leakscope.

    Raises
    ------
    PolicyError
        If it says something unknown.
    """
    from leakscope.policy import read_policy as read

    return with_known(read(path))


def policy_from(table: Mapping[str, Any], where: str) -> Policy:
    """
    The policy in a table of a settings file, with the suppressions that come with leakscope.

    Parameters
    ----------
    table : mapping
        Keys of ``POLICY_KEYS``.
    where : str
        For messages.

    Raises
    ------
    PolicyError
        If it says something unknown.
    """
    from leakscope.policy import policy_from as parse

    return with_known(parse(table, where))


def with_known(policy: Policy) -> Policy:
    """A policy with the suppressions of well-known libraries that come with leakscope, after its own."""
    from leakscope.policy import known_suppressions

    return replace(policy, suppressions=(*policy.suppressions, *known_suppressions()))


def read_baseline(path: str | PathLike[str]) -> Baseline:
    """
    What is known already; nothing if there is no such file.

    Raises
    ------
    PolicyError
        If the file is no baseline.
    """
    from leakscope.policy import read_baseline as read

    return read(path)


def update_baseline(result: GateResult, path: str | PathLike[str], note: str = "") -> Baseline:
    """
    Write the baseline anew: with the new leaks of a gate, without what it did not see.

    Parameters
    ----------
    result : GateResult
    path : path
    note : str
        Of the owner, for the new entries.
    """
    from datetime import date

    from leakscope.policy import updated, write_baseline

    baseline = updated(result, date.today().isoformat(), note)
    save(write_baseline(baseline), path)
    return baseline


def gate_program(
    plan: Plan,
    policy: Policy | None = None,
    baseline: Baseline | None = None,
    *,
    tell: Callable[[str], None] = lambda _: None,
    root: str = "",
    command: str = "",
    arguments: str = "",
) -> GateResult:
    """
    What follows from a program: it is run until the policy can decide.

    Parameters
    ----------
    plan : Plan
        What to run.
    policy, baseline
        What is tolerated, what is known.
    tell : callable
        Told what is about to be run.
    root, command, arguments : str
        For reports, see `GateResult`.

    Raises
    ------
    ProgramFailed
        If the program failed before there was a verdict.
    CaptureError
        If it could not be recorded.
    """
    with _threads_hear_nothing():
        from leakscope import proving

    proving.claim(plan)
    policy, baseline = policy or with_known(Policy()), baseline or Baseline()
    if plan.tests:
        from leakscope.suites import prove_suite

        result = prove_suite(plan, policy, baseline, tell=tell, command=command)
    else:
        result = proving.prove(plan, policy, baseline, run=api.run, tell=tell, command=command)
    return _with_places(result, root, command, arguments)


def gate_dumps(
    paths: Sequence[str],
    policy: Policy | None = None,
    baseline: Baseline | None = None,
    *,
    root: str = "",
    command: str = "",
    arguments: str = "",
) -> GateResult:
    """
    What follows from dumps of one run, or of several to compare: nothing can be run again.

    Parameters
    ----------
    paths : sequence of path
    policy, baseline, root, command, arguments
        As for `gate_program`.
    """
    report = api.judge(api.load(paths))
    policy = replace(policy or with_known(Policy()), repeats=1)
    return _with_places(api.gate([Trial(report)], policy, baseline), root, command, arguments)


def _with_places(result: GateResult, root: str, command: str, arguments: str) -> GateResult:
    where = os.getcwd()
    return replace(
        result, folder=where, root=root or where, command=command, arguments=arguments or f"-- {command}",
        tool_version=str(sys.modules[__name__.partition(".")[0]].__version__),
    )  # fmt: skip


def forget(plan: Plan) -> None:
    """Remove the dumps of all runs of a plan."""
    from leakscope import proving

    proving.clear(plan)


def is_dump(path: str) -> bool:
    """Whether a file is a dump of any format; False if it cannot be read."""
    with _threads_hear_nothing():
        from leakscope.formats import is_dump as look

    return look(path)


@contextlib.contextmanager
def _threads_hear_nothing() -> Iterator[None]:
    """
    Threads that start now take no signal.

    NumPy starts some when it is loaded.  One that takes what a run waits for ends the gate without the program, or
    hides that the program ended.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def render(result: GateResult, format: str = "terminal", **options: Any) -> str:  # noqa: A002 - the word users know
    """
    What a gate says as text.

    Parameters
    ----------
    result : GateResult
    format : str
        Name of a gate format: ``terminal``, ``json``, ``sarif``, ``junit``, ``github``, ``gitlab``, ``markdown``.
    **options
        What the format takes besides.

    Raises
    ------
    UsageError
        If there is no such format.
    """
    from leakscope.reports import GATE_REPORTS

    for known in GATE_REPORTS:
        if known.name == format:
            return known.render(result, **options)
    names = ", ".join(known.name for known in GATE_REPORTS)
    raise UsageError(f"there is no gate report {format!r}", f"choose one of: {names}")


def report_suffixes() -> dict[str, str]:
    """Names of the formats that `render` knows, with the suffixes of their files."""
    from leakscope.reports import GATE_REPORTS

    return {known.name: known.suffix for known in GATE_REPORTS}


def save(text: str, path: str | PathLike[str]) -> None:
    """
    Write a gate report, and the folders above it.

    Raises
    ------
    DiskFull, DumpNotWritten
        Nothing is left at ``path`` that was not there before.
    """
    from pathlib import Path

    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DumpNotWritten(f"{path}: {error.strerror}", "name another file with --report") from error
    api.save(text, path)
