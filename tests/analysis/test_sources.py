"""Whose code a file holds and what it is called, by its path alone, on any machine."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import dump, live

from leakscope.analysis.sources import (
    Origin,
    is_command,
    module_name,
    origin_of,
    plain_function,
    program_roots,
    relative_path,
    started_tool,
)

ROOTS = ("/srv/shop", "/srv/shop/bin")

FILES = [
    ("/srv/shop/app/cache.py", Origin.APP, "app/cache.py", "app.cache"),
    ("/srv/shop/app/__init__.py", Origin.APP, "app/__init__.py", "app"),
    ("app.py", Origin.APP, "app.py", "app"),
    ("./app.py", Origin.APP, "app.py", "app"),
    ("/home/me/elsewhere/pkg/mod.py", Origin.APP, "pkg/mod.py", "pkg.mod"),
    ("/usr/lib/python3.11/json/decoder.py", Origin.STDLIB, "json/decoder.py", "json.decoder"),
    ("/opt/py/lib/python3.13t/threading.py", Origin.DISPATCH, "threading.py", "threading"),
    ("/opt/py/lib/python3.12/asyncio/base_events.py", Origin.DISPATCH, "asyncio/base_events.py", "asyncio.base_events"),
    ("/opt/py/lib/python311.zip/json/encoder.py", Origin.STDLIB, "json/encoder.py", "json.encoder"),
    ("/v/lib/python3.11/site-packages/requests/models.py", Origin.LIBRARY, "requests/models.py", "requests.models"),
    ("/usr/lib/python3/dist-packages/yaml/__init__.py", Origin.LIBRARY, "yaml/__init__.py", "yaml"),
    ("<frozen importlib._bootstrap>", Origin.IMPORT, "<frozen importlib._bootstrap>", "importlib._bootstrap"),
    ("<string>", Origin.GENERATED, "<string>", "<string>"),
    ("<attrs generated init app.User>", Origin.GENERATED, "<attrs generated init app.User>", None),
    ("<stdin>", Origin.APP, "<stdin>", "<stdin>"),
]


@pytest.mark.parametrize(("file", "origin", "path", "module"), FILES)
def test_files_are_told_by_their_paths(file: str, origin: Origin, path: str, module: str | None) -> None:
    assert origin_of(file, native=False, command=False) == origin
    assert relative_path(file, ROOTS) == path
    assert module is None or module_name(file, ROOTS) == module


def test_extension_modules_are_called_as_they_are_imported() -> None:
    library = "/v/lib/python3.11/site-packages/multidict/_multidict.cpython-311-x86_64-linux-gnu.so"

    assert origin_of(library, native=True, command=False) == Origin.NATIVE
    assert module_name(library, ROOTS) == "multidict._multidict"
    assert module_name("/v/lib/python3.11/site-packages/x/y.abi3.so", ROOTS) == "x.y"


def test_a_string_is_the_program_if_it_came_from_the_command_line() -> None:
    meta = dump(live({"f@<string>:1": 1})).meta

    assert is_command(replace(meta, argv=("-c", "print(1)")))
    assert not is_command(replace(meta, argv=("app.py", "-c")))
    assert origin_of("<string>", native=False, command=True) == Origin.APP


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("load.<locals>.<listcomp>", "load"),
        ("A.f.<locals>.<dictcomp>.<locals>.<genexpr>", "A.f"),
        ("load.<locals>.inner", "load.<locals>.inner"),
        ("f.<locals>.<lambda>", "f.<locals>.<lambda>"),
        ("<listcomp>", "<listcomp>"),
        ("<module>", "<module>"),
    ],
)
def test_comprehensions_belong_to_the_function_they_are_in(name: str, plain: str) -> None:
    assert plain_function(name) == plain


@pytest.mark.parametrize(
    ("cwd", "argv", "roots"),
    [
        ("/srv/shop", ("bin/serve.py", "x.py"), ("/srv/shop", "/srv/shop/bin")),
        ("/srv/shop", ("serve.py",), ("/srv/shop",)),
        ("/srv/shop", ("/opt/tool/serve",), ("/srv/shop", "/opt/tool")),
        ("/srv/shop", ("-m", "shop.main"), ("/srv/shop",)),
        ("/", ("-c", "pass"), ()),
        ("", (), ()),
    ],
)
def test_roots_are_the_working_folder_and_the_scripts(cwd: str, argv: tuple[str, ...], roots: tuple[str, ...]) -> None:
    assert program_roots(replace(dump(live({"f@a.py:1": 1})).meta, cwd=cwd, argv=argv)) == roots


@pytest.mark.parametrize(
    ("argv", "file", "tool"),
    [
        (("-m", "pytest", "-q"), "/v/lib/python3.11/site-packages/pytest/__main__.py", "pytest"),
        (("-m", "unittest"), "/usr/lib/python3.11/unittest/__main__.py", "unittest"),
        (("-m", "app"), "/srv/app/__main__.py", ""),
        (("-m", "app"), "/v/lib/python3.11/site-packages/pytest/__main__.py", ""),
        (("app.py",), "/v/lib/python3.11/site-packages/pytest/__main__.py", ""),
        (("-m",), "/v/lib/python3.11/site-packages/pytest/__main__.py", ""),
    ],
)
def test_a_tool_is_an_installed_package_that_was_started(argv: tuple[str, ...], file: str, tool: str) -> None:
    meta = dump(live({"main@app.py:1": 8})).meta
    assert started_tool(replace(meta, argv=argv), ["/v/other.py", file]) == tool
