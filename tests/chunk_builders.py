"""What is used and free in all drawn chunks of an allocator, as a sample of the series has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

COLUMNS = {"arena": "arena", "heap": "glibc"}


def books_of(batches: Mapping[Any, Any], measures: Mapping[Any, Mapping[str, float]]) -> dict[str, float]:
    """By column of the series; NaN if one chunk was drawn without."""
    found: dict[str, float] = {f"{name}_{side}_bytes": 0.0 for name in COLUMNS.values() for side in ("used", "free")}
    for key, of_key in batches.items():
        name, count = COLUMNS.get(key[3]), sum(batch.count for batch in of_key)
        for side in ("used", "free") if name and count else ():
            found[f"{name}_{side}_bytes"] += count * measures[key].get(f"{side}_bytes", float("nan"))
    return found
