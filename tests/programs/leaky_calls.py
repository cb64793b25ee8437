"""
One call of native code a line, a hundred times over between dumps; the last line printed names the dumps to compare.

    python leaky_calls.py FOLDER_OF_THE_EXTENSION leak|quiet [DUMPS]
"""

import json
import sys
import time

sys.path.insert(0, sys.argv[1])

import leaky

import leakscope

CALLS = 100
SETTLE_S = 0.3
"""What is younger than a fifth of a second when a dump is taken is not told from an object's successor."""
BUFFERS = [bytearray(100) for _ in range(4)]


class Session:
    def __init__(self) -> None:
        self.number = 1


def leak_lists() -> None:
    leaky.leak_list()  # <- list


def leak_instances() -> None:
    leaky.leak_instance(Session)  # <- instance


def leak_texts(number: int) -> None:
    leaky.leak_str(number)  # <- str


def leak_bytes(number: int) -> None:
    leaky.leak_bytes(number)  # <- bytes


def leak_buffers(number: int) -> None:
    leaky.leak_buffer(BUFFERS[number % 4])  # <- buffer


def leak(number: int) -> None:
    leak_lists()
    leak_instances()
    leak_texts(number)
    leak_bytes(number)
    leak_buffers(number)


def be_quiet(number: int) -> None:
    leaky.drop_list()
    leaky.drop_instance(Session)
    leaky.drop_str(number)
    leaky.drop_bytes(number)
    leaky.release_buffer(BUFFERS[number % 4])
    leaky.keep_in_registry([number])
    leaky.keep_in_registry(Session())
    leaky.keep_in_registry(f"kept where a walk can see it, number {number}")
    leaky.keep_in_ring([number])
    leaky.keep_in_ring(f"one of the last few, number {number}")


WORK = {"leak": leak, "quiet": be_quiet}[sys.argv[2]]
DUMPS = int(sys.argv[3]) if len(sys.argv) > 3 else 2


def do(first: int) -> str:
    """A round of work, then a dump; at rest before and after, so that no birth is as young as the dump before."""
    time.sleep(SETTLE_S)
    _ = [[at] for at in range(10_000)]  # births are told by a clock that is read every so many blocks
    for number in range(first, first + CALLS):
        WORK(number)
        time.sleep(0.001)
    time.sleep(SETTLE_S)
    return leakscope.dump()


do(0)  # warm: what imports and first calls leave behind is there
print(json.dumps([do(1000 * at) for at in range(1, DUMPS + 1)]))
