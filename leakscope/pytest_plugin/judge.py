"""
The judge: every test is run as always, then repeated and judged; what it leaves behind makes it fail.

It knows pytest's way to run a test and to report it; it refuses to know how leaks are told from caches.  The first run
is pytest's own, with all its reports; only if it passed the test is repeated, before the fixtures of wider scope go.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.runner import call_and_report, show_test_item

from leakscope import native
from leakscope.model.finding import Verdict
from leakscope.pytest_plugin.again import Again, forget_request
from leakscope.pytest_plugin.harness import harness_of
from leakscope.pytest_plugin.pages import failure, summary
from leakscope.pytest_plugin.settings import settings_of
from leakscope.pytest_plugin.suppressing import suppression_of, suppressions_of
from leakscope.pytest_plugin.telling import tell_gate
from leakscope.trials.holders import with_holders
from leakscope.trials.meter import Stacks
from leakscope.trials.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakscope.model.policy import Suppression
    from leakscope.model.trial import Leak
    from leakscope.pytest_plugin.limits import TimeLimits
    from leakscope.pytest_plugin.settings import Settings

_MOST_ASKED = 20
"""Tests whose holders are asked for: each takes a dump, a second or so."""
_NOT_RECORDED = "its process is not recorded"


class Judge:
    """
    Parameters
    ----------
    config : pytest.Config
    limits : TimeLimits
    """

    def __init__(self, config: pytest.Config, limits: TimeLimits) -> None:
        self._config = config
        self._limits = limits
        self._gate = config.option.leakscope_gate
        self._mode = "report" if self._gate else config.option.leakscope
        self._stacks: Stacks | None = None
        self._asked_holders = 0
        self._suppressions: tuple[Suppression, ...] = ()
        self._environment: dict[str, str | None] = {}
        self._told: list[tuple[str, dict[str, Any]]] = []
        state = native.own_state()
        self._recorded = state is not None and state["interval_bytes"] == 1

    def pytest_report_header(self) -> str:
        """One line at the beginning."""
        ends = "tests that leak fail" if self._mode != "report" else "leaks are told only"
        ends = "the gate decides" if self._gate else ends
        return f"leakscope: every test that passes is repeated; {ends}"

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_setupnodes(self) -> None:
        """Workers inherit the environment: from now on what we start records itself."""
        from leakscope.capture.itself import own_recording

        changes = own_recording(os.environ)
        self._environment = {name: os.environ.get(name) for name in changes}
        os.environ.update(changes)

    def pytest_unconfigure(self) -> None:
        """The environment as it was."""
        for name, value in self._environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """A marker or a suppression that cannot be understood ends it here."""
        if not self._gate:
            self._suppressions = suppressions_of(self._config)
        for item in items:
            settings_of(item)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        """Run a test, and judge it."""
        if not isinstance(item, pytest.Function) or item.config.getoption("setuponly", False):
            return None
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        try:
            self._run(item, nextitem)
        finally:
            forget_request(item)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def _run(self, item: Any, nextitem: pytest.Item | None) -> None:
        if not item._request:
            item._initrequest()
        if not call_and_report(item, "setup", log=True).passed:
            return self._end(item, nextitem)
        if item.config.getoption("setupshow", False):
            show_test_item(item, add_space=True)
        call = call_and_report(item, "call", log=False)
        settings = settings_of(item)
        if not call.passed or hasattr(call, "wasxfail") or settings.skip:
            if settings.skip:
                self._note(call, "skipped", settings.reason or "its marker says so")
            item.ihook.pytest_runtest_logreport(report=call)
            return self._end(item, nextitem)
        torn = call_and_report(item, "teardown", log=False, nextitem=item.parent)
        forget_request(item)
        if torn.passed:
            with self._limits.suspended(item):
                self._judge(item, call, settings)
        item.ihook.pytest_runtest_logreport(report=call)
        return self._end_above(item, nextitem, torn)

    @staticmethod
    def _end(item: pytest.Item, nextitem: pytest.Item | None) -> None:
        call_and_report(item, "teardown", log=True, nextitem=_next(item, nextitem))

    @staticmethod
    def _end_above(item: pytest.Item, nextitem: pytest.Item | None, torn: pytest.TestReport) -> None:
        """The test itself is torn down: now what is above it and not needed any more."""
        call = pytest.CallInfo.from_call(
            lambda: item.session._setupstate.teardown_exact(_next(item, nextitem)),
            when="teardown",
            reraise=(pytest.exit.Exception, KeyboardInterrupt),
        )
        if torn.failed or call.excinfo is None:
            item.ihook.pytest_runtest_logreport(report=torn)
        if call.excinfo is not None:
            item.ihook.pytest_runtest_logreport(report=item.ihook.pytest_runtest_makereport(item=item, call=call))

    def _judge(self, item: pytest.Item, call: pytest.TestReport, settings: Settings) -> None:
        if not self._recorded:
            return self._note(call, "unjudged", _NOT_RECORDED)
        if self._stacks is None:
            self._stacks = Stacks(harness_of(item.config))
        again = Again(item, self._limits)
        trial = Trial(again, settings.plan, self._stacks)
        leaks = trial.run()
        if leaks is None:
            reason = trial.problem or f"fails when repeated ({again.problem})"
            self._note(call, "unjudged", reason)
            if self._mode == "strict":
                call.outcome = "failed"
                call.longrepr = f"leakscope: this test {reason}"
            return None
        blamed = over_limits([leak for leak in leaks if self._is_told(leak)], settings)
        if blamed and self._asked_holders < _MOST_ASKED:
            self._asked_holders += 1
            blamed = with_holders(blamed)
        excused = [leak for leak in leaks if leak.sentence not in {one.sentence for one in blamed}]
        self._note(call, "leaks" if blamed else "clean", "", blamed, excused)
        if blamed and self._mode != "report":
            call.outcome = "failed"
            call.longrepr = failure(blamed, settings)
        return None

    def _is_told(self, leak: Leak) -> bool:
        """Whether nobody has given a reason for a leak."""
        return suppression_of(leak, self._suppressions) is None

    @staticmethod
    def _note(
        call: pytest.TestReport,
        state: str,
        reason: str,
        blamed: Sequence[Leak] = (),
        excused: Sequence[Leak] = (),
    ) -> None:
        """Attributes of reports travel from pytest-xdist's workers as long as JSON knows their types."""
        noted: Any = call
        noted.leakscope = {
            "state": state,
            "reason": reason,
            "leaks": [leak.as_dict() for leak in blamed],
            "excused": [leak.as_dict() for leak in excused],
        }

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Also in the process that hands out tests to others."""
        noted = getattr(report, "leakscope", None)
        if noted is not None:
            self._told.append((report.nodeid, noted))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """What came of it."""
        summary(terminalreporter, self._told, "gate" if self._gate else self._mode)

    def pytest_sessionfinish(self) -> None:
        """The gate hears of all tests once, from the process that hands them out."""
        if self._gate and not hasattr(self._config, "workerinput"):
            tell_gate(self._gate, self._told)


def _next(item: pytest.Item, nextitem: pytest.Item | None) -> pytest.Item | None:
    """As pytest does: a session that ends takes everything down with the last test, so that errors are told."""
    return None if item.session.shouldfail or item.session.shouldstop else nextitem


def over_limits(leaks: list[Leak], settings: Settings) -> list[Leak]:
    """
    Those that a test must not leave behind.

    Parameters
    ----------
    leaks : list of Leak
    settings : Settings
    """
    blamed: list[Leak] = []
    for verdict, most in ((Verdict.LEAK, settings.max_leak_bytes), (Verdict.GROWTH, settings.max_growth_bytes)):
        of_kind = [leak for leak in leaks if leak.verdict is verdict]
        if sum(leak.bytes_each for leak in of_kind) > most:
            blamed += of_kind
    return blamed
