"""Threads that exchange buffers at random: the short version of ``tests/acceptance/thread_exchange.py``."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from recording import PYTHONS, label

LONG = Path(__file__).parent / "acceptance" / "thread_exchange.py"


@pytest.mark.slow
@pytest.mark.parametrize("python", PYTHONS, ids=label)
def test_the_books_about_forty_threads_agree_with_the_truth_to_the_byte(tmp_path: Path, python: str) -> None:
    spec = importlib.util.spec_from_file_location("thread_exchange", LONG)
    assert spec is not None
    assert spec.loader is not None
    long = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(long)

    dump, truth = long.exchange(python, tmp_path, 40, 60, 150, 7)

    assert long.differences(dump, truth) == []
    assert truth["acquired"][0] > 1000
    assert len(dump.pools.cross) > 500
    next(iter(truth["held"].values()))[1] += 1
    assert [wrong.partition(":")[0] for wrong in long.differences(dump, truth)] == ["held", "missing", "memory"]
