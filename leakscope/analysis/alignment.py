"""
Which stacks and dumps belong together.

It knows that stack ids are stable within one run and that names are all that two runs share; it refuses to match by
address or by size.  Also the fingerprint: what a stack is called everywhere, on every machine and in every run.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.sources import plain_function, program_roots, relative_path

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence
    from typing import TypeAlias

    from leakscope.model.allocations import Frame, StackTable
    from leakscope.model.columns import I8
    from leakscope.model.dump import Dump

    Names: TypeAlias = Sequence[Hashable | None]

UNMATCHED = -1
_CLOCKS_AGREE_S = 2.0
_CLOCKS_DRIFT = 0.01
_NODES_COMPARED = 64
_LINES_COMPARED = 200


def split_into_runs(dumps: Sequence[Dump]) -> tuple[tuple[Dump, ...], ...]:
    """
    Dumps by run: each run in time order, runs in the order in which they were first given.

    Parameters
    ----------
    dumps : sequence of Dump
        Any order.
    """
    runs: list[list[Dump]] = []
    for dump in dumps:
        run = next((run for run in runs if same_run(run[0], dump)), None)
        if run is None:
            runs.append([dump])
        else:
            run.append(dump)
    return tuple(tuple(sorted(run, key=lambda dump: (dump.meta.elapsed_s, dump.meta.number))) for run in runs)


def same_run(one: Dump, other: Dump) -> bool:
    """
    Whether two dumps are of one process: same number, arguments and beginning, and one's stacks begin the other's.

    Parameters
    ----------
    one, other : Dump
    """
    a, b = one.meta, other.meta
    if (a.pid, a.argv, a.runtime_version, a.interval_bytes) != (b.pid, b.argv, b.runtime_version, b.interval_bytes):
        return False
    # The wall clock may be set or drift, and stands still in neither clock's sleep: hence the allowance.
    apart = abs((a.taken_unix_s - a.elapsed_s) - (b.taken_unix_s - b.elapsed_s))
    if apart > _CLOCKS_AGREE_S + _CLOCKS_DRIFT * max(a.elapsed_s, b.elapsed_s):
        return False
    common = min(len(one.stacks), len(other.stacks))
    if not (one.stacks.parent[:common] == other.stacks.parent[:common]).all():
        return False
    # Native frames get their symbols when a dump is written; a library may be gone by then.
    return all(_agree(one.stacks, other.stacks, node) for node in range(1, min(common, _NODES_COMPARED)))


def _agree(one: StackTable, other: StackTable, node: int) -> bool:
    a, b = one.frame_table[int(one.frame[node])], other.frame_table[int(other.frame[node])]
    return a.kind == b.kind and (a.kind == "native" or a == b)


def match_stacks(old: Dump, new: Dump) -> I8:
    """
    For each stack of the new dump the same stack of the old one.

    Parameters
    ----------
    old, new : Dump
        Of one run: matched by id.  Of two: by the names along the stack, (function, file, line), and what is left by
        (function, file) where that is unique on both sides, for code that moved.

    Returns
    -------
    ndarray of int64, shape (nodes of new,)
        Node of ``old``, or `UNMATCHED`.  The roots match.
    """
    if same_run(old, new):
        found = np.arange(len(new.stacks), dtype=np.int64)
        found[len(old.stacks) :] = UNMATCHED
        return found
    return match_names(
        (_paths(old, lines=True), _paths(new, lines=True)), (_paths(old, lines=False), _paths(new, lines=False))
    )


def match_names(strict: tuple[Names, Names], loose: tuple[Names, Names]) -> I8:
    """
    For each new name the row of the same old name; what is left is matched by looser names.

    Parameters
    ----------
    strict, loose : pair of sequences
        Names of the old and of the new rows, in the same order in both pairs.  Only names that are unique on both
        sides match.

    Returns
    -------
    ndarray of int64, shape (new rows,)
        Row of the old, or `UNMATCHED`.
    """
    found = _match_by(*strict)
    taken = set(found.tolist())
    by_loose_name = _match_by(
        [None if row in taken else name for row, name in enumerate(loose[0])],
        [None if found[row] >= 0 else name for row, name in enumerate(loose[1])],
    )
    return np.where(found >= 0, found, by_loose_name)


def match_lines(old: Sequence[tuple[str, int]], new: Sequence[tuple[str, int]]) -> I8:
    """
    For each line of code of the new run the same line of the old one, also if the code has moved.

    Parameters
    ----------
    old, new : sequence of (str, int)
        Function, with its file, and line number; each pair once.

    Returns
    -------
    ndarray of int64, shape (new rows,)
        Row of the old, or `UNMATCHED`.

    Notes
    -----
    Lines of one function move together: it is taken to have moved by as much as makes most of its lines meet, and not
    at all if that is as good.  What is left, where something was put in between, is matched in order if there are as
    many on both sides.
    """
    rows: dict[str, dict[int, int]] = defaultdict(dict)
    for row, (function, line) in enumerate(old):
        rows[function][line] = row
    wanted: dict[str, dict[int, int]] = defaultdict(dict)
    for row, (function, line) in enumerate(new):
        wanted[function][line] = row
    found = np.full(len(new), UNMATCHED, dtype=np.int64)
    for function, lines in wanted.items():
        before = rows.get(function, {})
        moved_by = _moved_by(before, lines)
        met = [line for line in lines if line - moved_by in before]
        left = sorted(before.keys() - {line - moved_by for line in met})
        others = sorted(lines.keys() - set(met))
        pairs = [(line, line - moved_by) for line in met]
        pairs += list(zip(others, left, strict=True)) if len(others) == len(left) else []
        for line, old_line in pairs:
            found[lines[line]] = before[old_line]
    return found


def _moved_by(before: Iterable[int], now: Iterable[int]) -> int:
    """By how many lines code moved, if it did: most lines meet, else the least."""
    before, now = list(before)[:_LINES_COMPARED], list(now)[:_LINES_COMPARED]
    meet = Counter(line - old for line in now for old in before)
    return min(meet, key=lambda by: (-meet[by], abs(by), by), default=0)


def fingerprint(kind: str, frames: Iterable[Frame], roots: Sequence[str]) -> str:
    """
    A name for where something happens that is the same in every run and on every machine.

    Parameters
    ----------
    kind : str
        What it is about, so that two rules never share one.
    frames : iterable of Frame
        The frames that identify it; only function and path within the package count, neither line nor folder.
    roots : sequence of str
        Folders of the program, see `sources.program_roots`.

    Returns
    -------
    str
        16 hexadecimal digits of a SHA-256.
    """
    parts = [kind]
    for frame in frames:
        parts += [plain_function(frame.function), relative_path(frame.file, roots)]
    return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _paths(dump: Dump, *, lines: bool) -> list[bytes]:
    """A name for each node: equal along the whole stack or not equal at all."""
    stacks = dump.stacks
    names = _frame_names(stacks, program_roots(dump.meta), lines)
    paths = [b""]
    for parent, frame in zip(stacks.parent[1:].tolist(), stacks.frame[1:].tolist(), strict=True):
        paths.append(sha256(paths[parent] + names[frame]).digest())
    return paths


def _frame_names(stacks: StackTable, roots: Sequence[str], lines: bool) -> list[bytes]:
    table = stacks.frame_table
    files = {int(file): relative_path(table.strings[int(file)], roots) for file in np.unique(table.file)}
    return [
        f"{table.strings[int(function)]}\0{files[int(file)]}\0{int(line) if lines else ''}\n".encode(
            "utf-8", "surrogatepass"
        )
        for function, file, line in zip(table.function, table.file, table.line, strict=True)
    ]


def _match_by(old: Names, new: Names) -> I8:
    """Row of ``old`` with the same name, where the name is unique in both; None never matches."""
    rows: dict[Hashable, int] = {}
    for row, name in enumerate(old):
        if name is not None:
            rows[name] = row if name not in rows else UNMATCHED
    counts = Counter(new)
    return np.array([rows.get(name, UNMATCHED) if counts[name] == 1 else UNMATCHED for name in new], dtype=np.int64)
