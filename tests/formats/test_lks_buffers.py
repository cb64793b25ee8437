"""The buffer protocol in a file: it comes back equal, and not at all if anything about it is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from buffer_builders import view, with_buffers
from builders import dump, live, save
from dump_bytes import columns_of

from leakscope import native
from leakscope.errors import DumpFormatError
from leakscope.formats import lks_buffers, open_dump
from leakscope.model.dump import Dump

Change = Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]


def drawn() -> Dump:
    moment = live({"app.py:1": 10}) + live({"f@app.py:7": 90}, thread="worker-1")
    views = [
        view("app.py:1", 4096, born_s=0.25),
        view("f@app.py:7", 9, type="array.array", thread="worker-1", weight=16, on_stack=True),
    ]
    acquired = {"app.py:1": (5, 4, 0), "f@app.py:7": (160, 144, 16)}
    return with_buffers(dump(moment), *views, acquired=acquired, released=148, unknown=2)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save(drawn(), tmp_path_factory.mktemp("buffers") / "drawn.lks")


def test_what_was_written_is_read_back_equal(path: str) -> None:
    written, found = drawn().buffers, open_dump(path).buffers

    assert written is not None
    assert found is not None
    assert found.totals == written.totals
    for ours, theirs in ((written.exports, found.exports), (written.acquirers, found.acquirers)):
        for column in fields(ours):
            assert np.array_equal(getattr(ours, column.name), getattr(theirs, column.name))


def test_a_file_without_the_group_has_no_buffers(tmp_path: Any) -> None:
    assert open_dump(save(dump(live({"app.py:1": 10})), tmp_path / "none.lks")).buffers is None


@pytest.mark.parametrize("name", lks_buffers.COLUMNS)
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
        ("view.stack", put(0, 10_000)),
        ("view.thread", put(0, 10_000)),
        ("view.type", put(0, 10_000)),
        ("view.on_stack", put(0, 2)),
        ("view.weight", put(0, 0)),
        ("view.born_s", put(0, float("nan"))),
        ("view.exporter", lambda column: column[:-1]),
        ("buffer.stack", put(1, 10_000)),
        ("buffer.stack", lambda column: column[::-1]),
        ("buffer.acquired", lambda column: column[:-1]),
        ("buffer_total.count", lambda column: column[:-1]),
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
