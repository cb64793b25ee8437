"""Which threads of the watching process take signals: the one that waits for them, and no other."""

from __future__ import annotations

from pathlib import Path

import pytest
from launching import leakscope

MASKS = """
import leakscope, os, pathlib, signal

leakscope.dump()  # after it all is loaded that ever starts a thread
parent = os.getppid()
wanted = [signal.SIGCHLD, signal.SIGTERM, signal.SIGTSTP, signal.SIGCONT]
with open("masks.txt", "a") as out:
    for task in pathlib.Path(f"/proc/{parent}/task").iterdir():
        lines = (task / "status").read_text().splitlines()
        blocked = int(next(line for line in lines if line.startswith("SigBlk:")).split()[1], 16)
        if int(task.name) != parent:
            print(all(blocked >> number - 1 & 1 for number in wanted), file=out)
"""


@pytest.mark.parametrize("verb", ["run", "gate"])
def test_no_thread_of_leakscope_takes_a_signal_that_another_one_waits_for(tmp_path: Path, verb: str) -> None:
    (tmp_path / "masks.py").write_text(MASKS)
    own = ("--inconclusive", "pass", "-o", "dumps") if verb == "gate" else ("--no-report", "-o", "dumps")

    done = leakscope(verb, *own, "--", "masks.py", cwd=tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    told = (tmp_path / "masks.txt").read_text().split()
    assert len(told) >= 1
    assert set(told) == {"True"}
