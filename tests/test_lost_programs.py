"""Native memory of short programs: lost for good, or kept by a single owner that the object graph knows nothing of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from launching import dumps_in, leakscope

LIBC = """
import ctypes
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, (ctypes.c_size_t,)
"""
FORGOTTEN = """
def ask():
    return ctypes.string_at(libc.malloc(200), 1)
for _ in range({calls}):
    ask()
"""
KEPT_AS_NUMBERS = """
kept = []
def ask():
    kept.append(libc.malloc(200))
for _ in range(4000):
    ask()
"""
DATABASE = """
import sqlite3
def load():
    database = sqlite3.connect(":memory:")
    database.execute("create table t(a, b)")
    for number in range(4000):
        database.execute("insert into t values(?, ?)", (number, "x" * 200))
    return database
database = load()
"""


def judged(code: str, folder: Path, *mode: str) -> dict[str, Any]:
    done = leakscope("run", *mode, "--quiet", "-o", str(folder / "run"), "-c", code, cwd=folder)
    assert done.returncode == 0, done.stderr
    report = json.loads((folder / "run" / "report.json").read_text("utf-8"))
    assert isinstance(report, dict)
    return report


modes = pytest.mark.parametrize("mode", [[], ["--exact"]], ids=["sampled", "exact"])


@modes
def test_blocks_whose_address_nobody_has_leak(mode: list[str], tmp_path: Path) -> None:
    report = judged(LIBC + FORGOTTEN.format(calls=40_000), tmp_path, *mode)

    finding = report["findings"][0]
    assert (finding["code"], finding["verdict"]) == ("LS607", "LEAK"), report["sentence"]
    assert finding["subject"]["function"] == "ask"
    assert 10_000 < finding["count"] < 50_000  # those born in the last moments are not counted


@modes
@pytest.mark.parametrize("code", [LIBC + KEPT_AS_NUMBERS, DATABASE], ids=["numbers", "database"])
def test_blocks_that_somebody_keeps_the_address_of_do_not(code: str, mode: list[str], tmp_path: Path) -> None:
    report = judged(code, tmp_path, *mode)

    assert [finding for finding in report["findings"] if finding["verdict"] == "LEAK"] == [], report["sentence"]


def test_a_program_that_has_reserved_terabytes_is_not_searched(tmp_path: Path) -> None:
    reserving = """
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS_NORESERVE = 3, 0x4022
assert libc.mmap(None, 4 << 40, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS_NORESERVE, -1, 0)
"""

    report = judged(LIBC + reserving + FORGOTTEN.format(calls=4000), tmp_path)

    # Whoever looks through all of it takes a minute; what nobody looked for is not lost.
    assert [finding["code"] for finding in report["findings"] if finding["verdict"] == "LEAK"] == []
    last = dumps_in(tmp_path / "run")[-1]
    assert set(last.allocations.pointed.tolist()) == {0}
