from __future__ import annotations

import mmap
import os
import subprocess
import sys

from leakscope.capture.mappings import Mapping, mappings, mappings_in

SMAPS = b"""\
55df04632000-55df04b14000 rw-p 00000000 00:00 0                          [heap]
Size:               5000 kB
Rss:                 100 kB
Pss:                  90 kB
Shared_Dirty:          8 kB
Private_Dirty:        80 kB
Swap:                  4 kB
VmFlags: rd wr mr
7fc0a8000000-7fc0a81ee000 rw-s 00001000 00:1a 1234567                    /dev/shm/a name (deleted)
Rss:                  20 kB
7ffc8f1e8000-7ffc8f1ec000 r--p 00000000 00:00 0
"""


def test_each_mapping_has_its_name_and_what_of_it_is_there() -> None:
    assert mappings_in(SMAPS) == [
        Mapping(0x55DF04632000, 0x55DF04B14000, "rw-p", "[heap]", 100 << 10, 88 << 10, 4 << 10),
        Mapping(0x7FC0A8000000, 0x7FC0A81EE000, "rw-s", "/dev/shm/a name (deleted)", 20 << 10, 0, 0),
        Mapping(0x7FFC8F1E8000, 0x7FFC8F1EC000, "r--p", "", 0, 0, 0),
    ]
    assert mappings_in(b"") == []


def test_what_this_process_maps_is_seen_with_the_part_that_it_wrote_to() -> None:
    with mmap.mmap(-1, 3 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as mapped:
        before = sum(mapping.resident_bytes for mapping in mappings(os.getpid()) or ())
        for at in range(0, 2 << 20, 4096):
            mapped[at] = 1
        after = mappings(os.getpid())
    assert after is not None
    assert sum(mapping.resident_bytes for mapping in after) >= before + (2 << 20) - (256 << 10)


def test_of_a_process_that_is_gone_there_are_none() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert mappings(gone.pid) is None
