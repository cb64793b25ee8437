"""Expected outputs in files: compared, or rewritten by ``python tests/check.py --update``."""

from __future__ import annotations

import os
from pathlib import Path

GOLDENS = Path(__file__).resolve().parent.parent / "fixtures" / "golden"


def assert_golden(text: str, name: str) -> None:
    """The text is what the file ``fixtures/golden/NAME`` holds."""
    path = GOLDENS / name
    if os.environ.get("UPDATE_GOLDENS"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert path.is_file(), f"there is no golden file {name}: python tests/check.py --update"
    assert text == path.read_text(encoding="utf-8")
