"""Every kind of leak planted into a test beside a quiet one: the right test fails, with its line and its holder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.slow  # each starts a pytest that runs its tests some thirty times

Run = Callable[..., pytest.RunResult]


def failed(result: pytest.RunResult) -> list[str]:
    """Names of the tests that failed."""
    return [line.split("::", 1)[1].split(" ")[0] for line in result.outlines if line.startswith("FAILED ")]


def test_a_list_that_grows_is_found_with_its_line_and_holder(judged: Run) -> None:
    result = judged(
        """
        KEPT = []
        def remember(size):
            KEPT.append(bytearray(size))
        def test_quiet():
            bytearray(100)
        def test_leaks():
            remember(100)
        """
    )

    result.assert_outcomes(passed=1, failed=1)
    assert failed(result) == ["test_leaks"]
    result.stdout.fnmatch_lines(
        [
            "leakscope: * B stay with each repetition of this test (24 compared, limit 0 B)",
            "LEAK  2 blocks, * B, leak with each repetition, asked for by `remember` in test_it.py:3",
            "  held by module test_it . KEPT * -> bytearray",
            "  test_it.py:3  remember",
            "  test_it.py:7  test_leaks",
            "2 tests judged, 1 leaking",
        ]
    )


@pytest.mark.parametrize(
    ("leaks", "quiet"),
    [("leak_list()", "drop_list()"), ("leak_instance(Thing)", "drop_instance(Thing)"), ("leak_str(1)", "drop_str(1)"),
     ("leak_bytes(1)", "drop_bytes(1)"), ("leak_buffer(bytearray(50))", "release_buffer(bytearray(50))")],
)  # fmt: skip
def test_what_an_extension_forgets_is_found(
    judged: Run, extension: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch, leaks: str, quiet: str
) -> None:
    import sys

    monkeypatch.setenv("PYTHONPATH", str(extension("leaky", sys.executable)))
    result = judged(
        f"""
        import leaky
        class Thing:
            pass
        def test_quiet():
            leaky.{quiet}
        def test_leaks():
            leaky.{leaks}
        """
    )

    assert failed(result) == ["test_leaks"]
    result.stdout.fnmatch_lines(["LEAK  * leak with each repetition, asked for by `test_leaks` in test_it.py:7*"])


def test_what_a_thread_keeps_is_found_and_the_thread_named(judged: Run) -> None:
    result = judged(
        """
        import threading
        LOCAL = threading.local()
        KEPT = []
        def in_thread(work):
            thread = threading.Thread(target=work, name="courier")
            thread.start()
            thread.join()
        def test_quiet():
            in_thread(lambda: setattr(LOCAL, "seen", [bytearray(100)]))
        def test_leaks_in_a_thread():
            in_thread(lambda: KEPT.append(bytearray(100)))
        def test_leaks_in_a_thread_local():
            LOCAL.__dict__.setdefault("all", []).append(bytearray(100))
        """
    )

    assert sorted(failed(result)) == ["test_leaks_in_a_thread", "test_leaks_in_a_thread_local"]
    result.stdout.fnmatch_lines(["LEAK * asked for by `test_leaks_in_a_thread*` in test_it.py:11, by thread courier"])


def test_the_right_one_of_parametrised_class_and_unittest_tests_is_named(judged: Run) -> None:
    result = judged(
        """
        import unittest
        import pytest
        KEPT = []
        @pytest.mark.parametrize("size", [0, 100])
        def test_sizes(size):
            KEPT.extend([bytearray(size)] if size else [])
        class TestClass:
            def setup_method(self):
                self.things = [object()]
            def test_quiet(self):
                assert self.things
            def test_leaks(self):
                KEPT.append(self.things)
        class TestCase(unittest.TestCase):
            def setUp(self):
                self.things = [object()]
            def test_quiet(self):
                for number in range(3):
                    with self.subTest(number=number):
                        self.assertTrue(self.things)
            def test_leaks(self):
                KEPT.append(self.things)
        """
    )

    assert sorted(failed(result)) == ["TestCase::test_leaks", "TestClass::test_leaks", "test_sizes[100]"]


def test_a_fixture_that_leaks_fails_the_tests_that_use_it(judged: Run) -> None:
    result = judged(
        """
        import pytest
        KEPT = []
        @pytest.fixture
        def connection():
            KEPT.append(bytearray(100))
            yield KEPT[-1]
        @pytest.fixture
        def closed():
            KEPT.append(bytearray(100))
            yield KEPT[-1]
            KEPT.pop()
        def test_quiet(closed):
            assert closed
        def test_leaks(connection):
            assert connection
        """
    )

    assert failed(result) == ["test_leaks"]
    result.stdout.fnmatch_lines(["LEAK * asked for by `connection` in test_it.py:5"])


def test_coroutines_are_judged(judged: Run) -> None:
    pytest.importorskip("pytest_asyncio")
    result = judged(
        """
        import asyncio
        import pytest
        pytestmark = pytest.mark.asyncio
        TASKS = []
        async def wait():
            await asyncio.sleep(0)
        async def test_quiet():
            await asyncio.gather(wait(), wait())
        async def test_leaks():
            TASKS.append(asyncio.create_task(wait()))
            await TASKS[-1]
        """,
        "-Wignore::pytest.PytestDeprecationWarning",
        plugins=("pytest_asyncio.plugin",),
    )

    assert failed(result) == ["test_leaks"]
