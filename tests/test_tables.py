"""What every entry of the tables owes us, whatever it is: a new line in a table is tested before its own tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from builders import dump, live, save

from leakscope.errors import DumpFormatError
from leakscope.formats import FORMATS, HEAD_BYTES, open_dump
from leakscope.formats.format import Format
from leakscope.formats.lks import LKS

FOREIGN_DUMPS = Path(__file__).resolve().parent.parent / "fixtures" / "dumps"

formats = pytest.mark.parametrize("entry", FORMATS, ids=lambda entry: entry.name)


def samples(entry: Format, folder: Path) -> list[Path]:
    """Dumps of one format: drawn for our own, as their producers wrote them for the others."""
    if entry is LKS:
        return [Path(save(dump(live({"f@app.py:10": (100, 64)})), folder / "drawn.lks"))]
    return [path for path in (FOREIGN_DUMPS / entry.name).iterdir() if path.suffix in entry.suffixes]


@formats
def test_every_format_has_a_name_of_its_own_and_proper_suffixes(entry: Format) -> None:
    assert [other.name for other in FORMATS].count(entry.name) == 1
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in entry.suffixes)


@formats
def test_every_format_has_dumps_and_foreign_ones_say_where_they_are_from(entry: Format, tmp_path: Path) -> None:
    assert samples(entry, tmp_path)
    assert entry is LKS or (FOREIGN_DUMPS / entry.name / "README.md").is_file()


@formats
def test_every_format_is_recognised_by_its_content_and_by_no_other(entry: Format, tmp_path: Path) -> None:
    for sample in samples(entry, tmp_path):
        with sample.open("rb") as file:
            head = file.read(HEAD_BYTES)
        assert [other.name for other in FORMATS if other.sniff(head)] == [entry.name]
        nameless = tmp_path / "nameless"
        shutil.copyfile(sample, nameless)
        assert open_dump(nameless).meta == open_dump(sample).meta
    for foreign in (b"", b"\0", b"{}", b"\x7fELF" + bytes(60)):
        assert not entry.sniff(foreign)


@formats
def test_every_dump_is_saved_as_ours_and_read_back_equal(entry: Format, tmp_path: Path) -> None:
    for sample in samples(entry, tmp_path):
        first = open_dump(sample)
        second = open_dump(save(first, tmp_path / "saved.lks"))

        assert (second.meta, second.health) == (first.meta, first.health)
        assert np.array_equal(second.allocations.weight, first.allocations.weight)
        assert np.array_equal(second.stacks.parent, first.stacks.parent)


@formats
def test_every_dump_cut_at_ten_places_is_malformed_with_an_offset(entry: Format, tmp_path: Path) -> None:
    for sample in samples(entry, tmp_path):
        content = sample.read_bytes()
        cut = tmp_path / f"cut{sample.suffix}"
        for tenth in range(10):
            cut.write_bytes(content[: 1 + (len(content) - 2) * tenth // 10])
            with pytest.raises(DumpFormatError) as caught:
                open_dump(cut)
            assert caught.value.offset is not None
