"""Who keeps mostly free cells: against a count by hand, and told by objects in sampled runs."""

from __future__ import annotations

import random

import numpy as np
import pytest
from builders import Moment, chunks, dump, live
from heap_builders import heap_dump

from leakscope.analysis.facts import Facts
from leakscope.analysis.pins import CELL_BYTES, Pins, pins
from leakscope.model.dump import Dump

AT = 0x7E00_0000_0000
ARENA = 1 << 20
CELLS = 24


def drawn(seed: int) -> Dump:
    """A heap and some arenas with blocks of three lines here and there, some cells full."""
    dice = random.Random(seed)
    moment = chunks({"": CELLS * CELL_BYTES}, kind="heap", thread=None, address=AT, used_bytes=0, free_bytes=CELLS)
    for number in range(5):
        free = dice.choice([0, ARENA])
        moment += chunks({"": ARENA}, address=AT + (100 + number) * ARENA, used_bytes=ARENA - free, free_bytes=free)
    for _ in range(dice.randrange(30)):
        moment += block(dice, AT + dice.randrange(CELLS) * CELL_BYTES)
    for number in range(5):
        moment += block(dice, AT + (100 + number) * ARENA)
    return dump(moment)


def block(dice: random.Random, begin: int) -> Moment:
    size = dice.choice([64, 64, 64, 200_000])
    line = dice.choice([5, 6, 7])
    return live({f"run@app.py:{line}": size}, address=begin + 16 * dice.randrange(3000))


def by_hand(of: Dump) -> dict[int, int]:
    """Line to the number of mostly free cells it keeps."""
    rows = [
        (int(address), int(size), of.stacks.frames(int(stack))[0].line)
        for address, size, stack in zip(of.allocations.address, of.allocations.size, of.allocations.stack, strict=True)
    ]
    kept: set[tuple[int, int]] = set()
    for cell in range(CELLS):
        begin, end = AT + cell * CELL_BYTES, AT + (cell + 1) * CELL_BYTES
        inside = [row for row in rows if begin <= row[0] < end]
        if sum(size for _, size, _ in inside) >= CELL_BYTES / 2:
            continue
        above = sorted(row for row in rows if end <= row[0] < AT + CELLS * CELL_BYTES)
        kept |= {(cell, line) for _, _, line in inside or above[:1]}
    for number in range(5):
        begin = AT + (100 + number) * ARENA
        free = of.chunks.free_bytes[np.flatnonzero(of.chunks.address == begin)[0]]
        if free >= ARENA / 2:
            kept |= {(CELLS + number, line) for address, _, line in rows if begin <= address < begin + ARENA}
    return {line: sum(1 for _, other in kept if other == line) for line in {line for _, line in kept}}


@pytest.mark.parametrize("seed", range(40))
def test_cells_are_counted_as_by_hand(seed: int) -> None:
    of = drawn(seed)
    facts = Facts([of])
    place = facts.sites.place[facts.sites.by_stack]

    found = pins(of, None, np.arange(len(of.chunks)), place)

    lines = {of.stacks.frame_table[pin.place].line: pin.cells for pin in found if pin.cells}
    assert lines == by_hand(of)
    assert [pin.cells for pin in found] == sorted((pin.cells for pin in found), reverse=True)


def by_objects(drawing: str) -> Pins:
    """Who keeps most of as many arenas as there are objects of 400 bytes, each of which has one for itself."""
    graph = heap_dump(drawing).heap
    assert graph is not None
    arenas = sum(
        (
            chunks({"": 512}, address=int(at) - 16, used_bytes=0, free_bytes=512)
            for at in graph.address[graph.size == 400]
        ),
        Moment(),
    )
    of = heap_dump(drawing, other=arenas, interval_bytes=65536)
    facts = Facts([of])
    return pins(of, facts.walked[0], np.arange(len(of.chunks)), facts.sites.place[facts.sites.by_stack])[0]


def test_in_a_sampled_run_objects_tell_who_keeps_arenas() -> None:
    kept = [f"kept -> o{at}=bytes:400" for at in range(20)]
    first = by_objects(";".join(["<module app> m=module .KEPT -> kept=list", *kept]))

    assert (first.type, first.cells, first.of_cells, len(first.objects)) == ("bytes", 20, 20, 20)
    assert first.together


def test_of_a_common_type_those_in_one_container_are_told_if_they_keep_nearly_all() -> None:
    def split(kept: int, around: int) -> Pins:
        nodes = [f"kept -> o{at}=bytes:400" for at in range(kept)]
        nodes += [f"m .n{at} -> n{at}=bytes:400" for at in range(around)]
        return by_objects(";".join(["<module app> m=module .KEPT -> kept=list", *nodes]))

    most, half = split(18, 2), split(10, 10)

    assert (most.together, most.cells, len(most.objects)) == (True, 18, 18)
    assert (half.together, half.cells, len(half.objects)) == (False, 20, 20)
