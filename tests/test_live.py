"""A look around from inside a living process: growth, the chain from a module, its picture, and deep sizes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from leakscope import live
from leakscope.errors import UsageError


class Entry:
    """An object that only these tests make."""

    def __init__(self, below: object = None) -> None:
        self.below = below


def is_entry(candidate: object) -> bool:
    return type(candidate) is Entry


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module that others can import."""
    module = ModuleType("live_cache")
    monkeypatch.setitem(sys.modules, "live_cache", module)
    return module


def test_what_became_more_is_told_once() -> None:
    watch = live.Watch(only=is_entry)
    kept = [Entry() for _ in range(5)]

    first, second = watch.grown(), watch.grown()

    assert [(each.instances, each.gained) for each in first] == [(5, 5)]
    assert first[0].type.endswith("test_live.Entry")
    assert second == []
    assert len(kept) == 5


def test_what_goes_up_and_down_is_no_growth() -> None:
    kept = [Entry() for _ in range(5)]
    watch = live.Watch(only=is_entry)
    kept.clear()
    watch.grown()
    kept.extend(Entry() for _ in range(6))

    assert [(each.instances, each.gained) for each in watch.grown()] == [(6, 1)]


def test_the_chain_to_an_object_begins_at_a_module(cache: ModuleType) -> None:
    entry = Entry()
    cache.entries = {"key": [entry]}  # type: ignore[attr-defined]

    found = live.chain(entry)

    assert found[0] is cache
    assert found[-1] is entry
    assert [type(each) for each in found[-3:]] == [dict, list, Entry]


def test_an_object_that_no_module_holds_is_its_own_chain() -> None:
    entry = Entry()

    assert live.chain(entry, max_steps=2)[-1] is entry


def test_a_chain_is_drawn_as_a_graph(cache: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cache.first, cache.second = [Entry()], [Entry()]  # type: ignore[attr-defined]
    chains = [live.chain(each[0]) for each in (cache.first, cache.second)]

    path = live.draw(chains, tmp_path / "held.dot")

    text = Path(path).read_text("utf-8")
    assert text.startswith("digraph")
    assert text.count("Entry") >= 2
    assert "live_cache" in text
    assert capsys.readouterr().out == ""


def test_without_graphviz_other_formats_are_refused_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")

    with pytest.raises(UsageError, match="no Graphviz") as refused:
        live.draw([Entry()], tmp_path / "held.png")

    assert ".dot" in refused.value.remedy


@pytest.mark.skipif(shutil.which("dot") is None, reason="needs Graphviz")
def test_a_chain_is_drawn_as_a_picture(tmp_path: Path) -> None:
    path = live.draw([Entry()], tmp_path / "held.svg")

    assert "<svg" in Path(path).read_text("utf-8")


def test_deep_sizes_count_what_is_shared_once() -> None:
    shared = b"x" * 100_000

    assert 200_000 < live.deep_size([shared, bytes(100_001), shared]) < 202_000
    assert live.deep_size([shared], [shared]) < 101_000


def test_objgraph_and_pympler_are_loaded_on_use_only() -> None:
    code = "import sys; from leakscope import live; print(*{'objgraph', 'pympler'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == ""
