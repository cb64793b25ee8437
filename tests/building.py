"""
C extensions of the tests, built with the compiler alone: no network, no build system, one file each.

It knows how to ask an interpreter for its headers; it refuses to know what is built.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

EXTENSIONS = Path(__file__).parent / "extensions"
_ASK = "import json, sysconfig as s; print(json.dumps([s.get_path('include'), s.get_config_var('EXT_SUFFIX')]))"


@functools.cache
def headers_and_suffix(python: str) -> tuple[str, str]:
    """Folder of an interpreter's headers, and how its extensions end."""
    said = subprocess.run([python, "-c", _ASK], capture_output=True, text=True, check=True).stdout
    include, suffix = json.loads(said)
    return str(include), str(suffix)


@functools.cache
def built(name: str, python: str, folder: Path) -> Path:
    """
    Folder to put in ``sys.path`` for an extension of ``tests/extensions``, built for one interpreter.

    Parameters
    ----------
    name : str
    python : str
    folder : Path
        Of the session; the extension goes to a folder of its own below it.
    """
    compiler = shutil.which(os.environ.get("CC", "gcc")) or shutil.which("cc")
    include, suffix = headers_and_suffix(python)
    if compiler is None or not (Path(include) / "Python.h").is_file():
        pytest.skip("needs a C compiler and Python's headers")
    home = folder / f"{name}{suffix}"
    home.mkdir()
    subprocess.run(
        [compiler, "-std=c11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-isystem", include,
         str(EXTENSIONS / name / f"{name}.c"), "-o", str(home / f"{name}{suffix}")],
        check=True,
    )  # fmt: skip
    return home
