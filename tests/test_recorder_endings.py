"""
How programs end: every exit code and signal is passed on, and the last dump tells the truth all the same.
"""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from recording import PYTHONS, label, record, run

pytestmark = pytest.mark.parametrize("python", PYTHONS, ids=label)

KEEP = "kept = [bytes(3000) for i in range(100)]  # <- kept\n"

CODES = {
    "runs to its end": ("pass", 0),
    "sys.exit with a code": ("import sys; sys.exit(3)", 3),
    "sys.exit with a text": ("import sys; sys.exit('no')", 1),
    "sys.exit with nothing": ("import sys; sys.exit()", 0),
    "an exception": ("1 / 0", 1),
    "a code beyond a byte": ("import sys; sys.exit(259)", 3),
    "os._exit": ("import os; os._exit(7)", 7),
    "os._exit in a thread": (
        "import os, threading; threading.Thread(target=os._exit, args=(8,)).start(); threading.Event().wait()",
        8,
    ),
}
SIGNALS = {
    "SIGKILL": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "SIGTERM": "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
    "SIGINT": "import os, signal; signal.signal(signal.SIGINT, signal.SIG_DFL); os.kill(os.getpid(), signal.SIGINT)",
    "SIGSEGV": "import ctypes; ctypes.string_at(0)",
    "SIGABRT": "import os; os.abort()",
    "KeyboardInterrupt": "import os, signal; os.kill(os.getpid(), signal.SIGINT); input()",
}


@pytest.mark.parametrize("ending", CODES)
def test_the_exit_code_is_the_programs_own_and_the_dump_is_complete(ending: str, python: str, tmp_path: Path) -> None:
    code, expected = CODES[ending]

    recording = record(KEEP + code + "\n", tmp_path, python=python)

    assert recording.exit_code == expected, recording.stderr
    assert recording.at("kept").count(3033) == 100
    assert recording.dump.meta.reason == "exit"


@pytest.mark.parametrize("ending", SIGNALS)
def test_a_killed_program_leaves_a_readable_dump_and_its_signal_is_passed_on(
    ending: str, python: str, tmp_path: Path
) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    program = bare / "program.py"
    program.write_text(KEEP + SIGNALS[ending] + "\n")
    expected = run([python, str(program)], bare)

    recording = record(program, tmp_path, python=python)

    assert expected.exit_code < 0
    assert recording.exit_code == expected.exit_code
    assert recording.stderr == expected.stderr
    assert recording.at("kept").count(3033) == 100
    assert recording.dump.meta.death is not None or ending == "KeyboardInterrupt"
    if recording.dump.meta.death is not None:
        assert recording.dump.meta.death.signal == -expected.exit_code
        assert recording.dump.meta.reason == "death"


def test_a_program_killed_in_the_middle_of_its_work_shows_what_it_held(python: str, tmp_path: Path) -> None:
    recording = record(
        """
        import os, signal, threading
        kept = []
        def work():
            while True:
                kept.append(bytes(3000))  # <- kept
                passing = [str(i) for i in range(200)]
                if len(kept) == 5000:
                    os.kill(os.getpid(), signal.SIGKILL)
        threads = [threading.Thread(target=work, name=f"worker-{i}") for i in range(3)]
        for thread in threads:
            thread.start()
        """,
        tmp_path,
        python=python,
    )

    kept = recording.at("kept")

    assert recording.exit_code == -signal.SIGKILL
    # Other threads may have gone on for a moment, and one may have died within an allocation.
    assert 4990 <= kept.count(3033) <= 6000
    assert set(kept.threads) <= {f"worker-{i}" for i in range(3)}


def test_what_atexit_handlers_and_destructors_print_comes_in_the_same_order(python: str, tmp_path: Path) -> None:
    text = """
        import atexit, threading, weakref
        class Thing:
            def __del__(self):
                print("deleted")
        thing = Thing()
        atexit.register(print, "first registered")
        atexit.register(print, "second registered")
        weakref.finalize(thing, print, "finalized")
        thread = threading.Thread(target=print, args=("thread",))
        thread.start()
        print("end of the program")
        """
    recording = record(text, tmp_path, python=python)

    bare = run([python, str(recording.program)], tmp_path)

    assert sorted(recording.stdout.splitlines()) == sorted(bare.stdout.splitlines())
    assert recording.stdout.splitlines()[-4:] == bare.stdout.splitlines()[-4:]
    assert recording.stderr == bare.stderr == ""


def test_memory_that_lives_until_the_end_counts_as_live_although_the_interpreter_frees_it(
    python: str, tmp_path: Path
) -> None:
    recording = record(
        """
        import atexit
        class Holder:
            def __init__(self):
                self.kept = [bytes(3000) for i in range(100)]  # <- held
        holder = Holder()
        cycle = [holder]
        cycle.append(cycle)
        late = []
        atexit.register(lambda: late.extend(bytes(4000) for i in range(10)))  # <- late
        """,
        tmp_path,
        python=python,
    )

    assert recording.at("held").count(3033) == 100
