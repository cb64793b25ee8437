"""How the plugin is asked, what it leaves alone, and how it ends."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

pytest_plugins = ["pytester"]

Run = Callable[..., pytest.RunResult]

LEAKS = """
import pytest
KEPT = []
def test_leaks():
    KEPT.append(bytearray(100))
"""


def test_it_is_off_unless_asked_and_loads_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        LEAKS
        + """
import sys
def test_what_is_loaded():
    ours = [name for name in sys.modules if name.startswith("leakscope")]
    assert set(ours) <= {"leakscope", "leakscope.pytest_plugin"}
@pytest.mark.leakscope(max_leak="1 KiB")
def test_marked():
    KEPT.append(bytearray(100))
def test_fixture(leakscope_tracking):
    assert False
"""
    )

    result = pytester.runpytest_subprocess("-p", "leakscope", "--strict-markers")

    result.assert_outcomes(passed=3, skipped=1)
    result.stdout.no_fnmatch_line("*leakscope: every test*")


@pytest.mark.slow
def test_reporting_only_tells(judged: Run) -> None:
    result = judged(LEAKS, "--leakscope=report")

    result.assert_outcomes(passed=1)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["1 test judged, 1 leaking", "LEAKS test_it.py::test_leaks", "  * leak with each *"])


def test_paths_may_follow_the_option(judged: Run, pytester: pytest.Pytester) -> None:
    result = judged(LEAKS, "test_it.py")

    result.assert_outcomes(failed=1)
    assert result.ret == 1


@pytest.mark.slow
def test_tests_that_fail_skip_or_are_expected_to_fail_are_not_judged(judged: Run) -> None:
    result = judged(
        LEAKS
        + """
def test_fails():
    KEPT.append(bytearray(100))
    assert not KEPT
def test_skips():
    KEPT.append(bytearray(100))
    pytest.skip("not here")
@pytest.mark.xfail
def test_expected():
    KEPT.append(bytearray(100))
    assert not KEPT
@pytest.fixture
def broken():
    yield
    raise KeyError("at the end")
def test_whose_fixture_breaks(broken):
    pass
"""
    )

    result.assert_outcomes(failed=2, skipped=1, xfailed=1, passed=1, errors=1)
    result.stdout.fnmatch_lines(["1 test judged, 1 leaking"])


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "outcome"), [("fail", "passed"), ("strict", "failed")])
def test_a_test_that_cannot_be_repeated_is_told(judged: Run, mode: str, outcome: str) -> None:
    result = judged(
        """
        SEEN = []
        def test_once():
            SEEN.append(1)
            assert len(SEEN) < 2, "only once"
        """,
        f"--leakscope={mode}",
    )

    assert result.parseoutcomes() == {outcome: 1}
    result.stdout.fnmatch_lines(["not judged: test_it.py::test_once: fails when repeated (AssertionError: only once*"])


@pytest.mark.slow
@pytest.mark.parametrize("method", ["signal", "thread"])
def test_each_repetition_has_the_time_limit_of_its_test(judged: Run, method: str) -> None:
    pytest.importorskip("pytest_timeout")
    result = judged(
        """
        import time, pytest
        KEPT, SEEN = [], []
        @pytest.mark.timeout(5)
        def test_leaks():
            KEPT.append(bytearray(100))
            until = time.process_time() + 0.3
            while time.process_time() < until:
                pass
        @pytest.mark.timeout(1)
        def test_hangs_when_repeated():
            SEEN.append(1)
            while len(SEEN) > 1:
                pass
        """,
        *(["--timeout-method", method] if method == "thread" else []), *(["-k", "leaks"] if method == "thread" else []),
        plugins=("pytest_timeout",),
    )  # fmt: skip

    assert "LEAK  2 blocks" in result.stdout.str()
    if method == "signal":
        result.assert_outcomes(passed=1, failed=1)
        result.stdout.fnmatch_lines(["not judged: *test_hangs_when_repeated: fails when repeated (Failed: Timeout *"])


@pytest.mark.slow
def test_a_test_that_takes_ever_longer_is_given_up_and_told(judged: Run) -> None:
    result = judged(
        """
        KEPT, WORK = [], [1000]
        def test_triples():
            KEPT.append(bytearray(100))
            sum(range(WORK[0]))
            WORK[0] *= 3
        def test_quiet():
            pass
        """
    )

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        ["1 test judged, 0 leaking, 1 not judged", "not judged: *test_triples: takes ever longer when repeated: *"]
    )


@pytest.mark.slow
def test_markers_say_what_is_tolerated(judged: Run) -> None:
    result = judged(
        LEAKS
        + """
@pytest.mark.leakscope(max_leak="1 KiB", warmup=2, repeats=5)
def test_tolerated():
    KEPT.append(bytearray(100))
@pytest.mark.leakscope(skip=True, reason="a registry that is meant to grow")
class TestLeftOut:
    def test_leaks(self):
        KEPT.append(bytearray(100))
    @pytest.mark.leakscope(skip=False)
    def test_judged_all_the_same(self):
        KEPT.append(bytearray(100))
""",
        "--strict-markers",
    )

    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["3 tests judged, 2 leaking, 1 left out by their markers"])


@pytest.mark.slow
def test_what_the_gate_suppresses_is_not_blamed(judged: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyprojecttoml(
        """
        [[tool.leakscope.gate.suppress]]
        symbol = "remember"
        reason = "a registry that is meant to grow"
        """
    )
    result = judged(LEAKS + "def remember():\n    KEPT.append(bytearray(9))\ndef test_registers():\n    remember()\n")

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["2 tests judged, 1 leaking"])


@pytest.mark.parametrize(
    ("marker", "message"),
    [('max_leak="1 parsec"', "*is not a size*"), ("most=1", "*knows no 'most'*"), ("repeats=0", "*from 2 to 60*"),
     ('"1 KiB"', "*named values only*")],
)  # fmt: skip
def test_a_marker_that_cannot_be_understood_is_wrong_usage(judged: Run, marker: str, message: str) -> None:
    result = judged(f"import pytest\n@pytest.mark.leakscope({marker})\ndef test_it():\n    pass\n")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])


@pytest.mark.slow
def test_fixtures_of_wider_scope_are_torn_down_once_and_their_errors_told(judged: Run) -> None:
    result = judged(
        """
        import pytest
        EVENTS = []
        @pytest.fixture(scope="module", autouse=True)
        def wide():
            EVENTS.append("up")
            yield
            assert EVENTS == ["up"] + ["in", "out"] * EVENTS.count("in")
            raise KeyError("at the end of the module")
        @pytest.fixture
        def narrow():
            EVENTS.append("in")
            yield
            EVENTS.append("out")
        @pytest.mark.leakscope(skip=True)
        def test_first(narrow):
            pass
        def test_second(narrow):
            assert EVENTS.count("in") - EVENTS.count("out") == 1
        """
    )

    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*KeyError: 'at the end of the module'", "1 test judged, 0 leaking, 1 left out *"])


@pytest.mark.slow
def test_the_fixture_judges_what_a_test_says(judged: Run) -> None:
    result = judged(
        LEAKS.replace("def test_leaks", "def leak")
        + """
@pytest.mark.leakscope(skip=True)
def test_by_hand(leakscope_tracking):
    with leakscope_tracking() as tracked:
        for _ in range(10):
            leak()
            tracked.iteration()
    with pytest.raises(AssertionError, match="asked for by `leak`"):
        tracked.assert_no_leaks()
"""
    )

    result.assert_outcomes(passed=1)


@pytest.mark.slow
def test_workers_are_recorded_and_their_leaks_told(judged: Run) -> None:
    pytest.importorskip("xdist")
    result = judged(LEAKS + "def test_quiet():\n    pass\n", "-n", "2", plugins=("xdist",))

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["LEAK * asked for by `test_leaks` in test_it.py:4", "2 tests judged, 1 leaking"])


def test_a_program_that_calls_pytest_is_not_begun_anew(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=LEAKS)
    code = "import pytest; print('begun'); print(int(pytest.main(['-p', 'leakscope', '--leakscope'])))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.stdout.splitlines() == ["begun", "4"]
    assert "leakscope run --exact -m pytest" in done.stderr


@pytest.mark.slow
def test_the_debugger_reads_from_the_same_terminal(pytester: pytest.Pytester, judged: Run) -> None:
    pytester.makepyfile(test_it="import os\ndef test_it():\n    number = 6 * 7\n    assert not number\n")
    words = [sys.executable, "-m", "pytest", "-p", "leakscope", "--leakscope", "--pdb"]

    done = subprocess.run(words, input="p number\nq\n", capture_output=True, text=True, timeout=240, check=False)

    assert "42" in done.stdout
    assert done.returncode == pytest.ExitCode.INTERRUPTED
