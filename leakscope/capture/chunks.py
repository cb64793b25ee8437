"""
The chunk table of a dump: what the hooks saw being taken, what they did not, and how full all of it is.

It knows which source tells what of which kind; it refuses to know how a heap or an arena is laid out.  The books of
allocators are read from the frozen copy of the process where there is one, what the system says always from the process
itself.  Of a process that runs, chunks may come and go meanwhile: a row is as true as its own moment.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from leakscope import native
from leakscope.capture import measuring, unseen
from leakscope.model.chunks import ARENA, HEAP, MAPPING, MEASURES, NO_THREAD, SHARED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from leakscope._core import Ledger
    from leakscope.capture.mappings import Mapping
    from leakscope.native import Columns

NAN = float("nan")
_FROM_LEDGER = {"address": "u8", "size": "u8", "kind": "u1", "stack": "u4", "thread": "u4", "born_s": "f4"}
_MAPPED_BLOCK_BYTES = 64 * 1024
"""malloc gives no smaller blocks mappings of their own, whatever its threshold: recorded ones are all known."""


@dataclass(slots=True)
class Chunk:
    """One row on its way into the table."""

    address: int
    size: int
    kind: int
    stack: int = 0
    thread: int = NO_THREAD
    born_s: float = 0.0
    label: str = ""
    measures: dict[str, float] = field(default_factory=dict)

    @property
    def end(self) -> int:
        """The first address behind it."""
        return self.address + self.size


@dataclass(frozen=True, slots=True)
class Place:
    """
    Where to read a process.

    Attributes
    ----------
    pid : int
        The process.
    source : callable
        Gives the process id of where the books of allocators are best read now: a frozen copy, or the process.
    mappings : sequence of Mapping
    timeout_s : float
        Processor time for each of arenas, heaps and pages.
    """

    pid: int
    source: Callable[[], int]
    mappings: Sequence[Mapping]
    timeout_s: float


def measured_chunks(ledger: Ledger, part: object, place: Place, chunk_bytes: int) -> list[Chunk]:
    """
    All chunks of a process, measured.

    Parameters
    ----------
    ledger : Ledger
    part : object
        From ``ledger.freeze()``.
    place : Place
    chunk_bytes : int
        From here on memory that nobody saw being taken is a chunk.
    """
    chunks = seen_chunks(part)
    source = place.source()
    found = _with_books(ledger, chunks, place, source)
    if source != place.pid and place.source() != source:
        # The copy ended while it was read.
        found = _with_books(ledger, chunks, place, place.pid)
    chunks += found
    _add_shared(chunks, place)
    blocks = _pairs(native.core().part_large_blocks(part, _MAPPED_BLOCK_BYTES))
    known = [(chunk.address, chunk.end) for chunk in chunks]
    known += [(address, address + size) for address, size in _pairs(ledger.own_mappings())]
    rest = unseen.large_rest(place.mappings, known, blocks, chunk_bytes)
    chunks += [Chunk(piece.begin, piece.end - piece.begin, MAPPING, label=piece.label) for piece in rest]
    _add_resident(chunks, place)
    return chunks


def seen_chunks(part: object) -> list[Chunk]:
    """The chunks that hooks saw being taken."""
    columns = [
        np.frombuffer(native.core().part_column(part, f"chunk.{name}"), f"<{dtype}").tolist()
        for name, dtype in _FROM_LEDGER.items()
    ]
    return [Chunk(*row) for row in zip(*columns, strict=True)]


def columns_of(part: object, chunks: Sequence[Chunk]) -> Columns:
    """
    The columns ``chunk.*`` of a file, in place of those that the part has.

    Parameters
    ----------
    part : object
        From ``ledger.freeze()``; gets the labels added to its strings.
    chunks : sequence of Chunk
    """
    labels = sorted({chunk.label for chunk in chunks} - {""})
    first = native.core().part_add_strings(part, tuple(_plain(label) for label in labels))
    number = {"": 0, **{label: first + at for at, label in enumerate(labels)}}
    columns: dict[str, tuple[str, Any]] = {
        f"chunk.{name}": (dtype, np.array([getattr(chunk, name) for chunk in chunks], f"<{dtype}"))
        for name, dtype in _FROM_LEDGER.items()
    }
    for name in MEASURES:
        columns[f"chunk.{name}"] = ("f8", np.array([chunk.measures.get(name, NAN) for chunk in chunks], "<f8"))
    columns["chunk.label"] = ("u4", np.array([number[chunk.label] for chunk in chunks], "<u4"))
    return columns


def totals_of(chunks: Iterable[Chunk]) -> dict[str, float]:
    """Sums for the series, by its names; NaN if one of a kind is not known, none of a kind that is not there."""
    kinds = {ARENA: "arena", HEAP: "glibc"}
    totals: dict[str, float] = {}
    for chunk in chunks:
        for of in ("used_bytes", "free_bytes") if chunk.kind in kinds else ():
            name = f"{kinds[chunk.kind]}_{of}"
            totals[name] = totals.get(name, 0.0) + chunk.measures.get(of, NAN)
    return totals


def _pairs(words: bytes) -> list[tuple[int, int]]:
    return [(first, second) for first, second in np.frombuffer(words, np.uint64).reshape(-1, 2).tolist()]


def _plain(label: str) -> str:
    """A name of a file as text that can be stored."""
    return label.encode("utf-8", "replace").decode("utf-8")


def _with_books(ledger: Ledger, chunks: Sequence[Chunk], place: Place, source: int) -> list[Chunk]:
    return _arenas(ledger, chunks, source, place.timeout_s) + _heaps(place, source)


def _arenas(ledger: Ledger, chunks: Sequence[Chunk], source: int, timeout_s: float) -> list[Chunk]:
    """Measures the arenas that are known, and gives those from before recording."""
    seen = [chunk for chunk in chunks if chunk.kind == ARENA]
    known = {chunk.address for chunk in seen}
    early = [Chunk(at, size, ARENA) for at, size in _pairs(ledger.early_arenas()) if at not in known]
    every = [*seen, *early]
    rows = measuring.measure_arenas(source, ((chunk.address, chunk.size) for chunk in every), timeout_s).tolist()
    for chunk, (used, free, largest, _) in zip(every, rows, strict=True):
        chunk.measures |= {"used_bytes": used, "free_bytes": free, "largest_free_bytes": largest}
    # A mapping of that size is an arena only if its pools say so.
    return [chunk for chunk, row in zip(early, rows[len(seen) :], strict=True) if row[3] > 0]


def _heaps(place: Place, source: int) -> list[Chunk]:
    main = unseen.main_heap(place.mappings)
    places = [(*main, 1)] if main is not None else []
    places += [(begin, end, 0) for begin, end in unseen.heap_places(place.mappings)]
    # Where time runs out, one large heap is not known instead of many small ones.
    places.sort(key=lambda heap: heap[1] - heap[0])
    rows = measuring.measure_heaps(source, places, unseen.library_data(place.mappings), place.timeout_s).tolist()
    chunks: list[Chunk] = []
    for (begin, _, is_main), row in zip(places, rows, strict=True):
        facts = dict(zip(measuring.HEAP_MEASURES, row, strict=True))
        if facts["is_heap"]:
            label = "main" if is_main else f"arena {facts['arena']:.0f}"
            label += f", heap {facts['number'] + 1:.0f}" if facts["number"] else ""
            measures = {name: facts[name] for name in MEASURES if name in facts}
            chunks.append(Chunk(begin, int(facts["size"]), HEAP, label=label, measures=measures))
    return chunks


def _add_shared(chunks: list[Chunk], place: Place) -> None:
    """Mappings that turn out to be shared memory become chunks of that kind, the rest of it is added."""
    for piece in unseen.shared_memory(place.mappings):
        inside = [
            chunk
            for chunk in chunks
            if chunk.kind == MAPPING and chunk.address >= piece.begin and chunk.end <= piece.end
        ]
        for chunk in inside:
            chunk.kind, chunk.label = SHARED, piece.label
        if not inside:
            chunks.append(Chunk(piece.begin, piece.end - piece.begin, SHARED, label=piece.label))


def _add_resident(chunks: Sequence[Chunk], place: Place) -> None:
    """What the system says of each chunk; of those that share a mapping with others, page by page."""
    if not chunks:
        return
    sums, whole, first, last = _mapping_sums(chunks, place.mappings)
    spans = [(chunk.address, chunk.end) for chunk, is_whole in zip(chunks, whole, strict=True) if not is_whole]
    pages = iter(measuring.measure_pages(place.pid, spans, place.timeout_s).tolist())
    for at, chunk in enumerate(chunks):
        resident, dirty, swapped = sums[at].tolist()
        if not whole[at]:
            # Pages of zeros that were only read are no resident memory, but look so one by one.
            all_resident, all_dirty = resident, dirty
            resident, swapped = next(pages)
            resident = min(resident, all_resident)
            dirty = resident * all_dirty / all_resident if all_resident else 0.0
        if first[at] < last[at]:
            chunk.measures |= {"resident_bytes": resident, "dirty_bytes": dirty, "swapped_bytes": swapped}


def _mapping_sums(
    chunks: Sequence[Chunk], mappings: Sequence[Mapping]
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]:
    """Of each chunk the sums over the mappings that it touches, whether it has these alone, and which they are."""
    begins = np.array([mapping.begin for mapping in mappings], np.uint64)
    ends = np.array([mapping.end for mapping in mappings], np.uint64)
    amounts = np.array([mapping[4:] for mapping in mappings], np.float64)
    address = np.array([chunk.address for chunk in chunks], np.uint64)
    end = np.array([chunk.end for chunk in chunks], np.uint64)
    first, last = np.searchsorted(ends, address, "right"), np.searchsorted(begins, end, "left")
    until = np.concatenate([np.zeros((1, 3)), np.cumsum(amounts, axis=0)])
    touched = first < last
    at, to = np.minimum(first, len(mappings) - 1), np.maximum(last - 1, 0)
    whole = ~touched | ((begins[at] >= address) & (ends[to] <= end))
    return until[np.maximum(last, first)] - until[first], whole, first, last
