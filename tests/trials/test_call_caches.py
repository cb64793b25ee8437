"""Caches of functions on CPython 3.10: which blocks they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from self_recorded import run

from leakscope.trials.call_caches import MAKES_THEM, sizes_by_function

SOURCE = """
def outer():
    def inner(x):
        return x.a + GLOBAL
    return x.b.c(1) + len(inner)
def plain(x):
    return x
"""


def test_sizes_are_those_of_the_code() -> None:
    module = compile(SOURCE, "app.py", "exec")
    outer, plain = (each for each in module.co_consts if hasattr(each, "co_code"))

    found = sizes_by_function(iter([outer, plain]))

    assert set(found) == {("app.py", "outer")}
    assert len(outer.co_code) // 2 in found["app.py", "outer"]


@pytest.mark.skipif(not MAKES_THEM, reason="only CPython 3.10 makes them")
def test_every_block_a_function_gains_at_its_1024th_call_is_known(tmp_path: Path) -> None:
    told = run(
        """
        import leakscope
        from leakscope.trials.call_caches import are_call_caches
        from leakscope.trials.meter import Meter, Stacks, blocks_of
        def looks(x):
            return x.real + x.imag + len(str(x))
        meter = Meter(Stacks())
        meter.mark()
        for _ in range(1100):
            looks(1)
        meter.mark()
        (one,) = [each for each in meter.grown() if each.place.function == "looks"]
        blocks = blocks_of(list(one.stacks), meter.began_s)
        print(len(blocks), are_call_caches(blocks, meter.stacks), are_call_caches(blocks * 2, meter.stacks))
        """,
        tmp_path,
    )

    assert told.splitlines() == ["2 True False"]
