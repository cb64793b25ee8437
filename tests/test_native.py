"""The door says in our words why it stays shut, and hands over what the core says."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import leakscope
from leakscope import native
from leakscope.errors import (
    CaptureError,
    CoreMissing,
    DiskFull,
    DumpFormatError,
    DumpNotWritten,
    LeakscopeError,
    NewerFormat,
    UnknownFormat,
)


class CoreError(Exception):
    pass


def failing(*reason: Any) -> Any:
    def fail(*_: Any) -> None:
        raise CoreError(*reason)

    return fail


@pytest.fixture
def core(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SimpleNamespace:
    """A core that does what a test says."""
    core = SimpleNamespace(
        BUILD=leakscope.__version__, RECORDER=None, __file__=str(tmp_path / "_core.so"), CoreError=CoreError
    )
    monkeypatch.setattr(leakscope, "_core", core, raising=False)
    monkeypatch.setitem(sys.modules, "leakscope._core", core)
    return core


def test_an_absent_core_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(leakscope, "_core", raising=False)
    monkeypatch.setitem(sys.modules, "leakscope._core", None)

    with pytest.raises(CoreMissing) as caught:
        native.core()
    assert "pip install" in caught.value.remedy


def test_a_core_of_another_version_is_refused(core: SimpleNamespace) -> None:
    core.BUILD = "0.0.9"

    with pytest.raises(CoreMissing, match=r"0\.0\.9"):
        native.recording()


def test_the_recorder_lies_beside_the_core_or_there_is_none(core: SimpleNamespace, tmp_path: Path) -> None:
    assert native.recorder_path() is None
    core.RECORDER = "_recorder.so"
    with pytest.raises(CoreMissing, match="is missing beside"):
        native.recorder_path()
    (tmp_path / "_recorder.so").touch()
    assert native.recorder_path() == tmp_path / "_recorder.so"


@pytest.mark.parametrize(
    ("slug", "kind"),
    [
        ("unknown-format", UnknownFormat),
        ("newer-format", NewerFormat),
        ("truncated", DumpFormatError),
        ("damaged", DumpFormatError),
    ],
)
def test_a_malformed_file_is_told_with_path_and_offset(
    core: SimpleNamespace, slug: str, kind: type[DumpFormatError]
) -> None:
    core.read_directory = core.check_columns = failing(slug, "the header ends early", 1040)
    for read in (native.read_directory, native.check_columns):
        with pytest.raises(kind) as caught:
            read("a.lks", b"")
        assert type(caught.value) is kind
        assert (caught.value.path, caught.value.offset) == ("a.lks", 1040)
        assert str(caught.value) == "a.lks: the header ends early (at byte 1,040)"


@pytest.mark.parametrize(("slug", "kind"), [("disk-full", DiskFull), ("write", DumpNotWritten)])
def test_a_file_that_cannot_be_written_is_told_with_its_path(
    core: SimpleNamespace, slug: str, kind: type[LeakscopeError]
) -> None:
    core.write_columns = failing(slug, "no room", -1)
    ledger: Any = SimpleNamespace(write_dump=failing(slug, "no room", -1))
    writes: list[Callable[[], int]] = [
        lambda: native.write_columns("a.lks", {}),
        lambda: native.write_dump(ledger, "a.lks", "{}", {}, ()),
    ]
    for write in writes:
        with pytest.raises(kind, match=r"a\.lks: no room") as caught:
            write()
        assert type(caught.value) is kind
        assert caught.value.remedy


def test_a_program_that_is_not_recorded_learns_how_to_be(core: SimpleNamespace) -> None:
    core.request_dump = failing("not-recording", "this process is not recorded", -1)

    with pytest.raises(CaptureError) as caught:
        native.request_dump(1.0, heap=True)
    assert "leakscope run" in caught.value.remedy


def test_a_ledger_that_cannot_be_made_is_a_failure_to_capture(core: SimpleNamespace) -> None:
    core.Ledger = SimpleNamespace(create=failing("memory", "no memory", -1), adopt=failing("damaged", "no ledger", -1))

    with pytest.raises(CaptureError, match="no memory"):
        native.create_ledger(interval_bytes=1, exact_bytes=1, max_frames=1, max_stacks=1024)
    with pytest.raises(CaptureError, match="no ledger"):
        native.adopt_ledger(0)


def test_a_library_without_symbols_has_empty_names(core: SimpleNamespace) -> None:
    core.symbols = failing("unreadable", "no such file", -1)

    assert native.symbols("gone.so", [1, 2]) == ["", ""]
