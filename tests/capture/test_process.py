from __future__ import annotations

import os
import subprocess
import sys

from leakscope.capture import process

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


def test_the_living_process_has_memory_threads_and_files() -> None:
    vitals = process.vitals(os.getpid())
    assert vitals is not None
    assert abs(vitals.rss_bytes - process.rss_bytes(os.getpid())) < 1 << 20  # the reading itself may take a page
    assert vitals.threads >= 1
    assert vitals.fds >= 3
    assert vitals.cpu_s > 0


def test_the_parts_of_resident_memory_add_up() -> None:
    parts = process.resident(os.getpid())
    assert parts is not None
    assert parts.rss_bytes == parts.anon_bytes + parts.file_bytes + parts.shmem_bytes
    assert parts.peak_bytes >= parts.rss_bytes * 0.9


def test_unique_memory_is_not_more_than_proportional() -> None:
    found = process.shares(os.getpid())
    assert found is not None
    assert 0 < found[1] <= found[0]


def test_of_a_process_that_is_gone_nothing_is_known() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert process.rss_bytes(gone.pid) is None
    assert process.vitals(gone.pid) is None
    assert process.resident(gone.pid) is None
    assert process.shares(gone.pid) is None
    assert process.malloc_heap(gone.pid) is None


def test_heaps_of_malloc_are_the_named_one_and_those_with_an_untouchable_rest() -> None:
    assert process.sum_of_heaps(SMAPS.splitlines(keepends=True)) == (100 + 20 + 3) * 1024


def test_the_living_process_has_a_heap_of_malloc() -> None:
    heap = process.malloc_heap(os.getpid())
    assert heap is not None
    assert heap > 0
