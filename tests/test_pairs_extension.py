"""
Every door to memory, and every kind of object, in pairs: taken and not given back, and taken and given back.

The first of a pair is found to the block, at the line that called; of the second nothing is left.  The pairs are those
that psleak tries itself on.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from recording import PYTHONS, label, record, site_at

from leakscope.analysis.facts import Facts
from leakscope.formats import open_dump
from leakscope.model.dump import Dump

Build = Callable[[str, str], Path]
CALLS = 50
DOORS = ("malloc", "raw", "pymem", "object", "mapping")
SIZES = (8, 1024, 16 * 1024, 1 << 20)
OBJECTS = {
    "list": "[number]",
    "tuple": "(number, [number])",
    "dict": "{number: [number]}",
    "set": "{number}",
    "int": "10**40 + number",
    "str": "f'text number {number} of many'",
    "cycle": "cycle(number)",
}

pytestmark = pytest.mark.parametrize("python", PYTHONS, ids=label)


def program(folder: Path, body: str) -> str:
    """A program that does something a number of times between two dumps."""
    return f"""
import gc, sys, time
sys.path.insert(0, {str(folder)!r})
import leakscope, pairs

def cycle(number):
    made = [number]
    made.append(made)
    return made

def work(number):
{body}

def dump_after(numbers):
    for number in numbers:
        work(number)
    gc.collect()
    time.sleep(0.3)
    return leakscope.dump()

dump_after(range(1000, 1005))
print(dump_after(range(2000, 2005)), dump_after(range(3000, 3000 + {CALLS})))
"""


def dumps_around(body: list[str], python: str, extension: Build, folder: Path) -> tuple[Dump, Dump]:
    """The dumps before and after the work, whose lines are those given."""
    lines = "\n".join(f"    {line}" for line in body)
    recording = record(program(extension("pairs", python), lines), folder, python=python)
    assert recording.exit_code == 0, recording.stderr
    before, after = (open_dump(path) for path in recording.stdout.split())
    assert [before.meta.heap_problem, after.meta.heap_problem] == ["", ""]
    return before, after


def line_in(folder: Path, text: str) -> int:
    """Number of the line of the program that holds a text."""
    lines = (folder / "program.py").read_text().splitlines()
    (found,) = [number for number, line in enumerate(lines, 1) if text in line]
    return found


@pytest.mark.parametrize("door", DOORS)
def test_memory_taken_by_any_door_is_found_at_its_line_and_gone_when_given_back(
    door: str, python: str, extension: Build, tmp_path: Path
) -> None:
    sizes = [size for size in SIZES if door != "mapping" or size >= 4096]
    body = [f"pairs.take('{door}', {size})" for size in sizes]
    body += [f"pairs.give('{door}', {size}, pairs.take('{door}', {size}))" for size in sizes]
    before, after = dumps_around(body, python, extension, tmp_path)

    for size in sizes:
        leaks, twin = f"    pairs.take('{door}', {size})", f"pairs.give('{door}', {size},"
        gained = [
            site_at(dump, "program.py", line_in(tmp_path, text)).count(size)
            for text in (leaks, twin)
            for dump in (before, after)
        ]
        assert gained == [10, 10 + CALLS, 0, 0], (door, size)


def test_objects_of_any_kind_that_lose_a_reference_are_found_exactly(
    python: str, extension: Build, tmp_path: Path
) -> None:
    body = [f"pairs.hold({expression})  # {kind}" for kind, expression in OBJECTS.items()]
    before, after = dumps_around(body, python, extension, tmp_path)

    lost = Facts([before, after]).unaccounted

    references = sum(group.gained for group in lost.references)
    blocks = {int(np.unique(after.allocations.stack[group.rows])[0]): group.gained_blocks for group in lost.blocks}
    # A cycle is a list; texts and numbers are in no list of the collector's.
    assert {group.type for group in lost.references} == {"list", "tuple", "dict", "set"}
    assert references == CALLS * (len(OBJECTS) - 2)
    assert sorted(blocks.values()) == [CALLS, CALLS]


def test_objects_whose_reference_is_given_back_are_not_named(python: str, extension: Build, tmp_path: Path) -> None:
    body = [f"kept = {expression}; pairs.hold(kept); pairs.let_go(kept)" for expression in OBJECTS.values()]
    before, after = dumps_around(body, python, extension, tmp_path)

    lost = Facts([before, after]).unaccounted

    assert (lost.references, lost.blocks, lost.exports) == ((), (), ())
