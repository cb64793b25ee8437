"""
What is told of tests: the text of a failure, and the summary at the end.

It knows words and lines; it refuses to judge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leakscope.model.finding import Verdict
from leakscope.trials.words import page

if TYPE_CHECKING:
    import pytest

    from leakscope.model.trial import Leak
    from leakscope.pytest_plugin.settings import Settings

_SHOWN = 20


def failure(leaks: list[Leak], settings: Settings) -> str:
    """
    Why a test failed.

    Parameters
    ----------
    leaks : list of Leak
    settings : Settings
    """
    limit = settings.max_leak_bytes if leaks[0].verdict is Verdict.LEAK else settings.max_growth_bytes
    return page(leaks, limit, "repetition of this test")


def summary(terminal: pytest.TerminalReporter, told: list[tuple[str, dict[str, Any]]], mode: str) -> None:
    """
    What came of all tests.

    Parameters
    ----------
    terminal : pytest.TerminalReporter
    told : list of (test, what was noted)
    mode : {"fail", "report", "strict", "gate"}
        The gate tells of leaks itself.
    """
    by_state: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for test, noted in told:
        by_state.setdefault(noted["state"], []).append((test, noted))
    leaking, unjudged = by_state.get("leaks", []), by_state.get("unjudged", [])
    judged = len(leaking) + len(by_state.get("clean", []))
    terminal.section("leakscope")
    terminal.write_line(
        f"{judged} {'test' if judged == 1 else 'tests'} judged, {len(leaking)} leaking"
        + (f", {len(unjudged)} not judged" if unjudged else "")
        + (f", {len(by_state['skipped'])} left out by their markers" if "skipped" in by_state else "")
    )
    if mode == "report" or (terminal.verbosity > 0 and mode != "gate"):
        for test, noted in leaking[:_SHOWN]:
            terminal.write_line(f"LEAKS {test}")
            for leak in noted["leaks"]:
                terminal.write_line(f"  {leak['sentence']}")
                for holder in leak["holders"]:
                    terminal.write_line(f"    held by {holder}")
    for test, noted in unjudged[:_SHOWN]:
        terminal.write_line(f"not judged: {test}: {noted['reason']}")
    if len(unjudged) > _SHOWN:
        terminal.write_line(f"... and {len(unjudged) - _SHOWN} more")
    if terminal.verbosity > 0:
        for test, noted in told:
            for leak in noted["excused"]:
                terminal.write_line(f"no leak: {test}: {leak['sentence']}")
