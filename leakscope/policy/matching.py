"""
Whether a pattern means a finding.

It knows what a finding tells about its place; it refuses to know what follows.  Patterns are those of a shell and
respect case; a module's pattern also means the modules below it.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from leakscope.model.finding import Finding
    from leakscope.model.policy import Limit, Suppression

_ANY = "*"
_INSTALLED = re.compile(r"^.*/(?:site-packages|dist-packages|python\d+(?:\.\d+)?t?)/(?:lib-dynload/)?")
_SUFFIX = re.compile(r"(?:/__init__)?\.(?:py|pyc|[\w-]*\.?so)$")


def suppression_for(finding: Finding, suppressions: Iterable[Suppression]) -> Suppression | None:
    """The first that matches a finding."""
    return next((entry for entry in suppressions if suppresses(entry, finding)), None)


def suppresses(entry: Suppression, finding: Finding) -> bool:
    """
    Whether all patterns of a suppression match.

    Parameters
    ----------
    entry : Suppression
    finding : Finding
        Module and symbol may be anywhere on its stack: what a library leaks is often told of the line that calls it.
    """
    return (
        fnmatchcase(finding.code, entry.code)
        and (entry.type == _ANY or fnmatchcase(finding.subject.type or "", entry.type))
        and (entry.module == _ANY or any(is_module(name, entry.module) for name in _modules(finding)))
        and (entry.holder == _ANY or any(fnmatchcase(path, entry.holder) for path in _paths(finding)))
        and (entry.symbol == _ANY or any(fnmatchcase(name, entry.symbol) for name in _symbols(finding)))
    )


def limit_for(finding: Finding, limits: Iterable[Limit]) -> Limit | None:
    """The limit that a finding falls under: of its type, else of its module, else of its verdict."""
    subject = finding.subject
    chosen: dict[str, Limit] = {}
    for limit in limits:
        matches = (
            (limit.scope == "type" and fnmatchcase(subject.type or "", limit.name))
            or (limit.scope == "module" and is_module(subject.module or "", limit.name))
            or (limit.scope == "verdict" and limit.name == finding.verdict.value)
        )
        if matches:
            chosen.setdefault(limit.scope, limit)
    return chosen.get("type") or chosen.get("module") or chosen.get("verdict")


def is_module(name: str, pattern: str) -> bool:
    """Whether a pattern means a module or a package above it: ``app.cache`` is meant by ``app`` and ``app.*``."""
    return fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}.*")


def _paths(finding: Finding) -> Iterator[str]:
    return (" -> ".join(path) for path in finding.holders)


def _modules(finding: Finding) -> Iterator[str]:
    if finding.subject.module:
        yield finding.subject.module
    for frame in finding.stack:
        if _INSTALLED.match(frame.file):
            yield _SUFFIX.sub("", _INSTALLED.sub("", frame.file)).replace("/", ".")


def _symbols(finding: Finding) -> Iterator[str]:
    subject = finding.subject
    yield from (name for name in (subject.function, subject.symbol, subject.library) if name)
    yield from (frame.function for frame in finding.stack)
