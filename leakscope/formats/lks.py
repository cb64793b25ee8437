"""
Our own format, ``.lks`` version 1: a directory of named columns, then the columns.

It knows every column's name and type and how columns point at each other, and checks all of it before anybody else
sees a row; it refuses to guess.  The file is mapped and its columns are views of it, never copies.  Header,
directory and checksums are the core's, for reading and writing alike.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from leakscope import native
from leakscope.errors import DumpFormatError, DumpUnreadable
from leakscope.formats.format import Format
from leakscope.model.allocations import (
    FRAME_KINDS,
    AllocationTable,
    FrameTable,
    StackTable,
    StringTable,
    ThreadTable,
)
from leakscope.model.chunks import ChunkTable
from leakscope.model.dump import Dump
from leakscope.model.meta_text import read_meta, write_meta
from leakscope.model.series import AGE_CLASSES, SERIES_COLUMNS, Series, SiteSamples

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

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
    },
    "chunk": {"address": "u8", "size": "u8", "kind": "u1", "stack": "u4", "thread": "u4", "born_s": "f4"},
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
"""Every column of version 1: all of them and no others."""


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
    One pass over the file for the checksums, one over most columns for the references.
    """
    data = _map(path)
    if data[: len(MAGIC)] != MAGIC[: len(data)]:
        raise DumpFormatError(
            path, 4, "the first bytes are damaged, as by a transfer as text", "copy the dump again, as binary"
        )
    columns = _Columns.of(path, data)
    if verify:
        native.check_columns(path, data)
    try:
        meta, health = read_meta(columns["meta"].tobytes())
    except ValueError as error:
        columns.fail("meta", str(error))
    columns.check(meta)
    return columns.dump(meta, health)


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
    return native.write_columns(
        path, {name: (dtype, np.ascontiguousarray(arrays[name], "<" + dtype)) for name, dtype in COLUMNS.items()}
    )


LKS = Format(name="lks", suffixes=(".lks",), sniff=sniff, read=read, write=write)


def _map(path: str) -> mmap.mmap:
    try:
        with open(path, "rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise DumpUnreadable(f"{path}: cannot be mapped: {error}", "copy it to a local disk and try again") from error


@dataclass(frozen=True, slots=True)
class _Columns:
    """The columns of one file, checked against each other."""

    path: str
    arrays: Mapping[str, NDArray[Any]]
    offsets: Mapping[str, int]

    @classmethod
    def of(cls, path: str, data: mmap.mmap) -> _Columns:
        """The columns that the directory lists: exactly those of `COLUMNS`."""
        arrays: dict[str, NDArray[Any]] = {}
        offsets: dict[str, int] = {}
        for name, dtype, count, offset, _ in native.read_directory(path, data):
            if name not in COLUMNS:
                raise DumpFormatError(path, offset, f"unknown column {name!r}")
            if name in arrays:
                raise DumpFormatError(path, offset, f"column {name!r} is there twice")
            if dtype != COLUMNS[name]:
                raise DumpFormatError(path, offset, f"column {name!r} has type {dtype!r}, not {COLUMNS[name]!r}")
            arrays[name] = _view(data, dtype, count, offset)
            offsets[name] = offset
        missing = [name for name in COLUMNS if name not in arrays]
        if missing:
            raise DumpFormatError(path, len(data), f"column {missing[0]!r} is missing")
        return cls(path, arrays, offsets)

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.arrays[name]

    def fail(self, name: str, what: str, row: int = 0) -> NoReturn:
        """An error at one row of a column."""
        offset = self.offsets[name] + row * self[name].itemsize
        raise DumpFormatError(self.path, offset, what if name == "meta" else f"column {name!r}, row {row:,}: {what}")

    def require(self, name: str, wrong: NDArray[np.bool_], what: str, first_row: int = 0) -> None:
        """Nothing, or an error at the first row that is wrong."""
        if wrong.any():
            self.fail(name, what, first_row + int(wrong.argmax()))

    def below(self, name: str, limit: int, of: str) -> None:
        """Nothing, or an error at the first id that points outside its table."""
        column = self[name]
        # The maximum needs no room of its own; the mask is made only to find the culprit.
        if len(column) and int(column.max()) >= limit:
            self.require(name, column >= limit, f"points outside the {limit:,} {of}")

    def amounts(self, *names: str) -> None:
        """Nothing, or an error at the first number that is negative, infinite or none."""
        for name in names:
            self.require(name, ~((self[name] >= 0) & np.isfinite(self[name])), "is not a finite amount")

    def check(self, meta: DumpMeta) -> None:
        """Nothing, or an error at the first row that contradicts another column."""
        for table, columns in TABLES.items():
            first, *others = (f"{table}.{column}" for column in columns)
            for name in others:
                if len(self[name]) != len(self[first]):
                    self.fail(name, f"{len(self[name]):,} rows where {first!r} has {len(self[first]):,}")
        if len(self["site.age_bytes"]) != AGE_CLASSES * len(self["site.sample"]):
            self.fail("site.age_bytes", f"needs {AGE_CLASSES} numbers for each row of 'site.sample'")
        self._check_strings()
        self._check_stacks()
        self._check_live(meta)
        self._check_series()

    def _check_strings(self) -> None:
        offset = self["string.offset"]
        if len(offset) < 2 or int(offset[0]) != 0 or int(offset[1]) != 0:
            self.fail("string.offset", "the first string is not the empty one")
        self.require("string.offset", offset[1:] < offset[:-1], "runs backwards", first_row=1)
        if int(offset[-1]) != len(self["string.bytes"]):
            self.fail("string.offset", f"does not end at {len(self['string.bytes']):,}", len(offset) - 1)
        strings = len(offset) - 1
        for name in ("frame.function", "frame.file", "thread.name"):
            self.below(name, strings, "strings")

    def _check_stacks(self) -> None:
        self.require("frame.line", self["frame.line"] < 0, "is not a line number")
        self.below("frame.kind", len(FRAME_KINDS), "kinds of frames")
        parent = self["stack.parent"]
        if len(parent) == 0 or int(parent[0]) != 0:
            self.fail("stack.parent", "there is no root")
        own = np.arange(1, len(parent), dtype="u8")
        self.require("stack.parent", parent[1:] >= own, "the caller does not come before it", first_row=1)
        frames = len(self["frame.line"])
        self.require("stack.frame", self["stack.frame"][1:] >= frames, f"points outside the {frames:,} frames", 1)
        self.amounts(*(f"stack.{name}" for name, dtype in TABLES["stack"].items() if dtype == "f8"))

    def _check_live(self, meta: DumpMeta) -> None:
        stacks, threads = len(self["stack.parent"]), len(self["thread.name"])
        for table in ("live", "chunk"):
            self.below(f"{table}.stack", stacks, "stacks")
            self.below(f"{table}.thread", threads, "threads")
            self.require(f"{table}.born_s", ~np.isfinite(self[f"{table}.born_s"]), "is not a time")
        self.below("live.domain", len(meta.domains), "domains")
        self.below("chunk.kind", len(meta.chunk_kinds), "kinds of chunks")
        self.amounts("live.weight")
        self.require("thread.started_s", ~np.isfinite(self["thread.started_s"]), "is not a time")
        self.require("thread.ended_s", np.isinf(self["thread.ended_s"]), "is not a time")

    def _check_series(self) -> None:
        time, sample = self["series.time_s"], self["site.sample"]
        self.require("series.time_s", ~np.isfinite(time), "is not a time")
        self.require("series.time_s", time[1:] < time[:-1], "runs backwards", first_row=1)
        for name in SERIES_COLUMNS:
            self.require(f"series.{name}", np.isinf(self[f"series.{name}"]), "is infinite")
        self.below("site.sample", len(time), "samples")
        self.require("site.sample", sample[1:] < sample[:-1], "runs backwards", first_row=1)
        self.below("site.stack", len(self["stack.parent"]), "stacks")
        self.amounts("site.live_bytes", "site.live_blocks", "site.age_bytes")

    def dump(self, meta: DumpMeta, health: Health) -> Dump:
        """The nouns over the columns."""
        strings = StringTable(self["string.offset"], self["string.bytes"])
        ages = self["site.age_bytes"].reshape(-1, AGE_CLASSES)
        sites = SiteSamples(**self._table("site"), age_bytes=ages)
        return Dump(
            source=self.path,
            meta=meta,
            health=health,
            allocations=AllocationTable(**self._table("live")),
            stacks=StackTable(**self._table("stack"), frame_table=FrameTable(**self._table("frame"), strings=strings)),
            threads=ThreadTable(**self._table("thread"), strings=strings),
            chunks=ChunkTable(**self._table("chunk")),
            series=Series(**self._table("series"), sites=sites),
        )

    def _table(self, table: str) -> dict[str, Any]:
        return {column: self[f"{table}.{column}"] for column in TABLES[table]}


def _view(data: mmap.mmap, dtype: str, count: int, offset: int) -> NDArray[Any]:
    if count == 0:
        empty = np.empty(0, "<" + dtype)
        empty.flags.writeable = False
        return empty
    return np.frombuffer(data, "<" + dtype, count, offset)
