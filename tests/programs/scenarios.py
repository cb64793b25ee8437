"""
Ten programs in the small, after an experiment on decision rules: seven that do not leak, three that do.

    python scenarios.py NAME [seed] [iterations]
"""

from __future__ import annotations

import random
import sys
import time
from collections import OrderedDict

PAUSE_S = 0.004
PAYLOAD_BYTES = 1500


class Item:
    """What all of them keep, or not."""

    def __init__(self, other: Item | None = None) -> None:
        self.payload = bytearray(PAYLOAD_BYTES)
        self.other = other


class App:
    """A program with whatever it keeps."""

    def __init__(self, seed: int, iterations: int) -> None:
        self.random = random.Random(seed)
        self.iterations = iterations
        self.kept: list[Item] = []
        self.queue: list[Item] = []
        self.cache: OrderedDict[int, Item] = OrderedDict()

    def steady(self, number: int) -> None:
        """A few that come and go."""
        self.queue = [Item() for _ in range(20 + self.random.randint(-3, 3))]

    def cycles(self, number: int) -> None:
        """Cycles, which the collector takes."""
        one = Item()
        one.other = Item(one)

    def cache_of_128(self, number: int) -> None:
        """The 128 latest."""
        self._remember(number, 128)

    def cache_of_32(self, number: int) -> None:
        """The 32 latest."""
        self._remember(number, 32)

    def slow_cache(self, number: int) -> None:
        """One for each of so many keys, which come at random."""
        key = self.random.randrange(self.iterations // 4)
        if key not in self.cache:
            self.cache[key] = Item()

    def jittery_queue(self, number: int) -> None:
        """A queue of some twenty."""
        self.queue += [Item() for _ in range(self.random.randrange(5))]
        del self.queue[: max(0, len(self.queue) - self.random.randint(10, 30))]

    def batch_of_25(self, number: int) -> None:
        """Flushed when it is full."""
        self.queue.append(Item())
        if len(self.queue) == 25:
            self.queue.clear()

    def leak(self, number: int) -> None:
        """One a round."""
        self.kept.append(Item())

    def leak_now_and_then(self, number: int) -> None:
        """One in three rounds or so."""
        if self.random.random() < 0.3:
            self.kept.append(Item())

    def leak_under_jitter(self, number: int) -> None:
        """One a round, beside a queue."""
        self.jittery_queue(number)
        self.kept.append(Item())

    def _remember(self, number: int, room: int) -> None:
        self.cache[number] = Item()
        if len(self.cache) > room:
            self.cache.popitem(last=False)


LEAKING = ("leak", "leak_now_and_then", "leak_under_jitter")
NAMES = ("steady", "cycles", "cache_of_128", "cache_of_32", "slow_cache", "jittery_queue", "batch_of_25", *LEAKING)


def main(app: App, name: str) -> None:
    """Run one of them."""
    for number in range(app.iterations):
        getattr(app, name)(number)
        time.sleep(PAUSE_S)
    print(f"{name}: {len(app.kept)} kept, {len(app.queue)} in the queue, {len(app.cache)} in the cache")


if __name__ == "__main__":
    NAME, SEED, ITERATIONS, *_ = [*sys.argv[1:], *["1", "400"][len(sys.argv) - 2 :]]
    APP = App(int(SEED), int(ITERATIONS))
    main(APP, NAME)
