"""The object graph in a file: it comes back equal, late, and not at all if anything about it is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import dump, live, save
from dump_bytes import columns_of, repaired
from heap_builders import heap_dump
from hypothesis import given, settings
from hypothesis import strategies as st

from leakscope import native
from leakscope.errors import DumpFormatError, LeakscopeError
from leakscope.formats import lks_heap, open_dump
from leakscope.model import heap as noun
from leakscope.model.dump import Dump
from leakscope.model.heap import HeapMeta

DRAWING = """
    <module app.cache> m=module .__dict__ -> ns=ns [_entries] -> entries=dict:200+400 [k] -> job#30=app.Job:48
    job .user -> user#30=str:60(digest=77); job .next -> 0; job -> one(frozen immortal)
    <local jobs serve@app.py:12 worker-1> jobs=list:56+80 -> job; buffer=bytearray:57+4000(exports=2); *buffer!3
"""


def drawn() -> Dump:
    return heap_dump(DRAWING, made={"job": "app.py:3"}, types={"app.Job": noun.HEAP_TYPE | noun.HAS_FINALIZER})


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save(drawn(), tmp_path_factory.mktemp("heap") / "drawn.lks")


def test_what_was_written_is_read_back_equal(path: str) -> None:
    written, found = drawn().heap, open_dump(path).heap

    assert written is not None
    assert found is not None
    assert_equal(found, written, "heap")
    for number in range(written.count):
        assert found.stored_edges(number) == written.stored_edges(number)


def test_the_graph_is_unpacked_once_and_late(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[noun.HeapGraph] = []
    decode = lks_heap.decode

    def counted(*given: Any) -> noun.HeapGraph:
        calls.append(decode(*given))
        return calls[-1]

    monkeypatch.setattr(lks_heap, "decode", counted)

    found = open_dump(path)
    assert calls == []
    assert found.meta.heap is not None

    assert found.heap is found.heap
    assert len(calls) == 1


def test_many_blocks_of_objects_are_read_back_equal(tmp_path: Path) -> None:
    many = heap_dump("*list=list -> job#9000=app.Job:40 -> blob#9000:3+100")

    found, written = open_dump(save(many, tmp_path / "many.lks")).heap, many.heap

    assert found is not None
    assert written is not None
    assert_equal(found, written, "heap")
    for number in (0, 4095, 4096, 9000, 12288, 18000):
        assert found.stored_edges(number) == written.stored_edges(number)


def test_columns_are_read_only(path: str) -> None:
    found = open_dump(path).heap

    assert found is not None
    for values in (found.address, found.targets, found.type, found.total_size, found.roots.object):
        assert not values.flags.writeable


def test_a_dump_without_objects_says_why(tmp_path: Path) -> None:
    none = dump(live({"a.py:1": 10}))
    failed = replace(
        none, meta=replace(none.meta, heap=HeapMeta(problem="the program was in the middle of a collection"))
    )

    found = open_dump(save(failed, tmp_path / "failed.lks"))
    assert found.heap is None
    assert found.meta.heap_problem == "the program was in the middle of a collection"

    unasked = open_dump(save(none, tmp_path / "none.lks"))
    assert unasked.heap is None
    assert "without" in unasked.meta.heap_problem


def test_an_older_file_has_no_word_of_objects(tmp_path: Path) -> None:
    columns = columns_of(save(dump(live({"a.py:1": 10})), tmp_path / "a.lks"))
    meta = json.loads(columns["meta"][1].tobytes())
    del meta["heap"]
    native.write_columns(str(tmp_path / "old.lks"), columns | {"meta": ("u1", json.dumps(meta).encode())})

    assert open_dump(tmp_path / "old.lks").heap is None


@pytest.mark.parametrize("name", sorted(lks_heap.COLUMNS))
def test_a_group_without_one_of_its_columns_is_malformed(path: str, tmp_path: Path, name: str) -> None:
    columns = columns_of(path)
    del columns[name]
    native.write_columns(str(tmp_path / "wrong.lks"), columns)

    with pytest.raises(DumpFormatError, match=f"'{name}' is missing"):
        open_dump(tmp_path / "wrong.lks")


def put(row: int, value: float) -> Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]:
    def change(column: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        changed = column.copy()
        changed[row] = value
        return changed

    return change


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("object.stream", lambda column: column[:-1]),
        ("object.stream", lambda column: np.append(column, np.uint8(0))),
        ("object.stream", put(0, 1)),
        ("object.stream", put(1, 0xFF)),
        ("object.block_offset", put(0, 1)),
        ("object.block_offset", lambda column: np.append(column, column[-1:])),
        ("object.block_address", lambda column: column[:0]),
        ("object.block_edges", put(0, 5)),
        ("object.block_bodies", put(0, 2**63)),
        ("shape.type", put(0, 10_000)),
        ("shape.kind", put(0, 6)),
        ("shape.owns_type", put(0, 2)),
        ("shape.size", lambda column: column[:-1]),
        ("shape.name_offset", put(1, 10_000)),
        ("shape.name_offset", put(0, 1)),
        ("shape.name_offset", lambda column: column[:-1]),
        ("shape.name", put(0, 10_000)),
        ("type.name", put(0, 10_000)),
        ("type.module", put(0, 2**32 - 1)),
        ("type.object", put(0, 10_000)),
        ("root.object", put(0, 10_000)),
        ("root.kind", put(0, 7)),
        ("root.name", put(0, 10_000)),
        ("root.frame", put(1, 1)),
        ("root.counted", put(0, 2)),
        ("root_frame.thread_name", put(0, 10_000)),
        ("root_frame.function", put(0, 10_000)),
        ("root_frame.file", put(0, 10_000)),
        ("root_frame.line", put(0, -1)),
        ("name.object", put(0, 2**32 - 1)),
        ("name.text", put(0, 10_000)),
        ("export.object", put(0, 10_000)),
        ("heap_string.offset", put(1, 1)),
        ("heap_string.bytes", lambda column: column[:-1]),
    ],
)
def test_a_column_that_contradicts_another_is_malformed(
    path: str, tmp_path: Path, name: str, change: Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]
) -> None:
    columns = columns_of(path)
    dtype, values = columns[name]
    wrong = tmp_path / "wrong.lks"
    native.write_columns(str(wrong), columns | {name: (dtype, np.ascontiguousarray(change(values)))})

    with pytest.raises(DumpFormatError) as caught:
        _ = open_dump(wrong).heap

    assert caught.value.offset is not None
    assert 0 < caught.value.offset <= wrong.stat().st_size
    assert str(caught.value).startswith(str(wrong))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        {"objects": 2**40},
        {"objects": -1},
        {"objects": 3},
        {"edges": 2**62},
        {"edges": 0},
        {"bodies": 2**62},
        {"bodies": 0},
        {"problem": "there is none"},
        {"where": "somewhere"},
        {"collector_thresholds": [1, "2"]},
        {"collector_enabled": 1},
        {"taken_s": None},
        None,
    ],
)
def test_a_meta_text_that_contradicts_the_objects_is_malformed(
    path: str, tmp_path: Path, change: dict[str, Any] | None
) -> None:
    columns = columns_of(path)
    meta = json.loads(columns["meta"][1].tobytes())
    meta["heap"] = None if change is None else meta["heap"] | change
    native.write_columns(str(tmp_path / "wrong.lks"), columns | {"meta": ("u1", json.dumps(meta).encode())})

    with pytest.raises(DumpFormatError):
        _ = open_dump(tmp_path / "wrong.lks").heap


@settings(max_examples=300, deadline=None, database=None)
@given(changes=st.lists(st.tuples(st.integers(0, 1 << 20), st.binary(min_size=1, max_size=8)), min_size=1, max_size=4))
def test_whatever_is_done_to_a_file_only_our_errors_escape(path: str, changes: list[tuple[int, bytes]]) -> None:
    content = Path(path).read_bytes()
    damaged = bytearray(content)
    for place, put_there in changes:
        at = place % len(content)
        damaged[at : at + len(put_there)] = put_there
    target = Path(path).with_name("damaged.lks")
    target.write_bytes(repaired(bytes(damaged)))

    try:
        found = open_dump(target, verify=False).heap
        if found is not None:
            use_everything(found)
    except LeakscopeError:
        return


def use_everything(found: noun.HeapGraph) -> None:
    for number in range(found.count):
        assert [to for _, to in found.stored_edges(number) if to >= found.count] == []
    assert len(found.total_size) == found.count
    for shape in range(len(found.shapes)):
        for name in found.shapes.names(shape):
            found.strings[name]
    for row in range(len(found.types)):
        found.types.full_name(row)


def assert_equal(found: Any, wanted: Any, name: str) -> None:
    if isinstance(wanted, np.ndarray):
        assert found.dtype == wanted.dtype, name
        assert np.array_equal(found, wanted), name
    elif is_dataclass(wanted):
        for field in fields(wanted):
            if field.name not in ("read_edges", "read_places"):
                assert_equal(getattr(found, field.name), getattr(wanted, field.name), f"{name}.{field.name}")
    else:
        assert found == wanted, name
