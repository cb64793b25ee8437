"""A pool of 16 MiB chunks as network frameworks keep them: buffers are slices, chunks come and go, some stay."""

from __future__ import annotations

import random
import zlib

from _workload import main

CHUNK = 16 << 20
PAGE = 8192


class Chunk:
    """One chunk, handed out front to back and reset when all its buffers came back."""

    __slots__ = ("memory", "next", "users")

    def __init__(self) -> None:
        self.memory = memoryview(bytearray(CHUNK))
        self.next = 0
        self.users = 0


class Buffer:
    """A slice of a chunk."""

    __slots__ = ("chunk", "view")

    def __init__(self, chunk: Chunk, view: memoryview) -> None:
        self.chunk = chunk
        self.view = view


class Pool:
    """Chunks of which the current one serves requests; at most ``keep`` idle ones are kept."""

    def __init__(self, keep: int) -> None:
        self.keep = keep
        self.idle: list[Chunk] = []
        self.current = Chunk()
        self.made = 1

    def take(self, size: int) -> Buffer:
        """Hand out a buffer of whole pages."""
        size = (size + PAGE - 1) // PAGE * PAGE
        if self.current.next + size > CHUNK:
            if self.idle:
                self.current = self.idle.pop()
            else:
                self.current = Chunk()
                self.made += 1
        chunk = self.current
        view = chunk.memory[chunk.next : chunk.next + size]
        chunk.next += size
        chunk.users += 1
        return Buffer(chunk, view)

    def give(self, buffer: Buffer) -> None:
        """Take a buffer back."""
        chunk = buffer.chunk
        chunk.users -= 1
        if not chunk.users and chunk is not self.current:
            chunk.next = 0
            if len(self.idle) < self.keep:
                self.idle.append(chunk)


def work(scale: float) -> int:
    """Checksum of the traffic and of the number of chunks ever made."""
    rng = random.Random(7)
    pool = Pool(keep=2)
    held: list[Buffer] = []
    total = 0
    for i in range(int(150_000 * scale)):
        buffer = pool.take(rng.randrange(256, 48 * 1024))
        buffer.view[:16] = i.to_bytes(16, "little")
        held.append(buffer)
        if len(held) > 900 or (held and rng.random() < 0.45):
            old = held.pop(rng.randrange(len(held)))
            total = zlib.crc32(old.view[:16], total)
            pool.give(old)
    return total ^ pool.made


if __name__ == "__main__":
    main(work)
