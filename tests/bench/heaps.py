"""Synthetic object graphs for the kernels, as columns and as the object stream of a dump, made with NumPy alone.

A heap is groups of a dict, eight instances that know it, and three values each that nobody else knows; instances also
refer to their type, to a thousand things that everyone refers to and, one in three, to any older instance.  That is
about 2.4 references an object, in the order of creation ("fresh") or with addresses drawn by lot ("shuffled").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Column = Any
BLOCK = 4096
POPULAR, MEMBERS, VALUES = 1000, 8, 3
GROUP = 1 + MEMBERS * (1 + VALUES)
TRACKED, BODIES = 1, 4


@dataclass(frozen=True)
class Drawn:
    """References by source, ascending; which objects are instances (they own their type) and which have a body."""

    count: int
    source: Column
    target: Column
    instance: Column
    body: Column
    type_object: int
    roots: Column


def heap(count: int, shuffled: bool, seed: int = 1) -> Drawn:
    """A heap of ``count`` objects or a few less."""
    random = np.random.default_rng(seed)
    groups = (count - POPULAR - 2) // GROUP
    count = 2 + POPULAR + groups * GROUP
    first = 2 + POPULAR + GROUP * np.arange(groups)  # object 0 holds all groups, object 1 is the type
    instance = (first[:, None] + 1 + (1 + VALUES) * np.arange(MEMBERS)).ravel()
    n = len(instance)
    older = (random.random(n) * np.arange(n)).astype(np.int64)
    third = random.random(n) < 1 / 3
    edges = [
        (np.zeros(groups, int), first),
        (np.repeat(first, MEMBERS), random.integers(2, 2 + POPULAR, n)),
        (np.repeat(first, MEMBERS), instance),
        *((instance, instance + 1 + value) for value in range(VALUES)),
        (instance, np.repeat(first, MEMBERS)),
        (instance, random.integers(2, 2 + POPULAR, n)),
        (instance, random.integers(2, 2 + POPULAR, n)),
        (instance[third], instance[older[third]]),
    ]
    source, target = (np.concatenate([edge[side] for edge in edges]).astype(np.uint32) for side in (0, 1))
    del edges
    place = np.arange(count, dtype=np.uint32)
    if shuffled:
        random.shuffle(place)
        source, target = place[source], place[target]
    order = np.argsort(source, kind="stable")
    is_instance, has_body = np.zeros(count, bool), np.zeros(count, bool)
    is_instance[place[instance]] = True
    has_body[place[first]] = has_body[place[instance[::2]]] = has_body[place[0]] = True
    roots = place[: 2 + POPULAR // 10]
    return Drawn(count, source[order], target[order], is_instance, has_body, int(place[1]), roots)


def row(count: int, closed: bool) -> Drawn:
    """A doubly linked chain or ring, its first object the only root."""
    everyone = np.arange(count)
    source = np.repeat(everyone, 2)
    target = np.stack([everyone + 1, everyone - 1], axis=1).ravel() % count
    if not closed:
        source, target = np.delete(source, [1, -2]), np.delete(target, [1, -2])
    none = np.zeros(count, bool)
    return Drawn(count, source.astype(np.uint32), target.astype(np.uint32), none, none, 0, everyone[:1])


def tangle(count: int, seed: int = 1) -> Drawn:
    """Any object to any other, 2.5 times: no heap looks like this; the worst that path compression may meet."""
    random = np.random.default_rng(seed)
    source = np.sort(random.integers(0, count, count * 5 // 2))
    target = random.integers(0, count, len(source))
    none = np.zeros(count, bool)
    return Drawn(count, source.astype(np.uint32), target.astype(np.uint32), none, none, 0, np.zeros(1, int))


def encoded(drawn: Drawn) -> dict[str, Column]:
    """The arguments of ``kernels.decode_objects``, by name; numbers as arrays of one."""
    degree = np.bincount(drawn.source, minlength=drawn.count)
    edges_before = np.concatenate([[0], np.cumsum(degree)])
    pieces, begins, written = [], [], 0
    for first in range(0, drawn.count, 256 * BLOCK):
        last = min(first + 256 * BLOCK, drawn.count)
        lengths, stream = _records(drawn, degree, edges_before, first, last)
        begins.append((written + np.concatenate([[0], np.cumsum(lengths)])[:-1])[::BLOCK])
        pieces.append(stream)
        written += len(stream)
    blocks = np.arange(0, drawn.count, BLOCK)
    types_before = np.concatenate([[0], np.cumsum(drawn.instance)])
    bodies_before = np.concatenate([[0], np.cumsum(drawn.body)])
    return {
        "stream": np.concatenate(pieces),
        "block_offset": np.concatenate(begins).astype(np.uint64),
        "block_address": (0x7F0000000000 + 64 * blocks).astype(np.uint64),
        "block_edges": (edges_before + types_before)[blocks].astype(np.uint64),
        "block_bodies": bodies_before[blocks].astype(np.uint64),
        "objects": np.array([drawn.count]),
        "edges": np.array([edges_before[-1] + types_before[-1]]),
        "bodies": np.array([bodies_before[-1]]),
        "shape_size": np.array([56, 48], np.uint32),
        "shape_owns_type": np.array([0, 1], np.uint8),
        "shape_type_object": np.array([0xFFFFFFFF, drawn.type_object], np.uint32),
    }


def _records(drawn: Drawn, degree: Column, before: Column, first: int, last: int) -> tuple[Column, Column]:
    """Bytes of each record, and the records, of some objects from a block's beginning on."""
    own = np.arange(first, last)
    edges = degree[first:last]
    body = drawn.body[first:last]
    fields = 4 + edges + 3 * body
    at = np.concatenate([[0], np.cumsum(fields)])
    numbers = np.empty(at[-1], np.uint64)
    numbers[at[:-1]] = np.where(own % BLOCK == 0, 0, 8)  # addresses are 64 bytes apart
    numbers[at[:-1] + 1] = drawn.instance[first:last].astype(int) << 5 | TRACKED | BODIES * body
    numbers[at[:-1] + 2] = 1 + own % 3
    numbers[at[:-1] + 3] = edges
    of = slice(before[first], before[last])
    away = drawn.target[of].astype(np.int64) - drawn.source[of].astype(np.int64)
    position = np.arange(of.stop - of.start) - np.repeat(before[first:last] - before[first], edges)
    numbers[np.repeat(at[:-1] + 4, edges) + position] = np.where(away < 0, -2 * away - 1, 2 * away) + 1
    tail = at[1:][body]
    numbers[tail - 3], numbers[tail - 2], numbers[tail - 1] = 1, 2 * (1 << 20) + own[body] % 1000, 96
    lengths, stream = _varints(numbers)
    return np.add.reduceat(lengths, at[:-1]), stream


def _varints(numbers: Column) -> tuple[Column, Column]:
    """Length of each number, and all of them as LEB128."""
    lengths = 1 + sum((numbers >> np.uint64(7 * more) > 0).astype(np.uint8) for more in range(1, 10))
    begin = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    stream = np.empty(begin[-1], np.uint8)
    for byte in range(int(lengths.max())):
        has = lengths > byte
        more = np.where(lengths[has] > byte + 1, 0x80, 0).astype(np.uint8)
        stream[begin[:-1][has] + byte] = (numbers[has] >> np.uint64(7 * byte)).astype(np.uint8) & 0x7F | more
    return lengths, stream
