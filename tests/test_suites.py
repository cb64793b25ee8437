"""``leakscope gate -- pytest``: how pytest is started, what is made of what it tells, and what follows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from launching import leakscope

from leakscope.capture.interpreter import recorder_for, this_interpreter
from leakscope.errors import CaptureError, ProgramFailed
from leakscope.model.allocations import Frame
from leakscope.model.finding import Verdict
from leakscope.model.plan import Plan
from leakscope.model.policy import Baseline, Limit, Policy
from leakscope.model.trial import TESTS_SCHEMA, JudgedTest, Leak
from leakscope.suites import prove_suite, read_tests, words_of
from leakscope.trials.repetition import CODE, findings_of

PLAIN = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "CI_", "LEAKSCOPE_"))}


def leak(bytes_each: float = 100.0, function: str = "remember", verdict: Verdict = Verdict.LEAK) -> Leak:
    """Of one block each time, in app/cache.py:3, called by a test."""
    harness = Frame("pytest_pyfunc_call", "/v/site-packages/_pytest/python.py", 159)
    return Leak(
        verdict=verdict, sentence=f"{bytes_each:.0f} B stay, asked for by `{function}`", function=function,
        file="app/cache.py", line=3, bytes_each=bytes_each, blocks_each=1.0, repetitions=24,
        stack=(Frame(function, "/src/app/cache.py", 3), Frame("test_a", "/src/test_a.py", 7), harness),
        holders=("module app . KEPT -> bytearray",),
    )  # fmt: skip


class Suite:
    """A pytest that is played: it writes what it is told to, and exits."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.plan = Plan(("/v/bin/pytest", "-q"), folder, tests=1)
        self.said: list[str] = []
        self._monkeypatch = monkeypatch

    def prove(self, *tests: JudgedTest, exit_code: int = 0, policy: Policy | None = None) -> Any:
        told = [
            {"test": one.test, "state": one.state, "reason": one.reason,
             "leaks": [each.as_dict() for each in one.leaks], "excused": [each.as_dict() for each in one.excused]}
            for one in tests
        ]  # fmt: skip

        class Played:
            def __init__(self, words: list[str], **_: object) -> None:
                path = next(word for word in words if word.startswith("--leakscope-gate=")).partition("=")[2]
                Path(path).write_text(json.dumps({"schema": TESTS_SCHEMA, "tests": told}))

            def wait(self) -> int:
                return exit_code

        self._monkeypatch.setattr(subprocess, "Popen", Played)
        return prove_suite(self.plan, policy or Policy(), Baseline(), tell=self.said.append, command="pytest -q")


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Suite:
    return Suite(tmp_path, monkeypatch)


def test_the_plugins_words_stand_between_pytest_and_its_own() -> None:
    ours = ["-p", "leakscope", "--leakscope-gate=/x"]

    assert words_of(Plan(("/v/bin/pytest", "-q"), Path(), tests=1), "/x") == [
        sys.executable, "/v/bin/pytest", *ours, "-q",
    ]  # fmt: skip
    plan = Plan(("-m", "pytest", "a"), Path(), tests=2, python="py", python_args=("-B",))
    assert words_of(plan, "/x") == ["py", "-B", "-m", "pytest", *ours, "a"]


def test_a_leak_survives_the_file() -> None:
    assert Leak.from_dict(json.loads(json.dumps(leak().as_dict()))) == leak()


def test_a_place_is_told_once_for_all_tests_that_leave_it() -> None:
    grows = leak(900.0, "fill", Verdict.GROWTH)
    tests = [JudgedTest("t::a", "leaks", leaks=(leak(10.0), grows)), JudgedTest("t::b", "leaks", leaks=(leak(100.0),))]

    first, second = findings_of(tests)

    assert (first.code, first.verdict, first.bytes, first.subject.function) == (CODE, Verdict.LEAK, 100, "remember")
    assert first.sentence.endswith("`remember`; seen in 24 repetitions of t::b, and in 1 more test.")
    assert [frame.function for frame in first.stack] == ["remember", "test_a"]
    assert first.holders == (("module app . KEPT", "bytearray"),)
    assert (second.verdict, second.bytes) == (Verdict.GROWTH, 900)
    assert first.fingerprint != second.fingerprint
    assert first.fingerprint == findings_of(tests[:1])[0].fingerprint


def test_a_leak_fails_the_gate_and_growth_is_held_against_its_limit(suite: Suite) -> None:
    failed = suite.prove(JudgedTest("t::a", "leaks", leaks=(leak(),)), JudgedTest("t::b", "clean"))
    small = JudgedTest("t::a", "leaks", leaks=(leak(900.0, verdict=Verdict.GROWTH),))
    large = JudgedTest("t::a", "leaks", leaks=(leak(90_000.0, verdict=Verdict.GROWTH),))

    assert (failed.exit_code, failed.sentence) == (1, "failed: 1 new leak in 2 tests")
    assert [suite.prove(tested).exit_code for tested in (small, large)] == [0, 1]


def test_limits_for_each_iteration_are_for_each_repetition(suite: Suite) -> None:
    tested = JudgedTest("t::a", "leaks", leaks=(leak(100.0),))

    for most, code in ((99, 1), (100, 0)):
        policy = Policy(limits=(Limit("verdict", "LEAK", bytes=most, per="iteration"),))
        assert suite.prove(tested, policy=policy).exit_code == code


def test_what_is_excused_or_clean_passes(suite: Suite) -> None:
    within = JudgedTest("t::a", "clean", excused=(leak(),))

    result = suite.prove(within, JudgedTest("t::b", "unjudged", "fails when repeated"))

    assert (result.exit_code, result.sentence) == (0, "passed: no new leak in 1 test")
    assert result.report.notes == ("not judged: t::b: fails when repeated",)


def test_where_no_test_could_be_judged_there_is_no_verdict(suite: Suite) -> None:
    result = suite.prove(JudgedTest("t::b", "unjudged", "its process is not recorded"))

    assert result.status == "inconclusive"
    assert "no test could be judged: its process is not recorded" in result.sentence


def test_tests_that_fail_are_no_verdict_unless_asked_for(suite: Suite) -> None:
    tested = JudgedTest("t::a", "clean")

    with pytest.raises(ProgramFailed, match="tests failed") as refused:
        suite.prove(tested, exit_code=1)
    with pytest.raises(ProgramFailed, match="found no tests"):
        suite.prove(exit_code=5)
    with pytest.raises(ProgramFailed, match="killed by signal 9"):
        suite.prove(exit_code=-9)

    assert "--ignore-failure" in refused.value.remedy
    suite.plan = Plan(suite.plan.target, suite.plan.folder, tests=1, ignore_failure=True)
    assert suite.prove(tested, exit_code=1).status == "passed"


def test_limits_that_tests_do_not_know_are_said_so(suite: Suite) -> None:
    policy = Policy(limits=(Limit("total", "*", bytes=1),))

    assert suite.prove(JudgedTest("t::a", "clean"), policy=policy).status == "passed"
    assert any("do not apply to tests" in line for line in suite.said)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    for text in ("", "{}", '{"schema": "other"}', f'{{"schema": "{TESTS_SCHEMA}", "tests": [1]}}'):
        (tmp_path / "t.json").write_text(text)
        with pytest.raises(CaptureError):
            read_tests(tmp_path / "t.json")


def test_an_interpreter_without_leakscope_is_told_in_one_line(tmp_path: Path) -> None:
    plan = Plan(("-m", "pytest"), tmp_path, tests=2, python=str(tmp_path / "python"))

    with pytest.raises(CaptureError, match="No such file"):
        prove_suite(plan, Policy(), Baseline(), tell=lambda _: None, command="")


@pytest.mark.parametrize("words", [["--iterations", "5"], ["--sampled"], ["--repeats", "4"], ["--warmup", "1s"]])
def test_options_of_programs_are_refused_for_tests(words: list[str], tmp_path: Path) -> None:
    done = leakscope("gate", *words, "--", "pytest", cwd=tmp_path, env=PLAIN)

    assert done.returncode == 2
    assert done.stderr.startswith(("error: --", "error: tests are repeated"))


@pytest.mark.slow
def test_a_suite_with_a_leak_fails_and_its_quiet_twin_passes(tmp_path: Path) -> None:
    try:
        recorder_for(this_interpreter())
    except CaptureError as error:
        pytest.skip(str(error))
    (tmp_path / "cache.py").write_text("KEPT = []\ndef remember():\n    KEPT.append(bytearray(100))\n")
    (tmp_path / "test_it.py").write_text(
        "import cache\ndef test_quiet():\n    bytearray(100)\ndef test_leaks():\n    cache.remember()\n"
    )

    leaky, quiet = (
        leakscope("gate", "--report", "junit=j.xml", "--", *words, cwd=tmp_path, env=PLAIN, timeout=240)
        for words in (("pytest", "-q"), ("-m", "pytest", "-q", "-k", "quiet"))
    )

    assert leaky.returncode == 1, leaky.stdout + leaky.stderr
    assert "1 new leak in 2 tests" in leaky.stdout
    assert "cache.py:3  [LS701]" in leaky.stdout
    assert "repetitions of test_it.py::test_leaks." in " ".join(leaky.stdout.split())
    assert quiet.returncode == 0, quiet.stdout + quiet.stderr
    assert "no new leak in 1 test" in quiet.stdout
    assert not (tmp_path / "leakscope-gate").exists()
