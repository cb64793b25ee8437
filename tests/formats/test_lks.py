"""The reader proves every reference or raises with an offset; what the writer wrote comes back equal."""

from __future__ import annotations

import json
import mmap
import os
import struct
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import chunks, dump, freed, live, save, series
from dump_bytes import ENTRY, HEADER, columns_of, directory, repaired, with_byte_changed
from hypothesis import given, settings
from hypothesis import strategies as st

from leakscope import native
from leakscope.errors import DumpFormatError, DumpUnreadable, LeakscopeError, NewerFormat, UnknownFormat
from leakscope.formats import open_dump
from leakscope.model.dump import Death, Dump, Health


def drawn() -> Dump:
    early = live({"main@app.py:3 > load@app.py:20": (40, 64), "app.py:5 > !istr_new@_multidict.so": 96, "": 50})
    late = early + live({"work@app.py:30": (3, 1000)}, thread="wörker-1", domain="raw")
    late += freed({"app.py:10": (5, 10)}, foreign=True) + chunks({"app.py:10": (2, 1 << 20)})
    late += chunks({"": 1 << 20}, kind="heap", thread=None, label="arena 1", used_bytes=9_000, attached_threads=0)
    return series(early, late + chunks({"app.py:11": 16 << 20}, kind="mapping"))[-1]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save(drawn(), tmp_path_factory.mktemp("lks") / "drawn.lks")


@pytest.fixture(scope="module")
def content(path: str) -> bytes:
    return Path(path).read_bytes()


# ---------------------------------------------------------------------------------------------- there and back


def test_what_was_written_is_read_back_equal(path: str) -> None:
    written, found = drawn(), open_dump(path)

    assert found.source == path
    assert_equal(found, written, "dump")


def test_an_empty_recording_is_written_and_read_back(tmp_path: Path) -> None:
    found = open_dump(save(dump(live({})), tmp_path / "empty.lks"))

    assert len(found.allocations) == 0
    assert found.stacks.frames(0) == []
    assert found.series.sites.age_bytes.shape == (0, 5)


def test_facts_health_and_death_are_kept(tmp_path: Path) -> None:
    death = Death(kind="oom", signal=9, text="killed for lack of memory")
    health = Health(dropped_blocks=3, freelists=2)
    facts: dict[str, Any] = {"reason": "death", "argv": ("app.py", "--fröhlich"), "death": death}

    found = open_dump(save(dump(live({"a.py:1": 10}), health=health, **facts), tmp_path / "a.lks"))

    assert found.health == health
    assert (found.meta.death, found.meta.argv) == (death, ("app.py", "--fröhlich"))


def test_names_that_are_not_utf_8_are_still_readable(tmp_path: Path) -> None:
    odd = dump(live({"f@b\udcffd.py:1": 10}), argv=("b\udcffd.py",))

    found = open_dump(save(odd, tmp_path / "odd.lks"))

    assert found.stacks.frames(1)[0].file == "b\N{REPLACEMENT CHARACTER}d.py"
    assert found.meta.argv == ("b?d.py",)


def test_columns_are_read_only_views_of_the_mapped_file(path: str) -> None:
    found = open_dump(path)

    for values in (found.allocations.address, found.stacks.parent, found.series.rss_bytes, found.strings.data):
        assert not values.flags.writeable
        assert not values.flags.owndata
        assert isinstance(base_of(values), mmap.mmap)


def test_the_suffix_does_not_matter(path: str, content: bytes, tmp_path: Path) -> None:
    other = tmp_path / "notes.txt"
    other.write_bytes(content)

    assert open_dump(other).meta == open_dump(path).meta


# ------------------------------------------------------------------------------------------------ no dump at all


def test_a_path_that_leads_to_no_file_is_one_clear_line(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, words in (("none.lks", "no such file"), ("", "is a folder"), ("pipe", "not a regular file")):
        with pytest.raises(DumpUnreadable, match=words) as caught:
            open_dump(tmp_path / name)
        assert "\n" not in str(caught.value)
        assert caught.value.remedy


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_of_somebody_else_is_one_clear_line(content: bytes, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs.lks"
    theirs.write_bytes(content)
    theirs.chmod(0)

    with pytest.raises(DumpUnreadable, match="no permission"):
        open_dump(theirs)


def test_a_path_with_a_zero_byte_is_one_clear_line() -> None:
    with pytest.raises(DumpUnreadable):
        open_dump("a\0b.lks")


def test_an_empty_file_is_called_empty(tmp_path: Path) -> None:
    empty = tmp_path / "empty.lks"
    empty.touch()

    with pytest.raises(DumpFormatError, match="is empty"):
        open_dump(empty)


def test_a_foreign_file_is_unknown_and_not_malformed(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.lks"
    foreign.write_bytes(b"\x7fELF" + bytes(1000))

    with pytest.raises(UnknownFormat):
        open_dump(foreign)


def test_a_transfer_as_text_is_recognised(content: bytes, tmp_path: Path) -> None:
    mangled = tmp_path / "mangled.lks"
    mangled.write_bytes(content.replace(b"\r\n", b"\n"))

    with pytest.raises(DumpFormatError, match="as text") as caught:
        open_dump(mangled)
    assert "binary" in caught.value.remedy


# ----------------------------------------------------------------------------------------------------- damage


def test_a_file_cut_anywhere_is_malformed(content: bytes, tmp_path: Path) -> None:
    cut = tmp_path / "cut.lks"
    places = {1, 3, 4, 7, 8, 12, 40, HEADER - 1, HEADER, HEADER + 1, len(content) - 1, len(content) - ENTRY}
    for _, _, _, offset, length in native.read_directory("", content):
        places |= {offset, offset + length // 2, offset + length}
    for place in sorted(places - {len(content)}):
        cut.write_bytes(content[:place])
        for verify in (True, False):
            with pytest.raises(DumpFormatError) as caught:
                open_dump(cut, verify)
            assert caught.value.offset is not None
            assert str(caught.value).startswith(str(cut))


def test_a_file_that_goes_on_after_its_end_is_malformed(content: bytes, tmp_path: Path) -> None:
    longer = tmp_path / "longer.lks"
    longer.write_bytes(content + bytes(64))

    with pytest.raises(DumpFormatError):
        open_dump(longer)


def test_every_changed_byte_of_header_and_directory_is_noticed(content: bytes, tmp_path: Path) -> None:
    changed = tmp_path / "changed.lks"
    begin, entries = directory(content)
    for place in [*range(44), *range(begin, begin + entries * ENTRY, 7)]:
        changed.write_bytes(with_byte_changed(content, place))
        with pytest.raises(DumpFormatError):
            open_dump(changed, verify=False)


def test_a_changed_byte_of_any_column_is_noticed(content: bytes, tmp_path: Path) -> None:
    changed = tmp_path / "changed.lks"
    for name, _, _, offset, length in native.read_directory("", content):
        if length == 0:
            continue
        changed.write_bytes(with_byte_changed(content, offset + length // 2))
        with pytest.raises(DumpFormatError) as caught:
            open_dump(changed)
        assert caught.value.offset == offset, name


def test_a_file_of_a_later_version_says_so(content: bytes, tmp_path: Path) -> None:
    newer = tmp_path / "newer.lks"
    newer.write_bytes(repaired(content[:8] + struct.pack("<I", 2) + content[12:]))

    with pytest.raises(NewerFormat) as caught:
        open_dump(newer)
    assert "upgrade" in caught.value.remedy


# ------------------------------------------------------------------------------------------- contradictions


def test_a_column_too_many_too_few_or_of_another_type_is_malformed(path: str, tmp_path: Path) -> None:
    columns = columns_of(path)
    wrong: dict[str, dict[str, tuple[str, Any]]] = {
        "unknown column": columns | {"live.colour": ("u1", b"")},
        "'live.size' is missing": {name: pair for name, pair in columns.items() if name != "live.size"},
        "has type 'f8'": columns | {"live.size": ("f8", columns["live.size"][1].astype("f8"))},
    }
    for words, given_columns in wrong.items():
        native.write_columns(str(tmp_path / "wrong.lks"), given_columns)
        with pytest.raises(DumpFormatError, match=words):
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
        ("string.offset", put(0, 1)),
        ("string.offset", put(2, 10_000)),
        ("string.offset", put(-1, 2**63)),
        ("string.offset", lambda column: column[:1]),
        ("string.bytes", lambda column: column[:-1]),
        ("frame.function", put(1, 10_000)),
        ("frame.file", put(0, 2**32 - 1)),
        ("frame.line", put(0, -1)),
        ("frame.kind", put(0, 2)),
        ("frame.kind", lambda column: column[:-1]),
        ("stack.parent", put(1, 1)),
        ("stack.parent", put(2, 2**32 - 1)),
        ("stack.parent", put(0, 1)),
        ("stack.frame", put(1, 10_000)),
        ("stack.alloc_bytes", put(1, -1.0)),
        ("stack.free_blocks", put(1, float("nan"))),
        ("thread.name", put(1, 10_000)),
        ("thread.started_s", put(0, float("nan"))),
        ("thread.ended_s", put(0, float("inf"))),
        ("live.stack", put(5, 10_000)),
        ("live.thread", put(5, 2)),
        ("live.domain", put(5, 5)),
        ("live.weight", put(5, float("inf"))),
        ("live.weight", put(5, -64.0)),
        ("live.born_s", put(5, float("nan"))),
        ("chunk.kind", put(0, 5)),
        ("chunk.stack", put(0, 10_000)),
        ("chunk.thread", put(0, 2)),
        ("chunk.thread", put(0, 2**32 - 2)),
        ("chunk.used_bytes", put(0, -1.0)),
        ("chunk.free_bytes", put(0, float("inf"))),
        ("chunk.largest_free_bytes", lambda column: column[:-1]),
        ("chunk.attached_threads", put(0, -1.0)),
        ("chunk.label", put(0, 10_000)),
        ("series.time_s", put(1, 1.0)),
        ("series.time_s", put(0, float("nan"))),
        ("series.rss_bytes", put(0, float("inf"))),
        ("site.sample", put(0, 2)),
        ("site.sample", put(0, 1)),
        ("site.stack", put(0, 10_000)),
        ("site.live_bytes", put(0, float("nan"))),
        ("site.age_bytes", put(0, -1.0)),
        ("site.age_bytes", put(0, float("inf"))),
        ("site.age_bytes", lambda column: column[:-1]),
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
        open_dump(wrong)

    assert caught.value.offset is not None
    assert 0 < caught.value.offset <= wrong.stat().st_size
    assert "column" in caught.value.what


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"schema": "leakscope.dump/2"}',
        {"pid": "7"},
        {"pid": 10**400},
        {"reason": "boredom"},
        {"elapsed_s": float("nan")},
        {"elapsed_s": 10**400},
        {"interval_bytes": 0},
        {"argv": ["a", 1]},
        {"death": {"kind": "age", "signal": 0, "text": ""}},
        {"process": {}},
        {"process": []},
        {"health": {}},
        {"totals": {}},
    ],
)
def test_a_meta_text_that_is_wrong_is_malformed(path: str, tmp_path: Path, text: bytes | dict[str, Any]) -> None:
    columns = columns_of(path)
    if isinstance(text, dict):
        text = json.dumps(json.loads(columns["meta"][1].tobytes()) | text).encode()
    native.write_columns(str(tmp_path / "wrong.lks"), columns | {"meta": ("u1", text)})

    with pytest.raises(DumpFormatError):
        open_dump(tmp_path / "wrong.lks")


# --------------------------------------------------------------------------------------------- anything at all

bytes_put = st.tuples(st.integers(0, 1 << 20), st.binary(min_size=1, max_size=8))


@settings(max_examples=300, deadline=None, database=None)
@given(changes=st.lists(bytes_put, min_size=1, max_size=4), cut=st.integers(0, 3), repair=st.booleans())
def test_whatever_is_done_to_a_file_only_our_errors_escape(
    content: bytes, path: str, changes: list[tuple[int, bytes]], cut: int, repair: bool
) -> None:
    """With ``repair`` the checksums are made to fit, so that the damage reaches the deeper checks."""
    damaged = bytearray(content)
    for place, put_there in changes:
        at = place % len(content)
        damaged[at : at + len(put_there)] = put_there
    result = repaired(bytes(damaged)) if repair else bytes(damaged[: len(content) - cut])
    target = Path(path).with_name("damaged.lks")
    target.write_bytes(result)

    try:
        found = open_dump(target, verify=not repair)
    except LeakscopeError:
        return

    use_everything(found)


# ------------------------------------------------------------------------------------------------------ tools


def use_everything(found: Dump) -> None:
    for stack in range(len(found.stacks)):
        found.stacks.frames(stack)
    for thread in range(len(found.threads)):
        found.threads.name_of(thread)
        found.threads.is_alive(thread)
    assert len(found.allocations.blocks) == len(found.allocations)
    for domain in found.allocations.domain:
        found.meta.domains[domain]


def assert_equal(found: Any, wanted: Any, name: str) -> None:
    if isinstance(wanted, np.ndarray):
        assert found.dtype == wanted.dtype, name
        assert np.array_equal(found, wanted, equal_nan=wanted.dtype.kind == "f"), name
    elif is_dataclass(wanted):
        for field in fields(wanted):
            if field.name != "source":
                assert_equal(getattr(found, field.name), getattr(wanted, field.name), f"{name}.{field.name}")
    else:
        assert found == wanted, name


def base_of(values: Any) -> object:
    while not isinstance(values, mmap.mmap) and values is not None:
        values = values.obj if isinstance(values, memoryview) else values.base
    return values
