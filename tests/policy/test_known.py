"""What comes with leakscope about well-known libraries: each entry is measured, and the library still does it."""

from __future__ import annotations

import json
import subprocess
import textwrap
from pathlib import Path

import pytest
from launching import LEAKSCOPE

from leakscope.policy.known import FILE, known_suppressions

PROGRAMS = {
    "*__warningregistry__*": """
        import os, sys, warnings
        warnings.simplefilter("default")
        sys.stderr = open(os.devnull, "w")
        def work(number):
            warnings.warn(f"old thing number {number}")
            sorted(range(100), key=lambda n: -n)
        for number in range(int(sys.argv[1])):
            work(number)
    """,
}


def test_every_entry_was_measured() -> None:
    entries = json.loads(FILE.read_text("utf-8"))["suppress"]

    assert len(known_suppressions()) == len(entries) == len(PROGRAMS)
    assert all(len(entry["measured"]) > 40 for entry in entries)


@pytest.mark.slow
@pytest.mark.parametrize("entry", known_suppressions(), ids=lambda entry: entry.text)
def test_every_entry_suppresses_what_it_is_about(entry: object, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(textwrap.dedent(PROGRAMS[entry.holder]))  # type: ignore[attr-defined]
    words = [*LEAKSCOPE, "gate", "--json", "--iterations", "20000", "--", "program.py", "{iterations}"]

    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)

    said = json.loads(done.stdout)
    assert (done.returncode, said["status"]) == (0, "passed"), said["sentence"]
    assert "suppressed" in {decision["outcome"] for decision in said["decisions"]}
