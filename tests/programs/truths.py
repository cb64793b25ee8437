"""
Eight programs with a known truth, which tools tell apart by ones and twos at most.

    python truths.py list|cache|cycles|native|counter|pinned|churn|collector_off [SECONDS] [TIMES]

TIMES is how many times as much is done, kept and cached.
"""

import ctypes
import functools
import gc
import itertools
import sys
import time

KEPT: list = []
PAUSE_S = 0.002
END_S = float(sys.argv[2]) if len(sys.argv) > 2 else 6.0
TIMES = int(sys.argv[3]) if len(sys.argv) > 3 else 1


class Request:
    def __init__(self, number: int) -> None:
        self.number = number
        self.body = bytes(200)


class Node:
    def __init__(self, number: int) -> None:
        self.itself = self
        self.body = bytes(200) + bytes([number % 256])


class Session:
    def __init__(self, number: int) -> None:
        self.number = number
        self.token = str(number) * 10


@functools.lru_cache(maxsize=500 * TIMES)
def rendered(number: int) -> bytes:
    return bytes(1000 + number % 100)


def keep_every_request(number: int) -> None:
    KEPT.append(Request(number))  # <- list


def ask_a_full_cache(number: int) -> None:
    rendered(number % (5000 * TIMES))


def make_cycles(number: int) -> None:
    Node(number)


LIBRARY = ctypes.CDLL(None)
LIBRARY.malloc.restype, LIBRARY.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
FORGET = ctypes.pythonapi.Py_IncRef
FORGET.restype, FORGET.argtypes = None, [ctypes.py_object]


def ask_for_native_memory(number: int) -> None:
    ctypes.memset(LIBRARY.malloc(1000 + number % 8), 1, 1000)  # <- native


def count_once_too_often(number: int) -> None:
    session = Session(number)  # <- counter
    FORGET(session)


def pin_arenas(number: int) -> None:
    """A peak at the start of which one block in six hundred stays; then nothing."""
    if not KEPT:
        peak = [bytes(400) for _ in range(150_000 * TIMES)]  # <- pinned
        KEPT.extend(peak[::600])
        peak.clear()


def churn(number: int) -> None:
    [str(at) * 3 for at in range(number % 50)]


WORK = {
    "list": keep_every_request,
    "cache": ask_a_full_cache,
    "cycles": make_cycles,
    "native": ask_for_native_memory,
    "counter": count_once_too_often,
    "pinned": pin_arenas,
    "churn": churn,
    "collector_off": make_cycles,
}
if sys.argv[1] == "collector_off":
    gc.disable()
if sys.argv[1] == "cache":
    [rendered(number) for number in range(500 * TIMES)]
work, end, each_round = WORK[sys.argv[1]], time.monotonic() + END_S, 5 * TIMES
for number in itertools.count():
    if time.monotonic() > end:
        break
    for part in range(each_round):
        work(each_round * number + part)
    time.sleep(PAUSE_S)
print("done")
