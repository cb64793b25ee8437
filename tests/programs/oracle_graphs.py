"""
Random object graphs, and what pympler and guppy3 say of them: deep sizes, dominated objects, shortest paths.

The last line printed is what they said, by address, and the path of the dump.

    python oracle_graphs.py SEED GRAPHS NODES [guppy]
"""

import gc
import json
import random
import sys
import time

from pympler import asizeof

import leakscope

SETTLE_S = 0.3
SEED, GRAPHS, NODES = map(int, sys.argv[1:4])
WITH_GUPPY = "guppy" in sys.argv
GUPPY_NODES = 4
"""Of each graph: each question walks the whole heap."""


class Slots:
    __slots__ = ("first", "second", "third")


def make(chance: random.Random) -> object:
    return chance.choice((list, dict, Slots))()


def connect(node: object, other: object, chance: random.Random) -> None:
    if isinstance(node, list):
        node.append(other)
    elif isinstance(node, dict):
        node[chance.random()] = other
    else:
        setattr(node, chance.choice(Slots.__slots__), other)


def random_graph(chance: random.Random) -> list[object]:
    """Nodes, the first of which reaches all; with shared ones, cycles, tuples between, and leaves of their own."""
    nodes = [[]]
    for _ in range(NODES - 1):
        node = make(chance)
        connect(nodes[0] if chance.random() < 0.1 else chance.choice(nodes), node, chance)
        nodes.append(node)
    for _ in range(NODES // 2):
        between = chance.choice(nodes)
        connect(chance.choice(nodes), (between, chance.random()) if chance.random() < 0.3 else between, chance)
    for node in nodes:
        connect(node, chance.choice((chance.random(), str(chance.random()), bytes(chance.randrange(200)))), chance)
    # What was overwritten may hang on nothing: keep what the first node reaches.
    return nodes


def reached(start: object) -> list[object]:
    """Nodes below one, itself included."""
    seen, waiting = {id(start): start}, [start]
    while waiting:
        for other in gc.get_referents(waiting.pop()):
            if isinstance(other, (list, dict, tuple, Slots)) and id(other) not in seen:
                seen[id(other)] = other
                waiting.append(other)
    return list(seen.values())


def fill() -> list[list[object]]:
    chance = random.Random(SEED)
    return [random_graph(chance)[0] for _ in range(GRAPHS)]


def deep_sizes() -> dict[int, int]:
    return {id(node): asizeof.asizeof(node) for graph in ROOTS for node in reached(graph)}


def addresses(graph: object) -> list[int]:
    return [id(node) for node in reached(graph) if isinstance(node, (list, dict, Slots))]


def node_at(graph: object, address: int) -> object:
    return next(node for node in reached(graph) if id(node) == address)


def shortest(one: object) -> list[str]:
    """Paths as guppy3 writes them; none where it gives up, as on some objects from Python 3.13 on."""
    try:
        return [str(one.sp[at]) for at in range(min(one.sp.numpaths, 10))]
    except AssertionError:
        return []


def dominated() -> dict[int, dict[str, list]]:
    """For some nodes the addresses of all they dominate, and their shortest paths; nobody else holds them meanwhile."""
    if not WITH_GUPPY:
        return {}
    from guppy import hpy

    heapy, chance, found = hpy(), random.Random(SEED), {}
    for graph in ROOTS:
        known = addresses(graph)
        for address in chance.sample(known, min(GUPPY_NODES, len(known))):
            one = heapy.iso(node_at(graph, address))
            found[address] = {"dominated": [id(each) for each in one.dominos.nodes], "paths": shortest(one)}
            del one
    return found


ROOTS = fill()
said = {"roots": id(ROOTS), "deep": deep_sizes(), "guppy": dominated()}
gc.collect()
time.sleep(SETTLE_S)
said["dump"] = leakscope.dump()
print(json.dumps(said))
