"""``leakscope.tracking``: what it tells of blocks and functions, and of processes that are not recorded."""

from __future__ import annotations

from pathlib import Path

import pytest
from self_recorded import run

import leakscope
from leakscope.errors import CaptureError, UsageError

HEAD = """
import functools, re, uuid
import leakscope
KEPT, MEMO = [None], {}

@functools.lru_cache(maxsize=1000)
def cached(key):
    return [key] * 5

def work():
    bytearray(100)
def leak():
    KEPT.append(bytearray(100))
def compile_new():
    re.compile(str(uuid.uuid4()))
def fill_lru():
    cached(str(uuid.uuid4()))
def memo():
    MEMO.setdefault("a", [1] * 100)
"""


def told(code: str, folder: Path) -> list[str]:
    return run(HEAD + code, folder).splitlines()


def test_outside_a_recorded_process_there_is_one_error_with_its_remedy() -> None:
    with pytest.raises(CaptureError, match="needs a process that leakscope records") as caught, leakscope.tracking():
        pass
    assert "pytest --leakscope" in caught.value.remedy
    with pytest.raises(CaptureError):
        leakscope.tracking.repeat(list)


def test_iterations_tell_a_leak_and_its_line(tmp_path: Path) -> None:
    # Before 3.11 a function keeps the frame of its first call.
    code = """
leak()
with leakscope.tracking() as tracked:
    for _ in range(12):
        leak()
        tracked.iteration()
for found in tracked.leaks:
    print(found.verdict.value, found.function, found.line, round(found.blocks_each, 1), found.sentence)
try:
    tracked.assert_no_leaks()
except AssertionError as error:
    print(str(error).splitlines()[0])
tracked.assert_no_leaks(max_leak="1 KiB")
"""
    (found, said) = told(code, tmp_path)

    assert found.startswith("LEAK leak 13 2.0 2 blocks, ")
    assert "leak with each repetition, asked for by `leak` in app.py:13" in found
    assert said.startswith("leakscope: ")
    assert said.endswith("limit 0 B)")


@pytest.mark.parametrize("quiet", ["work", "compile_new", "memo"])
def test_iterations_of_work_that_leaves_nothing_are_quiet(quiet: str, tmp_path: Path) -> None:
    # 3.10 makes caches for functions at their 1024th call, as for those of the parser of patterns: told, not blamed.
    code = f"""
with leakscope.tracking() as tracked:
    for _ in range(20):
        {quiet}()
        tracked.iteration()
print([found for found in tracked.leaks if found.verdict.value != "BOUNDED"])
tracked.assert_no_leaks()
"""
    assert told(code, tmp_path) == ["[]"]


def test_a_function_that_is_called_often_gets_its_cache_and_its_leak_is_found_beside_it(tmp_path: Path) -> None:
    code = """
def often():
    for _ in range(100):
        helper()
        leak_seldom()
CALLS = [0]
def helper():
    return KEPT
def leak_seldom():
    CALLS[0] += 1
    if CALLS[0] % 100 == 0:
        KEPT.append(bytearray(64))
with leakscope.tracking() as tracked:
    for _ in range(24):
        often()
        tracked.iteration()
print([(found.verdict.value, found.function) for found in tracked.leaks])
"""
    assert told(code, tmp_path) == ["[('LEAK', 'leak_seldom')]"]


def test_a_cache_with_a_bound_is_told_and_not_blamed(tmp_path: Path) -> None:
    code = """
tracked = leakscope.tracking.repeat(fill_lru)
print({found.verdict.value for found in tracked.leaks})
tracked.assert_no_leaks()
"""
    assert told(code, tmp_path) == ["{'BOUNDED'}"]


def test_a_cache_that_a_program_bounds_by_hand_is_not_blamed_and_one_without_is(tmp_path: Path) -> None:
    code = """
TABLE = {}
def fill(bound):
    TABLE[str(uuid.uuid4())] = [0] * 20
    while len(TABLE) > bound:
        del TABLE[next(iter(TABLE))]
for bound in (100, 10_000):
    TABLE.clear()
    print({found.verdict.value for found in leakscope.tracking.repeat(lambda: fill(bound)).leaks})
"""
    assert told(code, tmp_path) == ["set()", "{'LEAK'}"]


def test_what_was_proved_stays_so_if_it_cannot_be_repeated_further(tmp_path: Path) -> None:
    code = """
from leakscope.trials.meter import Stacks
from leakscope.trials.trial import Plan, Trial
CALLS = [0]
def step():
    CALLS[0] += 1
    leak()
    return CALLS[0] < 60
print([(found.verdict.value, found.function) for found in Trial(step, Plan(), Stacks()).run()])
print(CALLS[0])
"""
    assert told(code, tmp_path) == ["[('LEAK', 'leak')]", "60"]


def test_a_single_pass_tells_what_is_still_alive_and_cannot_say_why(tmp_path: Path) -> None:
    # Before 3.11 each function keeps the frame of its first call, those of tracking() too.
    code = """
with leakscope.tracking() as tracked:
    leak()
    work()
with leakscope.tracking() as tracked:
    leak()
    work()
print([(found.verdict.value, found.function) for found in tracked.leaks])
try:
    tracked.assert_no_leaks()
except AssertionError as error:
    print("alive after this block" in str(error))
with leakscope.tracking() as tracked:
    work()
print(tracked.leaks)
"""
    assert told(code, tmp_path) == ["[('UNKNOWN', 'leak')]", "True", "()"]


def test_a_function_is_repeated_and_its_leak_has_a_holder(tmp_path: Path) -> None:
    code = """
if __name__ == "__main__":
    (found,) = leakscope.tracking.repeat(leak, holders=True).leaks
    print(found.verdict.value, found.repetitions, found.holders)
"""
    (said,) = told(code, tmp_path)

    assert said.startswith("LEAK 24 ('module __main__ . KEPT")


def test_a_list_that_grows_without_new_blocks_is_found(tmp_path: Path) -> None:
    code = """
def extend():
    KEPT.extend([None] * 100)
print([(found.verdict.value, found.function) for found in leakscope.tracking.repeat(extend).leaks])
"""
    assert told(code, tmp_path) == ["[('LEAK', 'extend')]"]


def test_a_block_left_by_an_error_lets_the_error_through(tmp_path: Path) -> None:
    code = """
try:
    with leakscope.tracking() as tracked:
        raise KeyError("mine")
except KeyError as error:
    print(repr(error))
try:
    tracked.leaks
except leakscope.errors.UsageError as error:
    print(error)
"""
    assert told(code, tmp_path) == ["KeyError('mine')", "nothing is known before the block has ended"]


def test_iteration_outside_the_block_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="inside the block"):
        leakscope.tracking().iteration()
