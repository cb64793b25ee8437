"""
Tests in place of a program: pytest runs once, repeats each test itself, and the gate decides about what stays.

It knows how pytest is started and what it writes down; it refuses to know what is a leak and what is tolerated.  What
pytest itself keeps, reports of tests above all, is in no test's repetition: as one long run such a suite would grow.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from leakscope.errors import CaptureError, ProgramFailed
from leakscope.model.dump import Health
from leakscope.model.finding import Verdict
from leakscope.model.gate import Trial
from leakscope.model.report import Report, Totals
from leakscope.model.trial import TESTS_SCHEMA, JudgedTest, Leak
from leakscope.policy import gate
from leakscope.trials.repetition import findings_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from leakscope.model.finding import Finding
    from leakscope.model.gate import GateResult
    from leakscope.model.plan import Plan
    from leakscope.model.policy import Baseline, Policy

FILE = "tests.json"
_SEED = "PYTHONHASHSEED"
_TESTS_FAILED = 1
_NO_TESTS = 5
_PLUGIN = "leakscope"


def prove_suite(
    plan: Plan, policy: Policy, baseline: Baseline, *, tell: Callable[[str], None], command: str
) -> GateResult:
    """
    Run a suite of tests once, each test repeated, and decide.

    Parameters
    ----------
    plan : Plan
        Of which ``tests`` is not 0.
    policy : Policy
    baseline : Baseline
    tell : callable
        Told what is about to be run, and what the policy cannot have.
    command : str
        The suite, as one would type it.

    Raises
    ------
    ProgramFailed
        If tests failed, or there are none.
    CaptureError
        If pytest did not say what it found.
    """
    path = plan.folder / "run-1" / FILE
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _check_interpreter(plan.python)
    tell(f"each test is repeated: {command}")
    if any(limit.scope in ("total", "type") for limit in policy.limits):
        tell("limits of types and of the total do not apply to tests: what they leave behind is told by place")
    began = time.monotonic()
    code = _run(words_of(plan, os.path.abspath(path)))
    elapsed_s = time.monotonic() - began
    _check(code, path, plan)
    trial = Trial(_report(tests := read_tests(path)), elapsed_s=elapsed_s, tests=sum(map(_is_judged, tests)))
    return gate([trial], replace(policy, repeats=1), baseline)


def _check_interpreter(python: str | None) -> None:
    """Nothing, if leakscope and pytest are both there; pytest's own words about that are a page long."""
    if python is None:
        return
    try:
        missing = subprocess.run(
            [python, "-c", f"import {_PLUGIN}.pytest_plugin"], capture_output=True, check=False
        ).returncode  # fmt: skip
    except OSError as error:
        raise CaptureError(f"{python}: {error.strerror}", "name an interpreter with --python") from error
    if missing:
        raise CaptureError(
            f"{python} does not have both leakscope and pytest",
            "install leakscope beside pytest, or name another interpreter with --python",
        )


def words_of(plan: Plan, path: str) -> list[str]:
    """
    The words that start pytest with our plugin.

    Parameters
    ----------
    plan : Plan
    path : str
        Where the plugin writes what it found.
    """
    ours = ("-p", _PLUGIN, f"--leakscope-gate={path}")
    pytest, its_own = plan.target[: plan.tests], plan.target[plan.tests :]
    return [plan.python or sys.executable, *plan.python_args, *pytest, *ours, *its_own]


def read_tests(path: Path) -> list[JudgedTest]:
    """
    What the plugin wrote down.

    Raises
    ------
    CaptureError
        If it wrote something else, or nothing.
    """
    try:
        document = json.loads(path.read_text("utf-8"))
        if document["schema"] != TESTS_SCHEMA:
            raise CaptureError(f"{path}: this is no {TESTS_SCHEMA}", "install the same leakscope beside pytest")
        return [_tested(told) for told in document["tests"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        remedy = "see whether 'pytest --leakscope' runs there: leakscope must be installed beside pytest"
        raise CaptureError(f"pytest did not tell what its tests leave behind: {error}", remedy) from error


def _tested(told: dict[str, Any]) -> JudgedTest:
    leaks, excused = (tuple(map(Leak.from_dict, told[name])) for name in ("leaks", "excused"))
    return JudgedTest(told["test"], told["state"], told["reason"], leaks, excused)


def _is_judged(tested: JudgedTest) -> bool:
    return tested.state in ("leaks", "clean")


def _run(words: Sequence[str]) -> int:
    """The exit code of a command that has our terminal and streams; who stops us stops it."""
    with _handed_on(subprocess.Popen(words, env={_SEED: "0", **os.environ})) as child:
        while True:
            # An interrupt from the terminal reaches both; pytest ends its tests and tells of it.
            with contextlib.suppress(KeyboardInterrupt):
                return child.wait()


@contextlib.contextmanager
def _handed_on(child: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    before = signal.signal(signal.SIGTERM, lambda number, _: child.send_signal(number))
    try:
        yield child
    finally:
        signal.signal(signal.SIGTERM, before)


def _check(code: int, path: Path, plan: Plan) -> None:
    """Nothing, or why there is no verdict."""
    if code == 0 or (code == _TESTS_FAILED and plan.ignore_failure):
        return
    hint = "run it by itself to see why"
    if code == _TESTS_FAILED and path.exists():
        hint = "mend them first, or judge those that pass with --ignore-failure"
        raise ProgramFailed("tests failed, so there is no verdict", hint)
    if code == _NO_TESTS:
        raise ProgramFailed("pytest found no tests, so there is no verdict", "name the folder they are in")
    how = f"was killed by signal {-code}" if code < 0 else f"exited with code {code}"
    raise ProgramFailed(f"pytest {how} before there was a verdict", hint)


def _report(tests: Sequence[JudgedTest]) -> Report:
    findings = findings_of(tests)
    verdict, sentence = _conclusion(tests, findings)
    return Report(
        verdict=verdict, sentence=sentence, sources=(), health=Health(), notes=_notes(tests),
        totals=Totals((), (), (), (), None), sparklines=(), findings=findings, grouped_by="line",
        top_live=(), top_growing=(), own_cost=None, next_command=None,
    )  # fmt: skip


def _conclusion(tests: Sequence[JudgedTest], findings: Sequence[Finding]) -> tuple[Verdict, str]:
    if findings:
        return findings[0].verdict, findings[0].sentence
    if not any(map(_is_judged, tests)):
        why = next((tested.reason for tested in tests if tested.reason), "none passed")
        return Verdict.UNKNOWN, f"No test could be judged: {why}."
    return Verdict.STABLE, "No test leaves more memory behind each time it is repeated."


def _notes(tests: Sequence[JudgedTest]) -> tuple[str, ...]:
    unjudged = [tested for tested in tests if not _is_judged(tested)]
    return tuple(f"not judged: {tested.test}: {tested.reason}" for tested in unjudged)
