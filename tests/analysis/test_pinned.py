"""What small views alone keep alive: against a twin that follows every view by itself, on random graphs."""

from __future__ import annotations

import random

import numpy as np
import pytest
from buffer_builders import view, with_buffers
from heap_builders import draw, heap, heap_dump

from leakscope.analysis.pinned import LEAST_BYTES, SMALL, find_pinned
from leakscope.model.heap import HeapGraph


def drawn(seed: int) -> str:
    """Buffers, chains of views over them, and holders of either."""
    chance = random.Random(seed)
    lines = ["*q=list", "*q"]
    for buffer in range(12):
        lines.append(f"b{buffer}=bytearray:56+{chance.choice([100, 5000, 70000])}")
        for each in range(chance.randrange(4)):
            name = f"{buffer}x{each}"
            lines.append(
                f"v{name}=memoryview(sees={chance.choice([4, 16, 900, 60000])}) -> m{name}=managedbuffer -> b{buffer}"
            )
            holder = f"v{name}"
            for level in range(chance.randrange(3)):
                above = f"a{name}y{level}=numpy.ndarray(sees={chance.choice([4, 16, 60000])})"
                lines.append(f"{above} .base -> {holder}")
                holder = f"a{name}y{level}"
            lines.append(f"q -> {holder}" if chance.random() < 0.8 else holder)
            if chance.random() < 0.2:
                lines.append(f"q -> v{name}")
        if chance.random() < 0.3:
            lines.append(f"q -> b{buffer}")
    return "; ".join(lines[1:])


def twin(graph: HeapGraph) -> dict[int, tuple[int, int]]:
    """Buffer to how many views others hold of it, and what they see: view by view, reference by reference."""
    sees = dict(zip(graph.window_object.tolist(), graph.window_bytes.tolist(), strict=True))
    names = [graph.types.full_name(int(graph.type[at])) for at in range(graph.count)]
    links = {at for at in range(graph.count) if at in sees or names[at] == "managedbuffer"}
    holders: dict[int, list[int]] = {at: [] for at in range(graph.count)}
    for at in range(graph.count):
        for to in graph.read_edges(at):
            if to >= 0:
                holders[to].append(at)

    def by_links(at: int) -> int:
        return sum(holder in links for holder in holders[at])

    found: dict[int, list[int]] = {}
    for at in links:
        if int(graph.refcount[at]) <= by_links(at):
            continue
        end = at
        while end in links:
            end = next(to for to in graph.read_edges(end) if to >= 0)
        found.setdefault(end, []).append(sees[at])
    return {
        end: (len(seen), sum(seen))
        for end, seen in found.items()
        if int(graph.refcount[end]) == by_links(end) > 0
        and int(graph.total_size[end]) >= max(LEAST_BYTES, SMALL * sum(seen))
    }


@pytest.mark.parametrize("seed", range(40))
def test_it_finds_what_the_twin_finds(seed: int) -> None:
    graph = heap(drawn(seed))

    pinned = find_pinned(graph, None)

    rows = zip(pinned.buffer.tolist(), pinned.views.tolist(), pinned.seen.tolist(), strict=True)
    assert {buffer: (views, seen) for buffer, views, seen in rows} == twin(graph)


def test_the_twin_finds_something_and_not_everything() -> None:
    found = [len(twin(heap(drawn(seed)))) for seed in range(40)]

    assert 40 < sum(found) < 40 * 10


def test_memory_that_lies_elsewhere_is_as_large_as_what_was_handed_out() -> None:
    text = "*q=list -> v=memoryview(sees=10) -> m=managedbuffer -> file=mmap.mmap:80"
    made = heap_dump(text, made={"v": "app.py:3"})
    number = draw(text).number["file"]
    graph = made.heap
    assert graph is not None
    assert len(find_pinned(graph, None)) == 0

    exported = with_buffers(made, view("app.py:3", 1 << 20, exporter=int(graph.address[number]), type="mmap.mmap"))

    assert exported.buffers is not None
    pinned = find_pinned(graph, exported.buffers.exports)
    assert (pinned.buffer.tolist(), pinned.bytes.tolist()) == ([number], [1 << 20])


def test_a_graph_without_views_has_nothing_pinned() -> None:
    assert len(find_pinned(heap("*q=list -> b=bytearray:56+70000"), None)) == 0
    assert np.array_equal(find_pinned(heap("*q=list"), None).buffer, [])
