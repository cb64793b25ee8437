"""
Leaks that somebody has given a reason for: the suppressions of ``[tool.leakscope.gate]``, the same that the gate heeds.

It knows where they are written and how a leak is shown to their patterns; it refuses to know what patterns mean.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from leakscope.errors import PolicyError
from leakscope.policy.known import known_suppressions
from leakscope.policy.matching import suppression_for
from leakscope.policy.reading import suppressions_from
from leakscope.trials.repetition import finding_of

if TYPE_CHECKING:
    from leakscope.model.policy import Suppression
    from leakscope.model.trial import Leak

_TABLE = ("tool", "leakscope", "gate")


def suppressions_of(config: pytest.Config) -> tuple[Suppression, ...]:
    """
    Those of the project's ``pyproject.toml``, and those of well-known libraries.

    Raises
    ------
    pytest.UsageError
        If one cannot be understood.
    """
    path = config.rootpath / "pyproject.toml"
    table: Any = _read(str(path)) if path.is_file() else {}
    for name in _TABLE:
        table = table.get(name, {}) if isinstance(table, dict) else {}
    entries = table.get("suppress", []) if isinstance(table, dict) else []
    try:
        own = tuple(suppressions_from(entries, f"{path}: {'.'.join(_TABLE)}: suppress"))
    except PolicyError as error:
        raise pytest.UsageError(f"--leakscope: {error.message}; {error.remedy}") from error
    return (*own, *known_suppressions())


def _read(path: str) -> dict[str, Any]:
    # Python 3.10 has no reader of its own; pytest brings one there.
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise pytest.UsageError(f"--leakscope: {path}: {error}") from error


def suppression_of(leak: Leak, suppressions: tuple[Suppression, ...]) -> Suppression | None:
    """
    The first suppression that means a leak.

    Parameters
    ----------
    leak : Leak
    suppressions : tuple of Suppression
    """
    return suppression_for(finding_of(leak), suppressions)
