"""Pools in a file: they come back equal, and not at all if anything about them is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from builders import dump, live, save
from dump_bytes import columns_of
from pool_builders import lent, returned

from leakscope import native
from leakscope.errors import DumpFormatError
from leakscope.formats import lks_pools, open_dump
from leakscope.model.dump import Dump

Change = Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]

HANDED = [("handed off", "feed@app.py:20", "loop-1"), ("touched", "work@app.py:41", "worker-2")]


def drawn() -> Dump:
    moment = live({"app.py:1": 10}) + returned(
        {"app.py:88": (7, 64)}, pool="app:Buffer", thread="loop-1", by="worker-2"
    )
    moment += lent({"app.py:88": (2, 64)}, pool="app:Buffer", thread="loop-1", touches=HANDED)
    moment += lent({"app.py:90": (3, 10)}, pool="app:Other", state="collected without release")
    return dump(moment)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save(drawn(), tmp_path_factory.mktemp("pools") / "drawn.lks")


def test_what_was_written_is_read_back_equal(path: str) -> None:
    written, found = drawn().pools, open_dump(path).pools

    assert written is not None
    assert found is not None
    for table in fields(written):
        ours, theirs = getattr(written, table.name), getattr(found, table.name)
        for column in fields(ours):
            assert np.array_equal(getattr(ours, column.name), getattr(theirs, column.name), equal_nan=True)


def test_a_file_without_the_group_has_no_pools(tmp_path: Any) -> None:
    assert open_dump(save(dump(live({"app.py:1": 10})), tmp_path / "none.lks")).pools is None


@pytest.mark.parametrize("name", lks_pools.COLUMNS)
def test_a_group_with_a_column_missing_is_malformed(path: str, tmp_path: Any, name: str) -> None:
    columns = {other: pair for other, pair in columns_of(path).items() if other != name}
    native.write_columns(str(tmp_path / "wrong.lks"), columns)

    with pytest.raises(DumpFormatError, match="is missing"):
        open_dump(tmp_path / "wrong.lks")


def put(row: int, value: float) -> Change:
    def change(column: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        changed = column.copy()
        changed[row] = value
        return changed

    return change


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("pool.name", put(0, 10_000)),
        ("pool.source", put(1, 10_000)),
        ("pool.kind", put(0, 5)),
        ("pool.held_bytes", put(0, float("inf"))),
        ("pool.used_bytes", put(0, -1.0)),
        ("pool.peak_bytes", put(0, -1.0)),
        ("pool.acquired", lambda column: column[:-1]),
        ("handle.pool", put(0, 2)),
        ("handle.state", put(0, 5)),
        ("handle.handles", put(2, 0)),
        ("handle.stack", put(0, 10_000)),
        ("handle.thread", put(0, 10_000)),
        ("handle.born_s", put(0, float("nan"))),
        ("handle.last_s", put(0, float("inf"))),
        ("handle.address", lambda column: column[:-1]),
        ("touch.handle", put(0, 3)),
        ("touch.handle", put(0, 1)),
        ("touch.kind", put(0, 6)),
        ("touch.stack", put(0, 10_000)),
        ("touch.thread", put(0, 10_000)),
        ("touch.time_s", put(0, float("nan"))),
        ("cross.pool", put(0, 2)),
        ("cross.stack", put(0, 10_000)),
        ("cross.acquired_by", put(0, 2**32 - 1)),
        ("cross.released_by", put(0, 2**32 - 2)),
        ("cross.bytes", lambda column: column[:-1]),
    ],
)
def test_a_column_that_contradicts_another_is_malformed(path: str, tmp_path: Any, name: str, change: Change) -> None:
    columns = columns_of(path)
    dtype, values = columns[name]
    native.write_columns(str(tmp_path / "wrong.lks"), columns | {name: (dtype, np.ascontiguousarray(change(values)))})

    with pytest.raises(DumpFormatError) as caught:
        open_dump(tmp_path / "wrong.lks")

    assert caught.value.offset
    assert "column" in caught.value.what
