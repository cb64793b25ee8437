"""
LS202 deserted: arenas of malloc whose threads have ended.

Says
    So many arenas hold so much memory that nobody uses, and all threads that allocated from them have ended; whose
    blocks keep it there.

Because
    malloc gives threads arenas of their own, up to eight for each processor.  A thread that ends leaves its arena
    behind for the next one that comes; what was free in it stays resident, and nobody else allocates from it.

Needs
    What LS201 needs, for heaps of further arenas to which no thread is attached: a quarter of all that is unused.

Not when
    Threads still allocate from these arenas, as a pool of workers does.  They went back, but for some pages.

Example
    ``fixtures/programs/deserted/mailboxes.py`` beside its quiet twin in ``fixtures/programs/stable/``.

Source
    The count of attached threads in malloc's own state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from leakscope.model.finding import Verdict
from leakscope.rules.rule import Rule
from leakscope.rules.unused import Unused, is_left_behind
from leakscope.units import format_count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leakscope.analysis.facts import Facts
    from leakscope.model.finding import Finding

CODE, NAME = "LS202", "deserted"
_POOL = "malloc, arenas of ended threads"


def check(facts: Facts) -> tuple[Finding, ...]:
    """
    A finding for all arenas of threads that ended together.

    Parameters
    ----------
    facts : Facts
    """
    slack = facts.slack
    if slack is None:
        return ()
    unused = Unused(facts, np.flatnonzero(is_left_behind(slack.dump.chunks)))
    if not unused.matters:
        return ()
    told = unused.finding(CODE, NAME, Verdict.FRAGMENTATION, _sentence(unused), tuple(_advice(unused)), pool=_POOL)
    return (told,)


DESERTED = Rule(code=CODE, name=NAME, check=check)


def _sentence(unused: Unused) -> str:
    count = len(set(unused.labels))
    arenas = "One arena" if count == 1 else f"{format_count(count)} arenas"
    told = (
        f"{arenas} of malloc whose threads have ended hold{'s' if count == 1 else ''} {unused.size} that nobody "
        f"{'has used' if unused.how_long else 'uses'}{unused.how_long}"
    )
    if not unused.pins:
        return f"{told}."
    return f"{told}, in holes between {unused.pin_words()}."


def _advice(unused: Unused) -> Iterator[str]:
    yield "set MALLOC_ARENA_MAX=2, or let a pool of few threads (ThreadPoolExecutor) do the work of many"
    if unused.made.place:
        yield f"let the thread that keeps what {unused.made.where} makes copy it, into that thread's arena"
    yield unused.trim_advice
