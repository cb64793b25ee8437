"""
Where the resident memory went: parts that add up to it exactly.

It knows what the system and the ledger say about one moment; it refuses to guess: what no part explains is shown as
unknown, and what a part claims but cannot be resident is taken off and told.

The honest page
---------------
The system splits resident memory into anonymous, mapped files and shared.  Files are one part.  Shared memory is the
recorder's ledger, up to its size, and the rest.  Anonymous memory is claimed by

* live Python objects: blocks of the domains ``mem`` and ``obj``, estimated in a sampled run;
* free inside pymalloc: what is free and resident in the arenas taken since recording began, where that was measured;
  else these arenas, minus the blocks of up to 512 bytes; larger ones it hands on to malloc;
* live native and raw blocks: what C code got from malloc;
* mappings of the program;
* free inside malloc: what is free and resident in its heaps, where that was measured; else what they hold beyond live
  blocks and beyond all that was there before, hence "at least";
* what was there before recording began: the interpreter itself.

What remains is unknown: thread stacks, data of libraries, the rest of malloc's free memory, memory taken by ways
nobody watches.

Claims can exceed what is there: ``numpy.zeros`` of a gibibyte is asked for but not resident until written, arenas are
fresh, memory was swapped out, freed early memory was used again, an estimate came out high.  Then claims give way in
the order of doubt: first mappings and large blocks, in proportion; then the free parts; then what was there before;
last live blocks.  The total taken off is reported as *asked for but not resident*.

*A worked number.*  110 MiB anonymous; claims: objects 40, free in pymalloc 8, native 20 of which 12 large, mappings 64,
before 6: 138 MiB.  28 MiB too much come off 64 + 12 in proportion: mappings 40.4, native 15.6; unknown 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.occupancy import idle_bytes
from leakscope.model.chunks import ARENA, HEAP, NO_THREAD
from leakscope.model.report import SEGMENT_NAMES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leakscope.model.columns import Column
    from leakscope.model.dump import Dump

SMALL_BYTES = 512
"""Largest block that pymalloc keeps in its arenas; it gets larger ones from malloc."""
LARGE_BYTES = 128 * 1024
"""From here on malloc maps blocks one by one: what is never written to is never resident."""
_DOUBT = (
    ("mappings", "large", "large_objects"), ("pymalloc_free", "malloc_free"), ("before",), ("small", "python_objects"),
)  # fmt: skip
"""Claims in the order in which they give way."""


@dataclass(frozen=True, slots=True)
class Residence:
    """
    The parts of resident memory.

    Attributes
    ----------
    rss_bytes : int
    parts : mapping of str to int
        By the names of ``SEGMENT_NAMES``, in that order; they add up to ``rss_bytes``; none is negative.
    unbacked_bytes : int
        Claimed, but not resident.
    malloc_measured : bool
        What is free inside malloc was measured: it is no lower bound.
    """

    rss_bytes: int
    parts: Mapping[str, int]
    unbacked_bytes: int
    malloc_measured: bool = False


def where_memory_went(dump: Dump) -> Residence:
    """
    The parts of the resident memory of one dump.

    Parameters
    ----------
    dump : Dump
    """
    process = dump.meta.process
    claims = anonymous_claims(dump)
    settled, unbacked = settle(claims, process.rss_anon_bytes)
    recorder = min(process.ledger_bytes, process.rss_shmem_bytes)
    settled["native"] = settled.pop("large") + settled.pop("small")
    settled["python_objects"] += settled.pop("large_objects")
    settled |= {
        "mapped_files": process.rss_file_bytes,
        "shared": process.rss_shmem_bytes - recorder,
        "recorder": recorder,
    }
    parts: dict[str, int] = {name: settled.get(name, 0) for name in SEGMENT_NAMES}
    # Resident memory and its parts are read one after the other: the system may have moved in between.
    rss = max(process.rss_bytes, sum(parts.values()))
    parts["unknown"] = rss - sum(parts.values())
    return Residence(rss, parts, unbacked, _free_in_heaps(dump) is not None)


def anonymous_claims(dump: Dump) -> dict[str, int]:
    """
    What each part says it holds of the anonymous memory, before anyone looked whether that much is there.

    Parameters
    ----------
    dump : Dump

    Returns
    -------
    dict of str to int
        ``small`` and ``large`` are the two halves of ``native``; ``large_objects`` are those that malloc maps.
    """
    totals, process, live = dump.meta.totals, dump.meta.process, dump.allocations
    objects, native = _in_domains(dump, "mem", "obj"), _in_domains(dump, "raw", "native")
    large = live.size >= LARGE_BYTES
    # Without arenas, as under PYTHONMALLOC=malloc, all blocks are malloc's.
    in_arenas = objects & (live.size <= SMALL_BYTES) & (totals.arena_count > 0)

    def held(rows: Column) -> int:
        return round(float(live.weight[rows].sum()))

    in_heaps = held((objects | native) & ~large & ~in_arenas)
    return {
        "python_objects": held(objects & ~large),
        "large_objects": held(objects & large),
        "pymalloc_free": _first_known(_free_in_arenas(dump), max(totals.arena_bytes - held(in_arenas), 0)),
        "small": held(native & ~large),
        "large": held(native & large),
        "mappings": max(totals.mapping_bytes, held(_in_domains(dump, "mapping"))),
        "malloc_free": _first_known(
            _free_in_heaps(dump),
            max((process.malloc_heap_bytes or 0) - in_heaps - process.began_rss_anon_bytes, 0),
        ),
        "before": process.began_rss_anon_bytes,
    }


def settle(claims: Mapping[str, int], capacity: int) -> tuple[dict[str, int], int]:
    """
    Claims cut down to what is there, the most doubtful first.

    Parameters
    ----------
    claims : mapping of str to int
        By the names in `_DOUBT`.
    capacity : int
        What is there.

    Returns
    -------
    settled : dict of str to int
        Adds up to ``capacity`` or, if less is claimed, to the claims.
    taken_off : int
    """
    settled = dict(claims)
    excess = taken_off = max(sum(claims.values()) - max(capacity, 0), 0)
    for names in _DOUBT:
        for index, name in enumerate(names):
            rest = sum(settled[other] for other in names[index:])
            share = min(settled[name], round(min(excess, rest) * settled[name] / rest)) if rest else 0
            settled[name] -= share
            excess -= share
    return settled, taken_off


def _free_in_arenas(dump: Dump) -> int | None:
    """Of arenas taken since recording began; those from before are in what was there before."""
    chunks = dump.chunks
    return _sum_if_known(idle_bytes(chunks)[(chunks.kind == ARENA) & (chunks.thread != NO_THREAD)])


def _free_in_heaps(dump: Dump) -> int | None:
    return _sum_if_known(idle_bytes(dump.chunks)[dump.chunks.kind == HEAP])


def _sum_if_known(values: Column) -> int | None:
    return round(float(values.sum())) if len(values) and np.isfinite(values).all() else None


def _first_known(measured: int | None, otherwise: int) -> int:
    return otherwise if measured is None else measured


def _in_domains(dump: Dump, *names: str) -> Column:
    """Which live rows are of some domains."""
    numbers = [number for number, name in enumerate(dump.meta.domains) if name in names]
    return np.isin(dump.allocations.domain, numbers)
