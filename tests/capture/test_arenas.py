from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from leakscope.capture.arenas import Heaps, arenas, heaps_in
from leakscope.capture.mappings import mappings, mappings_in

# Addresses of a glibc process with three arenas; the second arena has grown, the third mapping is no heap.
SMAPS = b"""\
55df04632000-55df04b14000 rw-p 00000000 00:00 0                          [heap]
Size:               5000 kB
Rss:                 100 kB
VmFlags: rd wr mr
7fc0a8000000-7fc0a81ee000 rw-p 00000000 00:00 0
Rss:                  20 kB
7fc0a81ee000-7fc0ac000000 ---p 00000000 00:00 0
Rss:                   0 kB
7fc0ac000000-7fc0b0000000 rw-p 00000000 00:00 0
Rss:                   4 kB
7fc0b4000000-7fc0b41ee000 rw-p 00000000 00:00 0
Rss:                   3 kB
7fc0b41ee000-7fc0b8000000 ---p 00000000 00:00 0
Rss:                   0 kB
7fc0b6c3a000-7fc0b743a000 rw-p 00000000 00:00 0
Rss:                   7 kB
"""


# Threads that hold a lock of malloc each, by asking for memory at the same time, get arenas of their own.  The program
# says how many it has by glibc's own account.
SEVERAL = """
import ctypes, sys, threading
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
barrier = threading.Barrier(4)
def work():
    libc.malloc(3000)
    barrier.wait()
    sys.stdin.read(1)
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads:
    thread.start()
barrier.wait()
libc.fopen.restype = ctypes.c_void_p
libc.malloc_info.argtypes = (ctypes.c_int, ctypes.c_void_p)
libc.fflush.argtypes = (ctypes.c_void_p,)
account = libc.fopen(sys.argv[1].encode(), b"w")
libc.malloc_info(0, account)
libc.fflush(account)
print("ready", flush=True)
sys.stdin.read()
"""


def test_heaps_are_the_named_one_and_those_with_an_untouchable_rest() -> None:
    found = heaps_in(mappings_in(SMAPS))
    assert found == Heaps(100 * 1024, ((0x7FC0A8000000, 20 * 1024), (0x7FC0B4000000, 3 * 1024)))
    assert found.resident_bytes == (100 + 20 + 3) * 1024


def test_the_living_process_has_a_main_arena() -> None:
    found = arenas(os.getpid(), mappings(os.getpid()))
    assert found is not None
    assert found.count >= 1
    assert found.resident_bytes > 0


def test_as_many_arenas_are_seen_as_glibc_says_there_are(tmp_path: Path) -> None:
    account = tmp_path / "account"
    with subprocess.Popen(
        [sys.executable, "-c", SEVERAL, str(account)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        found = arenas(program.pid, mappings(program.pid))
        program.kill()
    assert found is not None
    assert found.count == account.read_text().count("<heap nr=") > 1


def test_of_a_process_that_is_gone_no_arena_is_known() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert arenas(gone.pid, mappings(gone.pid)) is None
