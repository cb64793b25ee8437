"""The object stream: what was encoded comes back, by block and by thread, and damage is found at its byte."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest
from object_records import BLOCK, Record, Shape, encode, encode_one, expected, random_heap, varint

from leakscope import kernels
from leakscope.errors import DumpFormatError

OBJECT = Shape(48)


def decoded(arguments: dict[str, Any]) -> dict[str, list[int]]:
    objects = kernels.decode_objects(**arguments)
    return {name: column.tolist() for name, column in objects._asdict().items()}


# --------------------------------------------------------------------------------------------- what was encoded


def test_what_was_encoded_comes_back() -> None:
    for seed in range(400):
        random = Random(seed)
        records, shapes = random_heap(random, random.choice([0, 1, 2, 5, 40]))

        assert decoded(encode(records, shapes)) == expected(records, shapes), seed


@pytest.mark.parametrize("count", [BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK + 7])
def test_blocks_are_decoded_apart_and_fit_together(count: int) -> None:
    records, shapes = random_heap(Random(count), count)

    assert decoded(encode(records, shapes)) == expected(records, shapes)


def test_the_stored_edges_of_an_object_are_those_of_the_stream_with_their_empty_places() -> None:
    records, shapes = random_heap(Random(1), BLOCK + 300)
    arguments = encode(records, shapes)
    for number in [0, 1, 17, BLOCK - 1, BLOCK, BLOCK + 299]:
        edges = kernels.stored_edges(arguments["stream"], arguments["block_offset"], number)

        assert edges == [-1 if edge is None else edge for edge in records[number].edges]


def test_the_type_that_an_object_owns_is_its_first_reference_and_not_in_the_stream() -> None:
    shapes = [Shape(48, True, 1), Shape(64, False, 0), Shape(64, True)]
    records = [Record(800, 0, edges=[2, None, 2]), Record(848, 1, edges=[0]), Record(912, 2)]
    arguments = encode(records, shapes)

    columns = decoded(arguments)

    assert columns["offsets"] == [0, 3, 4, 4]
    assert columns["targets"] == [1, 2, 2, 0]
    assert kernels.stored_edges(arguments["stream"], arguments["block_offset"], 0) == [2, -1, 2]


def test_a_count_beyond_32_bits_is_the_largest() -> None:
    assert decoded(encode([Record(8, refcount=1 << 40)], [OBJECT]))["refcount"] == [0xFFFFFFFF]


def test_decoded_columns_are_read_only() -> None:
    for column in kernels.decode_objects(**encode([Record(8)], [OBJECT])):
        assert not column.flags.writeable


# ------------------------------------------------------------------------------------------------------- damage


def three(**changes: Any) -> dict[str, Any]:
    """Three objects of five bytes each (four and an edge), with some arguments changed."""
    records = [Record(800, edges=[1]), Record(848, edges=[2]), Record(896, edges=[0])]
    return {**encode(records, [OBJECT]), **changes}


def with_third(*numbers: int) -> dict[str, Any]:
    """The same with the third object's record made of other numbers."""
    stream = three()["stream"][:10].tobytes() + b"".join(map(varint, numbers))
    return three(stream=np.frombuffer(stream, np.uint8))


FAR = 1 << 64
BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "step of 0": (with_third(0, 0, 1, 1, 1), r"addresses do not ascend \(at byte 11\)"),
    "step too far": (with_third(1 << 63, 0, 1, 1, 1), r"an address is beyond 64 bits \(at byte 20\)"),
    "no such shape": (with_third(6, 1 << 5, 1, 1, 1), r"a shape that there is not \(at byte 13\)"),
    "edge too high": (with_third(6, 0, 1, 1, 3), r"an edge leads to no object \(at byte 15\)"),
    "edge below 0": (with_third(6, 0, 1, 1, 6), r"an edge leads to no object \(at byte 15\)"),
    "edge around the world": (with_third(6, 0, 1, 1, FAR - 1), r"an edge leads to no object \(at byte 24\)"),
    "edges that are not there": (with_third(6, 0, 1, 2, 1), r"more of an object than of its block \(at byte 14\)"),
    "edges without end": (with_third(6, 0, 1, FAR - 1, 1), r"more of an object than of its block \(at byte 23\)"),
    "an edge too few": (with_third(6, 0, 1, 0), r"fewer edges than it should \(at byte 14\)"),
    "an empty one": (with_third(6, 0, 1, 1, 0), r"fewer edges than it should \(at byte 15\)"),
    "an edge too many": (with_third(6, 0, 1, 2, 1, 1), r"more edges than it should \(at byte 16\)"),
    "bytes left": (with_third(6, 0, 1, 1, 1, 0), r"ends before its bytes do \(at byte 15\)"),
    "a body too many": (with_third(6, 4, 1, 1, 1, 1, 0, 64), r"more bodies than it should \(at byte 18\)"),
    "no body": (with_third(6, 4, 1, 1, 1, 1, 0), r"more of an object than of its block \(at byte 16\)"),
    "half a digest": (with_third(6, 16, 1, 1, 1, 7, 7), r"a digest does not end where it should \(at byte 15\)"),
    "cut short": (three(stream=three()["stream"][:-1]), r"more of an object than of its block \(at byte 14\)"),
    "a number too long": (with_third(6, 0, 1, 1 << 64), r"a number does not end where it should \(at byte 13\)"),
    "too many objects": (three(objects=4), "4 objects cannot be in 15 bytes"),
    "another count of objects": (three(objects=2), r"an edge leads to no object \(at byte 10\)"),
    "objects without end": (three(objects=1 << 62), "objects cannot be in 15 bytes"),
    "negative": (three(edges=-1), "edges cannot be in 15 bytes"),
    "too many edges": (three(edges=4), r"fewer edges than it should \(at byte 15\)"),
    "too many bodies": (three(bodies=1), r"fewer bodies than it should \(at byte 15\)"),
    "blocks that are not there": (three(block_offset=np.zeros(2, np.uint64)), "object.block_offset has 2 items"),
    "no block": (three(block_edges=np.zeros(0, np.uint64)), "object.block_edges has 0 items instead of 1"),
    "a block beyond the stream": (three(block_offset=np.array([16], np.uint64)), "block_offset does not ascend"),
    "a block elsewhere": (three(block_offset=np.array([5], np.uint64)), "block_offset does not ascend from 0 to 15"),
    "edges elsewhere": (three(block_edges=np.array([1], np.uint64)), "block_edges does not ascend from 0 to 3"),
    "bodies elsewhere": (three(block_bodies=np.array([9], np.uint64)), "block_bodies does not ascend from 0 to 0"),
    "a type that is no object": (three(shape_type_object=np.array([3], np.uint32)), "a type is object 3 of 3"),
    "shapes of two lengths": (three(shape_owns_type=np.zeros(2, np.uint8)), "shape.owns_type has 2 items instead of 1"),
}


@pytest.mark.parametrize(("arguments", "message"), BROKEN.values(), ids=BROKEN)
def test_damage_is_told_with_its_byte(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(DumpFormatError, match=message):
        kernels.decode_objects(**arguments)


def test_a_block_that_begins_below_the_one_before_is_told() -> None:
    records, shapes = random_heap(Random(3), 2 * BLOCK)
    arguments = encode(records, shapes)
    arguments["block_address"] = arguments["block_address"].copy()
    arguments["block_address"][1] = records[BLOCK - 1].address

    with pytest.raises(DumpFormatError, match="do not ascend from this block to the next"):
        kernels.decode_objects(**arguments)


def test_of_several_errors_it_is_the_first_in_the_stream_whatever_the_threads_do() -> None:
    records, shapes = random_heap(Random(4), 9 * BLOCK)
    arguments = encode(records, shapes)
    stream = arguments["stream"].copy()
    begins = arguments["block_offset"]
    for block in (3, 4, 5, 8):
        stream[int(begins[block])] = 1  # the first of a block has no step
    arguments["stream"] = stream
    for _ in range(20):
        with pytest.raises(DumpFormatError) as caught:
            kernels.decode_objects(**arguments)

        assert caught.value.offset == int(begins[3]) + 1


def objects_or_error(arguments: dict[str, Any]) -> kernels.Objects | DumpFormatError:
    try:
        return kernels.decode_objects(**arguments)
    except DumpFormatError as error:
        return error


def test_whatever_the_bytes_are_there_is_an_error_or_a_sound_graph() -> None:
    sound = 0
    for seed in range(3000):
        random = Random(seed)
        records, shapes = random_heap(random, random.choice([1, 3, 12]))
        arguments = encode(records, shapes)
        stream = bytearray(arguments["stream"].tobytes())
        for _ in range(random.randint(1, 3)):
            at = random.randrange(len(stream) or 1)
            match random.randrange(3) if stream else 2:
                case 0:
                    stream[at] = random.getrandbits(8)
                case 1:
                    stream[at] ^= 1 << random.randrange(8)
                case _:
                    stream[at : at + random.randint(0, 2)] = random.randbytes(random.randint(0, 2))
        arguments["stream"] = np.frombuffer(bytes(stream), np.uint8)

        objects = objects_or_error(arguments)

        if isinstance(objects, DumpFormatError):
            assert objects.offset is None or 0 <= objects.offset <= len(stream), seed
            continue
        sound += 1
        assert (objects.targets < len(records)).all(), seed
        assert (np.diff(objects.address.astype(object)) > 0).all(), seed
        assert (objects.shape < len(shapes)).all(), seed
        kernels.components(objects.offsets, objects.targets)
    assert sound > 300


def test_stored_edges_find_the_damage_before_the_object_and_no_object_beyond_the_blocks() -> None:
    good = three()
    for stream, number, message in (
        (good["stream"][:12], 2, "a number does not end"),
        (good["stream"][:7], 2, "a number does not end"),
        (with_third(6, 0, 1, 1, FAR - 1)["stream"], 2, "an edge leads to no object"),
        (with_third(6, 0, 1, 9, 1)["stream"], 2, "more of an object than of its block"),
        (good["stream"], BLOCK, "there is no object 4096"),
        (good["stream"], -1, "there is no object -1"),
    ):
        with pytest.raises(DumpFormatError, match=message):
            kernels.stored_edges(stream, good["block_offset"], number)


def test_one_object_is_the_bytes_that_the_format_says() -> None:
    record = Record(
        4096, shape=2, flags=1, refcount=300, size=129, edges=[7, None, 5], bodies=[(4080, 1)], digest=0x1234
    )

    assert encode_one(record, 6, 16).hex(" ") == "02 5d ac 02 81 01 03 03 00 02 01 03 01 34 12 00 00"
