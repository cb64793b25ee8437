"""
leakscope: what leaks, who allocated it, who holds it, and why the rest is no leak.

It knows the public names and loads each on first use, so that a traced program that imports leakscope stays light;
it refuses to know anything else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leakscope.api import dump, gate, judge, load, path, render, run, tracking, watch_pool

__version__ = "0.1.0"

__all__ = ["__version__", "dump", "gate", "judge", "load", "path", "render", "run", "tracking", "watch_pool"]


def __getattr__(name: str) -> object:
    if name.startswith("_") or name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from leakscope import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted(__all__)
