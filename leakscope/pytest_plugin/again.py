"""
A test once more: set up, called and torn down as pytest does it, without a trace in pytest's own memory.

It knows what pytest keeps of a test; it refuses to judge.  Fixtures of wider scope stay as they are.
"""

from __future__ import annotations

import contextlib
import warnings
from typing import TYPE_CHECKING, Any, Literal

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from leakscope.pytest_plugin.limits import TimeLimits


class Again:
    """
    A test that passed and is to be repeated.

    Parameters
    ----------
    item : pytest.Item
        Torn down, without those above it.
    limits : TimeLimits
        Each repetition has that of its test.

    Attributes
    ----------
    problem : str
        Why it could not be repeated; "" if it could.
    """

    def __init__(self, item: pytest.Item, limits: TimeLimits) -> None:
        self._limits = limits
        self.problem = ""
        self._item: Any = item
        self._kept = [(kept, len(kept)) for kept in (item._report_sections, item.user_properties)]

    def __call__(self) -> bool:
        """Once; False if it did not pass."""
        # What is recorded here would otherwise stay with pytest until the test is over.
        with (
            warnings.catch_warnings(record=True),
            _unreported(self._item.session),
            self._limits.renewed(self._item),
        ):
            if self._passes("setup", self._begin):
                self._passes("call", lambda: self._item.ihook.pytest_runtest_call(item=self._item))
            self._passes("teardown", self._end)
        forget_request(self._item)
        for kept, length in self._kept:
            del kept[length:]
        return not self.problem

    def _begin(self) -> None:
        self._item._initrequest()
        self._item.ihook.pytest_runtest_setup(item=self._item)

    def _end(self) -> None:
        self._item.ihook.pytest_runtest_teardown(item=self._item, nextitem=self._item.parent)

    def _passes(self, when: Literal["setup", "call", "teardown"], phase: Callable[[], None]) -> bool:
        """With a report that nobody is shown: some fixtures look at it."""
        call = pytest.CallInfo.from_call(phase, when, reraise=(KeyboardInterrupt, pytest.exit.Exception))
        report = self._item.ihook.pytest_runtest_makereport(item=self._item, call=call)
        if not report.passed or hasattr(report, "wasxfail"):
            words = str(call.excinfo.value).strip().splitlines() if call.excinfo else []
            kind = call.excinfo.typename if call.excinfo else report.outcome
            self.problem = self.problem or (f"{kind}: {words[0]}" if words else kind)
        return not self.problem


@contextlib.contextmanager
def _unreported(session: Any) -> Iterator[None]:
    """Subtests report for themselves: once is enough."""
    session.gethookproxy = lambda path: _Quiet(type(session).gethookproxy(session, path))
    try:
        yield
    finally:
        del session.gethookproxy


class _Quiet:
    """Hooks, but for that of reports."""

    def __init__(self, hooks: Any) -> None:
        self._hooks = hooks

    def __getattr__(self, name: str) -> Any:
        return _nothing if name == "pytest_runtest_logreport" else getattr(self._hooks, name)


def _nothing(**_: object) -> None:
    """No report."""


def forget_request(item: Any) -> None:
    """As pytest does at the end of a test: its fixtures' values go."""
    item._request = False
    item.funcargs = None
