"""Small objects that live briefly: slotted instances, strings, lists, dicts.  The hard case for an allocator hook."""

from __future__ import annotations

from _workload import main


class Point:
    """Two numbers and a name in slots: one block per instance."""

    __slots__ = ("name", "x", "y")

    def __init__(self, x: float, y: float, name: str) -> None:
        self.x = x
        self.y = y
        self.name = name


def batch(turn: int, size: int) -> int:
    """Make, use and drop one batch of small objects; return a checksum of it."""
    points = [Point(i * 0.5, turn - i, f"p{i}") for i in range(size)]
    by_name = {point.name: point for point in points}
    pairs = [(point.x, point.y) for point in points if point.x > 1.0]
    rows = [{"x": x, "y": y, "tags": [i, i + 1]} for i, (x, y) in enumerate(pairs)]
    words = ",".join(sorted(by_name)).split(",")
    return len(words) + sum(len(row) for row in rows) + int(sum(x + y for x, y in pairs))


def work(scale: float) -> int:
    """Checksum over all batches."""
    total = 0
    for turn in range(int(500 * scale)):
        total = (total * 31 + batch(turn, 1000)) & 0xFFFFFFFF
    return total


if __name__ == "__main__":
    main(work)
