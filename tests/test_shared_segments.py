"""Segments of shared memory: who made them, which are unlinked by whomever, and what is left, without code of ours."""

from __future__ import annotations

from pathlib import Path

import pytest
from handle_view import PoolView
from recording import PYTHONS, label, line_of, record, written

PROGRAM = """
import subprocess, sys, threading
from multiprocessing import shared_memory
import leakscope
def made(size):
    return shared_memory.SharedMemory(create=True, size=size)  # <- made
kept = []
thread = threading.Thread(target=lambda: kept.extend(made(5000) for _ in range(6)), name="maker")
thread.start()
thread.join()
gone = [made(100) for _ in range(3)]
for segment in gone:
    shared_memory.SharedMemory(name=segment.name).close()
    segment.close()
    segment.unlink()
by_another = made(100)
subprocess.run([sys.executable, "-c", "import _posixshmem, sys; _posixshmem.shm_unlink('/' + sys.argv[1])",
                by_another.name], check=True)
shared_memory.SharedMemory(name=kept[0].name).close()
leakscope.dump()
for segment in kept:
    segment.close()
    segment.unlink()
print(1)
"""


@pytest.mark.parametrize("python", PYTHONS, ids=label)
def test_segments_that_nobody_unlinked_are_known_with_who_made_them(tmp_path: Path, python: str) -> None:
    program = written(PROGRAM, tmp_path)

    ended = record(program, tmp_path, python=python)

    assert ended.truth == 1
    asked = next(dump for dump in ended.dumps if dump.meta.reason == "request")
    seen = PoolView(asked)
    held = seen.handles("held")
    assert [(handle.thread, handle.bytes) for handle in held] == [("maker", 5000)] * 6
    assert {len(handle.touches) for handle in held} == {0, 1}
    assert seen.totals()["shared memory"][:3] == (10, 3, 30_000)
    assert int(seen.pools.pools.chunks[0]) == 6
    stack = asked.stacks.frames(int(seen.pools.handles.stack[0]))
    assert line_of(program, "made") in {frame.line for frame in stack}
    assert PoolView(ended.dump).handles() == []
