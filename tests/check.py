"""The one command before every push: format, lint, types, C++ tests, Python tests.

It knows how each tool is called and in which order; what the tools demand is written in pyproject.toml, .clang-format
and tests/native.  It goes on after a failure and ends with pytest.  Builds and caches
lie in the virtual environment that it runs in; outside, nothing is written but Python's own __pycache__.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CPP_FOLDERS = ("leakscope/_native", "tests/native")
CPP_SUFFIXES = {".cpp", ".h"}
REINSTALL = "pip install '.[dev]'"


def main() -> int:
    """Run every step; the exit code is 0 only if all passed."""
    options = parse_arguments()
    cache = cache_folder()
    failed = [name for name, passed in steps(options, cache) if not passed]
    if failed:
        say(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fast", action="store_true", help="leave out what is marked slow")
    parser.add_argument("--update", action="store_true", help="rewrite the golden files; review the difference")
    parser.add_argument("pytest", nargs="*", metavar="-- PYTEST-ARGUMENT", help="handed to pytest")
    return parser.parse_args()


def steps(options: argparse.Namespace, cache: Path) -> Iterator[tuple[str, bool]]:
    """Each step's name and whether it passed, in order, pytest last."""
    yield "format", run("ruff", "format", "--check", ".", cache=cache)
    yield "lint", run("ruff", "check", ".", cache=cache)
    yield "types", run("mypy", "--strict", "leakscope", cache=cache)
    yield "C++ format", cpp_format(cache)
    yield "C++ tests", cpp_tests(cache, options.fast)
    installed, complaint = installed_as_here()
    if not installed:
        say(complaint)
    yield "install", installed
    if installed:
        yield "tests", python_tests(options, cache)


def cpp_format(cache: Path) -> bool:
    sources = [str(path) for folder in CPP_FOLDERS for path in sorted((ROOT / folder).rglob("*")) if is_cpp(path)]
    if not sources:
        return True
    if not tool("clang-format"):
        say("C++ format: SKIPPED, there is no clang-format here (pip install '.[dev]' brings it)")
        return True
    return run("clang-format", "--dry-run", "-Werror", *sources, cache=cache, shown=f"{len(sources)} files")


def is_cpp(path: Path) -> bool:
    return path.suffix in CPP_SUFFIXES and path.is_file()


def cpp_tests(cache: Path, fast: bool) -> bool:
    build = cache / "native"
    configure = ["-S", str(ROOT / "tests/native"), "-B", str(build), "-DCMAKE_BUILD_TYPE=Debug"]
    if tool("ninja"):
        configure += ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={tool('ninja')}"]
    selection = ["-LE", "slow"] if fast else []
    return (
        run("cmake", *configure, cache=cache, quiet=True)
        and run("cmake", "--build", str(build), "--parallel", "2", cache=cache, quiet=True)
        and run("ctest", "--test-dir", str(build), "--output-on-failure", *selection, cache=cache)
    )


def python_tests(options: argparse.Namespace, cache: Path) -> bool:
    # The script, not `python -m pytest`, which would put the checkout before the installed package.  And not through
    # our own interpreter: as `leakscope` was installed with `pytest`, both scripts then name theirs alike.
    pytest = tool("pytest")
    if not pytest:
        say(f"pytest is missing: {REINSTALL}")
        return False
    # Two workers: one runs the slow tests one by one, which mostly wait for what they watch, the other the quick ones.
    command = [pytest, "-n", "2", "--dist", "loadgroup", "-o", f"cache_dir={cache / 'pytest'}"]
    if options.fast:
        command += ["-m", "not slow"]
    environment = {"UPDATE_GOLDENS": "1"} if options.update else {}
    return execute([*command, *options.pytest], cache, environment)


def installed_as_here() -> tuple[bool, str]:
    """
    Whether the leakscope that the tests will import is this checkout's.

    Returns
    -------
    tuple of bool and str
        True and nothing, or False and what to do about it.
    """
    code = "import leakscope, leakscope._core as core; print(leakscope.__file__); print(core.__file__)"
    found = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False)
    if found.returncode != 0:
        return False, f"leakscope is not installed in this environment: {REINSTALL}\n{found.stderr.strip()}"
    package, core = (Path(line) for line in found.stdout.splitlines())
    here = ROOT / "leakscope"
    if package.parent != here:
        for source in sorted(here.rglob("*.py")):
            copy = package.parent / source.relative_to(here)
            if not copy.is_file() or copy.read_bytes() != source.read_bytes():
                return False, f"the installed leakscope is not this checkout's ({source.name} differs): {REINSTALL}"
    newer = [path.name for path in (here / "_native").rglob("*") if is_cpp(path) and is_newer(path, core)]
    if newer:
        return False, f"the installed core is older than its sources ({newer[0]}): {REINSTALL}"
    return True, ""


def is_newer(path: Path, than: Path) -> bool:
    return path.stat().st_mtime > than.stat().st_mtime


def run(name: str, *arguments: str, cache: Path, shown: str = "", quiet: bool = False) -> bool:
    """Run one tool of this environment; ``quiet`` keeps the output for the case of failure."""
    program = tool(name)
    if not program:
        say(f"{name} is missing: {REINSTALL}")
        return False
    say(f"{name} {shown or ' '.join(arguments)}")
    return execute([program, *arguments], cache, {}, quiet)


def execute(command: Sequence[str], cache: Path, more: dict[str, str], quiet: bool = False) -> bool:
    environment = os.environ | more
    environment |= {"RUFF_CACHE_DIR": str(cache / "ruff"), "MYPY_CACHE_DIR": str(cache / "mypy")}
    kept = subprocess.PIPE if quiet else None
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=kept, stderr=subprocess.STDOUT if quiet else None, check=False
    )
    if quiet and done.returncode != 0:
        sys.stdout.write(done.stdout.decode(errors="replace"))
        sys.stdout.flush()
    return done.returncode == 0


def tool(name: str) -> str | None:
    """Path of a tool: this environment's own before the machine's."""
    beside = Path(sys.executable).parent / name
    return str(beside) if os.access(beside, os.X_OK) else shutil.which(name)


def cache_folder() -> Path:
    """Where builds and caches go: into the virtual environment, or, outside one, into the system's temporary folder."""
    inside = sys.prefix != sys.base_prefix
    folder = Path(sys.prefix) / "var/leakscope" if inside else Path(tempfile.gettempdir()) / "leakscope-check"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def say(text: str) -> None:
    print(f"-- {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
