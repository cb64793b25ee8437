"""Drawn exports of the buffer protocol, for a dump that is drawn already.

::

    with_buffers(
        dump,
        view("app.py:10", 65536, exporter=address, type="bytearray", thread="worker-1"),
        acquired={"app.py:10": (9, 8, 1)},
    )

A stack or a thread that a view names must be one of the dump's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from builders import MAIN, column, strings

from leakscope.model.buffers import AcquirerTable, Buffers, BufferTotals, ExportTable
from leakscope.model.dump import Dump

VIEW = {
    "exporter": "u8", "address": "u8", "bytes": "u8", "stack": "u4", "thread": "u4", "born_s": "f4", "type": "u4",
    "weight": "u4", "on_stack": "u1",
}  # fmt: skip


@dataclass(frozen=True)
class View:
    """One outstanding export."""

    site: str
    bytes: int
    exporter: int
    address: int
    type: str
    thread: str
    born_s: float
    weight: int
    on_stack: bool


def view(
    site: str, size: int, *, exporter: int = 0x1000, address: int = 0x2000, type: str = "bytearray",  # noqa: A002
    thread: str = MAIN, born_s: float = 1.0, weight: int = 1, on_stack: bool = False,
) -> View:  # fmt: skip
    """One outstanding export of ``size`` bytes."""
    return View(site, size, exporter, address, type, thread, born_s, weight, on_stack)


def with_buffers(
    dump: Dump, *views: View, acquired: Mapping[str, tuple[int, int, int]] | None = None, **totals: int
) -> Dump:
    """The same dump with what the recorder saw of the buffer protocol; ``totals`` are fields of BufferTotals."""
    texts = [dump.strings[row] for row in range(len(dump.strings))]
    texts += sorted({each.type for each in views} - set(texts))
    table = strings(texts)
    frames = replace(dump.stacks.frame_table, strings=table)
    dump = replace(dump, stacks=replace(dump.stacks, frame_table=frames), threads=replace(dump.threads, strings=table))
    stack = {_drawing(dump, node): node for node in range(len(dump.stacks))}
    thread = {dump.threads.name_of(row): row for row in range(len(dump.threads))}
    rows: list[tuple[Any, ...]] = [
        (each.exporter, each.address, each.bytes, stack[each.site], thread[each.thread], each.born_s,
         texts.index(each.type), each.weight, each.on_stack)
        for each in views
    ]  # fmt: skip
    exports = {name: column([row[at] for row in rows], dtype) for at, (name, dtype) in enumerate(VIEW.items())}
    counts = sorted((stack[site], *numbers) for site, numbers in (acquired or {}).items())
    names = {"stack": "u4", "acquired": "u8", "released": "u8", "foreign": "u8"}
    acquirers = {name: column([row[at] for row in counts], dtype) for at, (name, dtype) in enumerate(names.items())}
    so_far = totals.get("released", 0) + sum(each.weight for each in views)
    buffers = Buffers(ExportTable(**exports), AcquirerTable(**acquirers), BufferTotals(acquired=so_far, **totals))
    return replace(dump, buffers=buffers)


def _drawing(dump: Dump, node: int) -> str:
    return " > ".join(
        (f"{frame.function}@" if frame.function else "") + f"{frame.file}:{frame.line}"
        for frame in reversed(dump.stacks.frames(node))
    )
