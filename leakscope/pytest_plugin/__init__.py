"""
The pytest plugin: ``pytest --leakscope`` repeats every test and fails those that leave more behind each time.

It knows pytest's hooks; it refuses to do anything unless asked, and loads what it needs only then.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Generator
    from typing import Any

_MARKER = (
    "leakscope(max_leak='0', max_growth='64 KiB', warmup=1, repeats=4, skip=False, reason=''): how `--leakscope` "
    "judges this test: what may stay with each repetition, how many do not count, and how many are compared at first"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Our options."""
    group = parser.getgroup("leakscope", "memory leaks")
    group.addoption(
        "--leakscope", "--leakscope=fail", dest="leakscope", action="store_const", const="fail",
        help="repeat every test, and fail those that leave more memory behind each time",
    )  # fmt: skip
    group.addoption(
        "--leakscope=report", dest="leakscope", action="store_const", const="report",
        help="the same, but only tell",
    )  # fmt: skip
    group.addoption(
        "--leakscope=strict", dest="leakscope", action="store_const", const="strict",
        help="as fail, and tests that cannot be repeated fail, too",
    )  # fmt: skip
    group.addoption(
        "--leakscope-warmup", type=int, default=1, metavar="N", help="repetitions that do not count (default: 1)"
    )
    group.addoption(
        "--leakscope-repeats", type=int, default=4, metavar="N",
        help="repetitions that are compared at first; suspicion adds more (default: 4)",
    )  # fmt: skip
    group.addoption(
        "--leakscope-seconds", type=float, default=10.0, metavar="S",
        help="most seconds spent on further proof against one test (default: 10)",
    )  # fmt: skip
    group.addoption(
        "--leakscope-gate", default="", metavar="FILE",
        help="for 'leakscope gate -- pytest ...': write down what tests leave behind, and let the gate decide",
    )  # fmt: skip


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, Any, Any]:
    """Before anything is captured or collected: become a process that is recorded."""
    if _is_asked(early_config.known_args_namespace):
        from leakscope.pytest_plugin.start import become_recorded

        become_recorded(early_config)
    return (yield)


def pytest_configure(config: pytest.Config) -> None:
    """The marker is known always, the judge comes if asked for."""
    config.addinivalue_line("markers", _MARKER)
    if _is_asked(config.option):
        from leakscope.pytest_plugin.judge import Judge
        from leakscope.pytest_plugin.limits import TimeLimits

        limits = TimeLimits()
        config.pluginmanager.register(limits, "leakscope-limits")
        config.pluginmanager.register(Judge(config, limits), "leakscope-judge")


def _is_asked(options: Namespace) -> bool:
    return bool(options.leakscope or options.leakscope_gate)


@pytest.fixture
def leakscope_tracking() -> Any:
    """``leakscope.tracking``, for a test that says itself what is repeated; skipped where nothing is recorded."""
    from leakscope import api, native

    if native.own_state() is None:
        pytest.skip("nothing is recorded: run 'pytest --leakscope'")
    return api.tracking
