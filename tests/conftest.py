"""What several test modules need built once a session."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from building import built


@pytest.fixture(scope="session")
def extension(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """From the name of an extension and an interpreter to the folder with the extension built for it."""
    return partial(built, folder=tmp_path_factory.mktemp("extensions"))
