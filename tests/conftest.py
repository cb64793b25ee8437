"""What several test modules need built once a session."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from building import built


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    Slow tests one after another, on a worker of their own, while another one runs the quick tests.

    Most of them watch a program that works for some seconds: two of these at a time would be two programs on half a
    machine each, and a program watched on half a machine says less.
    """
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.xdist_group("slow"))


@pytest.fixture(scope="session")
def extension(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """From the name of an extension and an interpreter to the folder with the extension built for it."""
    return partial(built, folder=tmp_path_factory.mktemp("extensions"))
