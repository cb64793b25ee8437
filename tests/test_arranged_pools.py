"""Pools that the user named and the program knows nothing of: watched when their classes come up, from wherever."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from handle_view import PoolView
from recording import PYTHONS, label, record, run

from leakscope.formats import open_dump

MODULE = """
class Buffer:
    def __init__(self, size):
        self.size = size
    def release(self):
        pass
"""
SHOP = """
class Shop:
    def take(self, size):
        import goods.buffers
        return goods.buffers.Buffer(size)
"""
PROGRAM = """
import json, os, sys
before = dict(os.environ)
from goods.shop import Shop
import goods.buffers
kept = [Shop().take(100) for _ in range(5)]
kept.pop().release()
class Own:
    class Piece:
        def close(self): pass
pieces = [Own.Piece() for _ in range(3)]
pieces.pop().close()
print(json.dumps([type(goods.buffers.__loader__).__name__, "exec_module" in vars(goods.buffers.__loader__),
                  type(__build_class__).__name__, "LEAKSCOPE_POOLS" in os.environ]))
"""
POOLS = ("goods.buffers:Buffer(pool=goods.shop:Shop, acquire=take, release=release, size=size)",
         "__main__:Own.Piece(release=close, name=pieces)")  # fmt: skip


def package(folder: Path) -> None:
    (folder / "goods").mkdir()
    for name, text in (("__init__", ""), ("buffers", MODULE), ("shop", SHOP)):
        (folder / "goods" / f"{name}.py").write_text(text)


@pytest.mark.parametrize("python", PYTHONS, ids=label)
def test_pools_named_on_the_command_line_are_watched(tmp_path: Path, python: str) -> None:
    package(tmp_path)

    ended = record(PROGRAM, tmp_path, python=python, options=[word for pool in POOLS for word in ("--pool", pool)])

    assert (ended.exit_code, ended.stderr) == (0, "")
    assert ended.truth == ["SourceFileLoader", False, "builtin_function_or_method", False]
    totals = PoolView(ended.dump).totals()
    assert totals["Buffer"] == (5, 1, 400, 500)
    assert totals["pieces"][:2] == (3, 1)


def test_pools_of_the_configuration_are_watched_and_those_of_the_command_line_come_first(tmp_path: Path) -> None:
    package(tmp_path)
    (tmp_path / "pyproject.toml").write_text(
        '[tool.leakscope.pools.mine]\nclass = "goods.buffers:Buffer"\nrelease = "release"\nsize = 7\n'
    )

    ended = record(PROGRAM, tmp_path)

    assert PoolView(ended.dump).totals()["mine"] == (5, 1, 28, 35)


def test_a_method_that_is_not_there_is_told_in_one_line_and_the_program_goes_on(tmp_path: Path) -> None:
    package(tmp_path)

    ended = record(PROGRAM, tmp_path, options=("--pool", "goods.buffers:Buffer(release=free)"))

    assert ended.exit_code == 0
    [line] = ended.stderr.splitlines()
    assert line.startswith("leakscope: Buffer: cannot be watched: there is no method 'free'")


def test_a_pool_that_cannot_be_read_is_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.leakscope.pools.mine]\nrelease = "release"\n')

    wrong = record("pass", tmp_path)

    assert wrong.exit_code == 2
    assert "tool.leakscope.pools.mine has no class" in wrong.stderr


def test_without_a_named_pool_no_code_of_ours_is_in_the_program(tmp_path: Path) -> None:
    program = "import sys, json; print(json.dumps([name for name in sys.modules if 'leakscope' in name]))"

    assert record(program, tmp_path).truth == []


def test_children_of_a_followed_program_watch_the_same_pools(tmp_path: Path) -> None:
    package(tmp_path)
    program = "import subprocess, sys; subprocess.run([sys.executable, 'child.py'], check=True); print('{}')"
    (tmp_path / "child.py").write_text("import goods.buffers\nkept = [goods.buffers.Buffer(9) for _ in range(4)]\n")

    ended = record(program, tmp_path, options=("--follow", "--pool", "goods.buffers:Buffer(size=size)"))

    assert ended.exit_code == 0, ended.stderr
    dumps = [open_dump(path) for path in sorted(tmp_path.glob("run/*/*.lks"))]
    assert json.loads(ended.stdout.splitlines()[-1]) == {}
    assert PoolView(dumps[-1]).totals()["Buffer"] == (4, 0, 36, 36)
    assert run([PYTHONS[0], "-c", "print(1)"], tmp_path).truth == 1
