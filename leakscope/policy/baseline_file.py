"""
The baseline as a file: JSON, sorted by fingerprint, an entry's fields on lines of their own, so that branches merge.

It knows the file's fields; it refuses to know what a baseline is for.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from leakscope.errors import PolicyError
from leakscope.model.gate import Outcome
from leakscope.model.policy import BASELINE_SCHEMA, Baseline, BaselineEntry

if TYPE_CHECKING:
    from os import PathLike

    from leakscope.model.finding import Finding
    from leakscope.model.gate import GateResult

_FIELDS = ("code", "what", "note", "added")
_REMEDY = "correct it, or write it anew with --update-baseline"


def read_baseline(path: str | PathLike[str]) -> Baseline:
    """
    The baseline in a file; an empty one if there is no such file.

    Raises
    ------
    PolicyError
        If it is no baseline.
    """
    try:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
    except FileNotFoundError:
        return Baseline(path=str(path))
    except (OSError, ValueError) as error:
        raise PolicyError(f"{path}: {error}", _REMEDY) from error
    if not isinstance(document, dict) or document.get("schema") != BASELINE_SCHEMA:
        raise PolicyError(f"{path}: this is no {BASELINE_SCHEMA}", _REMEDY)
    known = document.get("known")
    if not isinstance(known, dict):
        raise PolicyError(f"{path}: 'known' is not a table of fingerprints", _REMEDY)
    return Baseline(tuple(_entry(name, known[name], path) for name in sorted(known)), str(path))


def _entry(fingerprint: str, fields: Any, path: str | PathLike[str]) -> BaselineEntry:
    if not isinstance(fields, dict) or any(not isinstance(fields.get(name, ""), str) for name in _FIELDS):
        raise PolicyError(f"{path}: the entry {fingerprint} is not a table of texts", _REMEDY)
    unknown = sorted(set(fields) - set(_FIELDS))
    if unknown:
        raise PolicyError(f"{path}: unknown key {unknown[0]!r} in {fingerprint}", f"there are: {', '.join(_FIELDS)}")
    return BaselineEntry(fingerprint, *(fields.get(name, "") for name in _FIELDS))


def write_baseline(baseline: Baseline) -> str:
    """The text of the file."""
    known = {
        entry.fingerprint: {name: getattr(entry, name) for name in _FIELDS}
        for entry in sorted(baseline.entries, key=lambda entry: entry.fingerprint)
    }
    return json.dumps({"schema": BASELINE_SCHEMA, "known": known}, indent=1, ensure_ascii=True) + "\n"


def updated(result: GateResult, today: str, note: str = "") -> Baseline:
    """
    The baseline after a gate: new leaks are in it, stale entries are not, all others keep their note and day.

    Parameters
    ----------
    result : GateResult
    today : str
        Day for new entries, ``2026-11-30``.
    note : str
        The owner's note for new entries.
    """
    stale = {entry.fingerprint for entry in result.stale}
    entries = {entry.fingerprint: entry for entry in result.baseline.entries if entry.fingerprint not in stale}
    for decision in result.with_outcome(Outcome.NEW):
        found = decision.finding
        entries[found.fingerprint] = BaselineEntry(found.fingerprint, found.code, in_few_words(found), note, today)
    return replace(result.baseline, entries=tuple(entries[name] for name in sorted(entries)))


def in_few_words(finding: Finding) -> str:
    """What a finding is about, without numbers, which would change with each run: ``app.Session, `open` in app.py``."""
    subject = finding.subject
    place = f"`{subject.function}` in {subject.file}" if subject.function and subject.file else subject.file or ""
    native = subject.symbol or subject.library or ""
    words = [word for word in (subject.type, place or native, subject.pool) if word]
    return ", ".join(words) or finding.rule
