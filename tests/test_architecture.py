"""The law of the house: who may import whom, who may meet which library, how long anything may get.

Imports count wherever they stand: inside functions, under TYPE_CHECKING, and as constant text handed to
``import_module``.  What is not listed is forbidden; a change of a table is a decision of its own.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TypeGuard

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "leakscope"

# Part: what it may import.  Capturing runs in the parent of the traced program, except `capture.session`, which is
# what a traced program imports: it is a part of its own, as light as `native`.  So are `trials` and the pytest plugin,
# and what they use: whose code a file holds, and the environment of a process that records itself.
MAY_IMPORT: dict[str, set[str]] = {
    "__init__": {"api"},
    "__main__": {"cli"},
    "errors": set(),
    "units": set(),
    "model": {"errors", "units"},
    "native": {"errors", "_core"},
    "formats": {"errors", "model", "native", "kernels"},
    "pools": {"errors", "model"},
    "capture.session": {"errors", "native", "observing"},
    "observing": {"native"},
    "capture.interpreter": {"errors", "native"},
    "capture.itself": {"errors", "native", "capture.interpreter"},
    "capture": {"errors", "units", "model", "native", "pools", "capture.session", "capture.interpreter"},
    "handing": {"native"},
    "wrapping": {"native", "handing"},
    "watching": {"errors", "native", "wrapping"},
    "analysis.sources": {"model"},
    "trials": {"errors", "units", "model", "native", "analysis.sources"},
    "arranging": {"errors", "watching", "observing"},
    "kernels": {"errors", "native"},
    "analysis": {"errors", "model", "native", "kernels", "pools", "analysis.sources"},
    "rules": {"units", "model", "analysis", "analysis.sources"},
    "caveats": {"units", "model", "analysis", "analysis.sources"},
    "verdict": {"units", "model", "analysis", "analysis.sources", "rules", "caveats"},
    "policy": {"errors", "units", "model"},
    "reports": {"errors", "units", "model"},
    "telemetry": {"errors", "units", "model"},
    "proving": {"errors", "model", "capture", "formats", "verdict", "policy"},
    "api": {
        "errors", "model", "capture", "capture.session", "capture.interpreter", "formats", "analysis",
        "analysis.sources", "rules", "trials", "verdict", "policy", "reports", "telemetry", "watching",
    },
    "suites": {"errors", "model", "policy", "trials"},
    "gating": {"errors", "model", "formats", "policy", "proving", "suites", "reports", "api"},
    "cli": {"errors", "units", "model", "api", "gating"},
    "live": {"errors"},
    "companion": {"errors", "model", "capture", "api"},
    "pytest_plugin": {
        "errors", "units", "model", "native", "api", "capture.itself", "analysis.sources", "trials", "policy",
    },
}  # fmt: skip

# Part: which third parties it may import.  Everything else is the standard library.
THIRD_PARTIES: dict[str, set[str]] = {
    "formats": {"numpy"},
    "kernels": {"numpy"},
    "analysis": {"numpy"},
    "rules": {"numpy"},
    "capture": {"numpy", "psutil"},
    "reports": {"rich"},
    "cli": {"click", "rich", "tomli"},  # tomli where the standard library has no tomllib yet
    "policy": {"tomli"},  # as in cli
    "live": {"objgraph", "pympler"},
    "pytest_plugin": {"pytest", "_pytest", "tomli"},
}

# Part: what it may import for types only, under TYPE_CHECKING.
TYPES_ONLY: dict[str, set[str]] = {
    "model": {"numpy"},
    "capture": {"_core"},
    "trials": {"_core"},
}

# Folder of a table: its modules that are no entries, which entries may import.
TABLE_FOLDERS: dict[str, set[str]] = {
    "formats": {"format", "lks_buffers", "lks_columns", "lks_heap", "lks_pools"},
    "pools": {"pool"},
    "rules": {"rule", "made", "lent", "unused"},
    "reports": {
        "report_format", "first_screen", "heap_screen", "pool_screen", "buffer_screen", "chunk_screen", "pieces",
        "holding", "holding_dot", "gate_lines", "markdown_text",
    },
    "telemetry": {"exporter"},
}  # fmt: skip

FILE_LINES = 400
FUNCTION_LINES = 60  # without the docstring
# Path, or path::function: why it may be longer.
EXCEPTIONS: dict[str, str] = {}


@dataclass(frozen=True)
class Import:
    """One module that a file of the package imports."""

    module: str
    types_only: bool
    line: int


def modules() -> Iterator[tuple[str, Path]]:
    """Dotted name inside the package, and file."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if "_native" not in path.parts:
            yield ".".join(path.relative_to(PACKAGE).with_suffix("").parts), path


def part_of(module: str) -> str:
    """The part a module of the package belongs to; ``capture.session`` is one of its own."""
    return module if module in MAY_IMPORT else module.partition(".")[0]


def imports_of(source: str, module: str) -> Iterator[Import]:
    """Every module that a source imports, ours without the ``leakscope.`` before it; the top package is ``""``."""
    tree = ast.parse(source)
    typing_only = {
        node for block in ast.walk(tree) if is_type_checking(block) for part in block.body for node in ast.walk(part)
    }
    for node in ast.walk(tree):
        for name in imported_names(node, module):
            ours = name == "leakscope" or name.startswith("leakscope.")
            inside = name.removeprefix("leakscope").removeprefix(".") if ours else f"third:{name.partition('.')[0]}"
            yield Import(inside, node in typing_only, getattr(node, "lineno", 0))


def is_type_checking(node: ast.AST) -> TypeGuard[ast.If]:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def imported_names(node: ast.AST, module: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            above = ["leakscope", *module.split(".")][: -node.level]
            base = ".".join([*above, base]).rstrip(".")
        for alias in node.names:
            deeper = f"{base}.{alias.name}"
            yield deeper if is_our_module(deeper) else base
    elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")) and node.args:
        yield from constant_beginning(node.args[0])


def is_our_module(name: str) -> bool:
    path = PACKAGE.parent.joinpath(*name.split("."))
    return name.removeprefix("leakscope.") in {*MAY_IMPORT, "_core"} or (
        name.startswith("leakscope.") and (path.is_dir() or path.with_suffix(".py").is_file())
    )


def constant_beginning(name: ast.expr) -> Iterator[str]:
    first = name.values[0] if isinstance(name, ast.JoinedStr) and name.values else name
    if isinstance(first, ast.Constant) and isinstance(first.value, str):
        yield first.value.rstrip(".")


def offences(source: str, module: str) -> Iterator[str]:
    """What a source imports although it may not."""
    part = part_of(module)
    for found in imports_of(source, module):
        place = f"leakscope/{module.replace('.', '/')}.py:{found.line}: "
        for_types = TYPES_ONLY.get(part, set()) if found.types_only else set()
        if found.module.startswith("third:"):
            name = found.module.removeprefix("third:")
            if name not in sys.stdlib_module_names | THIRD_PARTIES.get(part, set()) | for_types:
                yield f"{place}{part!r} may not import {name!r}"
        elif not found.module:
            yield f"{place}no module imports the top package"
        elif part_of(found.module) not in MAY_IMPORT[part] | {part} | for_types:
            yield f"{place}{part!r} may not import {part_of(found.module)!r}"


# --------------------------------------------------------------------------------------------------- the law


def test_every_module_imports_only_what_the_table_allows() -> None:
    found = [offence for module, path in modules() for offence in offences(path.read_text("utf-8"), module)]

    assert found == []


def test_every_module_belongs_to_a_part_of_the_table() -> None:
    strangers = {part_of(module) for module, _ in modules()} - set(MAY_IMPORT)

    assert strangers == set()


def test_the_table_has_no_circle() -> None:
    TopologicalSorter(MAY_IMPORT).prepare()


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("reports.terminal", "from leakscope.analysis import series"),
        ("model.dump", "import numpy as np"),
        ("model.dump", "def f():\n    from leakscope.formats.lks import read"),
        ("formats.lks", "import leakscope._core"),
        ("formats.lks", "from leakscope import __version__"),
        ("rules.leak", "import leakscope"),
        ("capture.session", "from leakscope.model.config import CaptureConfig"),
        ("capture.session", "import psutil"),
        ("api", "import importlib\nimportlib.import_module('leakscope.cli.run')"),
        ("cli.run", "from importlib import import_module\nimport_module(f'leakscope.capture.{name}')"),
        ("cli.run", "from ..capture import launch"),
        ("cli.run", "if TYPE_CHECKING:\n    from leakscope.capture.launch import Run"),
    ],
)
def test_a_planted_offence_is_found(module: str, source: str) -> None:
    assert len(list(offences(source, module))) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("formats.lks", "from leakscope import native\nfrom leakscope.formats.format import Format\nimport numpy"),
        ("model.dump", "if TYPE_CHECKING:\n    import numpy as np"),
        ("capture.launch", "from . import session\nimport psutil"),
        ("native", "def core():\n    from leakscope import _core"),
        ("cli.run", "import os.path, click\nfrom leakscope import api"),
    ],
)
def test_what_the_table_allows_is_no_offence(module: str, source: str) -> None:
    assert list(offences(source, module)) == []


def test_only_the_door_imports_the_core() -> None:
    at_the_core = {
        module
        for module, path in modules()
        for found in imports_of(path.read_text("utf-8"), module)
        if found.module == "_core" and not found.types_only
    }

    assert at_the_core == {"native"}


def test_entries_of_a_table_know_only_its_record_and_never_each_other() -> None:
    found = [
        f"{module} imports {imported.module}"
        for module, path in modules()
        for imported in imports_of(path.read_text("utf-8"), module)
        if is_entry(module) and is_entry(imported.module) and imported.module != module
    ]

    assert found == []


def is_entry(module: str) -> bool:
    folder, _, name = module.partition(".")
    return folder in TABLE_FOLDERS and name not in {"", "__init__", *TABLE_FOLDERS[folder]}


def test_no_modules_import_each_other_in_a_circle() -> None:
    names = {module.removesuffix(".__init__") for module, _ in modules()}
    graph = {
        module.removesuffix(".__init__"): {found.module for found in imports_of(path.read_text("utf-8"), module)}
        & names
        for module, path in modules()
    }

    TopologicalSorter({module: imported - {module} for module, imported in graph.items()}).prepare()


# --------------------------------------------------------------------------------------------- a guest's home


@pytest.mark.parametrize(
    "use",
    [
        "import leakscope",
        "import leakscope.native as native; native.recording()",
        "import leakscope.capture.session",
        "import leakscope; leakscope.dump",
        "import leakscope; leakscope.watch_pool(object)",
        "import leakscope.watching",
        "import leakscope.arranging",
        "import leakscope; leakscope.tracking",
        "import leakscope.trials.tracked, leakscope.capture.itself",
    ],
)
def test_a_traced_program_that_imports_us_gets_the_standard_library_and_the_core_only(use: str) -> None:
    code = f"import sys; before = set(sys.modules); {use}; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False)

    assert done.stderr == ""
    tops = {name.partition(".")[0] for name in done.stdout.split()}
    assert tops - sys.stdlib_module_names - {"leakscope"} == set()


# ------------------------------------------------------------------------------------------------ C++ and sizes


def native_sources() -> Iterator[tuple[str, str]]:
    """Path below ``_native`` and text."""
    for path in sorted((PACKAGE / "_native").rglob("*")):
        if path.suffix in (".cpp", ".h"):
            yield path.relative_to(PACKAGE / "_native").as_posix(), path.read_text("utf-8")


@pytest.mark.parametrize(
    ("pattern", "home"),
    [
        (r"^\s*#\s*include\s*[<\"](Python|frameobject|pythread|internal/pycore_\w+)\.h", "python/"),
        (r"^\s*#\s*(if|ifdef|ifndef|elif)\b.*__(linux|APPLE)__", "platform/"),
    ],
    ids=["Python.h", "__linux__"],
)
def test_python_and_the_system_have_one_home_each_in_the_core(pattern: str, home: str) -> None:
    strays = [path for path, text in native_sources() if re.search(pattern, text, re.MULTILINE) and home not in path]

    assert strays == []


def test_no_file_is_too_long() -> None:
    files = [*PACKAGE.rglob("*"), *(ROOT / "tests").rglob("*")]
    lengths = {
        path.relative_to(ROOT).as_posix(): path.read_text("utf-8").count("\n")
        for path in files
        if path.suffix in (".py", ".pyi", ".cpp", ".h")
    }

    assert too_long(lengths, FILE_LINES) == {}


def test_no_function_is_too_long() -> None:
    lengths = {
        f"leakscope/{path.relative_to(PACKAGE).as_posix()}::{node.name}": lines_of_code(node)
        for _, path in modules()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }

    assert too_long(lengths, FUNCTION_LINES) == {}


def too_long(lengths: Mapping[str, int], ceiling: int) -> dict[str, int]:
    return {name: length for name, length in lengths.items() if length > ceiling and name not in EXCEPTIONS}


def lines_of_code(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    length = (node.end_lineno or node.lineno) - node.lineno + 1
    if ast.get_docstring(node) is not None:
        length -= (node.body[0].end_lineno or 0) - node.body[0].lineno + 1
    return length


def test_every_exception_is_still_needed() -> None:
    gone = [name for name in EXCEPTIONS if not (ROOT / name.partition("::")[0]).is_file()]

    assert gone == []
