"""
LS201 fragmentation: freed memory that cannot go back, because small blocks live between it.

Says
    So much of the resident memory lies free in arenas of Python's allocator or in malloc's heap, since when, and which
    line's blocks keep it there.

Because
    Resident memory is high or rises, and nothing leaks: whoever looks for a leak looks in vain.  An arena goes back
    when the last block in it is freed, malloc's heap shrinks from its end; a few blocks that live long keep all that
    lies around them.

Needs
    A dump in which the allocators' books were read: 8 MiB and a quarter of resident memory lie free in them.  And a
    series that shows that it stays: for a quarter of the run, to its end, at least that much was unused; or the
    low-water mark of resident memory rose by that much while that of live memory did not.  To tell who: blocks in
    exact runs, the object graph in sampled ones.

Not when
    The memory is soon needed again, or has only just been freed, as at a program's end.  It lies in one piece at the
    end of the heap (LS101), or in arenas of threads that ended (LS202).

Example
    ``fixtures/programs/fragmentation/`` beside its quiet twins in ``fixtures/programs/stable/``.

Source
    The books of the allocators themselves; ``leakscope/analysis/slack.py`` and ``leakscope/analysis/pins.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from leakscope.model.chunks import ARENA, HEAP
from leakscope.model.finding import Verdict
from leakscope.rules.rule import Rule
from leakscope.rules.unused import Unused, is_left_behind, lies_at_the_end

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leakscope.analysis.facts import Facts
    from leakscope.model.finding import Finding

CODE, NAME = "LS201", "fragmentation"


def check(facts: Facts) -> tuple[Finding, ...]:
    """
    A finding for the arenas of Python's allocator, and one for the heaps of malloc, if they hold much of it.

    Parameters
    ----------
    facts : Facts
    """
    slack = facts.slack
    if slack is None:
        return ()
    table = slack.dump.chunks
    here = ~is_left_behind(table) & ~lies_at_the_end(facts)
    arenas, heaps = (Unused(facts, np.flatnonzero(here & (table.kind == kind))) for kind in (ARENA, HEAP))
    found = []
    if arenas.matters:
        found.append(_finding(arenas, "pymalloc", _arenas(arenas), _for_arenas(arenas)))
    if heaps.matters:
        found.append(_finding(heaps, "malloc", _heaps(heaps), _for_heaps(heaps)))
    return tuple(found)


FRAGMENTATION = Rule(code=CODE, name=NAME, check=check)


def _finding(unused: Unused, pool: str, sentence: str, advice: Iterator[str]) -> Finding:
    return unused.finding(CODE, NAME, Verdict.FRAGMENTATION, sentence, tuple(advice), pool=pool)


def _arenas(unused: Unused) -> str:
    told = f"{unused.size} lie free in {unused.count_of('arena')} of Python's allocator{unused.how_long}"
    if not unused.pins:
        return f"Freed memory cannot go back: {told}, each kept by what is alive in it{unused.ask_exact}."
    return f"Freed memory cannot go back: {told}, most of them kept by {unused.pin_words()}."


def _heaps(unused: Unused) -> str:
    where = "malloc's heap" if len(unused.chunks) == 1 else f"{unused.count_of('heap')} of malloc"
    told = f"{unused.size} lie free in {where}{unused.how_long}"
    if not unused.pins:
        return f"Freed memory cannot go back: {told}, in holes between what is alive{unused.ask_exact}."
    return f"Freed memory cannot go back: {told}, in holes between {unused.pin_words()}."


def _for_arenas(unused: Unused) -> Iterator[str]:
    yield from _copy_out(unused)
    yield "malloc_trim() gives none of it back, but work in a process of its own does when that ends"


def _for_heaps(unused: Unused) -> Iterator[str]:
    yield from _copy_out(unused)
    yield unused.trim_advice
    yield "MALLOC_MMAP_THRESHOLD_=32768 keeps blocks of that size out of the heap, as does another allocator (jemalloc)"


def _copy_out(unused: Unused) -> Iterator[str]:
    if unused.made.place:
        yield (
            f"copy what {unused.made.where} makes and keeps to one piece of memory (bytes, an array) when the rest is "
            "gone, or make room for it before"
        )
