"""
Whose code is the harness': pytest, its plugins, and what runs tests elsewhere.  What they ask for is no test's leak.

It knows where modules lie; it refuses to know what they do.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

_HARNESS = ("_pytest", "pytest", "pluggy", "xdist", "execnet", "hypothesis", "coverage")


def harness_of(config: pytest.Config) -> tuple[str, ...]:
    """
    Beginnings of the paths of the harness' files.

    A plugin that is part of a library, as ``anyio.pytest_plugin``, is one file; one that is a package of its own is all
    of that.  A plugin of the program, as a conftest, is no harness.

    Parameters
    ----------
    config : pytest.Config
    """
    found = {prefix for name in _HARNESS for prefix in _prefixes(sys.modules.get(name))}
    for plugin, _ in config.pluginmanager.list_plugin_distinfo():
        top = getattr(plugin, "__name__", "").partition(".")[0]
        if top.lstrip("_").startswith("pytest"):
            found.update(_prefixes(sys.modules.get(top)))
        elif isinstance(file := getattr(plugin, "__file__", None), str):
            found.add(file)
    return tuple(sorted(found))


def _prefixes(module: object) -> list[str]:
    file: object = getattr(module, "__file__", None)
    if not isinstance(file, str):
        return []
    is_package = os.path.basename(file) == "__init__.py"
    return [os.path.dirname(file) + os.sep if is_package else file]
