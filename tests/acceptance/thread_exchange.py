"""
A thousand threads that exchange buffers at random: the books about them agree with the program's own, to the byte.

Runs `exchange_program` exactly recorded, and compares the dump that it asks for at its end with the truth that it
prints: handles that are out, by the thread that acquired them; those that were dropped; for every pair of threads what
one acquired and the other released; and the live blocks of the buffers' memory, by thread.

    python tests/acceptance/thread_exchange.py [--python BIN] [--threads 1000] [--seconds 600] [--steps N] [--seed 1]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import recording
from recording import line_of, record, site_at

from leakscope.model.dump import Dump
from leakscope.model.pools import DROPPED, HELD, NOBODY, RELEASED_TWICE, USED_AFTER, Pools

PROGRAM = Path(__file__).with_name("exchange_program.py")
OVERHEAD_OF_MEMORY = 1
"""A bytearray asks for a byte more than it has."""
Book = dict[str, list[int]]


def differences(dump: Dump, truth: dict[str, Any]) -> list[str]:
    """What the dump says otherwise than the program; empty if they agree."""
    assert dump.pools is not None
    pools, wrong = dump.pools, []
    for what, ours, theirs in (
        ("held", by_thread(dump, pools, HELD), truth["held"]),
        ("dropped", by_thread(dump, pools, DROPPED), truth["dropped"]),
        ("crossed", crossed(dump, pools), pairs(truth["crossed"])),
        ("missing", missing(dump, pools), added(truth["held"], truth["dropped"])),
        ("acquired", acquired(pools), truth["acquired"]),
        ("memory", memory(dump), {name: size for name, (_, size) in truth["held"].items()}),
    ):
        if ours != theirs:
            wrong.append(f"{what}: {some_difference(ours, theirs)}")
    faults = int(np.isin(pools.handles.state, (RELEASED_TWICE, USED_AFTER)).sum())
    if faults:
        wrong.append(f"{faults} faults where there are none")
    health = dump.health
    if health.dropped_handles or health.dropped_crosses or health.dropped_blocks:
        wrong.append(f"something was not recorded: {health}")
    return wrong


def by_thread(dump: Dump, pools: Pools, state: int) -> Book:
    """Handles and bytes of one state, by the thread that acquired them."""
    found: Book = {}
    for row in np.flatnonzero(pools.handles.state == state).tolist():
        entry = found.setdefault(dump.threads.name_of(int(pools.handles.thread[row])), [0, 0])
        entry[0] += int(pools.handles.handles[row])
        entry[1] += int(pools.handles.bytes[row])
    return found


def crossed(dump: Dump, pools: Pools) -> Book:
    """Handles and bytes by ``acquirer > releaser``."""
    return _crosses(dump, pools, released=True)


def missing(dump: Dump, pools: Pools) -> Book:
    """Handles and bytes that nobody released, by the thread that acquired them."""
    return {key.partition(" > ")[0]: entry for key, entry in _crosses(dump, pools, released=False).items()}


def _crosses(dump: Dump, pools: Pools, *, released: bool) -> Book:
    cross, found = pools.cross, dict[str, list[int]]()
    for row in np.flatnonzero((cross.released_by != NOBODY) == released).tolist():
        to = dump.threads.name_of(int(cross.released_by[row])) if released else ""
        entry = found.setdefault(f"{dump.threads.name_of(int(cross.acquired_by[row]))} > {to}", [0, 0])
        entry[0] += int(cross.handles[row])
        entry[1] += int(cross.bytes[row])
    return found


def acquired(pools: Pools) -> list[int]:
    """All handles and bytes ever acquired, out of the cross table."""
    return [int(pools.cross.handles.sum()), int(pools.cross.bytes.sum())]


def memory(dump: Dump) -> dict[str, int]:
    """Live bytes of the buffers' memory by the thread that asked for it, from the live blocks."""
    site = site_at(dump, PROGRAM, line_of(PROGRAM, "memory"))
    found: Counter[str] = Counter()
    for thread, size in zip(site.threads, site.size.tolist(), strict=True):
        if size > LEAST_OF_MEMORY:
            found[thread] += size - OVERHEAD_OF_MEMORY
    return dict(found)


LEAST_OF_MEMORY = 4096
"""Smaller blocks of that line are the bytearray objects themselves."""


def pairs(truth: dict[str, Book]) -> Book:
    """The program's book, as `crossed` has it."""
    return {f"{by} > {to}": entry for to, book in truth.items() for by, entry in book.items()}


def added(*books: Book) -> Book:
    """Several books as one."""
    found: Book = {}
    for book in books:
        for name, (handles, size) in book.items():
            entry = found.setdefault(name, [0, 0])
            entry[0] += handles
            entry[1] += size
    return found


def some_difference(ours: Any, theirs: Any) -> str:
    """The first few differences, for a human being."""
    if not isinstance(ours, dict):
        return f"{ours} instead of {theirs}"
    keys = [key for key in {**ours, **theirs} if ours.get(key) != theirs.get(key)]
    told = ", ".join(f"{key} {ours.get(key)} instead of {theirs.get(key)}" for key in keys[:3])
    return f"{len(keys)} of {len({**ours, **theirs})} differ: {told}"


def exchange(python: str, folder: Path, *words: object) -> tuple[Dump, dict[str, Any]]:
    """The dump that the program asked for, and its truth."""
    ended = record(PROGRAM, folder, python=python, options=("--exact", "--no-heap"), arguments=map(str, words))
    assert ended.exit_code == 0, (ended.exit_code, ended.stderr[-2000:], ended.stdout[-500:])
    asked = [dump for dump in ended.dumps if dump.meta.reason == "request"]
    return asked[-1], ended.truth


def main() -> int:
    """Run it once and print what was found."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--threads", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--steps", type=int, default=10**9)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    recording.TIMEOUT_S = round(options.seconds) + 1200
    with tempfile.TemporaryDirectory() as name:
        words = (options.threads, options.seconds, options.steps, options.seed)
        dump, truth = exchange(options.python, Path(name), *words)
    wrong = differences(dump, truth)
    handles, size = truth["acquired"]
    held = sum(entry[0] for entry in truth["held"].values())
    dropped = sum(entry[0] for entry in truth["dropped"].values())
    couples = sum(len(book) for book in truth["crossed"].values())
    print(
        f"{options.threads} threads: {handles:,} buffers, {size:,} bytes acquired; {held:,} held, {dropped:,} dropped"
    )
    print(f"{couples:,} pairs of threads; ledger {dump.meta.process.ledger_bytes:,} bytes, {dump.meta.elapsed_s:.0f} s")
    print("\n".join(wrong) or "the books agree with the truth to the byte")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
