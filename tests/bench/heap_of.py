"""A heap of a wanted size, and dumps of it: ``heap_of.py objects|bytes N fresh|shuffled ROUNDS [peers]``.

Fresh objects lie in memory in the order in which they refer to each other. Shuffled ones do not: half of them were
freed in random order and made again, with references to anywhere.
"""

import gc
import json
import random
import resource
import sys
import time

import leakscope


class Slots:
    __slots__ = ("left", "right")

    def __init__(self, left, right):
        self.left, self.right = left, right


class Usual:
    def __init__(self, left, right):
        self.left, self.right = left, right


def fresh(count):
    """About `count` objects."""
    made = []
    for i in range(count // 5):
        if i % 2:
            made.append([Slots(i + 1000, str(i)), (i + 1000, f"k{i}")])
        else:
            made.append({"a": Usual(i + 1000, None), "b": float(i)})
    return made


def shuffled(count):
    """The same, scattered."""
    chance = random.Random(1)
    made = fresh(count)
    chance.shuffle(made)
    for i in range(0, len(made), 2):
        made[i] = None
    for i in range(0, len(made), 2):
        made[i] = [Slots(made[chance.randrange(1, len(made), 2)], str(i)), (i + 1000, f"z{i}")]
    chance.shuffle(made)
    return made


def guppy():
    from guppy import hpy

    return hpy().heap().count


def pympler():
    from pympler import muppy, summary

    found = muppy.get_objects()
    summary.summarize(found)
    return len(found)


def objgraph():
    import objgraph

    return sum(objgraph.typestats().values())


def main():
    what, size, order, rounds = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    gc.disable()
    kept = [bytearray(b"x") * (1 << 20) for _ in range(size >> 20)] if what == "bytes" else globals()[order](size)
    told = {"walk_cpu_s": [], "dumps": []}
    for _ in range(rounds):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        told["dumps"].append(str(leakscope.dump()))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        told["walk_cpu_s"].append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    if "peers" in sys.argv:
        told["peers"] = {}
        for peer in (objgraph, pympler, guppy):
            try:
                began, count = time.process_time(), peer()
            except ImportError:
                continue
            told["peers"][peer.__name__] = count / (time.process_time() - began) / 1e6
    print(json.dumps(told))
    return kept


if __name__ == "__main__":
    main()
