"""
The audit of a program without a leak: how many references that nobody accounts for are new after a hundred rounds.

Runs ``clean_program.py`` under an exact recording on each interpreter and compares its dumps.  Nothing may be new;
with NumPy, pandas and lxml three references may.  Types and ``None`` are counted apart: their counters move with
their instances.  What a library gives away for good, by the interpreter's own counter, is no mistake of the audit.

    python tests/acceptance/clean_audit.py [--python BIN ...] [--packages FOLDER] [--sampled]

``--packages`` puts a folder with those packages into PYTHONPATH and has the program use them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from recording import EXACT, label, record

from leakscope import judge
from leakscope.analysis.facts import Facts
from leakscope.analysis.walked import Walked
from leakscope.formats import open_dump

PROGRAM = Path(__file__).with_name("clean_program.py")
ROUNDS = 100
MOST, MOST_WITH_PACKAGES = 0, 3
GIVEN_TYPE = "numpy.dtypes.Float64DType"


@dataclass(frozen=True)
class Audited:
    """What one run showed."""

    objects: tuple[int, ...]
    unexplained: tuple[int, ...]
    """In each dump, types and ``None`` left out."""
    new: tuple[Counter[str], ...]
    """References by type that are new in each dump after the first."""
    new_apart: tuple[int, ...]
    """The same for types and ``None``."""
    accused: tuple[str, ...]
    """Sentences of the rules about references, blocks and exports."""
    blocks: tuple[str, ...]
    """Groups of blocks of objects that no object explains and that became more."""


def audit(paths: Sequence[str]) -> Audited:
    """Everything the dumps of one run say about what nobody accounts for."""
    dumps = [open_dump(path) for path in paths]
    problems = [dump.meta.heap_problem for dump in dumps if dump.meta.heap_problem]
    if problems:
        raise RuntimeError(f"no object graph: {problems[0]}")
    walked = [Walked(dump) for dump in dumps]
    by_type = [unexplained_by_type(each, apart=False) for each in walked]
    apart = [sum(unexplained_by_type(each, apart=True).values()) for each in walked]
    lost = Facts([dumps[0], dumps[-1]]).unaccounted
    return Audited(
        objects=tuple(each.heap.count for each in walked),
        unexplained=tuple(sum(each.values()) for each in by_type),
        new=tuple(new - old for old, new in pairwise(by_type)),
        new_apart=tuple(new - old for old, new in pairwise(apart)),
        accused=tuple(found.sentence for found in judge(dumps).findings if found.code.startswith("LS60")),
        blocks=tuple(f"+{group.gained_blocks:.0f}" for group in lost.blocks if group.domain == "obj"),
    )


def unexplained_by_type(walked: Walked, *, apart: bool) -> Counter[str]:
    """References that nobody accounts for, by type of what they refer to."""
    heap, found = walked.heap, Counter[str]()
    told_apart = walked.apart
    for number in (walked.unexplained > 0).nonzero()[0]:
        if bool(told_apart[number]) == apart:
            found[heap.types.full_name(int(heap.type[number]))] += int(walked.unexplained[number])
    return found


def run(python: str, packages: str | None, sampled: bool) -> tuple[Audited, dict[str, Any]]:
    """One run on one interpreter, and what the program said of itself."""
    with tempfile.TemporaryDirectory() as folder:
        recording = record(
            PROGRAM, Path(folder), python=python, options=() if sampled else EXACT,
            arguments=["packages"] if packages else [], environment={"PYTHONPATH": packages} if packages else {},
        )  # fmt: skip
        if recording.exit_code:
            raise RuntimeError(recording.stderr[-2000:])
        return audit(recording.truth["dumps"]), recording.truth


def row(python: str, options: argparse.Namespace) -> bool:
    """Print what one interpreter shows; whether that is as it should be."""
    found, truth = run(python, options.packages, options.sampled)
    given = truth["given_away"] * ROUNDS
    new = [sum(each.values()) - min(each[GIVEN_TYPE], given) for each in found.new]
    accused = [sentence for sentence in found.accused if given == 0 or GIVEN_TYPE not in sentence]
    cells = (
        " + ".join([label(python), *truth["modules"]]), f"{found.objects[-1]:,}", f"{found.unexplained[-1]:,}",
        ", ".join(map(str, new)), ", ".join(str(min(each[GIVEN_TYPE], given)) for each in found.new),
        ", ".join(f"{change:+d}" for change in found.new_apart), ", ".join(found.blocks) or "0", str(len(accused)),
    )  # fmt: skip
    print(f"| {' | '.join(cells)} |", flush=True)
    for each in filter(None, found.new):
        print(f"  new: {dict(each.most_common(8))}")
    for sentence in found.accused:
        print(f"  accused: {sentence}")
    return not accused and max(new) <= (MOST_WITH_PACKAGES if options.packages else MOST)


def main() -> int:
    """Print a row a version; 0 if none has more new references than it may."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", action="append", help="interpreter with leakscope; may be repeated")
    parser.add_argument("--packages", help="folder with numpy, pandas and lxml for that interpreter")
    parser.add_argument("--sampled", action="store_true", help="sampled instead of exact")
    options = parser.parse_args()
    print(
        "| Python | objects | unexplained | new, each 100 rounds | given away | types, None | new blocks | findings |"
    )
    print("|---|---|---|---|---|---|---|---|")
    good = [row(python, options) for python in options.python or [sys.executable]]
    return 0 if all(good) else 1


if __name__ == "__main__":
    raise SystemExit(main())
