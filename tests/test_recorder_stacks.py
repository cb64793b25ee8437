"""
Stacks: which functions asked for a block, when calls come through tasks, generators, recursion and greenlets.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from recording import PYTHONS, has_module, label, record

pytestmark = pytest.mark.parametrize("python", PYTHONS, ids=label)


def test_the_frames_of_an_asyncio_tasks_coroutines_are_on_the_stack(python: str, tmp_path: Path) -> None:
    recording = record(
        """
        import asyncio
        kept = []
        async def inner(number):
            await asyncio.sleep(0)
            kept.append(bytes(3000))  # <- kept
        async def middle(number):
            await asyncio.sleep(0)
            await inner(number)
        async def outer(number):
            await middle(number)
        async def main():
            await asyncio.gather(*(outer(number) for number in range(50)))
        asyncio.run(main())
        """,
        tmp_path,
        python=python,
    )

    kept = recording.at("kept")
    stacks = [names for names, size in zip(kept.functions, kept.size, strict=False) if size == 3033]

    assert len(stacks) == 50
    assert {tuple(names[:3]) for names in stacks} == {("inner", "middle", "outer")}


def test_generators_are_on_the_stack_of_who_drives_them(python: str, tmp_path: Path) -> None:
    recording = record(
        """
        def produce():
            for i in range(50):
                yield bytes(3000)  # <- kept
        def first():
            return next(source)
        def second():
            return next(source)
        source = produce()
        kept = [first() if i % 2 else second() for i in range(50)]
        """,
        tmp_path,
        python=python,
    )

    kept = recording.at("kept")
    drivers = Counter(names[1] for names, size in zip(kept.functions, kept.size, strict=True) if size == 3033)

    assert drivers == {"first": 25, "second": 25}


def test_the_same_helper_called_from_two_lines_has_two_callers(python: str, tmp_path: Path) -> None:
    recording = record(
        """
        def helper():
            return bytes(3000)  # <- kept
        def first():
            return helper()
        def second():
            return helper()
        def caller():
            kept.append(first())
            kept.append(second())
        kept = []
        for i in range(40):
            caller()
        """,
        tmp_path,
        python=python,
    )

    kept = recording.at("kept")
    callers = Counter(names[1] for names, size in zip(kept.functions, kept.size, strict=True) if size == 3033)

    assert callers == {"first": 40, "second": 40}


def test_a_deep_recursion_is_recorded_from_its_innermost_frame_to_the_module(python: str, tmp_path: Path) -> None:
    recording = record(
        """
        import sys
        sys.setrecursionlimit(3000)
        kept = []
        def dive(level):
            if level:
                dive(level - 1)
            else:
                arrive()
        def arrive():
            kept.append(bytes(3000))  # <- kept
        for i in range(20):
            dive(2000)
        """,
        tmp_path,
        python=python,
    )

    kept = recording.at("kept")

    assert kept.count(3033) == 20
    assert all(names == ["arrive", *["dive"] * 2001, "<module>"] for names in kept.functions)
    assert recording.dump.health.truncated_stacks == 0


def test_greenlets_switch_stacks_and_keep_their_lines(python: str, tmp_path: Path) -> None:
    if not has_module(python, "greenlet"):
        pytest.skip(f"greenlet is not installed for {python}")
    recording = record(
        """
        import greenlet
        kept = []
        def left():
            for i in range(50):
                kept.append(bytes(3000))  # <- left
                other.switch()
        def right():
            for i in range(50):
                kept.append(bytes(4000))  # <- right
                one.switch()
        one, other = greenlet.greenlet(left), greenlet.greenlet(right)
        one.switch()
        """,
        tmp_path,
        python=python,
    )

    left, right = recording.at("left"), recording.at("right")

    assert recording.exit_code == 0, recording.stderr
    assert left.count(3033) == 50
    assert right.count(4033) >= 49
    assert {names[0] for names in left.functions} == {"left"}
    assert {names[0] for names in right.functions} == {"right"}
