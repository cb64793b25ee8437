"""Pools of libraries that tell of themselves: what stands in the dump is what they say, to the byte."""

from __future__ import annotations

from pathlib import Path

import pytest
from handle_view import PoolView
from recording import PYTHONS, has_module, label, record

ARROW = """
import json, random, sys
import pyarrow as pa
def churn(rounds):
    random.seed(5)
    kept = []
    for _ in range(rounds):
        kept.append(pa.array(range(random.randrange(1, 20000))))
        if len(kept) > 20:
            kept.pop(random.randrange(len(kept)))
    return kept
kept = churn(300)
pool = pa.default_memory_pool()
if "asked" in sys.argv:
    import leakscope
    leakscope.dump()
print(json.dumps([pool.backend_name, pool.bytes_allocated(), pool.max_memory()]))
"""
TORCH = """
import sys, types
def module(**names):
    made = types.ModuleType("torch")
    made.__dict__.update(names)
    return made
sys.modules["torch"] = module(cuda=module(
    is_initialized=lambda: True, device_count=lambda: 2, memory_reserved=lambda device: 1000 + device,
    memory_allocated=lambda device: 10 + device, max_memory_allocated=lambda device: 500,
    host_memory_stats=lambda: {"allocated_bytes.current": 64, "active_bytes.current": 32, "active_bytes.peak": 48},
))
sys.modules["pyarrow"] = module()  # another version than we know
import leakscope
leakscope.dump()
print(1)
"""


@pytest.mark.parametrize("python", PYTHONS, ids=label)
@pytest.mark.parametrize("way", ["asked", "named"])
def test_what_pyarrow_says_is_in_the_dump_that_was_asked_for_and_at_the_exit_if_it_is_named(
    tmp_path: Path, python: str, way: str
) -> None:
    if not has_module(python, "pyarrow"):
        pytest.skip("needs pyarrow")
    options = ("--pool", "pyarrow") if way == "named" else ()

    ended = record(ARROW, tmp_path, python=python, options=options, arguments=(way,))

    backend, used, peak = ended.truth
    reason = "request" if way == "asked" else "exit"
    totals = PoolView(next(dump for dump in ended.dumps if dump.meta.reason == reason)).totals()
    assert totals[f"pyarrow {backend}"][2:] == (used, peak)
    assert used > 100_000


@pytest.mark.parametrize("python", PYTHONS, ids=label)
def test_what_torch_says_is_in_the_dump_and_a_library_that_cannot_tell_does_no_harm(
    tmp_path: Path, python: str
) -> None:
    ended = record(TORCH, tmp_path, python=python)

    assert (ended.truth, ended.stderr) == (1, "")
    seen = PoolView(next(dump for dump in ended.dumps if dump.meta.reason == "request"))
    assert {name: total[2:] for name, total in seen.totals().items()} == {
        "torch cuda:0": (10, 500), "torch cuda:1": (11, 500), "torch pinned": (32, 48),
    }  # fmt: skip
    assert seen.pools.pools.held_bytes.tolist() == [1000.0, 1001.0, 64.0]


def test_a_program_without_these_libraries_has_no_pools(tmp_path: Path) -> None:
    ended = record("import leakscope; leakscope.dump(); print(1)", tmp_path)

    assert ended.dump.pools is not None
    assert len(ended.dump.pools) == 0
