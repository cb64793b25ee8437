"""What ``import leakscope`` offers: every name is there, loaded on first use, overwritten by no module."""

from __future__ import annotations

import subprocess
import sys

import pytest

import leakscope


@pytest.mark.parametrize("name", sorted(set(leakscope.__all__) - {"__version__"}))
def test_every_public_name_leads_to_a_function(name: str) -> None:
    assert callable(getattr(leakscope, name))
    assert name in dir(leakscope)


def test_other_names_are_refused_like_those_of_any_module() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'snapshot'"):
        _ = leakscope.snapshot  # type: ignore[attr-defined]


def test_importing_the_package_loads_nothing_else_of_it() -> None:
    code = "import sys, leakscope; print(*[name for name in sys.modules if name.startswith('leakscope.')])"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == ""
