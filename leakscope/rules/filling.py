"""
LS301 filling: what grows is kept in a container that will be full, or by objects each of which gets it once.

Says
    A function keeps growing, and most of what it made is held by one cache or queue that says itself how much it keeps
    at most: how much that is, and how much is in it now.  Or it belongs to objects that were there at the first dump,
    one to each, as a cached property does: how many have got it, and how many there are.

Because
    A cache that fills looks like a leak until it is full.  Where the bound is declared nobody has to wait for it.

Needs
    What LS501 needs, and a dump with the object graph in which ``functools.lru_cache`` or ``collections.deque`` hold
    three quarters of the objects.

Not when
    The container is full and memory grows all the same; it has no bound, or one so high that it is none; several
    containers share the objects.

Example
    ``fixtures/programs/filling/`` beside its twin without a bound in ``fixtures/programs/growth/``.

Source
    ``maxsize`` of the cache, ``maxlen`` of the queue; which objects were there at the first dump.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.filling import bounded_container, completed_objects
from leakscope.analysis.holder_words import paths_to
from leakscope.model.finding import Evidence, Finding, Growth, Verdict
from leakscope.rules.made import Made
from leakscope.rules.rule import Rule
from leakscope.units import format_bytes, format_count

if TYPE_CHECKING:
    from leakscope.analysis.facts import Facts
    from leakscope.analysis.growing import Grown
    from leakscope.analysis.walked import Walked
    from leakscope.model.columns import I8

CODE, NAME = "LS301", "filling"
_CONFIDENCE, _UNDECLARED = 0.95, 0.85
_PATHS = 1
_GOOD_PART = 0.5
_FAR = 20
"""A bound that many times above what is there is as good as none."""


def check(facts: Facts) -> tuple[Finding, ...]:
    """
    A finding for each function whose growth, sure or not, will stop at a declared bound.

    Parameters
    ----------
    facts : Facts
    """
    grown = [each for each in facts.growth if each.judgement.growing or each.judgement.doubt]
    found = (_finding(facts, each) or _completing(facts, each) for each in grown)
    return tuple(finding for finding in found if finding is not None)


FILLING = Rule(code=CODE, name=NAME, check=check)


def _witness(facts: Facts, grown: Grown) -> tuple[Walked, I8] | None:
    """The latest dump with objects that holds a good part of what was made, and its blocks."""
    found: list[tuple[float, Walked, I8]] = []
    for walked in facts.walked:
        live = walked.dump.allocations
        rows = np.flatnonzero(np.isin(facts.sites.by_stack[live.stack], grown.sites))
        found.append((float(live.weight[rows].sum()), walked, rows))
    most = max((held for held, _, _ in found), default=0.0)
    return next(((walked, rows) for held, walked, rows in reversed(found) if held >= _GOOD_PART * most > 0), None)


def _finding(facts: Facts, grown: Grown) -> Finding | None:
    witness = _witness(facts, grown)
    if witness is None:
        return None
    walked, rows = witness
    live, objects = walked.dump.allocations, walked.objects_of(rows)
    filling = bounded_container(walked, objects)
    if filling is None or not filling.items < filling.bound <= _FAR * filling.items:
        return None
    made = Made(facts, walked.dump, rows, grown.sites)
    held, gain = float(live.weight[rows].sum()), round(grown.judgement.gain_bytes)
    full = held * filling.bound / filling.items
    name = walked.heap.types.full_name(int(walked.heap.type[filling.container]))
    items, bound = format_count(filling.items), format_count(filling.bound)
    return Finding(
        code=CODE, rule=NAME, verdict=Verdict.BOUNDED, confidence=_CONFIDENCE, fingerprint=made.fingerprint(CODE, name),
        sentence=(
            f"{made.name} fills a {name} that keeps at most {bound} items and has {items}: "
            f"{format_bytes(held)} now, some {format_bytes(full)} when it is full{made.by_whom}."
        ),
        subject=made.subject("blocks", None), bytes=round(held), count=round(float(live.blocks[rows].sum())),
        growth=Growth(gain, 0, (facts.dumps.index(facts.run[0]), len(facts.dumps) - 1)), stack=made.frames,
        holders=paths_to(walked, objects, facts.roots, _PATHS), threads=made.shares(),
        evidence=(
            Evidence("for", "items kept at most", float(filling.bound), "items"),
            Evidence("for", "items kept now", float(filling.items), "items"),
        ),
        advice=(f"if {format_bytes(full)} are too much, lower the bound",),
    )  # fmt: skip


def _completing(facts: Facts, grown: Grown) -> Finding | None:
    """The finding about what each of some old objects gets once."""
    witness = _witness(facts, grown)
    if witness is None:
        return None
    walked, rows = witness
    live, objects = walked.dump.allocations, walked.objects_of(rows)
    found = completed_objects(facts.walked[0], walked, objects)
    if found is None:
        return None
    made = Made(facts, walked.dump, rows, grown.sites)
    held, gain = float(live.weight[rows].sum()), round(grown.judgement.gain_bytes)
    full = format_bytes(held * found.there / found.having)
    there, having = format_count(found.there), format_count(found.having)
    more = f" and {format_count(found.more_types)} more types" if found.more_types else ""
    return Finding(
        code=CODE, rule=NAME, verdict=Verdict.BOUNDED, confidence=_UNDECLARED,
        fingerprint=made.fingerprint(CODE, found.type),
        sentence=(
            f"{made.name} gives each of {there} old objects ({found.type}{more}) something once, {having} have it: "
            f"{format_bytes(held)} now, some {full} when all have it{made.by_whom}."
        ),
        subject=made.subject("blocks", None), bytes=round(held), count=round(float(live.blocks[rows].sum())),
        growth=Growth(gain, 0, (facts.dumps.index(facts.run[0]), len(facts.dumps) - 1)), stack=made.frames,
        holders=paths_to(walked, objects, facts.roots, _PATHS), threads=made.shares(),
        evidence=(
            Evidence("for", "objects that were there at the first dump", float(found.there), "objects"),
            Evidence("for", "of these have got it", float(found.having), "objects"),
        ),
        advice=(f"if {full} are too much, do not cache it on each",),
    )  # fmt: skip
