"""
Pools in a ``.lks`` file: a group of columns that is all there or not at all.

It knows how the group's columns point at each other and at the tables that every file has, and checks all of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from leakscope.model.pools import (
    HANDLE_STATES,
    NOBODY,
    POOL_KINDS,
    TOUCH_KINDS,
    CrossTable,
    HandleTable,
    Pools,
    PoolTable,
    TouchTable,
)

if TYPE_CHECKING:
    from leakscope.formats.lks_columns import Columns

TABLES: dict[str, dict[str, str]] = {
    "pool": {
        "name": "u4",
        "kind": "u1",
        "held_bytes": "f8",
        "used_bytes": "f8",
        "peak_bytes": "f8",
        "chunks": "u4",
        "acquired": "u8",
        "released": "u8",
        "source": "u4",
    },
    "handle": {
        "serial": "u8",
        "pool": "u4",
        "address": "u8",
        "size": "u8",
        "count": "i4",
        "state": "u1",
        "releases": "u4",
        "handles": "u8",
        "bytes": "u8",
        "stack": "u4",
        "thread": "u4",
        "born_s": "f4",
        "last_s": "f4",
    },
    "touch": {"handle": "u4", "kind": "u1", "stack": "u4", "thread": "u4", "time_s": "f4"},
    "cross": {
        "pool": "u4",
        "stack": "u4",
        "acquired_by": "u4",
        "released_by": "u4",
        "handles": "u8",
        "bytes": "u8",
    },
}
COLUMNS: dict[str, str] = {
    f"{table}.{column}": dtype for table, columns in TABLES.items() for column, dtype in columns.items()
}
"""Every column of the group."""


def is_there(columns: Columns) -> bool:
    """Whether a file has the group."""
    return "pool.name" in columns.arrays


def check(columns: Columns) -> None:
    """Nothing, or an error at the first row of the group that contradicts another column."""
    if not is_there(columns):
        return
    columns.same_rows(TABLES)
    strings, pools = len(columns["string.offset"]) - 1, len(columns["pool.name"])
    stacks, threads = len(columns["stack.parent"]), len(columns["thread.name"])
    for name in ("pool.name", "pool.source"):
        columns.below(name, strings, "strings")
    for name in ("handle.pool", "cross.pool"):
        columns.below(name, pools, "pools")
    for name in ("handle.stack", "touch.stack", "cross.stack"):
        columns.below(name, stacks, "stacks")
    for name in ("handle.thread", "touch.thread", "cross.acquired_by"):
        columns.below(name, threads, "threads")
    columns.below("cross.released_by", threads, "threads", or_none=NOBODY)
    columns.below("pool.kind", len(POOL_KINDS), "kinds of pools")
    columns.below("handle.state", len(HANDLE_STATES), "states")
    columns.below("touch.kind", len(TOUCH_KINDS), "kinds of touches")
    columns.below("touch.handle", len(columns["handle.serial"]), "handles")
    columns.require("touch.handle", columns["touch.handle"][1:] < columns["touch.handle"][:-1], "runs backwards", 1)
    _check_numbers(columns)


def _check_numbers(columns: Columns) -> None:
    for name in ("handle.born_s", "handle.last_s", "touch.time_s"):
        columns.require(name, ~np.isfinite(columns[name]), "is not a time")
    for name in ("pool.held_bytes", "pool.used_bytes", "pool.peak_bytes"):
        columns.require(name, (columns[name] < 0) | np.isinf(columns[name]), "is not a finite amount")
    columns.require("handle.handles", columns["handle.handles"] == 0, "stands for no handle")


def decode(columns: Columns) -> Pools | None:
    """The nouns over the columns; None if the file has no such group."""
    if not is_there(columns):
        return None
    return Pools(
        PoolTable(**columns.table("pool", TABLES["pool"])),
        HandleTable(**columns.table("handle", TABLES["handle"])),
        TouchTable(**columns.table("touch", TABLES["touch"])),
        CrossTable(**columns.table("cross", TABLES["cross"])),
    )


def encode(pools: Pools) -> dict[str, Any]:
    """The arrays of the group by the names of `COLUMNS`."""
    tables = {"pool": pools.pools, "handle": pools.handles, "touch": pools.touches, "cross": pools.cross}
    return {f"{table}.{name}": getattr(tables[table], name) for table, names in TABLES.items() for name in names}
