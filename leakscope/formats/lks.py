"""
Our own format, ``.lks`` version 1: a directory of named columns, then the columns.

It knows every column's name and type and how columns point at each other, and checks all of it before anybody else
sees a row; it refuses to guess.  The file is mapped and its columns are views of it, never copies.  Header,
directory and checksums are the core's, for reading and writing alike.
"""

from __future__ import annotations

import mmap
from functools import cache, partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from leakscope import native
from leakscope.errors import DumpFormatError, DumpUnreadable
from leakscope.formats import lks_buffers, lks_heap, lks_pools
from leakscope.formats.format import Format
from leakscope.formats.lks_columns import Columns
from leakscope.model.allocations import (
    FRAME_KINDS,
    POINTED,
    AllocationTable,
    FrameTable,
    StackTable,
    StringTable,
    ThreadTable,
)
from leakscope.model.chunks import MEASURES, NO_THREAD, ChunkTable
from leakscope.model.dump import Dump
from leakscope.model.meta_text import read_meta, write_meta
from leakscope.model.series import AGE_CLASSES, SERIES_COLUMNS, Series, SiteSamples, WorkLog

if TYPE_CHECKING:
    from leakscope.model.dump import DumpMeta, Health

MAGIC = b"\x89LKS\r\n\x1a\n"
"""First bytes; line ends and a control character in them betray a transfer as text."""

# Tables with one row per entry: column to type.  The name in the file is "<table>.<column>".
TABLES: dict[str, dict[str, str]] = {
    "frame": {"function": "u4", "file": "u4", "line": "i4", "kind": "u1", "offset": "u8"},
    "stack": {
        "parent": "u4",
        "frame": "u4",
        "alloc_blocks": "f8",
        "alloc_bytes": "f8",
        "free_blocks": "f8",
        "free_bytes": "f8",
        "foreign_blocks": "f8",
    },
    "thread": {"name": "u4", "native_id": "u8", "started_s": "f8", "ended_s": "f8"},
    "live": {
        "address": "u8",
        "size": "u8",
        "weight": "f8",
        "stack": "u4",
        "thread": "u4",
        "domain": "u1",
        "born_s": "f4",
        "pointed": "u1",
    },
    "chunk": {
        "address": "u8",
        "size": "u8",
        "kind": "u1",
        "stack": "u4",
        "thread": "u4",
        "born_s": "f4",
        **dict.fromkeys(MEASURES, "f8"),
        "label": "u4",
    },
    "work": {"time_s": "f8", "alloc_blocks": "f8"},
    "series": dict.fromkeys(SERIES_COLUMNS, "f8"),
    "site": {"sample": "u4", "stack": "u4", "live_bytes": "f8", "live_blocks": "f8"},
}
COLUMNS: dict[str, str] = {
    "meta": "u1",
    "string.offset": "u8",
    "string.bytes": "u1",
    **{f"{table}.{column}": dtype for table, columns in TABLES.items() for column, dtype in columns.items()},
    "site.age_bytes": "f8",
}
"""Every column that all files of version 1 have; those of `lks_heap.COLUMNS` are all there or none, as are those of
`lks_pools.COLUMNS` and of `lks_buffers.COLUMNS`, and there are no others."""

_NO_WORK = SimpleNamespace(time_s=np.empty(0), alloc_blocks=np.empty(0))


def sniff(head: bytes) -> bool:
    """Whether a file that begins with these bytes is, or once was, one of ours."""
    return head[:4] == MAGIC[:4]


def read(path: str, verify: bool = True) -> Dump:
    """
    The dump in a ``.lks`` file; its columns are views of the mapped file.

    Parameters
    ----------
    path : str
        A file that `sniff` recognised.
    verify : bool
        Check the checksum of every column.

    Raises
    ------
    DumpFormatError
        If anything is wrong with it, with the offset.
    NewerFormat
        If it is of a later version.
    DumpUnreadable
        If it cannot be mapped.

    Notes
    -----
    One pass over the file for the checksums, one over most columns for the references.  The object graph is decoded,
    and checked further, when it is first asked for.
    """
    data = _map(path)
    if data[: len(MAGIC)] != MAGIC[: len(data)]:
        raise DumpFormatError(
            path, 4, "the first bytes are damaged, as by a transfer as text", "copy the dump again, as binary"
        )
    columns = Columns.of(path, data, COLUMNS, lks_heap.COLUMNS, lks_pools.COLUMNS, lks_buffers.COLUMNS)
    if verify:
        native.check_columns(path, data)
    try:
        meta, health = read_meta(columns["meta"].tobytes())
    except ValueError as error:
        columns.fail("meta", str(error))
    _check(columns, meta)
    return _dump(columns, meta, health)


def write(dump: Dump, path: str) -> int:
    """
    Bytes written: a drawn or converted dump as a ``.lks`` file.

    Parameters
    ----------
    dump : Dump
        All its tables must share one string table.
    path : str
        Replaced atomically.

    Raises
    ------
    ValueError
        If threads and stacks use different strings.
    DiskFull, DumpNotWritten
        If it could not be written.
    """
    if dump.threads.strings is not dump.stacks.strings:
        raise ValueError("threads and stacks of a dump must share one string table")
    tables: dict[str, Any] = {
        "frame": dump.stacks.frame_table,
        "stack": dump.stacks,
        "thread": dump.threads,
        "live": dump.allocations,
        "chunk": dump.chunks,
        "work": dump.work or _NO_WORK,
        "series": dump.series,
        "site": dump.series.sites,
    }
    arrays: dict[str, Any] = {
        "meta": np.frombuffer(write_meta(dump.meta, dump.health).encode("utf-8"), "u1"),
        "string.offset": dump.strings.offset,
        "string.bytes": dump.strings.data,
        **{f"{table}.{name}": getattr(tables[table], name) for table, names in TABLES.items() for name in names},
        "site.age_bytes": dump.series.sites.age_bytes.reshape(-1),
    }
    types = COLUMNS
    if dump.heap is not None:
        types = {**types, **lks_heap.COLUMNS}
        arrays |= lks_heap.encode(dump.heap)
    if dump.pools is not None:
        types = {**types, **lks_pools.COLUMNS}
        arrays |= lks_pools.encode(dump.pools)
    if dump.buffers is not None:
        types = {**types, **lks_buffers.COLUMNS}
        arrays |= lks_buffers.encode(dump.buffers)
    return native.write_columns(
        path, {name: (dtype, np.ascontiguousarray(arrays[name], "<" + dtype)) for name, dtype in types.items()}
    )


LKS = Format(name="lks", suffixes=(".lks",), sniff=sniff, read=read, write=write)


def _map(path: str) -> mmap.mmap:
    try:
        with open(path, "rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise DumpUnreadable(f"{path}: cannot be mapped: {error}", "copy it to a local disk and try again") from error


def _check(columns: Columns, meta: DumpMeta) -> None:
    """Nothing, or an error at the first row that contradicts another column."""
    columns.same_rows(TABLES)
    if len(columns["site.age_bytes"]) != AGE_CLASSES * len(columns["site.sample"]):
        columns.fail("site.age_bytes", f"needs {AGE_CLASSES} numbers for each row of 'site.sample'")
    columns.strings("string")
    for name in ("frame.function", "frame.file", "thread.name", "chunk.label"):
        columns.below(name, len(columns["string.offset"]) - 1, "strings")
    _check_stacks(columns)
    _check_live(columns, meta)
    _check_series(columns)
    lks_heap.check(columns, meta.heap)
    lks_pools.check(columns)
    lks_buffers.check(columns)


def _check_stacks(columns: Columns) -> None:
    columns.require("frame.line", columns["frame.line"] < 0, "is not a line number")
    columns.below("frame.kind", len(FRAME_KINDS), "kinds of frames")
    parent = columns["stack.parent"]
    if len(parent) == 0 or int(parent[0]) != 0:
        columns.fail("stack.parent", "there is no root")
    own = np.arange(1, len(parent), dtype="u8")
    columns.require("stack.parent", parent[1:] >= own, "the caller does not come before it", first_row=1)
    frames = len(columns["frame.line"])
    columns.require("stack.frame", columns["stack.frame"][1:] >= frames, f"points outside the {frames:,} frames", 1)
    columns.amounts(*(f"stack.{name}" for name, dtype in TABLES["stack"].items() if dtype == "f8"))


def _check_live(columns: Columns, meta: DumpMeta) -> None:
    stacks, threads = len(columns["stack.parent"]), len(columns["thread.name"])
    for table in ("live", "chunk"):
        columns.below(f"{table}.stack", stacks, "stacks")
        columns.below(f"{table}.thread", threads, "threads", NO_THREAD if table == "chunk" else None)
        columns.require(f"{table}.born_s", ~np.isfinite(columns[f"{table}.born_s"]), "is not a time")
    columns.below("live.domain", len(meta.domains), "domains")
    columns.below("live.pointed", len(POINTED), "answers")
    columns.below("chunk.kind", len(meta.chunk_kinds), "kinds of chunks")
    columns.amounts("live.weight")
    for name in MEASURES:
        measured = columns[f"chunk.{name}"]
        columns.require(f"chunk.{name}", (measured < 0) | np.isinf(measured), "is not a finite amount")
    columns.require("thread.started_s", ~np.isfinite(columns["thread.started_s"]), "is not a time")
    columns.require("thread.ended_s", np.isinf(columns["thread.ended_s"]), "is not a time")


def _check_series(columns: Columns) -> None:
    time, sample = columns["series.time_s"], columns["site.sample"]
    columns.require("series.time_s", ~np.isfinite(time), "is not a time")
    columns.require("series.time_s", time[1:] < time[:-1], "runs backwards", first_row=1)
    for name in SERIES_COLUMNS:
        columns.require(f"series.{name}", np.isinf(columns[f"series.{name}"]), "is infinite")
    columns.ascending("work.time_s")
    columns.amounts("work.time_s", "work.alloc_blocks")
    columns.below("site.sample", len(time), "samples")
    columns.require("site.sample", sample[1:] < sample[:-1], "runs backwards", first_row=1)
    columns.below("site.stack", len(columns["stack.parent"]), "stacks")
    columns.amounts("site.live_bytes", "site.live_blocks")
    ages = columns["site.age_bytes"]
    columns.require("site.age_bytes", (ages < 0) | np.isinf(ages), "is not a finite amount")


def _dump(columns: Columns, meta: DumpMeta, health: Health) -> Dump:
    """The nouns over the columns."""
    strings = StringTable(columns["string.offset"], columns["string.bytes"])
    frames = FrameTable(**columns.table("frame", TABLES["frame"]), strings=strings)
    ages = columns["site.age_bytes"].reshape(-1, AGE_CLASSES)
    sites = SiteSamples(**columns.table("site", TABLES["site"]), age_bytes=ages)
    heap = meta.heap if lks_heap.is_there(columns) else None
    return Dump(
        source=columns.path,
        meta=meta,
        health=health,
        allocations=AllocationTable(**columns.table("live", TABLES["live"])),
        stacks=StackTable(**columns.table("stack", TABLES["stack"]), frame_table=frames),
        threads=ThreadTable(**columns.table("thread", TABLES["thread"]), strings=strings),
        chunks=ChunkTable(**columns.table("chunk", TABLES["chunk"])),
        series=Series(**columns.table("series", TABLES["series"]), sites=sites),
        load_heap=None if heap is None else cache(partial(lks_heap.decode, columns, heap)),
        pools=lks_pools.decode(columns),
        buffers=lks_buffers.decode(columns),
        work=WorkLog(**columns.table("work", TABLES["work"])) if len(columns["work.time_s"]) else None,
    )
