"""Test suites that are judged: written to a folder and run by a pytest of their own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from leakscope.capture.interpreter import recorder_for, this_interpreter
from leakscope.errors import CaptureError

Run = Callable[..., pytest.RunResult]


@pytest.fixture(autouse=True)
def no_other_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that happen to be installed stay out, but for those that a test names."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


@pytest.fixture
def judged(pytester: pytest.Pytester) -> Run:
    """Runs pytest with ``--leakscope`` on the text of a test module."""
    try:
        recorder_for(this_interpreter())
    except CaptureError as error:
        pytest.skip(str(error))

    def run(module: str, *arguments: str, plugins: tuple[str, ...] = ()) -> pytest.RunResult:
        pytester.makepyfile(test_it=module)
        named = [word for plugin in ("leakscope", *plugins) for word in ("-p", plugin)]
        mode = () if any(word.startswith("--leakscope=") for word in arguments) else ("--leakscope",)
        return pytester.runpytest_subprocess(*named, *mode, *arguments)

    return run
