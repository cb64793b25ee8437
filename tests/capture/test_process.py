from __future__ import annotations

import os
import subprocess
import sys

from leakscope.capture import process


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
