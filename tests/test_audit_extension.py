"""
The audit against native code of ours: leaks are found exactly, with the line that called; quiet twins are not named.

Dumps are taken a hundred calls apart.  A list and an instance are objects with one reference too many; a text and bytes
are blocks that no object refers to; a buffer is an export without a view.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from recording import EXACT, PYTHONS, Recording, label, line_of, places, record

from leakscope import judge
from leakscope.analysis.facts import Facts
from leakscope.analysis.gained import GainedBlocks, GainedReferences
from leakscope.formats import open_dump
from leakscope.model.dump import Dump

PROGRAM = Path(__file__).parent / "programs" / "leaky_calls.py"
CALLS = 100
DUMPS = 5
"""Enough to tell an even pace on a machine that others use, too."""
GAINED = (DUMPS - 1) * CALLS
AUDITED = ("LS601", "LS602", "LS604", "LS607")
"""What has no owner; that the registry of the quiet twin grows is true, and told as that."""
Build = Callable[[str, str], Path]

pytestmark = pytest.mark.parametrize("python", PYTHONS, ids=label)


def calls(
    what: str, python: str, extension: Build, folder: Path, options: tuple[str, ...] = EXACT, dumps: int = 2
) -> list[Dump]:
    """The dumps around some hundred calls."""
    arguments = [str(extension("leaky", python)), what, str(dumps)]
    recording: Recording = record(PROGRAM, folder, python=python, options=options, arguments=arguments)
    assert recording.exit_code == 0, recording.stderr
    opened = [open_dump(path) for path in recording.truth]
    assert [dump.meta.heap_problem for dump in opened] == [""] * dumps
    return opened


def lines(dump: Dump, group: GainedReferences | GainedBlocks) -> set[int]:
    """Lines of the program at which the blocks of a group were asked for."""
    found = {places(dump)[int(stack)] for stack in dump.allocations.stack[group.rows]}
    assert all(Path(file).name == PROGRAM.name for file, _ in found), found
    return {line for _, line in found}


def test_each_leak_is_found_exactly_with_the_line_that_called(python: str, extension: Build, tmp_path: Path) -> None:
    before, after = calls("leak", python, extension, tmp_path)

    lost = Facts([before, after]).unaccounted
    references = {group.type: group for group in lost.references}
    blocks = {(group.domain, line): group for group in lost.blocks for line in lines(after, group)}
    (exports,) = lost.exports

    # One too many of each of a hundred new objects.
    for kind, type_name in (("list", "list"), ("instance", "__main__.Session")):
        group = references.pop(type_name)
        assert lines(after, group) == {line_of(PROGRAM, kind)}
        assert (group.gained, len(group.objects), group.new_objects, set(group.more)) == (CALLS, CALLS, CALLS, {1})
    # A buffer refers to what it is a buffer of, twenty-five times each.
    held = references.pop("bytearray")
    assert (held.gained, list(held.more)) == (CALLS, [CALLS // 4] * 4)
    assert references == {}
    assert (exports.type, exports.gained, len(exports.objects)) == ("bytearray", CALLS, 4)
    # The third is the memory that native code asked for, to keep the buffer's description.
    found = {place: (group.gained_blocks, len(group.rows)) for place, group in blocks.items()}
    assert found == {
        ("obj", line_of(PROGRAM, "str")): (CALLS, CALLS),
        ("obj", line_of(PROGRAM, "bytes")): (CALLS, CALLS),
        ("native", line_of(PROGRAM, "buffer")): (CALLS, CALLS),
    }


def test_quiet_twins_are_not_named(python: str, extension: Build, tmp_path: Path) -> None:
    before, after = calls("quiet", python, extension, tmp_path)

    lost = Facts([before, after]).unaccounted

    assert lost.references == ()
    assert lost.exports == ()
    assert lost.blocks == ()


def test_several_dumps_make_each_a_leak_and_the_report_names_its_line(
    python: str, extension: Build, tmp_path: Path
) -> None:
    report = judge(calls("leak", python, extension, tmp_path, dumps=DUMPS))

    leaks = {finding.subject.line: finding for finding in report.findings if finding.verdict.name == "LEAK"}

    assert report.verdict.name == "LEAK", report.sentence
    counts = {}
    for kind in ("list", "instance", "str", "bytes"):
        finding = leaks[line_of(PROGRAM, kind)]
        assert finding.growth is not None
        counts[kind] = (finding.code, finding.growth.count)
    assert counts == {
        "list": ("LS601", GAINED), "instance": ("LS601", GAINED),
        "str": ("LS602", GAINED), "bytes": ("LS602", GAINED),
    }  # fmt: skip
    assert any(finding.code == "LS604" and f"{GAINED} buffers" in finding.sentence for finding in leaks.values())


def test_several_dumps_of_quiet_twins_name_none_of_them(python: str, extension: Build, tmp_path: Path) -> None:
    report = judge(calls("quiet", python, extension, tmp_path, dumps=DUMPS))

    assert [finding.sentence for finding in report.findings if finding.code in AUDITED] == []


def test_a_sampled_recording_counts_references_and_exports_exactly_but_not_their_lines(
    python: str, extension: Build, tmp_path: Path
) -> None:
    before, after = calls("leak", python, extension, tmp_path, options=())

    lost = Facts([before, after]).unaccounted

    gained = {group.type: group.gained for group in lost.references}
    assert gained == {"list": CALLS, "__main__.Session": CALLS, "bytearray": CALLS}
    assert [(group.type, group.gained) for group in lost.exports] == [("bytearray", CALLS)]


def test_a_sampled_recording_of_quiet_twins_names_none_of_them(python: str, extension: Build, tmp_path: Path) -> None:
    before, after = calls("quiet", python, extension, tmp_path, options=())

    lost = Facts([before, after]).unaccounted

    assert lost.references == ()
    assert lost.exports == ()
