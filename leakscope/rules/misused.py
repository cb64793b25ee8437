"""
LS402 misused: handles of a pool that are released twice, used after their release, or retained without release.

Says
    In one place handles are released that had been released already, or used although they had been; or they are
    retained and released, but not as often.  Where they were acquired, released first, and by which threads.

Because
    A handle that is released twice is lent to two owners, who overwrite each other's data; one that is used after its
    release is somebody else's by then.  A reference too many keeps it from its pool for good.

Needs
    A pool that is watched (``leakscope.watch_pool``); for uses the methods that are uses (``touch=``).  One event is
    enough for the first two, since each is a fact; the third must become more, as in LS401.

Not when
    The pool itself does it while it looks for a handle to lend, or one method of a handle calls another.  A release
    that raised is taken back.  Handles with a reference too many that are in use.

Example
    ``fixtures/programs/misused/packets.py`` beside its quiet twin.

Source
    Netty's IllegalReferenceCountException, which knows the second release alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.handles import faulty_rows, touches_of
from leakscope.model.finding import Evidence, Finding, Growth, Verdict
from leakscope.model.pools import RELEASED, RELEASED_TWICE
from leakscope.rules.lent import Lent
from leakscope.rules.rule import Rule
from leakscope.units import format_count

if TYPE_CHECKING:
    from leakscope.analysis.facts import Facts
    from leakscope.analysis.handles import LostHandles
    from leakscope.model.columns import I8
    from leakscope.model.pools import Pools

CODE, NAME = "LS402", "misused"
_ONCE, _OFTEN, _MANY = 0.9, 0.98, 3
_SURE = 0.95


def check(facts: Facts) -> tuple[Finding, ...]:
    """
    A finding for each place where handles are misused.

    Parameters
    ----------
    facts : Facts
    """
    pools = facts.last.pools
    if pools is None:
        return ()
    by_place: dict[tuple[int, int, int], list[int]] = {}
    for row in faulty_rows(pools).tolist():
        place = int(facts.pool_places[_stack_of_fault(pools, row)])
        by_place.setdefault((int(pools.handles.state[row]), int(pools.handles.pool[row]), place), []).append(row)
    found = [_fault(facts, key[0], key[2], np.array(rows)) for key, rows in by_place.items()]
    found += [_kept(facts, group) for group in facts.lost_handles if group.retained]
    return tuple(found)


MISUSED = Rule(code=CODE, name=NAME, check=check)


def _stack_of_fault(pools: Pools, row: int) -> int:
    touches = touches_of(pools, row)
    return int(pools.touches.stack[touches[-1]] if len(touches) else pools.handles.stack[row])


def _fault(facts: Facts, state: int, place: int, rows: I8) -> Finding:
    pools = facts.last.pools
    assert pools is not None
    lent = Lent(facts, int(pools.handles.pool[rows[0]]), rows)
    touches = touches_of(pools, int(rows[0])).tolist()
    here, many = lent.where(place) or "a line that was not recorded", lent.count != 1
    earlier = [at for at in touches[:-1] if pools.touches.kind[at] == RELEASED]
    before = lent.where(int(facts.pool_places[pools.touches.stack[earlier[-1]]])) if earlier else ""
    first = f" by {_thread(facts, earlier[-1])} at {before}" if before else ""
    does = "released a second time" if state == RELEASED_TWICE else "used after the release"
    sentence = (
        f"{format_count(lent.count)} {lent.name} handle{'s' if many else ''} acquired {lent.by_whom} at "
        f"{lent.acquired_at} and released{first} {'are' if many else 'is'} {does}"
        f"{f' by {_thread(facts, touches[-1])}' if touches else ''} at {here}."
    )
    frame = facts.frame(place)
    at = facts.dumps.index(facts.last)
    return Finding(
        code=CODE, rule=NAME, verdict=Verdict.LEAK, confidence=_OFTEN if lent.count >= _MANY else _ONCE,
        fingerprint=lent.fingerprint(f"{CODE} {state}", frame), sentence=sentence, subject=lent.subject(),
        bytes=lent.bytes, count=lent.count, growth=Growth(lent.bytes, lent.count, (at, at)), stack=lent.frames,
        threads=lent.shares(),
        evidence=(Evidence("for", f"handles {does}", float(lent.count), "handles"),),
        advice=(f"let one of {before or 'the releases'} and {here} own the release" if state == RELEASED_TWICE
                else f"use the handle before {before or 'its release'}, or retain it until {here} is done",),
    )  # fmt: skip


def _thread(facts: Facts, touch: int) -> str:
    assert facts.last.pools is not None
    return facts.last.threads.name_of(int(facts.last.pools.touches.thread[touch]))


def _kept(facts: Facts, group: LostHandles) -> Finding:
    lent = Lent(facts, group.pool, group.rows)
    seen, holders = lent.where(group.seen) or "a line that was not recorded", lent.holders()
    amount = f" ({lent.amount})" if lent.amount else ""
    counts = facts.last.pools.handles.count[group.rows] if facts.last.pools else np.ones(1)
    left = int(np.median(counts))
    share = group.gained / max(group.counts[-1], 1)
    sentence = (
        f"{format_count(group.counts[-1])} of {format_count(group.acquired)} {lent.name} handles{amount} acquired "
        f"{lent.by_whom} at {lent.acquired_at}{lent.over_words} are retained more often than released: {left} "
        f"reference{'s are' if left != 1 else ' is'} left on each after {seen}."
    )
    return Finding(
        code=CODE, rule=NAME, verdict=Verdict.LEAK, confidence=_SURE * group.pace.confidence,
        fingerprint=lent.fingerprint(f"{CODE} retained", facts.frame(group.seen)), sentence=sentence,
        subject=lent.subject(), bytes=lent.bytes, count=group.counts[-1],
        growth=Growth(round(share * lent.bytes), group.gained,
                      (facts.dumps.index(facts.run[0]), facts.dumps.index(facts.last))),
        stack=lent.frames, holders=holders, threads=lent.shares(),
        evidence=(Evidence("for", "handles that became more between the dumps", float(group.gained), "handles"),),
        advice=(f"release what is retained on the way to {seen}",),
    )  # fmt: skip
