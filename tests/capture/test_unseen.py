"""Chunks that no hook saw, found in drawn mappings."""

from __future__ import annotations

import random

from leakscope.capture import unseen
from leakscope.capture.mappings import Mapping
from leakscope.capture.unseen import Piece

MIB = 1 << 20
HEAP = 64 * MIB


def mapping(begin: int, size: int, path: str = "", access: str = "rw-p") -> Mapping:
    return Mapping(begin, begin + size, access, path, size, size, 0)


def test_a_further_heap_may_lie_wherever_64_mebibytes_begin_in_nameless_memory() -> None:
    base = 0x7F0000000000
    found = [
        mapping(base + 5, MIB),
        mapping(base + HEAP, 2 * HEAP + MIB),  # two full heaps and one that has begun, grown together
        mapping(base + 4 * HEAP, MIB, path="/usr/lib/libx.so"),
        mapping(base + 5 * HEAP, MIB, access="r--p"),
    ]
    assert list(unseen.heap_places(found)) == [
        (base + HEAP, base + 2 * HEAP),
        (base + 2 * HEAP, base + 3 * HEAP),
        (base + 3 * HEAP, base + 3 * HEAP + MIB),
    ]


def test_the_main_heap_is_the_named_one_in_all_its_parts() -> None:
    assert unseen.main_heap([mapping(100, 10)]) is None
    assert unseen.main_heap([mapping(4096, 4096, "[heap]"), mapping(8192, 4096, "[heap]")]) == (4096, 12288)


def test_the_library_is_the_c_librarys_data_and_what_it_has_behind_it() -> None:
    found = [
        mapping(0, 4096, "/lib/libc.so.6", "r--p"),
        mapping(4096, 8192, "/lib/libc.so.6"),
        mapping(12288, 4096),
        mapping(16384, 4096),
        mapping(1 << 20, 4096, "/lib/libcrypt.so.1"),
        mapping(2 << 20, 4096, "/lib/x/libc-2.31.so"),
    ]
    assert list(unseen.library_data(found)) == [(4096, 12288), (12288, 16384), (2 << 20, (2 << 20) + 4096)]


def test_shared_memory_has_its_name_and_is_one_piece_where_it_touches() -> None:
    found = [
        mapping(0, 4096, "/dev/shm/psm_1", "rw-s"),
        mapping(4096, 4096, "/dev/shm/psm_1", "rw-s"),
        mapping(8192, 4096, "/memfd:ring (deleted)", "rw-s"),
        mapping(12288, 4096, "/SYSV0000002a (deleted)", "rw-s"),
        mapping(16384, 4096, "/memfd:leakscope (deleted)", "rw-s"),
        mapping(20480, 4096, "/data/table.bin", "rw-s"),
        mapping(24576, 4096, "/dev/shm/mine", "rw-p"),
    ]
    assert unseen.shared_memory(found) == [
        Piece(0, 8192, "psm_1"),
        Piece(8192, 12288, "ring"),
        Piece(12288, 16384, "SYSV0000002a"),
    ]


def test_large_memory_that_nobody_accounts_for_is_left_over() -> None:
    base = 0x7F0000000000
    found = [
        mapping(base, 40 * MIB),
        mapping(base + 50 * MIB, 30 * MIB, "/usr/lib/big.so"),
        mapping(base + 100 * MIB, 30 * MIB, access="r--p"),
        mapping(base + 200 * MIB - 4096, 4096, access="---p"),
        mapping(base + 200 * MIB, 20 * MIB),
        mapping(base + 300 * MIB, 20 * MIB),
    ]
    known = [(base + 4 * MIB, base + 5 * MIB), (base + 22 * MIB, base + 23 * MIB)]
    blocks = [(base + 300 * MIB + 16, 20 * MIB - 4096), (base + 30 * MIB + 32, 10 * MIB)]
    assert unseen.large_rest(found, known, blocks, 16 * MIB) == [
        Piece(base + 5 * MIB, base + 22 * MIB, ""),
        Piece(base + 23 * MIB, base + 40 * MIB, ""),
        Piece(base + 200 * MIB, base + 220 * MIB, "thread stack"),
    ]


def test_what_is_left_over_is_what_a_page_by_page_count_leaves() -> None:
    draw = random.Random(8)
    for _ in range(200):
        size = draw.randrange(1, 60)
        taken = [(at, at + draw.randrange(1, 12)) for at in (draw.randrange(64) for _ in range(draw.randrange(6)))]
        least = draw.randrange(1, 8)
        found = [mapping(0, size * 4096)]
        known = [(begin * 4096, end * 4096) for begin, end in taken]
        pieces = unseen.large_rest(found, known, [], least * 4096)
        free = [not any(begin <= page < end for begin, end in taken) for page in range(size)]
        runs, begin = [], None
        for page in range(size + 1):
            here = page < size and free[page]
            if here and begin is None:
                begin = page
            elif not here and begin is not None:
                if page - begin >= least and size >= least:
                    runs.append((begin * 4096, page * 4096))
                begin = None
        assert [(piece.begin, piece.end) for piece in pieces] == runs
