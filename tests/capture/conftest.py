"""What tests of recordings have in common."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """For the dumps; the programs run beside it, where no checkout hides the installed leakscope from them."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "dumps"
