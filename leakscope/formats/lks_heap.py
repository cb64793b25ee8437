"""
The object graph in a ``.lks`` file: a group of columns that is all there or not at all.

It knows how objects are packed and how the group's columns point at each other, and checks what can be checked
without unpacking; the rest is checked while objects are unpacked, which is done when the graph is first asked for.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from leakscope import kernels
from leakscope.errors import DumpFormatError
from leakscope.model.allocations import StringTable
from leakscope.model.heap import (
    EDGE_KINDS,
    FROZEN,
    HAS_BODIES,
    HAS_DIGEST,
    HAS_SIZE,
    NONE,
    ROOT_KINDS,
    TRACKED,
    HeapGraph,
    RootFrameTable,
    RootTable,
    ShapeTable,
    TypeTable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leakscope.formats.lks_columns import Columns
    from leakscope.model.heap import HeapMeta

BLOCK = 4096
"""Objects of a block: each block can be unpacked without those before it."""
_LEAST_RECORD, _LEAST_BODY = 4, 2

TABLES: dict[str, dict[str, str]] = {
    "shape": {"type": "u4", "kind": "u1", "size": "u4", "lead": "u4", "owns_type": "u1"},
    "type": {"name": "u4", "module": "u4", "object": "u4", "flags": "u4"},
    "root": {"object": "u4", "kind": "u1", "name": "u4", "frame": "u4", "counted": "u1"},
    "root_frame": {
        "native_id": "u8",
        "thread_name": "u4",
        "function": "u4",
        "file": "u4",
        "line": "i4",
        "depth": "u4",
    },
    "name": {"object": "u4", "text": "u4"},
    "text": {"object": "u4", "text": "u4"},
    "export": {"object": "u4", "count": "u4"},
    "bound": {"object": "u4", "items": "u8"},
    "window": {"object": "u4", "bytes": "u8"},
}
_BLOCKS = {"block_offset": "u8", "block_address": "u8", "block_edges": "u8", "block_bodies": "u8"}
COLUMNS: dict[str, str] = {
    "object.stream": "u1",
    **{f"object.{column}": dtype for column, dtype in _BLOCKS.items()},
    **{f"{table}.{column}": dtype for table, columns in TABLES.items() for column, dtype in columns.items()},
    "shape.name_offset": "u4",
    "shape.name": "u4",
    "heap_string.offset": "u8",
    "heap_string.bytes": "u1",
}
"""Every column of the group."""


def is_there(columns: Columns) -> bool:
    """Whether a file has the group."""
    return "object.stream" in columns.arrays


def check(columns: Columns, facts: HeapMeta | None) -> None:
    """
    Nothing, or an error at the first row of the group that contradicts another column.

    Parameters
    ----------
    columns : Columns
        Of a file with or without the group.
    facts : HeapMeta or None
        What the meta text says about it.
    """
    expected = facts is not None and not facts.problem
    if expected != is_there(columns):
        columns.fail(
            "meta", "meta: heap is " + ("without its columns" if expected else "null or a problem, but is there")
        )
    if facts is None or not expected:
        return
    columns.same_rows({**TABLES, "object": _BLOCKS})
    columns.strings("heap_string")
    _check_types(columns, facts)
    _check_roots(columns, facts)
    _check_blocks(columns, facts)


def _check_types(columns: Columns, facts: HeapMeta) -> None:
    shapes, strings = len(columns["shape.type"]), len(columns["heap_string.offset"]) - 1
    if len(columns["shape.name_offset"]) != shapes + 1:
        columns.fail("shape.name_offset", f"needs one row more than the {shapes:,} shapes")
    columns.cuts("shape.name_offset", "shape.name")
    columns.below("shape.type", len(columns["type.name"]), "types")
    columns.below("shape.kind", len(EDGE_KINDS), "kinds of edges")
    columns.below("shape.owns_type", 2, "answers")
    columns.below("type.object", facts.objects, "objects", or_none=NONE)
    for name in ("shape.name", "type.name", "type.module"):
        columns.below(name, strings, "strings")


def _check_roots(columns: Columns, facts: HeapMeta) -> None:
    strings = len(columns["heap_string.offset"]) - 1
    for name in ("root.object", "name.object", "text.object", "export.object", "bound.object", "window.object"):
        columns.below(name, facts.objects, "objects")
    for name in ("name.object", "text.object", "window.object"):
        columns.ascending(name)
    texts = ("root.name", "name.text", "text.text", "root_frame.thread_name", "root_frame.function", "root_frame.file")
    for name in texts:
        columns.below(name, strings, "strings")
    columns.below("root.kind", len(ROOT_KINDS), "kinds of roots")
    columns.below("root.frame", len(columns["root_frame.line"]), "frames", or_none=NONE)
    columns.below("root.counted", 2, "answers")
    columns.require("root_frame.line", columns["root_frame.line"] < 0, "is not a line number")


def _check_blocks(columns: Columns, facts: HeapMeta) -> None:
    """What is claimed must fit into the stream, so that nothing huge is allocated on the word of a damaged file."""
    stream, blocks = len(columns["object.stream"]), len(columns["object.block_offset"])
    for what, count, most in (
        ("objects", facts.objects, min(NONE - 1, stream // _LEAST_RECORD)),
        ("edges", facts.edges, stream + facts.objects),
        ("bodies", facts.bodies, stream // _LEAST_BODY),
    ):
        if not 0 <= count <= most:
            columns.fail("meta", f"meta: heap.{what} is {count:,}, which {stream:,} bytes of objects cannot hold")
    if blocks != -(-facts.objects // BLOCK):
        columns.fail("object.block_offset", f"{blocks:,} blocks for {facts.objects:,} objects")
    for name, limit in (("offset", stream), ("edges", facts.edges + 1), ("bodies", facts.bodies + 1)):
        column = columns[f"object.block_{name}"]
        columns.require(f"object.block_{name}", column[1:] < column[:-1], "runs backwards", first_row=1)
        columns.below(f"object.block_{name}", limit, "items there are")
        if blocks and int(column[0]) != 0:
            columns.fail(f"object.block_{name}", "does not begin at 0")
    columns.ascending("object.block_address")


def decode(columns: Columns, facts: HeapMeta) -> HeapGraph:
    """
    The object graph, unpacked.

    Parameters
    ----------
    columns : Columns
        Checked by `check`.
    facts : HeapMeta

    Raises
    ------
    DumpFormatError
        At the first byte of the stream that makes no sense.
    """
    stream, block_offset = columns["object.stream"], columns["object.block_offset"]
    address, edges, bodies = (columns[f"object.block_{name}"] for name in ("address", "edges", "bodies"))
    strings = StringTable(columns["heap_string.offset"], columns["heap_string.bytes"])
    owners = columns["type.object"][columns["shape.type"]]
    try:
        unpacked = kernels.decode_objects(
            stream, block_offset, address, edges, bodies, facts.objects, facts.edges, facts.bodies,
            columns["shape.size"], columns["shape.owns_type"], owners,
        )  # fmt: skip
    except DumpFormatError as error:
        columns.fail("object.stream", error.what, error.offset or 0)
    return HeapGraph(
        **{**unpacked._asdict(), "digest": unpacked.digest if unpacked.digest.any() else None},
        shapes=ShapeTable(**columns.table("shape", (*TABLES["shape"], "name_offset", "name"))),
        types=TypeTable(**columns.table("type", TABLES["type"]), strings=strings),
        roots=RootTable(**columns.table("root", TABLES["root"])),
        frames=RootFrameTable(**columns.table("root_frame", TABLES["root_frame"])),
        name_object=columns["name.object"], name_text=columns["name.text"],
        text_object=columns["text.object"], text_text=columns["text.text"],
        export_object=columns["export.object"], export_count=columns["export.count"],
        bound_object=columns["bound.object"], bound_items=columns["bound.items"],
        window_object=columns["window.object"], window_bytes=columns["window.bytes"],
        strings=strings, facts=facts,
        read_edges=partial(kernels.stored_edges, stream, block_offset),
        read_places=partial(kernels.edge_places, stream, block_offset),
    )  # fmt: skip


def encode(heap: HeapGraph) -> dict[str, Any]:
    """
    The columns of a graph, for drawn and converted dumps.

    Parameters
    ----------
    heap : HeapGraph

    Notes
    -----
    Plain Python: some hundred thousand objects a second at best.
    """
    stream, marks = bytearray(), []
    bodies = np.searchsorted(heap.body_owner, np.arange(heap.count + 1))
    for number, record in enumerate(_records(heap, bodies)):
        if number % BLOCK == 0:
            marks.append((len(stream), heap.address[number], heap.offsets[number], bodies[number]))
        for value in record:
            if isinstance(value, bytes):
                stream += value
            else:
                _put(stream, value)
    parts = {"shape": heap.shapes, "type": heap.types, "root": heap.roots, "root_frame": heap.frames}
    return {
        "object.stream": np.frombuffer(bytes(stream), "u1"),
        **{f"object.{name}": np.array([mark[at] for mark in marks], "u8") for at, name in enumerate(_BLOCKS)},
        **{f"{table}.{name}": getattr(part, name) for table, part in parts.items() for name in TABLES[table]},
        "shape.name_offset": heap.shapes.name_offset, "shape.name": heap.shapes.name,
        "name.object": heap.name_object, "name.text": heap.name_text,
        "text.object": heap.text_object, "text.text": heap.text_text,
        "export.object": heap.export_object, "export.count": heap.export_count,
        "bound.object": heap.bound_object, "bound.items": heap.bound_items,
        "window.object": heap.window_object, "window.bytes": heap.window_bytes,
        "heap_string.offset": heap.strings.offset, "heap_string.bytes": heap.strings.data,
    }  # fmt: skip


def _records(heap: HeapGraph, bodies: Any) -> Iterator[list[int | bytes]]:
    """The numbers of each object's record, in order; bytes stand for themselves."""
    before = 0
    for number in range(heap.count):
        address, shape, size = int(heap.address[number]), int(heap.shape[number]), int(heap.size[number])
        digest = 0 if heap.digest is None else int(heap.digest[number])
        begin, end = int(bodies[number]), int(bodies[number + 1])
        own_size = size != int(heap.shapes.size[shape])
        flags = int(heap.flags[number]) & (TRACKED | FROZEN)
        flags |= HAS_BODIES * (end > begin) | HAS_SIZE * own_size | HAS_DIGEST * (digest > 0)
        edges = [0 if to < 0 else _zigzag(to - number) + 1 for to in heap.read_edges(number)]
        record: list[int | bytes] = [0 if number % BLOCK == 0 else (address - before) >> 3, shape << 5 | flags]
        record += [int(heap.refcount[number]), *([size] if own_size else []), len(edges), *edges]
        if end > begin:
            record.append(end - begin)
            for body in range(begin, end):
                record += [_zigzag((int(heap.body_address[body]) - address) >> 3), int(heap.body_size[body])]
        if digest:
            record.append(digest.to_bytes(4, "little"))
        before = address
        yield record


def _zigzag(value: int) -> int:
    return value << 1 if value >= 0 else (-value << 1) - 1


def _put(stream: bytearray, value: int) -> None:
    while value > 0x7F:
        stream.append(value & 0x7F | 0x80)
        value >>= 7
    stream.append(value)
