"""
Programs run under the recorder, for tests: a recording made, its dumps opened, its live blocks counted by line.

It knows the command line of ``leakscope run`` and how to ask a dump simple questions; it refuses to know what a test
expects.  Programs are files or texts; a comment ``# <- name`` marks a line, and the last line a program prints may
be its truth, as JSON.

``LEAKSCOPE_TEST_PYTHONS`` names the interpreters to record (paths separated as in PATH), each with leakscope
installed; by default it is the one that runs the tests.
"""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leakscope.formats import open_dump
from leakscope.model.dump import Dump

PYTHONS: Sequence[str] = os.environ.get("LEAKSCOPE_TEST_PYTHONS", sys.executable).split(os.pathsep)
EXACT = ("--exact",)
TIMEOUT_S = 240


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it printed."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def truth(self) -> Any:
        """The last line printed, read as JSON."""
        lines = self.stdout.strip().splitlines()
        assert lines, f"the program printed nothing; it ended with {self.exit_code}:\n{self.stderr[-3000:]}"
        return json.loads(lines[-1])


@dataclass(frozen=True)
class Recording(Ended):
    """A run under the recorder."""

    folder: Path
    program: Path

    @property
    def dump(self) -> Dump:
        """The last dump."""
        return self.dumps[-1]

    @functools.cached_property
    def dumps(self) -> list[Dump]:
        """All dumps, oldest first."""
        paths = sorted(self.folder.glob("[0-9]*.lks"))
        assert paths, f"no dump in {self.folder}; the run ended with {self.exit_code}:\n{self.stderr[-3000:]}"
        return [open_dump(path) for path in paths]

    @property
    def wanted(self) -> list[Dump]:
        """The dumps that were asked for, and the last one."""
        return [dump for dump in self.dumps if dump.meta.reason != "baseline"]

    @property
    def report(self) -> dict[str, Any]:
        """What ``report.json`` says."""
        report: dict[str, Any] = json.loads((self.folder / "report.json").read_text())
        return report

    def at(self, mark: str) -> Site:
        """The live blocks asked for at a marked line of the program."""
        return site_at(self.dump, self.program, line_of(self.program, mark))


@dataclass(frozen=True)
class Site:
    """Live blocks that were asked for at one line, and what happened there so far."""

    address: NDArray[np.uint64]
    size: NDArray[np.uint64]
    weight: NDArray[np.float64]
    threads: list[str]
    native_threads: list[int]
    domains: list[str]
    functions: list[list[str]]
    """For each live block the functions on its stack, innermost first."""
    alloc_blocks: float
    free_blocks: float
    foreign_blocks: float

    @property
    def bytes(self) -> float:
        """Live bytes, estimated in a sampled recording."""
        return float(self.weight.sum())

    def count(self, size: int | None = None, up_to: int | None = None) -> int:
        """Rows, all or those of one size (or of a range of sizes, both ends included)."""
        if size is None:
            return len(self.size)
        return int(((self.size >= size) & (self.size <= (up_to or size))).sum())


def line_of(program: Path, mark: str) -> int:
    """Number of the line that ends with the comment ``# <- mark``."""
    lines = [number for number, line in enumerate(program.read_text().splitlines(), 1) if line.endswith(f"# <- {mark}")]
    assert len(lines) == 1, f"{program} has {len(lines)} lines marked {mark!r}"
    return lines[0]


@functools.lru_cache(maxsize=8)
def places(dump: Dump) -> list[tuple[str, int]]:
    """File and line of the innermost Python frame of every stack; native frames count to the line that called them."""
    stacks, frames = dump.stacks, dump.stacks.frame_table
    of_frame = [(frames.strings[int(frames.file[row])], int(frames.line[row])) for row in range(len(frames))]
    found: list[tuple[str, int]] = [("", 0)]
    for node in range(1, len(stacks)):
        row = int(stacks.frame[node])
        python = int(frames.kind[row]) == 0
        found.append(of_frame[row] if python else found[int(stacks.parent[node])])
    return found


def stacks_at(dump: Dump, file: str | Path, line: int) -> NDArray[np.bool_]:
    """For every stack whether its innermost Python frame is this line."""
    name = Path(file).name
    return np.array([place == line and Path(source).name == name for source, place in places(dump)], dtype=bool)


def site_at(dump: Dump, file: str | Path, line: int) -> Site:
    """The live blocks of one line."""
    here = stacks_at(dump, file, line)
    live, stacks, threads = dump.allocations, dump.stacks, dump.threads
    rows = np.flatnonzero(here[live.stack])
    return Site(
        address=live.address[rows],
        size=live.size[rows],
        weight=live.weight[rows],
        threads=[threads.name_of(int(thread)) for thread in live.thread[rows]],
        native_threads=[int(threads.native_id[int(thread)]) for thread in live.thread[rows]],
        domains=[dump.meta.domains[int(domain)] for domain in live.domain[rows]],
        functions=[[frame.function for frame in stacks.frames(int(node))] for node in live.stack[rows[:1000]]],
        alloc_blocks=float(stacks.alloc_blocks[here].sum()),
        free_blocks=float(stacks.free_blocks[here].sum()),
        foreign_blocks=float(stacks.foreign_blocks[here].sum()),
    )


def record(
    program: str | Path,
    folder: Path,
    *,
    python: str = sys.executable,
    options: Iterable[str] = EXACT,
    arguments: Iterable[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Recording:
    """
    The recording of one program, run to its end in ``folder``.

    Parameters
    ----------
    program : str or Path
        A file, or a text that is written to ``folder/program.py``.
    folder : Path
        Where the program runs; the dumps go to ``folder/run``.
    python : str
        Interpreter with leakscope; it runs leakscope and the program.
    options, arguments : iterable of str
        Of ``leakscope run``, and of the program.
    environment : mapping, optional
        Added to the environment.
    """
    path = written(program, folder)
    output = folder / "run"
    command = [python, "-m", "leakscope", "run", "--quiet", "-o", str(output), *options, str(path), *arguments]
    ended = run(command, folder, environment)
    return Recording(ended.exit_code, ended.stdout, ended.stderr, output, path)


def run(
    command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None, stdin: str | None = None
) -> Ended:
    """Run any command in ``folder``; interpreters other than ours get nothing of our environment."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "LEAKSCOPE", "VIRTUAL"))}
    done = subprocess.run(
        command, cwd=folder, env={**kept, **(environment or {})}, input=stdin or "", capture_output=True, text=True,
        timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    return Ended(done.returncode, done.stdout, done.stderr)


def written(program: str | Path, folder: Path) -> Path:
    """Path of a program given as a path or a text."""
    if isinstance(program, Path):
        return program
    path = folder / "program.py"
    path.write_text(textwrap.dedent(program))
    return path


@functools.cache
def version_of(python: str) -> tuple[int, int]:
    """Minor version of an interpreter."""
    said = subprocess.run([python, "-V"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"(\d+)\.(\d+)", said)
    assert found
    return int(found[1]), int(found[2])


def has_module(python: str, name: str) -> bool:
    """Whether an interpreter can import a module."""
    return subprocess.run([python, "-c", f"import {name}"], capture_output=True, check=False).returncode == 0


def label(python: str) -> str:
    """Short name of an interpreter for a test's id."""
    return ".".join(map(str, version_of(python)))
