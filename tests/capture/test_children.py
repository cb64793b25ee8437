"""Children of recorded programs: followed with dumps of their own, or left alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from launching import dumps_in, recorded

CHILD = "kept = [bytes(3000) for _ in range(5000)]"
CHILDREN = {
    "fork": f"""
import os
pid = os.fork()
if pid == 0:
    {CHILD}
    os._exit(0)
os.waitpid(pid, 0)
print(pid)
""",
    **{
        method: f"""
import multiprocessing
def work():
    global kept
    {CHILD}
if __name__ == "__main__":
    child = multiprocessing.get_context({method!r}).Process(target=work)
    child.start()
    child.join()
    print(child.pid)
"""
        for method in ("spawn", "forkserver")
    },
    "subprocess": f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {CHILD!r}])
child.wait()
print(child.pid)
""",
}


@pytest.mark.parametrize("kind", CHILDREN)
def test_a_followed_child_has_dumps_of_its_own(kind: str, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(CHILDREN[kind])
    done = recorded("--follow", "app.py", folder=folder, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    pid = int(done.stdout)
    child = dumps_in(folder / f"child-{pid}")[-1]
    assert child.meta.pid == pid
    assert child.meta.totals.live_bytes > 12_000_000
    parent = dumps_in(folder)[-1]
    assert parent.meta.pid != pid
    assert parent.meta.totals.live_bytes < child.meta.totals.live_bytes


@pytest.mark.parametrize("kind", CHILDREN)
def test_without_follow_a_child_runs_unrecorded_and_leaves_its_parents_ledger_alone(
    kind: str, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text(CHILDREN[kind])
    done = recorded("app.py", folder=folder, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert {path.suffix for path in folder.iterdir()} == {".lks"}
    assert dumps_in(folder)[-1].meta.totals.live_bytes < 12_000_000


def test_a_followed_child_that_is_killed_has_a_last_dump_with_its_death(folder: Path) -> None:
    code = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import os; {CHILD}; os.kill(os.getpid(), 9)"])
child.wait()
print(child.pid)
"""
    done = recorded("--follow", "-c", code, folder=folder)
    child = dumps_in(folder / f"child-{int(done.stdout)}")[-1]
    assert child.meta.reason in {"death", "exit"}
    assert child.meta.totals.live_bytes > 12_000_000


def test_a_child_that_turns_into_another_program_is_recorded_as_that(folder: Path) -> None:
    code = f"""
import os, sys
pid = os.fork()
if pid == 0:
    os.execv(sys.executable, [sys.executable, "-c", "{CHILD}", "an argument"])
os.waitpid(pid, 0)
print(pid)
"""
    done = recorded("--follow", "-c", code, folder=folder)
    assert [path.name for path in folder.iterdir() if path.is_dir()] == [f"child-{int(done.stdout)}"]
    child = dumps_in(folder / f"child-{int(done.stdout)}")[-1]
    assert child.meta.argv == ("-c", CHILD, "an argument")
    assert child.meta.totals.live_bytes > 12_000_000


def test_many_children_at_once_are_all_recorded(folder: Path) -> None:
    code = """
import os
read, write = os.pipe()
for _ in range(40):
    if os.fork() == 0:
        os.close(write)
        os.read(read, 1)
        os._exit(0)
os.close(write)
for _ in range(40):
    os.wait()
"""
    assert recorded("--follow", "-c", code, folder=folder).returncode == 0
    assert len(list(folder.glob("child-*"))) == 40


def test_a_child_that_outlives_the_program_is_let_go(folder: Path) -> None:
    code = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import sys; {CHILD}; print('on', flush=True); sys.stdin.read(1)"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid); import os; os._exit(0)
"""
    done = recorded("--follow", "-c", code, folder=folder)
    assert done.returncode == 0
    child = dumps_in(folder / f"child-{int(done.stdout)}")[-1]
    assert child.meta.totals.live_bytes > 12_000_000


def test_no_place_to_report_is_left_behind(folder: Path, tmp_path: Path) -> None:
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    recorded("--follow", "-c", "pass", folder=folder, env=environment)
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]
