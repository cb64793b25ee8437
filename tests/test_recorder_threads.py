"""
Threads, processes and interpreters: who owns a block when more than one thing runs.

Programs print their truth; the dump of the recorded process must agree, and other processes must not show in it.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from recording import EXACT, PYTHONS, has_module, label, record, version_of

pytestmark = pytest.mark.parametrize("python", PYTHONS, ids=label)

FOLLOWED = (*EXACT, "--follow")


@pytest.mark.slow
def test_thousands_of_short_threads_cost_no_room_and_lose_no_block(python: str, tmp_path: Path) -> None:
    recording = record(
        """
        import threading
        kept = []
        def work(number):
            passing = [bytes(3000) for i in range(5)]  # <- passing
            if number % 10 == 0:
                kept.append(bytes(4000))  # <- kept
        for number in range(4000):
            thread = threading.Thread(target=work, args=(number,), name=f"short-{number}")
            thread.start()
            thread.join()
        """,
        tmp_path,
        python=python,
    )

    dump = recording.dump
    kept = recording.at("kept")

    assert recording.exit_code == 0
    assert kept.count(4033) == 400
    assert recording.at("passing").count(3033) == 0
    assert recording.at("passing").alloc_blocks >= 20_000
    assert dump.health.dropped_threads == 0
    assert sum(name.startswith("short-") for name in kept.threads) >= 400
    assert dump.meta.process.ledger_bytes < 64 << 20


@pytest.mark.slow
def test_more_threads_than_there_are_rows_have_their_own_names_early_and_late(python: str, tmp_path: Path) -> None:
    recording = record(
        """
        import threading
        kept = []
        def work(number):
            if number % 1000 == 5:
                kept.append(bytes(4000 + number // 1000))  # <- kept
        def late():
            kept.append(bytes(5000))  # <- late
        for number in range(20_500):
            thread = threading.Thread(target=work, args=(number,), name=f"short-{number}")
            thread.start()
            thread.join()
        thread = threading.Thread(target=late, name="the last one")
        thread.start()
        thread.join()
        """,
        tmp_path,
        python=python,
    )

    kept = recording.at("kept")
    owners = dict(zip(kept.size.tolist(), kept.threads, strict=True))

    assert recording.exit_code == 0
    assert [owners[4033 + number] for number in range(21)] == [f"short-{1000 * number + 5}" for number in range(21)]
    assert recording.at("late").threads == ["the last one"]
    assert recording.dump.health.dropped_threads == 0


def test_parallel_threads_that_pass_blocks_around_lose_none(python: str, tmp_path: Path) -> None:
    recording = record(
        """
        import json, queue, threading
        kept = []
        def produce(line):
            for i in range(2000):
                line.put(bytes(4000 + i % 100))  # <- made
            line.put(None)
        def consume(line):
            while (item := line.get()) is not None:
                if len(item) % 100 == 7:
                    kept.append(item)
        threads = []
        for number in range(4):
            line = queue.Queue(maxsize=10)
            threads.append(threading.Thread(target=produce, args=(line,), name=f"producer-{number}"))
            threads.append(threading.Thread(target=consume, args=(line,), name=f"consumer-{number}"))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(json.dumps(len(kept)))
        """,
        tmp_path,
        python=python,
    )

    made = recording.at("made")

    assert made.count(4040) == recording.truth == 80
    assert made.count(4033, up_to=4132) == 80
    owners = Counter(name for name, size in zip(made.threads, made.size, strict=True) if size == 4040)
    assert owners == {f"producer-{number}": 20 for number in range(4)}
    assert made.foreign_blocks >= 7000


def test_a_thread_made_by_c_is_an_owner_like_any_other(python: str, tmp_path: Path) -> None:
    recording = record(
        """
        import ctypes, json
        libc = ctypes.CDLL(None)
        kept, ids = [], []
        @ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)
        def work(argument):
            import threading
            ids.append(threading.get_native_id())
            kept.extend(bytes(3000) for i in range(50))  # <- kept
            return None
        handle = ctypes.c_ulong()
        assert libc.pthread_create(ctypes.byref(handle), None, work, None) == 0
        assert libc.pthread_join(handle, None) == 0
        print(json.dumps(ids[0]))
        """,
        tmp_path,
        python=python,
    )

    kept = recording.at("kept")

    assert kept.count(3033) == 50
    assert {native for native, size in zip(kept.native_threads, kept.size, strict=True) if size == 3033} == {
        recording.truth
    }


@pytest.mark.parametrize("how", ["fork", "subprocess", "spawn", "forkserver"])
def test_a_child_never_writes_into_its_parents_ledger(how: str, python: str, tmp_path: Path) -> None:
    recording = record(
        f"""
        import multiprocessing, os, subprocess, sys
        def child():
            blocks = [bytes(7000) for i in range(500)]  # <- child
            kept = [bytes(9000) for i in range(500)]
            os._exit(0)
        def start(how):
            if how == "fork":
                pid = os.fork()
                if pid == 0:
                    child()
                os.waitpid(pid, 0)
            elif how == "subprocess":
                subprocess.run([sys.executable, "-c", "kept = [bytes(7000) for i in range(500)]"], check=True)
            else:
                process = multiprocessing.get_context(how).Process(target=child)
                process.start()
                process.join()
        if __name__ == "__main__":
            before = [bytes(3000) for i in range(100)]  # <- before
            start({how!r})
            after = [bytes(4000) for i in range(100)]  # <- after
        """,
        tmp_path,
        python=python,
    )

    assert recording.exit_code == 0, recording.stderr
    assert recording.at("before").count(3033) == 100
    assert recording.at("after").count(4033) == 100
    assert recording.at("child").alloc_blocks == 0
    assert not (recording.dump.allocations.size == 7033).any()
    assert not (recording.dump.allocations.size == 9033).any()
    assert not list(recording.folder.glob("child-*"))


def test_what_a_forked_child_frees_stays_alive_in_the_parent(python: str, tmp_path: Path) -> None:
    recording = record(
        """
        import os
        kept = [bytes(3000) for i in range(100)]  # <- kept
        for turn in range(5):
            pid = os.fork()
            if pid == 0:
                kept.clear()
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
        """,
        tmp_path,
        python=python,
    )

    assert recording.exit_code == 0, recording.stderr
    assert recording.at("kept").count(3033) == 100


@pytest.mark.parametrize("how", ["fork", "subprocess", "spawn", "forkserver"])
def test_followed_children_have_dumps_of_their_own(how: str, python: str, tmp_path: Path) -> None:
    from leakscope.formats import open_dump

    recording = record(
        f"""
        import multiprocessing, os, subprocess, sys
        def child():
            global kept
            kept = [bytes(7000) for i in range(500)]
        def start(how):
            if how == "fork":
                pid = os.fork()
                if pid == 0:
                    child()
                    os._exit(0)
                os.waitpid(pid, 0)
            elif how == "subprocess":
                subprocess.run([sys.executable, "-c", "kept = [bytes(7000) for i in range(500)]"], check=True)
            else:
                process = multiprocessing.get_context(how).Process(target=child)
                process.start()
                process.join()
        if __name__ == "__main__":
            kept = [bytes(3000) for i in range(100)]  # <- kept
            start({how!r})
        """,
        tmp_path,
        python=python,
        options=FOLLOWED,
    )

    paths = [max(child.glob("*.lks")) for child in sorted(recording.folder.glob("child-*"))]
    blocks = [int((open_dump(path).allocations.size == 7033).sum()) for path in paths]

    assert recording.exit_code == 0, recording.stderr
    assert blocks.count(500) == 1, f"{blocks} in {paths}"
    assert recording.at("kept").count(3033) == 100
    assert not (recording.dump.allocations.size == 7033).any()


def test_sub_interpreters_with_a_lock_of_their_own_are_recorded_in_parallel(python: str, tmp_path: Path) -> None:
    if version_of(python) < (3, 12):
        pytest.skip("interpreters with a lock of their own came with Python 3.12")
    recording = record(
        """
        import threading
        try:
            import _interpreters as interpreters
        except ImportError:
            import _xxsubinterpreters as interpreters
        CODE = "kept = [bytes(7000) for i in range(300)]\\npassing = [[i] for i in range(50_000)]\\ndel passing"
        made = [interpreters.create() for number in range(4)]
        threads = [threading.Thread(target=interpreters.run_string, args=(number, CODE)) for number in made]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        kept = [bytes(3000) for i in range(100)]  # <- kept
        import os
        os._exit(0)  # sub-interpreters end before the main one: look while they are there
        """,
        tmp_path,
        python=python,
    )

    assert recording.exit_code == 0, recording.stderr
    assert recording.at("kept").count(3033) == 100
    assert int((recording.dump.allocations.size == 7033).sum()) == 4 * 300


def test_an_interpreter_never_gets_what_another_one_put_aside(python: str, tmp_path: Path) -> None:
    if not has_module(python, "_interpreters"):
        pytest.skip("this module came with Python 3.13")
    recording = record(
        """
        import _interpreters
        for number in range(20):
            dropped = [{"a": 1, "b": 2} for turn in range(10)]  # their key tables wait for the next dict
            del dropped
            _interpreters.destroy(_interpreters.create())
        print("true")
        """,
        tmp_path,
        python=python,
    )

    assert recording.exit_code == 0
    assert recording.truth is True


def test_a_sub_interpreter_that_ends_gives_everything_back(python: str, tmp_path: Path) -> None:
    if version_of(python) < (3, 12):
        pytest.skip("interpreters with a lock of their own came with Python 3.12")
    recording = record(
        """
        try:
            import _interpreters as interpreters
        except ImportError:
            import _xxsubinterpreters as interpreters
        for turn in range(3):
            number = interpreters.create()
            interpreters.run_string(number, "kept = [bytes(7000) for i in range(300)]")
            interpreters.destroy(number)
        """,
        tmp_path,
        python=python,
    )

    assert recording.exit_code == 0, recording.stderr
    assert not (recording.dump.allocations.size == 7033).any()
