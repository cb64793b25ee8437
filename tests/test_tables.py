"""What every entry of the tables owes us, whatever it is: a new line in a table is tested before its own tests."""

from __future__ import annotations

import re
import shutil
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from builders import dump, live, save

from leakscope.analysis.facts import Facts
from leakscope.errors import DumpFormatError
from leakscope.formats import FORMATS, HEAD_BYTES, open_dump
from leakscope.formats.format import Format
from leakscope.formats.lks import LKS
from leakscope.reports import GATE_REPORTS, REPORTS
from leakscope.reports.report_format import ReportFormat
from leakscope.rules import RULES
from leakscope.rules.rule import Rule
from leakscope.verdict import judge

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


rules = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)


@rules
def test_every_rule_has_a_code_and_a_name_of_its_own_and_the_name_of_its_file(rule: Rule) -> None:
    assert [other.code for other in RULES].count(rule.code) == 1
    assert re.fullmatch(r"LS[1-9]\d\d", rule.code)
    assert import_module(f"leakscope.rules.{rule.name}").check is rule.check


@rules
def test_every_rule_has_a_page_with_the_six_headings(rule: Rule) -> None:
    page = import_module(f"leakscope.rules.{rule.name}").__doc__ or ""

    headings = [line for line in page.splitlines() if re.fullmatch(r"[A-Z][a-z]+( when)?", line)]
    assert headings == ["Says", "Because", "Needs", "Not when", "Example", "Source"]


@rules
def test_every_rule_has_programs_and_quiet_twins(rule: Rule) -> None:
    programs = Path(__file__).resolve().parent.parent / "fixtures" / "programs"
    examples = {path.name for path in (programs / rule.name).glob("*.py")}
    twins = {path.name for folder in programs.iterdir() if folder.name != rule.name for path in folder.glob("*.py")}

    assert examples
    assert examples <= twins


@rules
def test_every_rule_is_silent_about_an_empty_dump(rule: Rule) -> None:
    assert rule.check(Facts([dump(live({}))])) == ()


reports = pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.name)


@reports
def test_every_report_has_a_name_and_a_suffix_of_its_own(report: ReportFormat) -> None:
    assert [other.name for other in REPORTS].count(report.name) == 1
    assert [other.suffix for other in REPORTS].count(report.suffix) == 1


@reports
def test_every_report_has_goldens(report: ReportFormat) -> None:
    assert list(
        (Path(__file__).resolve().parent.parent / "fixtures" / "golden" / report.name).glob(f"*{report.suffix}")
    )


@pytest.mark.parametrize("entry", GATE_REPORTS, ids=lambda entry: entry.name)
def test_every_gate_report_has_a_name_a_suffix_and_goldens_of_its_own(entry: ReportFormat) -> None:
    assert [other.name for other in GATE_REPORTS].count(entry.name) == 1
    assert [other.suffix for other in GATE_REPORTS].count(entry.suffix) == 1
    assert list((Path(__file__).resolve().parent.parent / "fixtures" / "golden" / "gate").glob(f"*{entry.suffix}"))


@reports
def test_every_report_renders_a_program_and_an_empty_dump(report: ReportFormat) -> None:
    for drawn in (dump(live({"f@app.py:10": (100, 64)})), dump(live({}))):
        text = report.render(judge([drawn]))

        assert "UNKNOWN" in text
        assert text.endswith("\n")
