"""Objects as plain records, and the stupid twin of the stream's decoder: an encoder that spells out every byte.

`encode` is the format as its description reads; what a record says is what decoding must give back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

import graphs
import numpy as np

from leakscope import kernels

BLOCK = 4096
BODIES, OWN_SIZE, DIGEST = 4, 8, 16


@dataclass
class Shape:
    """A shape: size of its objects, and the object that is their type if they own a reference to it."""

    size: int
    owns_type: bool = False
    type_object: int = kernels.NONE

    @property
    def type_edges(self) -> list[int]:
        return [self.type_object] if self.owns_type and self.type_object != kernels.NONE else []


@dataclass
class Record:
    """One object.  A size of None is the shape's, a digest of None is none; None among the edges is an empty place."""

    address: int
    shape: int = 0
    flags: int = 0
    refcount: int = 1
    size: int | None = None
    edges: list[int | None] = field(default_factory=list)
    bodies: list[tuple[int, int]] = field(default_factory=list)
    digest: int | None = None

    @property
    def all_flags(self) -> int:
        own_size, digest = OWN_SIZE * (self.size is not None), DIGEST * (self.digest is not None)
        return self.flags | BODIES * bool(self.bodies) | own_size | digest

    @property
    def targets(self) -> list[int]:
        return [target for target in self.edges if target is not None]


def varint(number: int) -> bytes:
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


def zigzag(number: int) -> int:
    return 2 * number if number >= 0 else -2 * number - 1


def encode_one(record: Record, own: int, step: int) -> bytes:
    numbers = [step // 8, record.shape << 5 | record.all_flags, record.refcount]
    if record.size is not None:
        numbers.append(record.size)
    numbers += [len(record.edges), *(0 if edge is None else zigzag(edge - own) + 1 for edge in record.edges)]
    if record.bodies:
        numbers.append(len(record.bodies))
        for address, size in record.bodies:
            numbers += [zigzag((address - record.address) // 8), size]
    digest = b"" if record.digest is None else record.digest.to_bytes(4, "little")
    return b"".join(map(varint, numbers)) + digest


def encode(records: list[Record], shapes: list[Shape]) -> dict[str, Any]:
    """The arguments of `kernels.decode_objects`, by name."""
    stream, begins = bytearray(), []
    edges = bodies = 0
    for own, record in enumerate(records):
        first = own % BLOCK == 0
        if first:
            begins.append((len(stream), record.address, edges, bodies))
        stream += encode_one(record, own, 0 if first else record.address - records[own - 1].address)
        edges += len(record.targets) + len(shapes[record.shape].type_edges)
        bodies += len(record.bodies)
    columns = np.array(begins, np.uint64).reshape(-1, 4).T
    return {
        "stream": np.frombuffer(bytes(stream), np.uint8),
        "block_offset": columns[0], "block_address": columns[1], "block_edges": columns[2], "block_bodies": columns[3],
        "objects": len(records), "edges": edges, "bodies": bodies,
        "shape_size": graphs.u4(shape.size for shape in shapes),
        "shape_owns_type": np.array([shape.owns_type for shape in shapes], np.uint8),
        "shape_type_object": graphs.u4(shape.type_object for shape in shapes),
    }  # fmt: skip


def expected(records: list[Record], shapes: list[Shape]) -> dict[str, list[int]]:
    """The columns that decoding must give."""
    edges = [shapes[record.shape].type_edges + record.targets for record in records]
    bodies = [(own, address, size) for own, record in enumerate(records) for address, size in record.bodies]
    return {
        "address": [record.address for record in records],
        "shape": [record.shape for record in records],
        "flags": [record.all_flags for record in records],
        "refcount": [min(record.refcount, 0xFFFFFFFF) for record in records],
        "size": [shapes[record.shape].size if record.size is None else record.size for record in records],
        "digest": [record.digest or 0 for record in records],
        "offsets": np.cumsum([0, *map(len, edges)]).tolist(),
        "targets": [target for targets in edges for target in targets],
        "body_owner": [body[0] for body in bodies],
        "body_address": [body[1] for body in bodies],
        "body_size": [body[2] for body in bodies],
    }


def random_number(random: Random, bits: int) -> int:
    """Small ones mostly, all lengths sometimes."""
    return random.getrandbits(random.choice([1, 3, 7, 8, 14, 15, bits]) if random.random() < 0.3 else 5)


def random_heap(random: Random, count: int) -> tuple[list[Record], list[Shape]]:
    """Records of everything that the format can say, as many as asked for."""
    shapes = [
        Shape(random_number(random, 32), random.random() < 0.5, random.choice([kernels.NONE, random.randrange(count)]))
        for _ in range(random.randint(1, 40) if count else 0)
    ]
    records = []
    address = random.randrange(8, 1 << 47, 8)
    for own in range(count):
        near = random.random() < 0.8
        edges = [
            None if random.random() < 0.1
            else min(max(own + random.randint(-9, 9), 0), count - 1) if near
            else random.randrange(count)
            for _ in range(random.choice([0, 0, 1, 2, 3, 9]))
        ]  # fmt: skip
        bodies = [
            (max(address // 8 + random.randint(-(1 << 30), 1 << 30), 0) * 8, random_number(random, 40))
            for _ in range(random.choice([0, 0, 0, 1, 2]))
        ]
        records.append(
            Record(
                address,
                random.randrange(len(shapes)),
                random.choice([0, 1, 1, 3]),
                random_number(random, 34),
                random.choice([None, None, random_number(random, 50)]),
                edges,
                bodies,
                random.choice([None, None, random.getrandbits(32)]),
            )
        )
        address += 8 * (1 + random_number(random, 30))
    return records, shapes
