"""When the blocks of drawn dumps were born: all the time between two dumps, or all at once.

Drawn blocks are born at the very moment of their dump, when a recorder could not yet tell whose they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from builders import column
from heap_builders import Made, heap_series

from leakscope.model.dump import Dump

EVERY_S = 60.0
_GOLDEN, _ROOT_OF_2 = 0.6180339887498949, 1.4142135623730951
_BEFORE_S = 2.0


def born_evenly(dumps: Iterable[Dump]) -> list[Dump]:
    """The same dumps; what is new in one was born all through the time before it."""
    return [_reborn(dump, spread=True) for dump in dumps]


def born_at_once(dumps: Iterable[Dump]) -> list[Dump]:
    """The same dumps; what is new in one was born halfway between it and the one before."""
    return [_reborn(dump, spread=False) for dump in dumps]


def leaking(before: str, drawing: str, counts: Iterable[int], made: Made, **options: object) -> list[Dump]:
    """Dumps of a drawing in which ``%d`` is one of some counts each."""
    return heap_series(*(f"{before}; {drawing % count}" for count in counts), made=made, **options)  # type: ignore[arg-type]


def sampled(dumps: Iterable[Dump], one_in: int) -> list[Dump]:
    """The same dumps as a recording would have them that saw one block of so many."""
    return [_thinned(dump, one_in) for dump in dumps]


def _thinned(dump: Dump, one_in: int) -> Dump:
    live = dump.allocations
    kept = (live.address.astype(np.float64) / 16 * _ROOT_OF_2) % 1.0 < 1 / one_in
    columns = {name: getattr(live, name)[kept] for name in type(live).__dataclass_fields__}
    columns["weight"] = columns["weight"] * one_in
    rows = type(live)(**{name: column(values, values.dtype.str[1:]) for name, values in columns.items()})
    return replace(dump, allocations=rows, meta=replace(dump.meta, interval_bytes=100 * one_in))


def _reborn(dump: Dump, *, spread: bool) -> Dump:
    live = dump.allocations
    # From the address, so that a block has one birth in all dumps.
    part = (live.address.astype(np.float64) / 16 * _GOLDEN) % 1.0 if spread else np.full(len(live), 0.5)
    born = live.born_s - EVERY_S + part * (EVERY_S - _BEFORE_S)
    return replace(dump, allocations=replace(live, born_s=column(np.maximum(born, 0.0), "f4")))
