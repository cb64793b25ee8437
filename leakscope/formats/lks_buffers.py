"""
The buffer protocol in a ``.lks`` file: a group of columns that is all there or not at all.

It knows how the group's columns point at the tables that every file has, and checks all of it.
"""

from __future__ import annotations

from dataclasses import astuple, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from leakscope.model.buffers import AcquirerTable, Buffers, BufferTotals, ExportTable

if TYPE_CHECKING:
    from leakscope.formats.lks_columns import Columns

TABLES: dict[str, dict[str, str]] = {
    "view": {
        "exporter": "u8",
        "address": "u8",
        "bytes": "u8",
        "stack": "u4",
        "thread": "u4",
        "born_s": "f4",
        "type": "u4",
        "weight": "u4",
        "on_stack": "u1",
    },
    "buffer": {"stack": "u4", "acquired": "u8", "released": "u8", "foreign": "u8"},
}
COLUMNS: dict[str, str] = {
    **{f"{table}.{column}": dtype for table, columns in TABLES.items() for column, dtype in columns.items()},
    "buffer_total.count": "u8",
}
"""Every column of the group."""


def is_there(columns: Columns) -> bool:
    """Whether a file has the group."""
    return "view.address" in columns.arrays


def check(columns: Columns) -> None:
    """Nothing, or an error at the first row of the group that contradicts another column."""
    if not is_there(columns):
        return
    columns.same_rows(TABLES)
    stacks, threads = len(columns["stack.parent"]), len(columns["thread.name"])
    columns.below("view.stack", stacks, "stacks")
    columns.below("view.thread", threads, "threads")
    columns.below("view.type", len(columns["string.offset"]) - 1, "strings")
    columns.below("view.on_stack", 2, "answers")
    columns.require("view.weight", columns["view.weight"] == 0, "stands for no export")
    columns.require("view.born_s", ~np.isfinite(columns["view.born_s"]), "is not a time")
    columns.below("buffer.stack", stacks, "stacks")
    columns.ascending("buffer.stack")
    if len(columns["buffer_total.count"]) != len(fields(BufferTotals)):
        columns.fail("buffer_total.count", f"needs {len(fields(BufferTotals))} numbers")


def decode(columns: Columns) -> Buffers | None:
    """The nouns over the columns; None if the file has no such group."""
    if not is_there(columns):
        return None
    return Buffers(
        ExportTable(**columns.table("view", TABLES["view"])),
        AcquirerTable(**columns.table("buffer", TABLES["buffer"])),
        BufferTotals(*columns["buffer_total.count"].tolist()),
    )


def encode(buffers: Buffers) -> dict[str, Any]:
    """The arrays of the group by the names of `COLUMNS`."""
    tables = {"view": buffers.exports, "buffer": buffers.acquirers}
    arrays = {f"{table}.{name}": getattr(tables[table], name) for table, names in TABLES.items() for name in names}
    return {**arrays, "buffer_total.count": np.array(astuple(buffers.totals), dtype=np.uint64)}
