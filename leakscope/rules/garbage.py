"""
LS603 garbage: objects in cycles that only a collection would free.

Says
    So much memory made in a function is held by nothing but cycles of its own objects.  With the collector on that is
    no leak but a wait, and it says so; with the collector off it piles up, and that is a leak of its own kind.

Because
    Reference counts never free a cycle.  A tool that collects first hides what a program does with its collector off or
    late; a tool that does not accuses what the next collection takes away.  The effect of a collection is worked out on
    the dump instead, so both are told apart.

Needs
    One dump with the object graph.  To call it a leak the collector must be off, and the garbage must rise from dump
    to dump or have been born all the time.

Not when
    It is little: under 1 MiB or a tenth of what is live, while the collector is on.  Garbage of a program without its
    collector that was made once.

Example
    ``fixtures/programs/garbage/`` beside its quiet twin.

Source
    ``Modules/gcmodule.c``: counts minus the references from within; what is left at zero and not reached goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.between import birth_weights, pace_between
from leakscope.analysis.lasting import pace_of
from leakscope.analysis.sites import sums
from leakscope.model.finding import Evidence, Finding, Growth, Verdict
from leakscope.rules.made import Made
from leakscope.rules.rule import Rule
from leakscope.units import format_bytes, format_count, format_duration

if TYPE_CHECKING:
    from leakscope.analysis.facts import Facts
    from leakscope.analysis.garbage import Garbage
    from leakscope.analysis.lasting import Pace
    from leakscope.analysis.walked import Walked
    from leakscope.model.columns import F8, I8

CODE, NAME = "LS603", "garbage"
_MUCH_BYTES, _MUCH_SHARE = 1 << 20, 0.1
_OWN_SHARE = 0.1
"""A function is named if this part of the garbage is its."""
_LIKE_RATE, _LIKE_SHARE = 4.0, 0.5
_BOUNDED_CONFIDENCE = 0.9


def check(facts: Facts) -> tuple[Finding, ...]:
    """
    What waits for the collector, or piles up without it.

    Parameters
    ----------
    facts : Facts
    """
    running = facts.walked_running
    if running is None:
        return ()
    last = facts.walked[-1]
    if not running.garbage.enabled:
        return tuple(_piles(facts, last)) if last.garbage.objects else ()
    much = max(_MUCH_BYTES, _MUCH_SHARE * float(running.dump.allocations.weight.sum()))
    return (_waits(facts, running),) if running.garbage.bytes >= much else ()


GARBAGE = Rule(code=CODE, name=NAME, check=check)


def _waits(facts: Facts, last: Walked) -> Finding:
    """The collector is on: one finding for all of it, with the place that made most."""
    garbage = last.garbage
    by_function = _by_function(facts, last)
    rows = _rows_of(facts, last, int(np.argmax(by_function))) if len(by_function) else np.empty(0, dtype=np.int64)
    made = Made(facts, last.dump, rows)
    size, objects = format_bytes(garbage.bytes), format_count(garbage.objects)
    earlier = last is not facts.walked[-1]  # other numbers of the report are those of the end
    when = f", {format_duration(facts.last.meta.elapsed_s - last.taken_s)} before the end," if earlier else ""
    held, wait = ("were held", "waited") if earlier else ("are held", "wait")
    text = (
        f"{size} in {objects} objects {held} by nothing but their own cycles{_like(garbage)}{when} and {wait} for the "
        f"collector, which is on: no leak{'' if not made.known else f'; most were made by {made.name}'}."
    )
    return _finding(
        facts, last, made, text, Verdict.BOUNDED, _BOUNDED_CONFIDENCE, (garbage.bytes, garbage.objects), None,
        "if they must go earlier: gc.collect(), lower thresholds, or break the cycle with weakref",
    )  # fmt: skip


def _piles(facts: Facts, last: Walked) -> list[Finding]:
    """The collector is off: a finding for each function that makes a good part of it."""
    found = []
    for_all = [_by_function(facts, each) for each in facts.walked]
    held = for_all[-1]
    for function in np.argsort(-held, kind="stable").tolist():
        if held[function] < max(facts.least_growth, _OWN_SHARE * held.sum()):
            break
        rows = _rows_of(facts, last, function)
        values = np.array([of_dump[function] for of_dump in for_all])
        if not _was_before_the_end(facts, values):
            continue
        pace = _pace(facts, last, values, rows)
        made = Made(facts, last.dump, rows)
        if pace.kind == "uneven" or made.by_imports:
            continue
        objects = round(float(last.dump.allocations.blocks[rows].sum()))
        sure = pace.kind == "even"
        text = (
            f"{format_bytes(float(held[function]))} in {format_count(objects)} blocks made by {made.name} pile up in "
            f"cycles{_like(last.garbage)}: the collector is off, and only a collection would free them"
        )
        text += "." if sure else f"; {made.enough} would tell whether it goes on."
        growth = None
        if len(values) > 1:
            between = (facts.dumps.index(facts.walked[0].dump), facts.dumps.index(last.dump))
            gained = float(values[-1] - values[0])
            growth = Growth(round(gained), round(objects * gained / float(held[function])), between)
        found.append(
            _finding(
                facts, last, made, text, Verdict.LEAK if sure else Verdict.UNKNOWN, pace.confidence,
                (round(float(held[function])), objects), growth,
                "turn the collector on again (gc.enable), call gc.collect() now and then, or break the cycles",
            )
        )  # fmt: skip
    return found


def _was_before_the_end(facts: Facts, values: F8) -> bool:
    """Whether there was garbage at a like rate while the program ran: at its end all that it held becomes garbage."""
    running = facts.walked_running
    if running is None or running is facts.walked[-1]:
        return True
    at = facts.walked.index(running)
    before = float(values[at]) / max(running.taken_s, 1e-9)
    after = float(values[-1] - values[at]) / max(facts.walked[-1].taken_s - running.taken_s, 1e-9)
    return after <= _LIKE_RATE * before or float(values[at]) >= _LIKE_SHARE * float(values[-1])


def _pace(facts: Facts, last: Walked, values: F8, rows: I8) -> Pace:
    if len(values) > 1:
        if last.dump.meta.sampled:
            # All of it is known exactly, from the graph; that of one function is an estimate.
            values = np.array([float(each.garbage.bytes) for each in facts.walked])
        return pace_between(facts.walked, values, rows, facts.work)
    births = last.dump.allocations.born_s[rows].astype(np.float64)
    weights = birth_weights(last.dump, rows)
    return pace_of(values.tolist(), [last.taken_s], births, (0.0, last.taken_s), weights=weights)


def _by_function(facts: Facts, each: Walked) -> F8:
    """Bytes of garbage made by each function."""
    live, freed = each.dump.allocations, each.freed_rows
    functions = facts.function_of_site[facts.sites.by_stack[live.stack[freed]]]
    return sums(functions, live.weight[freed], int(facts.function_of_site.max()) + 1)


def _rows_of(facts: Facts, each: Walked, function: int) -> I8:
    live = each.dump.allocations
    of_function = facts.function_of_site[facts.sites.by_stack[live.stack]] == function
    return np.flatnonzero(each.freed_rows & of_function)


def _like(garbage: Garbage) -> str:
    if not garbage.cycles:
        return ""
    types = garbage.cycles[0].types
    return f" ({' + '.join(types[:3])}{', ...' if len(types) > 3 or garbage.cycles[0].more_types else ''})"


def _finding(
    facts: Facts, last: Walked, made: Made, sentence: str, verdict: Verdict, confidence: float,
    held: tuple[int, int], growth: Growth | None, advice: str,
) -> Finding:  # fmt: skip
    garbage = last.garbage
    evidence = [Evidence("for", "freed by a collection, in cycles and by them", float(garbage.bytes), "bytes")]
    if garbage.frozen_garbage_objects:
        frozen = float(garbage.frozen_garbage_bytes)
        evidence.append(Evidence("for", "more that is frozen, which no collection looks at", frozen, "bytes"))
    if any(group.blocked for group in garbage.cycles):
        blocked = float(sum(group.objects for group in garbage.cycles if group.blocked))
        evidence.append(Evidence("for", "in cycles that a legacy tp_del keeps from being freed", blocked, "objects"))
    if any(group.finalizers for group in garbage.cycles):
        count = float(sum(group.cycles for group in garbage.cycles if group.finalizers))
        evidence.append(Evidence("for", "cycles with finalizers, which run first", count, "cycles"))
    return Finding(
        code=CODE, rule=NAME, verdict=verdict, confidence=confidence, fingerprint=made.fingerprint(CODE, ""),
        sentence=sentence, subject=made.subject("objects", None), bytes=held[0], count=held[1], growth=growth,
        stack=made.frames, evidence=tuple(evidence), advice=(advice,),
        holders=(("nothing but their own cycles",),), threads=made.shares(),
    )  # fmt: skip
