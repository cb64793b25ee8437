"""
CPython's own tests under ``pytest --leakscope`` beside its own hunt for leaks, ``-m test -R 3:3``.

The hunt needs an interpreter built with ``--with-pydebug``, ours one with leakscope and pytest, best of the same
version.  Three modules are planted: one that keeps an object each time, one that forgets a reference, and their quiet
twin.  Exits with 1 if the two disagree about a module.

    python tests/acceptance/refleaks.py --python BIN --debug-python BIN [--modules test_json,test_set]
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

MODULES = """
test_struct test_set test_deque test_array test_memoryview test_functools test_context test_csv test_bisect
test_weakref
""".split()
PLANTED = {
    "test_planted_keeping": "KEPT.append([number])",
    "test_planted_reference": "ctypes.pythonapi.Py_IncRef(ctypes.py_object([number]))",
    "test_planted_clean": "KEPT[:] = [[number]]",
}
PLANTED_MODULE = """
import ctypes
import unittest

KEPT = []

class Planted(unittest.TestCase):
    def test_it(self):
        for number in range(10):
            {line}

if __name__ == "__main__":
    unittest.main()
"""
LEAKED = re.compile(r"^(\S+) leaked (\[[^\]]*\]) (references|memory blocks)", re.MULTILINE)
OURS = "stay with each repetition"
LIMIT_S = 900


def hunt(python: str, module: str, folder: Path) -> tuple[bool, str]:
    """Whether CPython's own hunt finds a leak in a module, and what it says; it leaves a log in its working folder."""
    where = ("--testdir", str(folder)) if module in PLANTED else ()
    words = [python, "-m", "test", *where, "-R", "3:3", module]
    done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT_S, cwd=folder)
    found = [f"{numbers} {what}" for _, numbers, what in LEAKED.findall(done.stdout + done.stderr)]
    return bool(found), ", ".join(found) or ("clean" if done.returncode == 0 else f"exit code {done.returncode}")


def judge(python: str, path: Path, folder: Path) -> tuple[bool, str]:
    """Whether the plugin finds leaking tests in a module, and what it says."""
    results = folder / "results.xml"
    words = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--leakscope", f"--junitxml={results}", str(path)]
    subprocess.run(words, capture_output=True, text=True, timeout=LIMIT_S, cwd=folder, env={**os.environ, "CI": ""})
    cases = list(ElementTree.parse(results).iter("testcase"))
    bad = {case.get("name", ""): "".join(part.text or "" for part in case) for case in cases if len(case)}
    leaking = [name for name, text in bad.items() if OURS in text]
    return bool(leaking), f"{len(leaking)} of {len(cases)} leak" + (f": {', '.join(leaking[:4])}" if leaking else "")


def place_of(python: str, module: str) -> Path:
    """Where the interpreter's ``test`` package has a module."""
    code = f"import importlib.util; print(importlib.util.find_spec('test.{module}').origin)"
    return Path(subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip())


def main() -> int:
    """Print a table; 1 if the two disagree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", required=True, help="an interpreter with leakscope and pytest")
    parser.add_argument("--debug-python", required=True, help="one that was built with --with-pydebug")
    parser.add_argument("--modules", default=",".join(MODULES))
    options = parser.parse_args()
    differing = 0
    with tempfile.TemporaryDirectory(prefix="leakscope-") as name:
        folder = Path(name)
        for module, line in PLANTED.items():
            (folder / f"{module}.py").write_text(PLANTED_MODULE.format(line=line))
        for module in [*PLANTED, *options.modules.split(",")]:
            theirs = hunt(options.debug_python, module, folder)
            path = folder / f"{module}.py" if module in PLANTED else place_of(options.python, module)
            ours = judge(options.python, path, folder)
            differing += theirs[0] != ours[0]
            print(f"{module:24} -R: {theirs[1]:44} leakscope: {ours[1]}", flush=True)
    print(f"{differing} of {len(PLANTED) + len(options.modules.split(','))} modules are told differently")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
