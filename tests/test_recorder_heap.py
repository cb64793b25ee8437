"""
The object graph's way out of a program: on which occasions it is taken, that the program does not notice, and what the
dump says where there is none.
"""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from recording import PYTHONS, Recording, label, record

from leakscope.model.dump import Dump

pytestmark = pytest.mark.parametrize("python", PYTHONS, ids=label)

WORKING = """
import threading, time
kept = []
def work(until):
    while time.monotonic() < until:
        kept.append(dict.fromkeys(range(10)))
        time.sleep(0.001)
"""


def run(program: str, folder: Path, python: str, *options: str) -> Recording:
    return record(program, folder, python=python, options=("--no-report", *options))


def objects_of(dump: Dump) -> int:
    """How many there are; the graph is decoded for that."""
    assert dump.heap is not None, dump.meta.heap_problem
    assert dump.meta.heap is not None
    assert dump.heap.count == dump.meta.heap.objects
    return dump.heap.count


def test_the_dump_at_exit_has_the_graph_and_the_program_sees_no_child(python: str, tmp_path: Path) -> None:
    recording = run(
        """
        import atexit, os, signal
        seen = []
        signal.signal(signal.SIGCHLD, lambda *_: seen.append("SIGCHLD"))
        def look():
            try:
                seen.append(os.waitpid(-1, os.WNOHANG))
            except ChildProcessError:
                pass
            print(seen)
        class Last:
            def __del__(self):
                look()
        last = Last()
        """,
        tmp_path,
        python,
    )

    assert recording.stdout == "[]\n"
    assert objects_of(recording.dump) > 1000
    assert recording.dump.meta.heap is not None
    assert recording.dump.meta.heap.where == "child"


def test_a_dump_on_request_has_the_graph_unless_it_is_left_out(python: str, tmp_path: Path) -> None:
    recording = run("import leakscope; leakscope.dump(); leakscope.dump(heap=False)", tmp_path, python)

    first, second, _ = recording.wanted

    assert objects_of(first) > 1000
    assert second.meta.heap is None
    assert second.heap is None


def test_requests_of_many_threads_at_once_each_get_a_dump_with_a_graph(python: str, tmp_path: Path) -> None:
    recording = run(
        """
        import leakscope, threading
        threads = [threading.Thread(target=leakscope.dump) for _ in range(5)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        """,
        tmp_path,
        python,
    )

    assert all(objects_of(dump) > 1000 for dump in recording.dumps)


def test_dumps_by_time_have_the_graph_while_threads_work_and_children_come_and_go(python: str, tmp_path: Path) -> None:
    recording = run(
        WORKING
        + """
import os, sys, warnings
warnings.simplefilter("error")
until = time.monotonic() + 1.5
threads = [threading.Thread(target=work, args=(until,), name=f"worker-{i}") for i in range(3)]
for thread in threads: thread.start()
for thread in threads: thread.join()
until = time.monotonic() + 1.5
while time.monotonic() < until:
    kept.append(dict.fromkeys(range(10)))
    if os.fork() == 0:
        os._exit(0)
    os.wait()
try:
    os.waitpid(-1, 0)
except ChildProcessError:
    print("no child is left")
""",
        tmp_path,
        python,
        "--every",
        "400ms",
        "--interval",
        "1KiB",
    )

    by_time = [dump for dump in recording.dumps if dump.meta.reason == "interval"]

    assert recording.exit_code == 0
    assert recording.stdout == "no child is left\n"
    assert recording.stderr == ""
    assert sum(dump.heap is not None for dump in by_time) >= 2, [dump.meta.heap for dump in by_time]


def test_an_idle_program_is_not_woken_for_a_dump_that_nobody_asked_for(python: str, tmp_path: Path) -> None:
    recording = run("import time; time.sleep(4)", tmp_path, python)

    *_, baseline, last = recording.dumps

    assert baseline.meta.reason == "baseline"
    assert baseline.heap is None
    assert "ran no Python code" in baseline.meta.heap_problem
    assert objects_of(last) > 1000


BROKEN = """
import ctypes, faulthandler, functools, gc, leakscope, sys
gc.disable()
faulthandler.enable()
kept = functools.partial(print)
# The function that visits what a partial object refers to: its place in a type object is the same in all versions.
slot = ctypes.c_void_p.from_address(id(functools.partial) + 184)
good = slot.value
slot.value = 8
leakscope.dump()
slot.value = good
print("unharmed")
"""


def test_a_walk_that_crashes_costs_the_graph_and_nothing_else(python: str, tmp_path: Path) -> None:
    recording = run(BROKEN, tmp_path, python)

    crashed, last = recording.wanted

    assert recording.exit_code == 0
    assert recording.stdout == "unharmed\n"
    assert recording.stderr == ""
    assert crashed.heap is None
    assert crashed.meta.heap_problem == f"the walk over the objects died of signal {int(signal.SIGSEGV)}"
    assert objects_of(last) > 1000


# Forbids what makes the copy: clone() with CLONE_FILES alone.
FORBIDDING = """
import ctypes, platform, struct
clone = {"x86_64": 56, "aarch64": 220}[platform.machine()]
def step(code, jump, other, value):
    return struct.pack("HBBI", code, jump, other, value)
program = b"".join([
    step(0x20, 0, 0, 0), step(0x15, 0, 3, clone), step(0x20, 0, 0, 16), step(0x15, 0, 1, 0x400),
    step(0x06, 0, 0, 0x00050001), step(0x06, 0, 0, 0x7FFF0000),
])
buffer = ctypes.create_string_buffer(program)
filter = struct.pack("HxxxxxxP", 6, ctypes.addressof(buffer))
libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, filter, 0, 0) == 0
"""


def test_where_no_copy_can_be_made_the_walk_is_done_in_the_process(python: str, tmp_path: Path) -> None:
    recording = run(FORBIDDING + "print('runs')", tmp_path, python)

    assert recording.stdout == "runs\n"
    assert objects_of(recording.dump) > 1000
    assert recording.dump.meta.heap is not None
    assert recording.dump.meta.heap.where == "process"


@pytest.mark.parametrize(
    ("ending", "why"),
    [
        ("import os; os._exit(0)", "the program left without the interpreter's own end"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "the program died"),
    ],
)
def test_a_program_that_leaves_in_another_way_has_no_graph_at_its_end(
    ending: str, why: str, python: str, tmp_path: Path
) -> None:
    recording = run(ending, tmp_path, python)

    assert recording.dump.heap is None
    assert recording.dump.meta.heap_problem == why


def test_without_the_graph_there_is_neither_walk_nor_column(python: str, tmp_path: Path) -> None:
    recording = run("import leakscope; leakscope.dump()", tmp_path, python, "--no-heap")

    assert [dump.meta.heap for dump in recording.wanted] == [None, None]
    assert [dump.heap for dump in recording.wanted] == [None, None]


def test_values_are_kept_only_if_they_are_asked_for(python: str, tmp_path: Path) -> None:
    (tmp_path / "without").mkdir()
    (tmp_path / "with").mkdir()
    program = "kept = {'a key nobody else has': 123456789}"
    without = run(program, tmp_path / "without", python).dump.heap
    with_values = run(program, tmp_path / "with", python, "--values").dump.heap

    assert without is not None
    assert len(without.text_object) == 0
    assert with_values is not None
    assert "'a key nobody else has'" in [with_values.strings[int(text)] for text in with_values.text_text]


def test_followed_children_have_graphs_of_their_own(python: str, tmp_path: Path) -> None:
    recording = run(
        """
        import os, sys
        if os.fork() == 0:
            kept = [{} for _ in range(20000)]
            sys.exit()
        os.wait()
        """,
        tmp_path,
        python,
        "--follow",
    )
    (child,) = [Recording(0, "", "", path, recording.program) for path in recording.folder.glob("child-*")]

    assert objects_of(child.dump) > objects_of(recording.dump) + 19900


def test_a_child_that_is_not_followed_takes_nothing(python: str, tmp_path: Path) -> None:
    recording = run(
        """
        import os, sys
        if os.fork() == 0:
            sys.exit(3)
        print(os.waitstatus_to_exitcode(os.wait()[1]))
        """,
        tmp_path,
        python,
    )

    assert recording.stdout == "3\n"
    assert len(recording.wanted) == 1
