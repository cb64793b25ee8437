"""
What the pages say of objects: a few lines on every page, tables and lists where they were asked for.

It knows the order and the words; it refuses to know widths and markup.  A part that has nothing to say is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leakscope.reports.pieces import Column, Entry, Section, Table, outside, printable
from leakscope.units import format_bytes, format_count, format_duration, format_share

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from leakscope.model.heap_report import Cycles, Dominator, HeapReport, Held, Retained, Unreached
    from leakscope.model.report import Report

_DOMAINS = {"obj": "strings, numbers...", "mem": "interpreter", "raw": "interpreter (raw)", "native": "C code"}
_NAMED_THREADS = 2
_MUCH, _MUCH_FROZEN = 0.01, 0.1
_BEGINNINGS = {"object", "type", "of", "what"}
"""Columns whose beginning stays where words have to be shortened."""


def objects_in_brief(report: Report) -> Iterable[str]:
    """The few lines of the first screen."""
    heap = report.heap
    if heap is None:
        return
    took = f"walked in {format_duration(heap.walk_s)}, the program stood still for {format_duration(heap.pause_s)}"
    after = "after a collection: " if heap.collected else ""
    yield f"{after}{_objects(heap.objects)}, {format_bytes(heap.bytes)}, {format_count(heap.edges)} references; {took}"
    collection = heap.collection
    state = "the collector is on" if collection.enabled else "the collector is off"
    if collection.bytes >= _MUCH * heap.bytes or (collection.objects and not collection.enabled):
        size = f"{_objects(collection.objects)}, {format_bytes(collection.bytes)}"
        yield (
            f"without those in cycles that a collection would free: {size}; {state}"
            if heap.collected
            else f"of these only a collection would free {size}; {state}"
        )
    if collection.frozen_garbage_bytes or collection.frozen_bytes >= _MUCH_FROZEN * heap.bytes:
        garbage = collection.frozen_garbage_bytes
        of_it = f", {format_bytes(garbage)} of it garbage" if garbage else ""
        yield f"frozen, so that no collection looks at them: {_objects(collection.frozen_objects)}{of_it}"
    if collection.uncollectable:
        yield f"in gc.garbage, as the collector could not free them: {_objects(collection.uncollectable)}"


def heap_tables(report: Report) -> Iterable[Table]:
    """The tables: of one dump who retains what, of several what nobody accounts for and became more."""
    heap = report.heap
    if heap is None:
        return
    if heap.compared_with is None:
        yield from _retained(heap)
        yield from _waste(heap)
    yield from _references(heap)
    yield from _unreached(heap)
    yield from _cycles(heap)


def heap_sections(report: Report) -> Iterable[Section]:
    """The lists: what is new and stays, and objects with unexplained references, with who made and who holds them."""
    heap = report.heap
    if heap is None or heap.compared_with is None:
        return
    since = f"dump {report.sources[heap.compared_with].number}"
    if heap.staying:
        yield Section(
            f"New objects since {since} that stay, with what they keep alive", tuple(map(_staying, heap.staying))
        )
    lost = [*((each, "references") for each in heap.references), *((each, "exports") for each in heap.exports)]
    if lost:
        entries = tuple(_lost(held, word) for held, word in lost)
        yield Section(f"References that nobody accounts for, more than in {since}", entries)


def _staying(held: Held) -> Entry:
    share = format_share(held.stayed or 0.0)
    stayed = "" if held.stayed is None else f"; of those new in earlier dumps {share} are still there"
    objects = format_count(held.growth_objects or 0, signed=True)
    size = format_bytes(held.growth_bytes or 0, signed=True)
    return Entry(printable(f"{size}  {objects} {held.type}{stayed}"), tuple(map(printable, _who(held))))


def _lost(held: Held, word: str) -> Entry:
    head = f"{format_count(held.references, signed=True)} {word} on {format_count(held.objects)} {held.type}"
    return Entry(printable(head), tuple(map(printable, _who(held))))


def _who(held: Held) -> Iterable[str]:
    if held.label:
        line = held.where.rpartition(":")[2]
        callers = outside(held.stack, held.label, int(line) if line.isdecimal() else 0, " < ")
        by = f" on {_threads(held.threads)}" if held.threads else ""
        yield f"made by {held.label} {held.where}{f' < {callers}' if callers else ''}{by}"
    if held.holder:
        yield f"held by {held.holder}"


def _retained(heap: HeapReport) -> Iterable[Table]:
    for rows, what in ((heap.by_type, "type"), (heap.by_module, "module"), (heap.by_stack, "line")):
        if rows:
            yield Table(f"Objects that retain most, by {what}", _retained_columns(rows, what))
    if heap.dominators:
        yield Table("Who keeps most alive (what would go with it)", _dominator_columns(heap.dominators))


def _retained_columns(rows: Sequence[Retained], what: str) -> tuple[Column, ...]:
    code = what == "line"
    return _columns(
        rows,
        ("retained", lambda row: format_bytes(row.retained_bytes), True, 0),
        ("share", lambda row: format_share(row.share), True, 3),
        ("own", lambda row: format_bytes(row.bytes), True, 2),
        ("objects", lambda row: format_count(row.objects), True, 1),
        (what, (lambda row: row.where) if code else (lambda row: row.label), False, 0),
        ("function", (lambda row: row.label) if code else (lambda row: ""), False, 4),
    )


def _dominator_columns(rows: Sequence[Dominator]) -> tuple[Column, ...]:
    return _columns(
        rows,
        ("retained", lambda row: format_bytes(row.retained_bytes), True, 0),
        ("share", lambda row: format_share(row.share), True, 2),
        ("own", lambda row: format_bytes(row.bytes), True, 3),
        ("address", lambda row: f"0x{row.address:x}" if row.objects == 1 else "", False, 1),
        ("object", _dominator, False, 0),
    )


def _dominator(row: Dominator) -> str:
    several = f"{format_count(row.objects)} x " if row.objects > 1 else ""
    return f"{'  ' * row.depth}{several}{row.label}"


def _references(heap: HeapReport) -> Iterable[Table]:
    if heap.compared_with is not None:
        return
    for rows, title in (
        (heap.references, "References that nobody accounts for (every program has some: only growth means anything)"),
        (heap.exports, "Buffers handed out to nobody"),
    ):
        if rows:
            yield Table(
                title,
                _columns(
                    rows,
                    ("references", lambda row: format_count(row.references), True, 0),
                    ("objects", lambda row: format_count(row.objects), True, 1),
                    ("type", lambda row: row.type, False, 0),
                    ("most made in", lambda row: row.where, False, 2),
                ),
            )


def _unreached(heap: HeapReport) -> Iterable[Table]:
    if not heap.unreached:
        return
    several = heap.compared_with is not None
    title = "Blocks that belong to no object, more than before" if several else "Blocks that belong to no object"

    def gain(row: Unreached) -> str:
        return format_bytes(row.growth_bytes, signed=True) if row.growth_bytes is not None else ""

    yield Table(
        title,
        _columns(
            heap.unreached,
            ("gain", gain, True, 0),
            ("live", lambda row: format_bytes(row.bytes), True, 1 if several else 0),
            ("blocks", lambda row: format_count(row.blocks), True, 3),
            ("memory of", lambda row: _DOMAINS.get(row.domain, row.domain), False, 2),
            ("line", lambda row: row.where, False, 0),
            ("function", lambda row: row.label, False, 4),
            ("threads", lambda row: _threads(row.threads), False, 5),
        ),
    )


def _without_modules(row: Cycles) -> str:
    """The types of cycles, short enough to see several of them."""
    return " + ".join(name.rpartition(".")[2] for name in row.label.split(" + "))


def _cycles(heap: HeapReport) -> Iterable[Table]:
    if heap.cycles:
        yield Table(
            "Cycles that wait for a collection",
            _columns(
                heap.cycles,
                ("size", lambda row: format_bytes(row.bytes), True, 0),
                ("cycles", lambda row: format_count(row.cycles), True, 1),
                ("objects", lambda row: format_count(row.objects), True, 2),
                ("of", _without_modules, False, 0),
                ("made in", lambda row: row.where, False, 3),
                ("but", _obstacle, False, 4),
            ),
        )


def _obstacle(row: Cycles) -> str:
    if row.blocked:
        return "a legacy tp_del: never freed"
    return "finalizers run first" if row.finalizers else ""


def _waste(heap: HeapReport) -> Iterable[Table]:
    if heap.waste:
        words = {"copies": "equal ", "sparse": "mostly empty "}
        yield Table(
            "Memory that holds nothing new",
            _columns(
                heap.waste,
                ("wasted", lambda row: format_bytes(row.wasted_bytes), True, 0),
                ("of", lambda row: format_bytes(row.bytes), True, 1),
                ("objects", lambda row: f"{format_count(row.objects)}", True, 0),
                ("what", lambda row: f"{words[row.kind]}{row.label}", False, 0),
                ("one made in", lambda row: row.where, False, 2),
            ),
        )


def _columns(rows: Sequence[Any], *columns: tuple[str, Callable[[Any], str], bool, int]) -> tuple[Column, ...]:
    """Columns of title, word of a row, whether numbers, and when to go; those without a word are left out."""
    made = (
        Column(title, tuple(printable(word(row)) for row in rows), right, drop, beginning=title in _BEGINNINGS)
        for title, word, right, drop in columns
    )
    return tuple(column for column in made if any(column.cells))


def _objects(count: int) -> str:
    return f"{format_count(count)} object{'' if count == 1 else 's'}"


def _threads(names: Sequence[str]) -> str:
    shown, rest = ", ".join(names[:_NAMED_THREADS]), len(names) - _NAMED_THREADS
    return f"{shown} and {rest} more" if rest > 0 else shown
