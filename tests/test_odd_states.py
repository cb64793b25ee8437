"""
Dumps of a process in odd states: its output and exit code stay what they are, and a dump is written each time.

Where the objects can be walked, the graph accounts for every reference, whatever kinds of objects there are; where they
cannot, the dump comes without a graph and says why.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from balance import counted_twice, graph_of, unaccounted
from recording import EXACT, PYTHONS, Recording, has_module, label, record, version_of

from leakscope.formats import open_dump
from leakscope.model.dump import Dump

PROGRAMS = Path(__file__).parent / "programs"
UNCOUNTED = {"bool", "NoneType"}
"""On Python 3.11 constants of frozen modules refer to None, True and False without being counted."""
Build = Callable[[str, str], Path]

pytestmark = pytest.mark.parametrize("python", PYTHONS, ids=label)


def done(text: str, folder: Path, python: str, *options: str, code: int = 0) -> Recording:
    """The recording of a program that ends with ``code`` and says so."""
    recording = record(text, folder, python=python, options=[*EXACT, *options])
    assert (recording.exit_code, recording.stdout.split()[-1:]) == (code, ["unharmed"]), recording.stderr[-2000:]
    return recording


def taken(recording: Recording) -> list[Dump]:
    """The dumps that the program asked for, whose paths it printed first."""
    return [open_dump(path) for path in recording.stdout.split()[:-1]]


def roots_of(dump: Dump) -> dict[str, int]:
    """How many roots of each name there are."""
    heap = graph_of(dump)
    names = [heap.strings[int(name)] for name in heap.roots.name]
    return {name: names.count(name) for name in set(names)}


@pytest.mark.slow
def test_every_reference_of_every_kind_of_object_is_accounted_for(python: str, tmp_path: Path) -> None:
    recording = record(PROGRAMS / "zoo.py", tmp_path, python=python)
    assert recording.exit_code == 0, recording.stderr
    dumps = [open_dump(path) for path in recording.truth]

    twice = [{kind: count for kind, count in counted_twice(dump).items() if kind not in UNCOUNTED} for dump in dumps]
    left = [unaccounted(dump) for dump in dumps]

    assert twice == [{}, {}, {}]
    assert [later - earlier for earlier, later in pairwise(left)] == [{}, {}]


@pytest.mark.parametrize("how", ["crash", "freed", "no object", "stop"])
def test_a_type_that_misbehaves_when_asked_for_its_references_harms_nobody(
    how: str, python: str, extension: Build, tmp_path: Path
) -> None:
    recording = done(
        f"""
        import gc, sys
        sys.path.insert(0, {str(extension("odd", python))!r})
        import leakscope, odd
        kept = [odd.Odd([number]) for number in range(10)]
        gc.disable()
        odd.behave({how!r})
        print(leakscope.dump())
        odd.behave("good")
        print(leakscope.dump())
        gc.collect()
        print("unharmed")
        """,
        tmp_path,
        python,
    )

    odd, good = taken(recording)

    walked = how == "stop"  # it only says that nobody need ask on
    assert (odd.heap is not None, odd.meta.heap_problem == "") == (walked, walked)
    assert how != "crash" or odd.meta.heap_problem.endswith("died of signal 11")
    assert len(odd.allocations) > 0
    assert good.meta.heap_problem == ""


@contextlib.contextmanager
def released_after_dumps(pipe: Path, folder: Path, count: int) -> Iterator[list[float]]:
    """Whoever opens the pipe waits there until so many further dumps are written; yields when that began."""
    began: list[float] = []
    over = threading.Event()

    def release() -> None:
        with pipe.open("wb") as end:
            began.append(time.time())
            before = set(folder.glob("*.lks"))
            while len(set(folder.glob("*.lks")) - before) < count and not over.wait(0.05):
                continue
            end.write(b"1")

    os.mkfifo(pipe)
    thread = threading.Thread(target=release)
    thread.start()
    try:
        yield began
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize(
    "call", ["odd.wait_without_lock(pipe)", "odd.wait_with_lock(pipe)", "os.read(pipe, 1)", "lock.acquire()"]
)
@pytest.mark.slow
def test_a_dump_is_taken_while_the_program_is_inside_a_call_for_long(
    call: str, python: str, extension: Build, tmp_path: Path
) -> None:
    with released_after_dumps(tmp_path / "pipe", tmp_path / "run", 2) as began:
        recording = done(
            f"""
            import os, sys, threading
            sys.path.insert(0, {str(extension("odd", python))!r})
            import odd
            pipe = os.open("pipe", os.O_RDONLY)
            lock = threading.Lock()
            if {call!r} == "lock.acquire()":
                lock.acquire()
                threading.Thread(target=lambda: (os.read(pipe, 1), lock.release())).start()
            {call}
            print("unharmed")
            """,
            tmp_path,
            python,
            "--every",
            "500ms",
        )

    meanwhile = [dump for dump in recording.dumps if dump.meta.taken_unix_s > began[0] and dump.meta.reason != "exit"]

    assert len(meanwhile) >= 1
    assert all(len(dump.allocations) > 0 for dump in meanwhile)
    assert all(dump.heap is not None or dump.meta.heap_problem for dump in meanwhile)


def test_a_dump_is_taken_in_the_middle_of_an_import(python: str, tmp_path: Path) -> None:
    (tmp_path / "halfway.py").write_text("import leakscope\nhalf = ['there']\nprint(leakscope.dump())\nrest = []\n")

    recording = done("import halfway\nprint('unharmed')\n", tmp_path, python)

    (dump,) = taken(recording)
    assert roots_of(dump)["halfway"] >= 1
    assert counted_twice(dump).keys() <= UNCOUNTED


def test_a_dump_is_taken_by_the_last_functions_of_a_program(python: str, tmp_path: Path) -> None:
    recording = done(
        """
        import atexit, leakscope
        def last():
            print(leakscope.dump())
            print("unharmed")
        atexit.register(last)
        raise SystemExit(7)
        """,
        tmp_path,
        python,
        code=7,
    )

    (dump,) = taken(recording)
    assert graph_of(dump).count > 1000
    assert roots_of(dump)["atexit"] >= 1


def test_each_of_five_hundred_threads_is_a_root_with_its_locals(python: str, tmp_path: Path) -> None:
    recording = done(
        """
        import leakscope, threading
        end, ready = threading.Event(), threading.Barrier(501)
        def wait(number):
            only_here = [number]
            ready.wait()
            end.wait()
        threading.stack_size(256 * 1024)
        threads = [threading.Thread(target=wait, args=(number,)) for number in range(500)]
        for thread in threads:
            thread.start()
        ready.wait()
        print(leakscope.dump())
        end.set()
        for thread in threads:
            thread.join()
        print("unharmed")
        """,
        tmp_path,
        python,
    )

    (dump,) = taken(recording)
    heap = graph_of(dump)
    assert roots_of(dump)["only_here"] == 500
    assert len(set(heap.frames.native_id.tolist())) >= 501
    assert counted_twice(dump).keys() <= UNCOUNTED


def test_a_second_interpreter_is_left_alone(python: str, tmp_path: Path) -> None:
    module = "_interpreters" if version_of(python) >= (3, 13) else "_xxsubinterpreters"
    if not has_module(python, module):
        pytest.skip("needs the module of interpreters")
    recording = done(
        f"""
        import leakscope, {module} as interpreters
        other = interpreters.create()
        interpreters.run_string(other, "kept = [[] for _ in range(1000)]; import json, collections")
        print(leakscope.dump())
        interpreters.run_string(other, "kept.append([len(kept)])")
        interpreters.destroy(other)
        print(leakscope.dump())
        print("unharmed")
        """,
        tmp_path,
        python,
    )

    during, after = taken(recording)
    assert graph_of(during).count > 1000
    assert graph_of(after).count > 1000


def test_objects_that_raise_whatever_they_are_asked_are_not_asked(python: str, tmp_path: Path) -> None:
    recording = done(
        """
        import leakscope
        asked = []
        def hostile(name):
            def method(self, *rest):
                asked.append(name)
                raise RuntimeError(name)
            return method
        names = (
            "repr str eq ne hash bool len iter next getattr getattribute setattr delattr dir sizeof format reduce "
            "call getitem contains enter exit index int get instancecheck del"
        )
        Hostile = type("Hostile", (), {f"__{name}__": hostile(name) for name in names.split() if name != "del"})
        kept = [object.__new__(Hostile) for _ in range(100)]
        asked.clear()
        print(leakscope.dump())
        assert asked == [], asked
        print("unharmed")
        """,
        tmp_path,
        python,
        "--values",
    )

    (dump,) = taken(recording)
    heap = graph_of(dump)
    rows = [row for row in range(len(heap.types)) if heap.types.full_name(row) == "__main__.Hostile"]
    assert int((heap.type == rows[0]).sum()) == 100


def test_what_the_collector_will_not_look_at_is_walked_all_the_same(python: str, tmp_path: Path) -> None:
    recording = done(
        """
        import gc, leakscope
        class Node:
            def __init__(self):
                self.itself = self
        leakscope.dump()
        gc.disable()
        frozen = [Node() for _ in range(100)]
        gc.freeze()
        for _ in range(200):
            Node()
        gc.garbage.extend(Node() for _ in range(50))
        before = gc.get_count(), gc.get_freeze_count(), gc.isenabled(), len(gc.get_objects())
        print(leakscope.dump())
        after = gc.get_count(), gc.get_freeze_count(), gc.isenabled(), len(gc.get_objects())
        assert before[1:3] == after[1:3], (before, after)
        gc.unfreeze()
        print("unharmed")
        """,
        tmp_path,
        python,
    )

    (dump,) = taken(recording)
    heap = graph_of(dump)
    (row,) = [row for row in range(len(heap.types)) if heap.types.full_name(row) == "__main__.Node"]
    assert int((heap.type == row).sum()) == 350
    assert int(((heap.flags & 2) != 0).sum()) >= 100
    assert (heap.facts.collector_enabled, heap.facts.garbage) == (False, 50)
