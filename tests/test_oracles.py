"""Sizes, dominators and shortest paths of a dump against what others computed inside the same process."""

from __future__ import annotations

from pathlib import Path

import pytest
from oracle_checks import compare
from recording import PYTHONS, has_module, label

pytestmark = pytest.mark.parametrize("python", PYTHONS, ids=label)


def test_deep_sizes_of_random_graphs_are_those_of_pympler(python: str, tmp_path: Path) -> None:
    compared = compare(python, tmp_path, seed=1, graphs=10, nodes=60, guppy=False)

    assert compared.wrong == []
    assert compared.deep > 300


@pytest.mark.slow
def test_dominated_objects_and_shortest_paths_are_those_of_guppy3(python: str, tmp_path: Path) -> None:
    if not has_module(python, "guppy"):
        pytest.skip("needs guppy3")

    compared = compare(python, tmp_path, seed=2, graphs=4, nodes=60, guppy=True)

    assert compared.wrong == []
    assert compared.dominated > 10
