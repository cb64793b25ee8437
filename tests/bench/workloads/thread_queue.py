"""Two producers and two consumers passing buffers of 4 KiB to 1 MiB: allocated on one thread, freed on another."""

from __future__ import annotations

import queue
import threading
import zlib

from _workload import main

SIZES = [4096 << step for step in range(9)]


def produce(number: int, count: int, line: queue.Queue[tuple[int, bytearray] | None]) -> None:
    """Put ``count`` filled buffers and the end mark."""
    for i in range(count):
        buffer = bytearray(SIZES[(i * 5 + number) % len(SIZES)])
        buffer[:64] = bytes((i + k) % 256 for k in range(64))
        buffer[-64:] = buffer[:64]
        line.put((i, buffer))
    line.put(None)


def consume(line: queue.Queue[tuple[int, bytearray] | None], sums: list[int]) -> None:
    """Check buffers until the end mark comes."""
    while (item := line.get()) is not None:
        number, buffer = item
        head = bytes(buffer[:4096])
        sums.append(zlib.crc32(head + buffer[-4096:], number))


def work(scale: float) -> int:
    """Checksum over all buffers, whatever the order of arrival."""
    count = int(6500 * scale)
    sums: list[int] = []
    threads = []
    for number in range(2):
        line: queue.Queue[tuple[int, bytearray] | None] = queue.Queue(maxsize=16)
        threads.append(threading.Thread(target=produce, args=(number, count, line), name=f"producer-{number}"))
        threads.append(threading.Thread(target=consume, args=(line, sums), name=f"consumer-{number}"))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(sums)


if __name__ == "__main__":
    main(work)
