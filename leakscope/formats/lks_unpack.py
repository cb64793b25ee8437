"""
Unpacks the records of objects in plain Python, one byte after the other.

It knows the packing and nothing else, and stands in until the compiled kernels do the same.
"""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from leakscope.errors import DumpFormatError

NONE = 0xFFFFFFFF
_BLOCK = 4096


class _Bytes:
    """A place in a stream."""

    def __init__(self, stream: Any, at: int) -> None:
        self.data = bytes(stream)
        self.at = at

    def fail(self, what: str) -> NoReturn:
        raise DumpFormatError("", self.at, what)

    def number(self) -> int:
        value = shift = 0
        while True:
            if self.at >= len(self.data) or shift > 63:
                self.fail("the objects are cut short")
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def signed(self) -> int:
        value = self.number()
        return value >> 1 ^ -(value & 1)

    def word(self) -> int:
        if self.at + 4 > len(self.data):
            self.fail("the objects are cut short")
        self.at += 4
        return int.from_bytes(self.data[self.at - 4 : self.at], "little")


def decode_objects(
    stream: Any, block_offset: Any, block_address: Any, block_edges: Any, block_bodies: Any,
    objects: int, edges: int, bodies: int, shape_size: Any, shape_owns_type: Any, shape_type_object: Any,
) -> tuple[Any, ...]:  # fmt: skip
    """Columns of all objects, as the kernel of this name gives them."""
    at, address = _Bytes(stream, 0), 0
    rows: list[tuple[int, ...]] = []
    targets: list[int] = []
    offsets = [0]
    body_rows: list[tuple[int, int, int]] = []
    for own in range(objects):
        block, first = own // _BLOCK, own % _BLOCK == 0
        if first and (at.at, len(targets), len(body_rows)) != (
            int(block_offset[block]), int(block_edges[block]), int(block_bodies[block])
        ):  # fmt: skip
            at.fail("a block begins elsewhere")
        step = at.number() * 8
        if (step == 0) != first:
            at.fail("addresses do not ascend")
        address = int(block_address[block]) + step if first else address + step
        shape, flags = divmod(at.number(), 32)
        if shape >= len(shape_size):
            at.fail(f"shape {shape} of {len(shape_size)}")
        refcount = at.number()
        size = at.number() if flags & 8 else int(shape_size[shape])
        if shape_owns_type[shape] and shape_type_object[shape] != NONE:
            targets.append(int(shape_type_object[shape]))
        for _ in range(at.number()):
            code = at.number()
            if code:
                target = own + ((code - 1) >> 1 ^ -((code - 1) & 1))
                if not 0 <= target < objects:
                    at.fail(f"object {target} of {objects}")
                targets.append(target)
        bodies_here = at.number() if flags & 4 else 0
        body_rows += [(own, address + at.signed() * 8, at.number()) for _ in range(bodies_here)]
        rows.append((address, shape, flags, refcount, size, at.word() if flags & 16 else 0))
        offsets.append(len(targets))
    if at.at != len(stream) or len(targets) != edges or len(body_rows) != bodies:
        at.fail("there are more or fewer objects, edges or bodies than said")
    made = [_column([row[i] for row in rows], kind) for i, kind in enumerate(("u8", "u4", "u1", "u4", "u8", "u4"))]
    made += [_column(offsets, "u8"), _column(targets, "u4")]
    made += [_column([row[i] for row in body_rows], kind) for i, kind in enumerate(("u4", "u8", "u8"))]
    return tuple(made)


def stored_edges(stream: Any, block_offset: Any, number: int) -> list[int]:
    """Edges of one object as stored, -1 where there is nothing."""
    at = _Bytes(stream, int(block_offset[number // _BLOCK]))
    edges: list[int] = []
    for _ in range(number % _BLOCK + 1):
        at.number()
        flags = at.number() & 31
        at.number()
        if flags & 8:
            at.number()
        edges = [at.number() for _ in range(at.number())]
        for _ in range(at.number() if flags & 4 else 0):
            at.number(), at.number()
        if flags & 16:
            at.word()
    return [-1 if code == 0 else number + ((code - 1) >> 1 ^ -((code - 1) & 1)) for code in edges]


def _column(values: list[int], kind: str) -> Any:
    made = np.array(values, "<" + kind)
    made.flags.writeable = False
    return made
