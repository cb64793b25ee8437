"""
How one test is judged: its markers over the command line over the defaults.

It knows what a marker may say; it refuses to know what is done with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from leakscope.model.finding import Verdict
from leakscope.model.policy import DEFAULT_LIMITS
from leakscope.trials.trial import Plan
from leakscope.units import parse_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

_WORDS = ("max_leak", "max_growth", "warmup", "repeats", "skip", "reason")
_LIMITS = {limit.name: limit.bytes or 0 for limit in DEFAULT_LIMITS}
_GATES = dict.fromkeys(_LIMITS, 0)
"""All that stays is told to a gate, which has limits of its own; those of markers count in any case."""
_MOST_REPEATS = 60


@dataclass(frozen=True, slots=True)
class Settings:
    """
    How one test is judged.

    Attributes
    ----------
    plan : Plan
    max_leak_bytes, max_growth_bytes : int
        What may stay with each repetition: of what is proved to leak, and of what grows without that proof.
    skip : bool
    reason : str
        Why it is skipped.
    """

    plan: Plan
    max_leak_bytes: int
    max_growth_bytes: int
    skip: bool
    reason: str


def settings_of(item: pytest.Item) -> Settings:
    """
    How a test is judged.

    Raises
    ------
    pytest.UsageError
        If a marker says what cannot be understood.
    """
    said: dict[str, Any] = {}
    for marker in item.iter_markers("leakscope"):
        if marker.args:
            raise pytest.UsageError(f"{item.nodeid}: the marker leakscope takes named values only: {', '.join(_WORDS)}")
        for name, value in marker.kwargs.items():
            if name not in _WORDS:
                known = ", ".join(_WORDS)
                raise pytest.UsageError(f"{item.nodeid}: the marker leakscope knows no {name!r}, only {known}")
            said.setdefault(name, value)
    option = item.config.option
    limits = _GATES if option.leakscope_gate else _LIMITS
    try:
        return Settings(
            plan=Plan(
                warmup=_count(said, "warmup", option.leakscope_warmup, 0),
                repeats=_count(said, "repeats", option.leakscope_repeats, 2),
                most_s=option.leakscope_seconds,
            ),
            max_leak_bytes=_bytes(said, "max_leak", limits[Verdict.LEAK.value]),
            max_growth_bytes=_bytes(said, "max_growth", limits[Verdict.GROWTH.value]),
            skip=bool(said.get("skip", False)),
            reason=str(said.get("reason", "")),
        )
    except ValueError as error:
        raise pytest.UsageError(f"{item.nodeid}: marker leakscope: {error}") from error


def _bytes(said: Mapping[str, Any], name: str, default: int) -> int:
    value = said.get(name, default)
    return value if isinstance(value, int) else parse_bytes(str(value))


def _count(said: Mapping[str, Any], name: str, default: int, least: int) -> int:
    value = said.get(name, default)
    if not isinstance(value, int) or not least <= value <= _MOST_REPEATS:
        raise ValueError(f"{name} must be a number from {least} to {_MOST_REPEATS}, not {value!r}")
    return value
