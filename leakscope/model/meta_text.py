"""
The small facts of a dump as JSON text and back: the ``meta`` column of a file.

It knows the keys and their types, for the writer and the reader alike; it refuses to guess: a key that is missing or
of another type is a ``ValueError`` that names it.  Further keys are ignored, so that the text may gain some.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any

from leakscope.model.dump import REASONS, SCHEMA, Death, DumpMeta, Health, LedgerTotals, ProcessMemory
from leakscope.model.heap import HeapMeta

_MISSING = object()
_LARGEST = 2**63
_DOMAIN_PREFIX = "live_bytes."
_DEATH_KINDS = ("signal", "exit", "oom")
_TEXTS = ("leakscope", "runtime", "runtime_version", "cwd", "reason", "platform")
_WHOLES = ("pid", "number", "interval_bytes", "exact_bytes", "max_frames")
_REALS = ("taken_unix_s", "elapsed_s")
_LISTS = ("argv", "domains", "chunk_kinds")
# Dumps from before there were pools have none of these.
_LATER_HEALTH = ("dropped_handles", "dropped_crosses")
_PLACES = ("process", "child")


def read_meta(text: str | bytes) -> tuple[DumpMeta, Health]:
    """
    The facts and the health that a meta text states.

    Parameters
    ----------
    text : str or bytes
        JSON in UTF-8.

    Raises
    ------
    ValueError
        If it is not such a text; the message names the key.
    """
    try:
        data = json.loads(text if isinstance(text, str) else text.decode("utf-8"))
    except RecursionError as error:
        raise ValueError("meta: nested too deeply") from error
    if not isinstance(data, dict):
        raise ValueError("meta: not a JSON object")
    if data.get("schema") != SCHEMA:
        raise ValueError(f"meta: schema is {data.get('schema')!r}, not {SCHEMA!r}")
    if _text(data, "reason") not in REASONS:
        raise ValueError(f"meta: reason is none of {', '.join(REASONS)}")
    facts: dict[str, Any] = {key: _text(data, key) for key in _TEXTS}
    facts |= {key: _whole(data, key) for key in _WHOLES}
    facts |= {key: _real(data, key) for key in _REALS}
    facts |= {key: _texts(data, key) for key in _LISTS}
    meta = DumpMeta(
        **facts,
        death=_read_death(data),
        process=_read_process(_object(data, "process")),
        totals=_read_totals(_object(data, "totals")),
        heap=_read_heap(data),
    )
    if meta.interval_bytes < 1:
        raise ValueError("meta: interval_bytes is below 1")
    health = _object(data, "health")
    known = [field.name for field in fields(Health) if field.name in health or field.name not in _LATER_HEALTH]
    return meta, Health(**{name: _whole(health, name, "health.") for name in known})


def write_meta(meta: DumpMeta, health: Health) -> str:
    """
    The facts and the health as JSON text; `read_meta` gives them back equal.

    Parameters
    ----------
    meta : DumpMeta
    health : Health
    """
    data: dict[str, Any] = {"schema": SCHEMA}
    data |= {key: getattr(meta, key) for key in (*_TEXTS, *_WHOLES, *_REALS, *_LISTS)}
    data["death"] = None if meta.death is None else _as_dict(meta.death)
    data["health"] = _as_dict(health)
    data["process"] = _as_dict(meta.process)
    data["heap"] = None if meta.heap is None else _as_dict(meta.heap)
    totals = _as_dict(meta.totals)
    by_domain = totals.pop("live_bytes_by_domain")
    data["totals"] = totals | {_DOMAIN_PREFIX + name: live for name, live in by_domain.items()}
    return json.dumps(data, allow_nan=False)


def _as_dict(record: Death | Health | ProcessMemory | LedgerTotals | HeapMeta) -> dict[str, Any]:
    return {field.name: getattr(record, field.name) for field in fields(record)}


def _read_death(data: Mapping[str, Any]) -> Death | None:
    if _value(data, "death") is None:
        return None
    death = _object(data, "death")
    kind = _text(death, "kind", "death.")
    if kind not in _DEATH_KINDS:
        raise ValueError(f"meta: death.kind is none of {', '.join(_DEATH_KINDS)}")
    signal = death.get("signal")
    number = 0 if signal is None else _whole(death, "signal", "death.")
    return Death(kind=kind, signal=number, text=_text(death, "text", "death."))  # type: ignore[arg-type]


def _read_heap(data: Mapping[str, Any]) -> HeapMeta | None:
    # Dumps from before there were object graphs have no such key.
    if data.get("heap") is None:
        return None
    heap = _object(data, "heap")
    facts: dict[str, Any] = {key: _whole(heap, key, "heap.") for key in ("objects", "edges", "bodies", "garbage")}
    facts |= {key: _real(heap, key, "heap.") for key in ("taken_s", "pause_s", "walk_s")}
    facts |= {key: _truth(heap, key, "heap.") for key in ("collector_enabled", "values")}
    facts |= {key: _wholes(heap, key, "heap.") for key in ("collector_thresholds", "generation_counts")}
    facts |= {key: _text(heap, key, "heap.") for key in ("where", "problem")}
    if facts["where"] not in _PLACES:
        raise ValueError(f"meta: heap.where is none of {', '.join(_PLACES)}")
    return HeapMeta(**facts)


def _read_process(data: Mapping[str, Any]) -> ProcessMemory:
    numbers: dict[str, Any] = {
        field.name: _whole(data, field.name, "process.")
        for field in fields(ProcessMemory)
        if field.name != "malloc_heap_bytes"
    }
    heap = _value(data, "malloc_heap_bytes", "process.")
    numbers["malloc_heap_bytes"] = None if heap is None else _whole(data, "malloc_heap_bytes", "process.")
    return ProcessMemory(**numbers)


def _read_totals(data: Mapping[str, Any]) -> LedgerTotals:
    numbers: dict[str, Any] = {
        field.name: _whole(data, field.name, "totals.")
        for field in fields(LedgerTotals)
        if field.name != "live_bytes_by_domain"
    }
    by_domain = {
        key.removeprefix(_DOMAIN_PREFIX): _whole(data, key, "totals.") for key in data if key.startswith(_DOMAIN_PREFIX)
    }
    return LedgerTotals(**numbers, live_bytes_by_domain=MappingProxyType(by_domain))


def _value(data: Mapping[str, Any], key: str, within: str = "") -> Any:
    value = data.get(key, _MISSING)
    if value is _MISSING:
        raise ValueError(f"meta: {within}{key} is missing")
    return value


def _object(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = _value(data, key)
    if not isinstance(value, dict):
        raise ValueError(f"meta: {key} is not an object")
    return value


def _text(data: Mapping[str, Any], key: str, within: str = "") -> str:
    value = _value(data, key, within)
    if not isinstance(value, str):
        raise ValueError(f"meta: {within}{key} is not a text")
    return _printable(value)


def _texts(data: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = _value(data, key)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"meta: {key} is not a list of texts")
    return tuple(map(_printable, value))


def _wholes(data: Mapping[str, Any], key: str, within: str) -> tuple[int, ...]:
    values = _value(data, key, within)
    if not isinstance(values, list):
        raise ValueError(f"meta: {within}{key} is not a list")
    return tuple(_whole({key: value}, key, within) for value in values)


def _truth(data: Mapping[str, Any], key: str, within: str) -> bool:
    value = _value(data, key, within)
    if not isinstance(value, bool):
        raise ValueError(f"meta: {within}{key} is neither true nor false")
    return value


def _printable(text: str) -> str:
    # Arguments and paths that are no UTF-8 arrive as lone surrogates, which no report could print.
    return text.encode("utf-8", "replace").decode("utf-8")


def _whole(data: Mapping[str, Any], key: str, within: str = "") -> int:
    value = _value(data, key, within)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"meta: {within}{key} is not a whole number")
    if abs(value) > _LARGEST:
        raise ValueError(f"meta: {within}{key} does not fit in 64 bits")
    return value


def _real(data: Mapping[str, Any], key: str, within: str = "") -> float:
    value = _value(data, key, within)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _LARGEST:
        raise ValueError(f"meta: {within}{key} is not a number")
    return float(value)
