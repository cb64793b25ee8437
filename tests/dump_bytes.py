"""The bytes of a .lks file, for tests that damage them."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from leakscope import native
from leakscope.formats.lks import COLUMNS
from leakscope.formats.lks_buffers import COLUMNS as BUFFER_COLUMNS
from leakscope.formats.lks_heap import COLUMNS as HEAP_COLUMNS
from leakscope.formats.lks_pools import COLUMNS as POOL_COLUMNS

HEADER = 64
ENTRY = 64


def directory(content: bytes) -> tuple[int, int]:
    begin, entries = struct.unpack_from("<QI", content, 24)
    return begin, entries


def with_byte_changed(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 0x41]) + content[place + 1 :]


def columns_of(path: str) -> dict[str, tuple[str, np.ndarray[Any, Any]]]:
    content = Path(path).read_bytes()
    found = {
        name: (dtype, np.frombuffer(content, "<" + dtype, count, offset) if count else np.empty(0, "<" + dtype))
        for name, dtype, count, offset, _ in native.read_directory(path, content)
    }
    assert set(COLUMNS) <= set(found) <= {*COLUMNS, *HEAP_COLUMNS, *POOL_COLUMNS, *BUFFER_COLUMNS}
    return found


def repaired(content: bytes) -> bytes:
    """The same bytes with checksums that fit, as far as there is something to compute them from."""
    fixed = bytearray(content)
    begin, entries = directory(content)
    end = begin + entries * ENTRY
    if end <= len(fixed):
        for entry in range(begin, end, ENTRY):
            dtype = bytes(fixed[entry + 40 : entry + 44]).rstrip(b"\0")
            count, offset = struct.unpack_from("<QQ", fixed, entry + 48)
            size = int(dtype[1:]) if dtype[1:].isdigit() else 1
            crc = zlib.crc32(fixed[offset : offset + count * size]) if offset < len(fixed) else 0
            struct.pack_into("<I", fixed, entry + 44, crc)
        struct.pack_into("<I", fixed, 36, zlib.crc32(fixed[begin:end]))
    struct.pack_into("<I", fixed, 40, zlib.crc32(fixed[:40]))
    return bytes(fixed)
