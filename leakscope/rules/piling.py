"""
LS608 piling: objects of one type pile up in a container, as long as the program works.

Says
    So many objects of a type, made in a line, were added to one list, dictionary or set, and nothing took them out.
    In a container that an object, a class or an imported module keeps it is a leak.  In a variable of the main script,
    or with an installed tool that was started by ``-m`` and gathers its own results, it is growth.

Because
    Caches without a bound, registries and listeners that nobody removes hold on to everything that ever passed
    through.  No bound is declared, nothing goes, and it goes on at the pace of the work: it ends when memory does.
    Where each object keeps what came before it, the newest one keeps them all.

Needs
    Two dumps of one run with the object graph: three that rise at an even pace, or births that go on until the work
    was done.  A hundred objects and 16 KiB.

Not when
    The container says how much it keeps at most.  A quarter of what was new in earlier dumps is gone in the last.
    Only births tell, none is old, and a quarter of all made there is gone: then these are just the latest.
    Threads, frames (those of tracebacks as well) or nobody hold the objects.  Each hangs on an object of its own that
    was there at the first dump.  Imports made them, or nobody knows who did.  The totals of their line are level, fall
    or slow down as long as the program works.

Example
    ``fixtures/programs/piling/visits.py`` beside its quiet twin.

Source
    LeakCanary's heap growth; BLeak (PLDI 2018).
"""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from leakscope.analysis.containers import (
    container_of,
    fill_what_was_there,
    hang_in_chains,
    is_the_scripts_own,
    is_the_tools_own,
)
from leakscope.analysis.filling import bounded_container
from leakscope.analysis.growing import judge_group
from leakscope.analysis.holder_words import paths_to
from leakscope.analysis.series import trend
from leakscope.analysis.turnover import turns_over
from leakscope.analysis.walked import ENOUGH_BIRTHS
from leakscope.model.finding import Evidence, Finding, Growth, Verdict
from leakscope.rules.made import Made
from leakscope.rules.rule import Rule
from leakscope.units import format_bytes, format_count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leakscope.analysis.facts import Facts
    from leakscope.analysis.staying import Staying

CODE, NAME = "LS608", "piling"
_LEAST_OBJECTS, _LEAST_BYTES = 100, 16 << 10
_STAYED = 0.75
_BOUND_MAY_COME = 0.85
_PATHS = 2
_STILL = ("level", "falling", "slowing")


def check(facts: Facts) -> tuple[Finding, ...]:
    """
    A finding for each container in which objects pile up, by what is topmost in it.

    Parameters
    ----------
    facts : Facts
    """
    found: dict[int | None, tuple[int, _Case]] = {}
    for group in facts.unaccounted.staying:
        if not _counts(group):
            continue
        last = facts.walked[-1]
        container, steps = container_of(last, group.objects) or (None, 0)
        if container in found and found[container][0] <= steps:
            continue
        if bounded_container(last, group.objects) is not None:
            continue
        if container is None and not hang_in_chains(last, group.objects):
            continue
        if container is not None and fill_what_was_there(facts.walked[0], last, group.objects, steps):
            continue
        if group.pace.witness == "births" and turns_over(
            last.dump, group.rows, facts.last, facts.work, (facts.work.all_imported_s, last.taken_s)
        ):
            continue
        made = Made.of_objects(facts, last, group.objects, ENOUGH_BIRTHS)
        if made.place is not None and not made.by_imports and not _is_still(facts, made):
            found[container] = steps, _Case(facts, group, container, made)
    return tuple(case.finding() for _, case in found.values())


PILING = Rule(code=CODE, name=NAME, check=check)


def _counts(group: Staying) -> bool:
    if group.pace.kind != "even" or group.stayed < _STAYED:
        return False
    return group.gained >= _LEAST_OBJECTS and group.gained_bytes >= _LEAST_BYTES


def _is_still(facts: Facts, made: Made) -> bool:
    """Whether the function that made them is seen not to grow as a whole, as long as the program worked."""
    groups, function = facts.by_function, int(facts.function_of_site[facts.sites.by_stack[made.stack]])
    if judge_group(groups, function, 0.0).trend.shape not in _STILL:
        return False
    start, end = groups.window(function)
    done = min(facts.work.done_s, end)
    times, values = groups.values(function)
    at_work = times <= done
    return trend(times[at_work], values[at_work], min(start, done), done, least=0.0).shape in _STILL


class _Case:
    """One type in one container, and the words for it."""

    def __init__(self, facts: Facts, group: Staying, container: int | None, made: Made) -> None:
        self.facts, self.group, self.made, self.last = facts, group, made, facts.walked[-1]
        self.tools = container is not None and is_the_tools_own(self.last, container, facts.tool)
        self.leaks = container is None or not (self.tools or is_the_scripts_own(self.last, container))
        self.container = "chain"
        if container is not None:
            self.container = self.last.heap.types.full_name(int(self.last.heap.type[container]))

    def finding(self) -> Finding:
        group, made, facts = self.group, self.made, self.facts
        kept = max(int(self.last.holders.retained_by(group.objects)[0]), group.gained_bytes)
        between = (facts.dumps.index(facts.walked[0].dump), facts.dumps.index(self.last.dump))
        return Finding(
            code=CODE, rule=NAME, verdict=Verdict.LEAK if self.leaks else Verdict.GROWTH,
            confidence=_BOUND_MAY_COME * group.pace.confidence, fingerprint=made.fingerprint(CODE, group.type),
            sentence=self._sentence(kept), subject=made.subject("objects", group.type), bytes=kept,
            count=group.counts[-1], growth=Growth(kept, group.gained, between), stack=made.frames,
            holders=paths_to(self.last, group.objects, facts.roots, _PATHS), threads=made.shares(),
            evidence=tuple(self._evidence()), advice=(self._advice(),),
        )  # fmt: skip

    def _sentence(self, kept: int) -> str:
        group, made = self.group, self.made
        more, size = format_count(group.gained), format_bytes(kept)
        verb = "have piled up" if self.leaks else "were collected"
        where = f"{verb} in one {self.container} since the first dump, and nothing takes them out"
        if self.container == "chain":
            where = "hang in a chain in which each keeps what came before"
        return f"{more} {group.type} objects made by {made.name} {where}: they keep {size} alive{made.by_whom}."

    def _evidence(self) -> Iterator[Evidence]:
        group = self.group
        yield Evidence("for", "objects gained between the dumps", float(group.gained), "objects")
        if group.pace.witness == "dumps":
            yield Evidence("for", "dumps that rise at an even pace", float(group.pace.dumps), "dumps")
        else:
            yield Evidence("for", "made until the work was done, blocks", float(len(self.made.rows)), "blocks")
        if self.tools:
            yield Evidence("against", f"containers of {self.facts.tool}, which was started", 1.0, "containers")
        elif not self.leaks:
            yield Evidence("against", "container in a variable of the main script", 1.0, "containers")

    def _advice(self) -> str:
        group = self.group
        asked = f"{quote(self.last.dump.source)} {quote(group.type if '.' in group.type else self.made.where)}"
        if self.container == "chain":
            return f"keep no reference to the one before; all holders: leakscope path {asked}"
        if self.tools:
            tool = self.facts.tool
            return f"{tool} gathers these itself; look at what else grows; all holders: leakscope path {asked}"
        return f"give the {self.container} a bound, or remove what is done with; all holders: leakscope path {asked}"
