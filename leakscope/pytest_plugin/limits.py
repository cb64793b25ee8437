"""
Time limits of pytest-timeout: each repetition has the whole limit of its test, and what we do between has none.

It knows the two hooks that pytest-timeout offers other plugins; it refuses to know how a limit is kept.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


class TimeLimits:
    """A plugin that listens for limits being set on tests."""

    def __init__(self) -> None:
        self._item: Any = None
        self._settings: Any = None

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_timeout_set_timer(self, item: Any, settings: Any) -> None:
        """Remember what a test was given; whose turn it is to keep the limit is not ours."""
        # A limit of the call alone is set and cancelled around each call anyhow.
        self._item, self._settings = (None, None) if settings.func_only else (item, settings)

    @contextlib.contextmanager
    def suspended(self, item: Any) -> Iterator[None]:
        """Without a limit; with the whole limit again afterwards."""
        self._cancel(item)
        try:
            yield
        finally:
            self._set(item)

    @contextlib.contextmanager
    def renewed(self, item: Any) -> Iterator[None]:
        """With the whole limit, where there is one; without afterwards."""
        self._set(item)
        try:
            yield
        finally:
            self._cancel(item)

    def _set(self, item: Any) -> None:
        if self._item is item:
            item.ihook.pytest_timeout_set_timer(item=item, settings=self._settings)

    def _cancel(self, item: Any) -> None:
        if self._item is item:
            item.ihook.pytest_timeout_cancel_timer(item=item)
