"""
CPython's own tests, module by module, bare, sampled and exact: every single test must end the same way.

Needs an interpreter with leakscope and with its ``test`` package.  A module whose results differ is run again, bare
and recorded, as tests of threads and signals fail now and then by themselves; what differs twice is reported.

    python tests/acceptance/cpython_suite.py --python BIN [--modules test_gc,test_json] [--limit 900]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

MODULES = """
test_threading test_thread test_threading_local test_asyncio test_subprocess test_gc test_weakref test_memoryview
test_buffer test_bytes test_array test_dict test_list test_tuple test_json test_ctypes test_mmap test_signal
test_faulthandler test_tracemalloc test_capi test_atexit test_sys test_cmd_line_script test_runpy test_fork1
test_multiprocessing_fork test_multiprocessing_spawn test_multiprocessing_forkserver
""".split()
# Some versions install the cases of multiprocessing, but not the modules that run them by one start method.
SUBSTITUTE = """
import unittest
import test._test_multiprocessing
test._test_multiprocessing.install_tests_in_module_dict(globals(), {method!r})
if __name__ == "__main__":
    unittest.main()
"""
MODES: Mapping[str, Sequence[str]] = {"bare": (), "sampled": (), "exact": ("--exact",)}


@dataclass(frozen=True)
class Outcome:
    """One module run in one mode: how each test ended, and how the run did."""

    tests: Mapping[str, str] = field(default_factory=dict)
    exit_code: int | None = None
    seconds: float = 0.0
    text: str = ""

    @property
    def summary(self) -> str:
        """Number of tests by ending, and the exit code."""
        counts = Counter(self.tests.values())
        endings = ", ".join(f"{count} {ending}" for ending, count in sorted(counts.items())) or "no tests"
        code = "stopped by the limit" if self.exit_code is None else f"code {self.exit_code}"
        return f"{endings}, {code}, {self.seconds:.0f} s"


def installed(python: str, module: str) -> bool:
    """Whether the interpreter's ``test`` package has a module."""
    code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec('test.{module}') is None)"
    return subprocess.run([python, "-c", code], capture_output=True).returncode == 0


def named(python: str, module: str, folder: Path) -> list[str]:
    """Words that name a module to ``-m test``; a substitute is written where one is missing and known."""
    method = module.rpartition("_")[2]
    if installed(python, module) or method not in ("fork", "spawn", "forkserver"):
        return [module]
    (folder / "test_start_method.py").write_text(SUBSTITUTE.format(method=method))
    return ["--testdir", str(folder), "test_start_method"]


def run(python: str, mode: str, module: str, limit_s: float, folder: Path) -> Outcome:
    """Run one module in one mode."""
    results = folder / "results.xml"
    results.unlink(missing_ok=True)
    begin = [python] if mode == "bare" else [python, "-m", "leakscope", "run", "--quiet", *MODES[mode]]
    if mode != "bare":
        begin += ["-o", str(folder / "run"), "--force"]
    command = [*begin, "-m", "test", "-v", "--junit-xml", str(results), *named(python, module, folder)]
    began = time.monotonic()
    with (folder / "output").open("w+", errors="replace") as output:
        try:
            done = subprocess.run(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, timeout=limit_s
            )
            code: int | None = done.returncode
        except subprocess.TimeoutExpired:
            code = None
        output.seek(0)
        text = output.read()
    return Outcome(read_results(results), code, time.monotonic() - began, text)


def read_results(path: Path) -> dict[str, str]:
    """How each test ended: passed, skipped, failed or error; a name seen twice keeps the worse ending."""
    if not path.is_file():
        return {}
    order = ("passed", "skipped", "failed", "error")
    found: dict[str, str] = {}
    for case in ElementTree.parse(path).iter("testcase"):
        tags = {child.tag for child in case}
        ending = (
            "error" if "error" in tags else "failed" if "failure" in tags else "skipped" if "skipped" in tags else ""
        )
        name = case.get("name", "")
        found[name] = max(found.get(name, "passed"), ending or "passed", key=order.index)
    return found


def differences(bare: Outcome, recorded: Outcome) -> list[str]:
    """Every test that ended otherwise; one line, always the same, for a run that died and left no results."""
    if bare.tests and not recorded.tests:
        return ["every test: no results, the recorded run did not come to its end"]
    names = sorted(bare.tests.keys() | recorded.tests.keys())
    lines = [
        f"{name}: bare {bare.tests.get(name, 'absent')}, recorded {recorded.tests.get(name, 'absent')}"
        for name in names
        if bare.tests.get(name) != recorded.tests.get(name)
    ]
    if not lines and bare.exit_code != recorded.exit_code:
        lines.append(f"exit code: bare {bare.exit_code}, recorded {recorded.exit_code}")
    return lines


def compare(options: argparse.Namespace, module: str, folder: Path) -> list[str]:
    """Run a module in all modes; the differences that appear twice."""
    if not installed(options.python, module) and "multiprocessing" not in module:
        print(f"| {module} | ABSENT from this version's test package | | |", flush=True)
        return []
    outcomes = {mode: run(options.python, mode, module, options.limit, folder) for mode in MODES}
    confirmed = []
    for mode in ("sampled", "exact"):
        first = differences(outcomes["bare"], outcomes[mode])
        if first:
            bare = run(options.python, "bare", module, options.limit, folder)
            again = run(options.python, mode, module, options.limit, folder)
            second = differences(bare, again)
            confirmed += [f"{mode}: {line}" for line in first if line in second]
            if set(first) & set(second) and options.logs:
                options.logs.mkdir(parents=True, exist_ok=True)
                (options.logs / f"{module}.{mode}.txt").write_text(again.text)
    print(f"| {module} | " + " | ".join(outcome.summary for outcome in outcomes.values()) + " |", flush=True)
    for line in confirmed:
        print(f"|   DIFFERS | {line} | | |", flush=True)
    return confirmed


def main() -> int:
    """Run the modules, print a table; 0 if all results are the same."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="interpreter with leakscope and the test package")
    parser.add_argument("--modules", default=",".join(MODULES))
    parser.add_argument("--limit", type=float, default=900.0, help="seconds for one module in one mode")
    parser.add_argument("--logs", type=Path, help="folder for the output of runs that differ")
    options = parser.parse_args()
    print(f"| module | {' | '.join(MODES)} |\n|---|---|---|---|")
    different = 0
    for module in options.modules.split(","):
        with tempfile.TemporaryDirectory() as folder:
            different += len(compare(options, module, Path(folder)))
    print(f"\n{different} tests end otherwise under the recorder")
    return 1 if different else 0


if __name__ == "__main__":
    raise SystemExit(main())
