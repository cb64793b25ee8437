"""A graph of objects that all stay alive: built, walked in an order unlike that of its making, changed, dropped."""

from __future__ import annotations

import random
from collections import deque

from _workload import main


class Node:
    """A vertex with a label, attributes and neighbours."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.label = f"node-{number}"
        self.attributes = {"rank": number * 0.25, "seen": False}
        self.neighbours: list[Node] = []


def build(count: int, rng: random.Random) -> list[Node]:
    """Make ``count`` nodes with three edges each."""
    nodes = [Node(i) for i in range(count)]
    for node in nodes:
        node.neighbours.extend(nodes[rng.randrange(count)] for _ in range(3))
    return nodes


def breadth_first(start: Node) -> int:
    """Visit what can be reached; return a checksum of the order of visits."""
    total = 0
    waiting = deque([start])
    start.attributes["seen"] = True
    while waiting:
        node = waiting.popleft()
        total = (total * 31 + node.number) & 0xFFFFFFFF
        for neighbour in node.neighbours:
            if not neighbour.attributes["seen"]:
                neighbour.attributes["seen"] = True
                waiting.append(neighbour)
    return total


def work(scale: float) -> int:
    """Checksum of the walk, before and after a tenth of the nodes was replaced."""
    rng = random.Random(7)
    count = int(90_000 * scale)
    nodes = build(count, rng)
    total = breadth_first(nodes[0])
    for _ in range(count // 10):
        nodes[rng.randrange(count)] = Node(rng.randrange(count))
    for node in nodes:
        node.attributes["seen"] = False
        node.neighbours = [nodes[neighbour.number] for neighbour in node.neighbours]
    return total ^ breadth_first(nodes[-1])


if __name__ == "__main__":
    main(work)
