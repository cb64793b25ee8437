"""
A policy from its text: ``[tool.leakscope.gate]`` of pyproject.toml, or a TOML file of its own.

It knows the keys and how each value is written; it refuses to guess: an unknown key is an error with the most similar
one.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

from leakscope.errors import PolicyError
from leakscope.model.finding import Verdict
from leakscope.model.policy import DEFAULT_LIMITS, POLICY_KEYS, Limit, Policy, Suppression
from leakscope.units import parse_bytes, parse_duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from os import PathLike
    from typing import NoReturn

_TABLE = ("tool", "leakscope", "gate")
_VERDICTS = [verdict.value.lower() for verdict in Verdict if verdict not in (Verdict.STABLE, Verdict.UNKNOWN)]
_LIMITS = [*_VERDICTS, "total", "module", "type"]
_SUPPRESS = ("code", "module", "symbol", "type", "holder", "reason")
_LIMIT_TEXT = re.compile(r"\s*(.*?)\s*(?:(?:/|\bper\b)\s*(iterations?|iter|seconds?|s)\s*)?", re.IGNORECASE)
_OBJECTS = re.compile(r"(\d+)\s*(?:objects?|blocks?|references?)", re.IGNORECASE)
_FORMS = 'write it like "64 KiB", "1 KiB/iteration" or "10 objects"'


def read_policy(path: str | PathLike[str]) -> Policy:
    """
    The policy in a TOML file: at its top, or below ``[tool.leakscope.gate]`` where that table is there.

    Raises
    ------
    PolicyError
        If the file cannot be read, is no TOML, or says something unknown.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        with open(path, "rb") as file:
            table: Any = tomllib.load(file)
    except OSError as error:
        raise PolicyError(f"{path}: {error.strerror}", "name a file with --policy") from error
    except ValueError as error:
        raise PolicyError(f"{path}: {error}", "correct the file") from error
    where = str(path)
    if isinstance(table.get("tool"), dict):
        for name in _TABLE:
            table = table.get(name, {}) if isinstance(table, dict) else {}
        where = f"{path}: {'.'.join(_TABLE)}"
    return policy_from(table, where)


def policy_from(table: Mapping[str, Any], where: str) -> Policy:
    """
    A policy from a table.

    Parameters
    ----------
    table : mapping
        Keys of `POLICY_KEYS`.
    where : str
        The file and table, for messages.

    Raises
    ------
    PolicyError
    """
    _check_keys(table, POLICY_KEYS, where)
    changes: dict[str, Any] = {}
    for name in ("repeats", "iterations"):
        if name in table:
            changes[name] = _whole(table[name], f"{where}: {name}")
    if "warmup" in table:
        changes["warmup_s"] = _parsed(table["warmup"], parse_duration, f"{where}: warmup", 'write it like "2s"')
    if "inconclusive" in table:
        if table["inconclusive"] not in ("tell", "pass", "fail"):
            _refuse(f"{where}: inconclusive is {table['inconclusive']!r}", "choose one of: tell, pass, fail")
        changes["inconclusive"] = table["inconclusive"]
    return Policy(
        limits=_limits(table.get("limits", {}), f"{where}: limits"),
        suppressions=tuple(suppressions_from(table.get("suppress", []), f"{where}: suppress")),
        **changes,
    )


def suppressions_from(entries: Any, where: str) -> Iterator[Suppression]:
    """Suppressions from a list of tables, each with a reason."""
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        _refuse(f"{where} is not a list of tables", "write [[tool.leakscope.gate.suppress]] before each")
    for number, entry in enumerate(entries, 1):
        place = f"{where}, entry {number}"
        _check_keys(entry, _SUPPRESS, place)
        texts = {key: value for key, value in entry.items() if isinstance(value, str)}
        if len(texts) < len(entry):
            _refuse(f"{place}: a value is no text", "put it in quotes")
        if not texts.get("reason", "").strip():
            _refuse(f"{place} has no reason", 'say why, for those who come later: reason = "..."')
        if len(texts) < 2:
            _refuse(f"{place} matches everything", f"name at least one of: {', '.join(_SUPPRESS[:-1])}")
        yield Suppression(**texts)


def limit_from(scope: str, name: str, value: Any, where: str) -> Limit:
    """
    A limit from ``"64 KiB"``, ``"1 KiB/iteration"``, ``"10 objects per iteration"`` or a number of bytes.

    Raises
    ------
    PolicyError
    """
    match = _LIMIT_TEXT.fullmatch(str(value)) if not isinstance(value, bool) else None
    if match is None or not isinstance(value, str | int):
        _refuse(f"{where} is {value!r}, no limit", _FORMS)
    per: Any = {"i": "iteration", "s": "second"}.get((match[2] or "")[:1].lower())
    objects = _OBJECTS.fullmatch(match[1])
    if objects:
        return Limit(scope, name, count=int(objects[1]), per=per)  # type: ignore[arg-type]
    return Limit(scope, name, bytes=_parsed(match[1], parse_bytes, where, _FORMS), per=per)  # type: ignore[arg-type]


def _limits(table: Any, where: str) -> tuple[Limit, ...]:
    _check_keys(table, _LIMITS, where)
    limits: dict[tuple[str, str], Limit] = {(limit.scope, limit.name): limit for limit in DEFAULT_LIMITS}
    for key, value in table.items():
        if key not in ("module", "type"):
            scope, name = ("total", "*") if key == "total" else ("verdict", key.upper())
            limits[scope, name] = limit_from(scope, name, value, f"{where}: {key}")
            continue
        if not isinstance(value, dict):
            _refuse(f"{where}.{key} is not a table", f"write [tool.leakscope.gate.limits.{key}] and names below it")
        for name, amount in value.items():
            limits[key, name] = limit_from(key, name, amount, f"{where}.{key}: {name}")
    return tuple(limits.values())


def _check_keys(table: Any, known: Iterable[str], where: str) -> None:
    if not isinstance(table, dict):
        _refuse(f"{where} is not a table", "see the example in the README")
    names = list(known)
    for key in table:
        if key not in names:
            import difflib  # only needed here, and slow to load

            similar = difflib.get_close_matches(str(key).replace("-", "_"), names, n=1)
            hint = f"did you mean {similar[0]!r}?" if similar else f"there are: {', '.join(names)}"
            _refuse(f"{where}: unknown key {key!r}", hint)


def _whole(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        _refuse(f"{where} is {value!r}, no number of 1 or more", "write it without quotes")
    return value


def _parsed(value: Any, parse: Any, where: str, remedy: str) -> Any:
    try:
        return parse(str(value))
    except ValueError as error:
        raise PolicyError(f"{where}: {error}", remedy) from error


def _refuse(message: str, remedy: str) -> NoReturn:
    raise PolicyError(message, remedy)
