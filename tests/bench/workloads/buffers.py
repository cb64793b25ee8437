"""A service that lives on buffers: frames over asyncio streams, cut up with memoryviews, added up with NumPy."""

from __future__ import annotations

import asyncio
import socket
import struct
import zlib

from _workload import main

try:
    import numpy
except ImportError:
    numpy = None  # type: ignore[assignment]

HEAD = struct.Struct("!IHH")
FIELD = 48


def frame(number: int, size: int) -> bytearray:
    """A frame: head and fields, written through the buffer protocol."""
    made = bytearray(HEAD.size + size)
    HEAD.pack_into(made, 0, size, number & 0xFFFF, FIELD)
    body = memoryview(made)[HEAD.size :]
    body[: size // 2] = bytes(size // 2)
    return made


def taken_apart(body: bytearray) -> int:
    """Checksum of the fields of a frame, looked at in place."""
    total = 0
    with memoryview(body) as whole:
        for at in range(0, len(whole), FIELD):
            field = whole[at : at + FIELD]
            total = zlib.crc32(field, total)
            total += int.from_bytes(field[:4], "big")
    if numpy is not None:
        numbers = numpy.frombuffer(body, dtype=numpy.uint8)
        total += int(numbers.sum())
    return total


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer each frame by its checksum until the client goes away."""
    kept = bytearray()
    while True:
        data = await reader.read(16384)
        if not data:
            break
        kept += data
        while len(kept) >= HEAD.size:
            size, number, _ = HEAD.unpack_from(kept)
            if len(kept) < HEAD.size + size:
                break
            body = kept[HEAD.size : HEAD.size + size]
            del kept[: HEAD.size + size]
            writer.write(struct.pack("!IH", taken_apart(body) & 0xFFFFFFFF, number))
        await writer.drain()
    writer.close()


async def ask(sock: socket.socket, number: int, frames: int) -> int:
    """Send frames, several at once; return a checksum of the answers."""
    reader, writer = await asyncio.open_connection(sock=sock)
    total = 0
    for first in range(0, frames, 4):
        writer.writelines([frame(number + i, 300 + 97 * (i % 11)) for i in range(first, first + 4)])
        total = zlib.crc32(await reader.readexactly(4 * 6), total)
    writer.close()
    return total


async def session(clients: int, frames: int) -> int:
    """Serve some clients, one after the other, over pairs of sockets: nothing depends on how fast a network is."""
    total = 0
    for number in range(clients):
        ours, theirs = socket.socketpair()
        serving = asyncio.ensure_future(serve(*await asyncio.open_connection(sock=ours)))
        total ^= await ask(theirs, number, frames)
        await serving
    return total


def work(scale: float) -> int:
    """Checksum over all sessions."""
    total = 0
    for _ in range(max(1, int(16 * scale))):
        total = zlib.crc32(b"%d" % asyncio.run(session(clients=5, frames=120)), total)
    return total


if __name__ == "__main__":
    main(work)
