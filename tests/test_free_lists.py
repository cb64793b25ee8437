"""
Free lists: an object made from a dead one's memory belongs to the line that made it.

dict, list, tuple and others are recycled without asking the allocator, so a tracer of allocator calls alone puts every
kept object of these programs at the line that churns.  Objects are recognised by the addresses that the program
notes down itself.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from recording import EXACT, PYTHONS, Recording, label, line_of, record, stacks_at

PROGRAMS = Path(__file__).parent / "programs"
KINDS = ("dict", "list", "tuple", "instance")
COUNT, CHURN = 20_000, 60
HEADS = (0, 16, 32)
"""Bytes between the begin of a block and the object in it: collector's head, and room for dict and weak references."""
SAMPLED = ("--interval", "4KiB")

pytestmark = pytest.mark.parametrize("python", PYTHONS, ids=label)


def recorded(kind: str, python: str, folder: Path, options: tuple[str, ...]) -> tuple[Recording, NDArray[np.uint64]]:
    """The recording of one program, and the addresses of the objects it keeps."""
    notes = folder / "addresses"
    recording = record(PROGRAMS / f"freelist_{kind}.py", folder, python=python, options=options, arguments=[str(notes)])
    assert recording.exit_code == 0, recording.stderr
    return recording, np.array(notes.read_text().split(), dtype=np.uint64)


def rows_of(recording: Recording, objects: NDArray[np.uint64]) -> NDArray[np.intp]:
    """Rows of the live table that hold these objects."""
    begins = np.concatenate([objects - np.uint64(head) for head in HEADS])
    return np.flatnonzero(np.isin(recording.dump.allocations.address, begins))


def at_line(recording: Recording, mark: str) -> NDArray[np.bool_]:
    """For every live row whether it was asked for at a marked line."""
    here = stacks_at(recording.dump, recording.program, line_of(recording.program, mark))
    at: NDArray[np.bool_] = here[recording.dump.allocations.stack]
    return at


@pytest.mark.parametrize("kind", KINDS)
def test_kept_objects_are_all_at_the_line_that_keeps_them(kind: str, python: str, tmp_path: Path) -> None:
    recording, objects = recorded(kind, python, tmp_path, EXACT)

    rows = rows_of(recording, objects)

    assert len(objects) == COUNT
    at_leak, at_churn = at_line(recording, "leak")[rows].sum(), at_line(recording, "churn")[rows].sum()
    assert at_leak >= COUNT - 50, f"{at_leak} of {COUNT} at the leaking line, {at_churn} at the churning line"
    assert at_churn <= CHURN


@pytest.mark.parametrize("kind", KINDS)
def test_what_belongs_to_the_objects_is_not_left_at_the_churning_line(kind: str, python: str, tmp_path: Path) -> None:
    recording, _ = recorded(kind, python, tmp_path, EXACT)

    blocks = recording.dump.allocations
    at_leak, at_churn = at_line(recording, "leak"), at_line(recording, "churn")

    # Key tables of dicts and item arrays of lists are blocks of their own, hence twice the churn and the odd integer.
    assert at_churn.sum() <= 3 * CHURN
    assert blocks.size[at_churn].sum() <= 0.01 * blocks.size[at_leak].sum()


@pytest.mark.parametrize("kind", KINDS)
def test_a_sampled_recording_puts_their_share_at_the_same_line(kind: str, python: str, tmp_path: Path) -> None:
    recording, objects = recorded(kind, python, tmp_path, SAMPLED)

    rows = rows_of(recording, objects)
    weight, size = recording.dump.allocations.weight[rows], recording.dump.allocations.size[rows]
    at_leak = at_line(recording, "leak")[rows]

    truth = COUNT * float(np.median(size))
    assert weight[at_leak].sum() >= 0.97 * weight.sum()
    assert abs(weight.sum() - truth) <= 5 * truth / np.sqrt(len(rows)), f"{len(rows)} samples"
