"""
What is told to ``leakscope gate``: all that tests left behind, in a file, for the gate to decide about.

It knows the file's fields; it refuses to decide anything.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from leakscope.model.trial import TESTS_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Sequence


def tell_gate(path: str, told: Sequence[tuple[str, dict[str, Any]]]) -> None:
    """
    Write what came of all tests: all of it, or no file.

    Parameters
    ----------
    path : str
    told : list of (test, what was noted)
    """
    document = {"schema": TESTS_SCHEMA, "tests": [{"test": test, **noted} for test, noted in told]}
    aside = f"{path}.part"
    with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(document, file)
    os.replace(aside, path)
