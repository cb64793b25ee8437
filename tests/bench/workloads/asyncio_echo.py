"""An asyncio echo service and its clients in one event loop over loopback sockets: tasks, futures, buffers."""

from __future__ import annotations

import asyncio
import zlib

from _workload import main


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send every line back in capitals until the client goes away."""
    while line := await reader.readline():
        writer.write(line.upper())
        await writer.drain()
    writer.close()


async def client(port: int, number: int, messages: int) -> int:
    """Talk to the service; return a checksum of what it said."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    total = 0
    for i in range(messages):
        writer.write(f"client {number} says {i} {'x' * (i % 300)}\n".encode())
        total = zlib.crc32(await reader.readline(), total)
    writer.close()
    await writer.wait_closed()
    return total


async def session(clients: int, messages: int) -> int:
    """Run one service with ``clients`` clients at once."""
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    answers = await asyncio.gather(*(client(port, i, messages) for i in range(clients)))
    server.close()
    await server.wait_closed()
    return sum(answers)


def work(scale: float) -> int:
    """Checksum over all sessions."""
    total = 0
    for _ in range(max(1, int(10 * scale))):
        total ^= asyncio.run(session(clients=20, messages=80)) + total * 31
    return total


if __name__ == "__main__":
    main(work)
