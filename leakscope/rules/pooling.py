"""
LS101 pooling: memory that is kept for later, by design.

Says
    A pool holds so much more than it lends, or malloc keeps so much at the end of its heap, and no more than that.

Because
    Pools and allocators keep what they took, since it will be needed again; resident memory then stays at the highest
    load.  That is no leak, and nobody has to mend it; but who pays for memory wants to know.

Needs
    A watched pool whose chunks are known, or one that tells itself what it holds; or the books of malloc, and a series
    that shows how long so much lay unused.  8 MiB and a quarter of resident memory, of which less than half is in use.

Not when
    The pool took chunks in the second half of the run.  Handles were dropped without release, or a few keep its chunks
    (LS203).  The free memory lies in holes (LS201).

Example
    ``fixtures/programs/pooling/`` beside its quiet twin in ``fixtures/programs/stable/``.

Source
    The pool's own books.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.alignment import fingerprint
from leakscope.analysis.slack import LEAST_BYTES, LEAST_SHARE
from leakscope.model.finding import Evidence, Finding, Subject, Verdict
from leakscope.rules.rule import Rule
from leakscope.rules.unused import Unused, lies_at_the_end
from leakscope.units import format_bytes, format_count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leakscope.analysis.facts import Facts
    from leakscope.model.dump import Dump

CODE, NAME = "LS101", "pooling"
_CONFIDENCE = 0.9
_MOST_USED = 0.5
_SETTLED = 0.5
"""Part of the run after which a pool must not have taken more."""
_DROPPED = 0.1
"""Part of what a pool holds that may have been dropped without release, for it to be the pool's own choice."""


@dataclass(frozen=True, slots=True)
class _Pool:
    """A pool that holds more than it lends."""

    name: str
    held_bytes: float
    used_bytes: float
    peak_bytes: float
    chunks: int


def check(facts: Facts) -> tuple[Finding, ...]:
    """
    A finding for each pool, and for malloc, that keep much more than they lend.

    Parameters
    ----------
    facts : Facts
    """
    found = [_finding(facts, pool) for pool in [*_watched(facts), *_telling(facts)] if _matters(facts, pool)]
    return (*found, *_malloc(facts))


POOLING = Rule(code=CODE, name=NAME, check=check)


def _watched(facts: Facts) -> Iterator[_Pool]:
    for use in facts.lending:
        settled = use.newest_s <= _SETTLED * use.dump.meta.elapsed_s
        if settled and not use.kept_by_few and use.chunks.dropped_bytes <= _DROPPED * use.held_bytes:
            yield _Pool(use.chunks.name, use.held_bytes, use.chunks.used_bytes, use.peak_bytes, len(use.chunks))


def _telling(facts: Facts) -> Iterator[_Pool]:
    """Pools that say themselves what they hold, the same or less as in the middle of the run."""
    last = facts.last.pools
    if last is None:
        return
    half_s = _SETTLED * facts.last.meta.elapsed_s
    before = next((dump for dump in reversed(facts.run[:-1]) if dump.meta.elapsed_s <= half_s), None)
    then = _held_by_name(before) if before is not None else {}
    for row in np.flatnonzero(np.isfinite(last.pools.held_bytes)).tolist():
        name, held = facts.last.strings[int(last.pools.name[row])], float(last.pools.held_bytes[row])
        if held <= then.get(name, 0.0):
            used, peak = float(last.pools.used_bytes[row]), float(last.pools.peak_bytes[row])
            yield _Pool(name, held, used, peak, int(last.pools.chunks[row]))


def _held_by_name(dump: Dump) -> dict[str, float]:
    if dump.pools is None:
        return {}
    table = dump.pools.pools
    return {dump.strings[int(name)]: float(held) for name, held in zip(table.name, table.held_bytes, strict=True)}


def _matters(facts: Facts, pool: _Pool) -> bool:
    unused = pool.held_bytes - pool.used_bytes
    least = max(LEAST_BYTES, LEAST_SHARE * facts.last.meta.process.rss_bytes)
    return unused >= least and pool.used_bytes <= _MOST_USED * pool.held_bytes


def _finding(facts: Facts, pool: _Pool) -> Finding:
    chunks = f" in {format_count(pool.chunks)} chunk{'' if pool.chunks == 1 else 's'}" if pool.chunks else ""
    most = f", {format_bytes(pool.peak_bytes)} at most" if pool.peak_bytes == pool.peak_bytes else ""
    return Finding(
        code=CODE, rule=NAME, verdict=Verdict.POOLING, confidence=_CONFIDENCE,
        fingerprint=fingerprint(f"{CODE} {pool.name}", (), facts.roots),
        sentence=(
            f"Pool {pool.name} holds {format_bytes(pool.held_bytes)}{chunks}, by design, and lends "
            f"{format_bytes(pool.used_bytes)} of it now{most}; it has not grown since the middle of the run."
        ),
        subject=Subject("pool", pool=pool.name), bytes=round(pool.held_bytes), count=pool.chunks, growth=None,
        stack=(), evidence=(
            Evidence("for", "held by the pool", pool.held_bytes, "bytes"),
            Evidence("for", "lent now", pool.used_bytes, "bytes"),
            Evidence("for", "most that it ever lent", pool.peak_bytes, "bytes"),
        ),
        advice=("if that is too much, give the pool smaller chunks or fewer of them",),
    )  # fmt: skip


def _malloc(facts: Facts) -> Iterator[Finding]:
    """Free memory at the end of malloc's heap."""
    slack = facts.slack
    if slack is None or slack.stretch is None:
        return
    unused = Unused(facts, np.flatnonzero(lies_at_the_end(facts)))
    if unused.matters:
        sentence = (
            f"malloc keeps {unused.size} for later, free in one piece at the end of its heap and unused"
            f"{unused.how_long or ' all the time'}."
        )
        yield unused.finding(
            CODE, NAME, Verdict.POOLING, sentence, (unused.trim_advice,), pool="malloc, end of its heap"
        )
