"""
Settings from ``[tool.leakscope]`` of the nearest ``pyproject.toml``.

It knows where the file is and which keys there may be; it refuses to guess: an unknown key is an error.  Each command
has a table of its own, with the names of its options: ``[tool.leakscope.run]`` with ``interval = "16KiB"``.  Options on
the command line and ``LEAKSCOPE_RUN_INTERVAL`` come first.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from leakscope.errors import UsageError
from leakscope.model.pool_spec import pool_of_table

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

FILE = "pyproject.toml"
POOLS = "pools"
"""The table of pools, each of which is a table of its own: ``[tool.leakscope.pools.NAME]``."""


def nearest_file(folder: Path) -> Path | None:
    """The first ``pyproject.toml`` in a folder or above it."""
    for candidate in (folder, *folder.parents):
        path = candidate / FILE
        if path.is_file():
            return path
    return None


def read_settings(path: Path) -> Mapping[str, Any]:
    """
    What the file says about leakscope; empty if nothing.

    Parameters
    ----------
    path : Path

    Raises
    ------
    UsageError
        If the file cannot be read or is no TOML, and seems to speak of leakscope.
    """
    try:
        text = path.read_bytes()
    except OSError:
        return {}
    # Loading the parser costs more than most commands, and a broken file of another tool is none of our business.
    if b"leakscope" not in text:
        return {}
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        tools = tomllib.loads(text.decode("utf-8")).get("tool", {})
    except ValueError as error:
        raise UsageError(f"{path}: {error}", "correct the file") from error
    settings = tools.get("leakscope", {}) if isinstance(tools, dict) else {}
    if not isinstance(settings, dict):
        raise UsageError(f"{path}: tool.leakscope is not a table", "write [tool.leakscope.run] and keys below it")
    return settings


def check_tables(settings: Mapping[str, Any], commands: Collection[str], path: Path) -> None:
    """
    Nothing, or an error if there is a table for no command.

    Raises
    ------
    UsageError
        With the most similar name.
    """
    for name, table in settings.items():
        if name not in commands:
            raise _unknown(path, "tool.leakscope", name, commands)
        if not isinstance(table, dict):
            raise UsageError(f"{path}: tool.leakscope.{name} is not a table", f"write [tool.leakscope.{name}]")


def defaults_for(
    table: Mapping[str, Any],
    command: str,
    options: Mapping[str, str],
    repeatable: Collection[str],
    path: Path,
    others: Collection[str] = (),
) -> dict[str, Any]:
    """
    Values of a command's table by parameter name.

    Parameters
    ----------
    table : mapping
        As the file has it.
    command : str
        For messages.
    options : mapping of str to str
        Names of options, without dashes before them, to names of parameters.
    repeatable : collection of str
        Parameters that take a list.
    path : Path
        For messages.
    others : collection of str
        Keys that are read elsewhere.

    Raises
    ------
    UsageError
        For a key that is no option, with the most similar one.
    """
    defaults: dict[str, Any] = {}
    for key, value in table.items():
        if key in others:
            continue
        parameter = options.get(key.replace("_", "-"))
        if parameter is None:
            raise _unknown(path, f"tool.leakscope.{command}", key, {*options, *others})
        defaults[parameter] = [value] if parameter in repeatable and isinstance(value, str) else value
    return defaults


def pools_of(table: Mapping[str, Any]) -> list[str]:
    """
    A line for each pool of the table ``pools``, as ``leakscope run`` passes it on; see ``model.pool_spec``.

    Raises
    ------
    UsageError
        If one is not described as it should be.
    """
    return [pool_of_table(name, each) for name, each in table.items()]


def _unknown(path: Path, table: str, key: str, known: Iterable[str]) -> UsageError:
    import difflib  # only needed here, and slow to load

    names = sorted(known)
    similar = difflib.get_close_matches(key.replace("_", "-"), names, n=1)
    hint = f"did you mean {similar[0]!r}?" if similar else f"there are: {', '.join(names)}"
    return UsageError(f"{path}: unknown key {key!r} in {table}", hint)
