"""
Which interpreter runs the program, and which recorder library fits it.

It knows what an interpreter says about itself; it refuses to know how a program is started.  A recorder is built for
one minor version of CPython; the process that reads the ledger may be of another.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

from leakscope import native
from leakscope.errors import CaptureError

_ASK = """
import importlib.util, json, sys, sysconfig
def place(name):
    try:
        return importlib.util.find_spec(name).origin
    except Exception:
        return None
def version():
    try:
        import leakscope
        return leakscope.__version__
    except Exception:
        return None
print(json.dumps([
    sys.executable, sys.implementation.name, sys.version.split()[0], sysconfig.get_config_var("SOABI"),
    bool(sysconfig.get_config_var("Py_GIL_DISABLED")), sys.platform, place("leakscope._core"), version(),
]))
"""
_TIMEOUT_S = 60.0
_NEEDS = "recording needs CPython 3.10 to 3.15 with its global lock on Linux with glibc (x86-64 or aarch64)"
_STILL = "there, 'leakscope show' and 'leakscope diff' still read dumps taken elsewhere"


@dataclass(frozen=True, slots=True)
class Interpreter:
    """
    An interpreter, as it describes itself.

    Attributes
    ----------
    executable : str
    implementation, version : str
        ``cpython``, ``3.11.7``.
    abi : str
        ``cpython-311-x86_64-linux-gnu``; "" if it does not say.
    free_threaded : bool
    platform : str
        ``linux``.
    core : Path or None
        The compiled part of the leakscope installed there.
    leakscope : str or None
        The version of that leakscope.
    """

    executable: str
    implementation: str
    version: str
    abi: str
    free_threaded: bool
    platform: str
    core: Path | None = None
    leakscope: str | None = None

    @property
    def name(self) -> str:
        """``CPython 3.11.7``, for messages."""
        kind = {"cpython": "CPython", "pypy": "PyPy"}.get(self.implementation, self.implementation)
        return f"{kind} {self.version}{' (free-threaded)' if self.free_threaded else ''}"


def this_interpreter() -> Interpreter:
    """The interpreter that runs leakscope itself."""
    return Interpreter(
        executable=sys.executable,
        implementation=sys.implementation.name,
        version=sys.version.split()[0],
        abi=_own_abi(),
        free_threaded="t" in getattr(sys, "abiflags", ""),
        platform=sys.platform,
    )


def _own_abi() -> str:
    """What sysconfig calls SOABI; its data takes longer to load than all of this module."""
    first = EXTENSION_SUFFIXES[0] if EXTENSION_SUFFIXES else ""
    return first.removeprefix(".").removesuffix(".so") if first.count(".") > 1 else ""


def ask_interpreter(python: str) -> Interpreter:
    """
    What another interpreter says about itself.

    Parameters
    ----------
    python : str
        A path, or a name to look for in PATH.  A script that leads to an interpreter will do.

    Raises
    ------
    CaptureError
        If it cannot be run, or is no Python.
    """
    # Only needed here, and slow to load.
    import json
    import shutil
    import subprocess

    path = shutil.which(python)
    if path is None:
        raise CaptureError(
            f"there is no interpreter {python!r}", "give --python the path of a Python, or a name in PATH"
        )
    # The absolute path, but no link resolved: a virtual environment is recognised by where its link lies.
    path = os.path.abspath(path)
    try:
        said = subprocess.run(
            [path, "-I", "-c", _ASK],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True,
        )  # fmt: skip
        executable, implementation, version, abi, free_threaded, platform, core, ours = json.loads(said.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise CaptureError(
            f"{path} does not answer like a Python: {_first_line(error)}", f"try: {path} -c 'import sys'"
        ) from error
    return Interpreter(
        executable or path,
        implementation,
        version,
        abi or "",
        free_threaded,
        platform,
        Path(core) if core else None,
        ours,
    )


def recorder_for(interpreter: Interpreter) -> Path:
    """
    The recorder library built for an interpreter: beside our own core, or in the leakscope installed there.

    Raises
    ------
    CaptureError
        If there is none, with what to do about it.
    """
    _require_supported(interpreter)
    own = native.recorder_path()
    mine = this_interpreter()
    if interpreter.abi == mine.abi:
        if own is None:
            raise CaptureError("this leakscope was built without a recorder", f"{_NEEDS}; {_STILL}")
        return own
    name = f"_recorder.{interpreter.abi}.so"
    beside = Path(native.core().__file__ or "").with_name(name)
    if beside.is_file():
        return beside
    return _installed_there(interpreter, name, native.version())


def _installed_there(interpreter: Interpreter, name: str, version: str) -> Path:
    install = f"{interpreter.executable} -m pip install leakscope=={version}"
    if interpreter.leakscope is None:
        raise CaptureError(f"no recorder for {interpreter.name}: leakscope is not installed for it", install)
    if interpreter.leakscope != version:
        raise CaptureError(
            f"{interpreter.executable} has leakscope {interpreter.leakscope}, this is {version}: they must be equal",
            install,
        )
    there = interpreter.core.with_name(name) if interpreter.core is not None else None
    if there is None or not there.is_file():
        raise CaptureError(
            f"the leakscope of {interpreter.executable} was built without a recorder", f"{install} --force-reinstall"
        )
    return there


def _require_supported(interpreter: Interpreter) -> None:
    """One sentence for what cannot be recorded at all."""
    reason = ""
    if interpreter.platform != "linux":
        reason = f"programs on {interpreter.platform} cannot be recorded yet"
    elif interpreter.implementation != "cpython":
        reason = f"{interpreter.name} cannot be recorded"
    elif interpreter.free_threaded:
        reason = f"free-threaded {interpreter.name.partition(' (')[0]} cannot be recorded yet"
    elif "musl" in interpreter.abi:
        reason = f"{interpreter.name} on musl cannot be recorded yet"
    if reason:
        raise CaptureError(reason, f"{_NEEDS}; {_STILL}")


def _first_line(error: Exception) -> str:
    """The last line an interpreter complained with says most; else our own words."""
    complaint = getattr(error, "stderr", None)
    lines = complaint.strip().splitlines() if isinstance(complaint, str) else []
    return lines[-1] if lines else str(error) or type(error).__name__
