"""
What was not seen, in one sentence each: what weakens whatever else the report says.

It knows what the recorder counted as missed, how far estimates can be off and what nobody could attribute; it refuses
to say anything when there is nothing to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakscope.units import format_bytes, format_count, format_share

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leakscope.analysis.facts import Facts
    from leakscope.model.dump import Dump, Health

_MUCH_UNKNOWN = 0.1
"""Part of the resident memory from which on what nobody attributed is worth a sentence."""
_MUCH_LOST = 0.001
"""Part of all frees from which on unknown ones are."""
_MUCH_UNBACKED = 0.05
_MUCH_FREED = 0.75
"""Part of the live memory that is left when so much was freed at the end that it must be told."""


def caveats(facts: Facts) -> tuple[str, ...]:
    """
    What weakens the verdict, most important first.

    Parameters
    ----------
    facts : Facts
    """
    last = facts.last
    return (
        *_comparison(facts), *_losses(last.health, last), *_taken_down(facts), *_unattributed(facts),
        *_without_graph(facts), *_imprecision(facts), *_shortened(last.health, last.meta.max_frames),
    )  # fmt: skip


def _comparison(facts: Facts) -> Iterator[str]:
    if len(facts.runs) > 1:
        sizes = ", ".join(format_count(len(run)) for run in facts.runs)
        yield (
            f"the dumps are of {len(facts.runs)} runs ({sizes} dumps, in the order given), matched by names; "
            "the last run is judged, gains are against the first"
        )
        intervals = {dump.meta.interval_bytes for dump in facts.dumps}
        if len(intervals) > 1:
            yield "the runs were recorded with different sampling intervals; every row counts by its weight"


def _losses(health: Health, dump: Dump) -> Iterator[str]:
    if health.dropped_blocks:
        yield f"{_count(health.dropped_blocks, 'block')} not recorded, for lack of room in the ledger"
    if health.dropped_stacks:
        found = _count(health.dropped_stacks, "stack", "found no room in the ledger")
        yield f"{found}; what was allocated there is booked without a stack"
    if health.dropped_threads:
        yield f"{_count(health.dropped_threads, 'thread', 'found no room in the ledger')}, and a name for all of these"
    totals = dump.buffers.totals if dump.buffers is not None else None
    if totals is not None and totals.dropped:
        found = _count(totals.dropped, "export", "of buffers found no room in the ledger")
        yield f"{found}: what is handed out is told incompletely"
    if totals is not None and totals.refused:
        yield f"{_count(totals.refused, 'type', 'could not be watched')} where buffers are handed out"
    if health.dropped_handles:
        yield f"{_count(health.dropped_handles, 'handle')} of pools not recorded, for lack of room in the ledger"
    if health.dropped_crosses:
        found = _count(health.dropped_crosses, "time", "")
        yield f"the table of who releases what whom acquired was full ({found}): releases are missing in it"
    if health.tracer_lost:
        yield (
            f"another tool took the allocator hooks away ({_count(health.tracer_lost, 'time', '')}); "
            "some objects are booked on the line that first made their memory"
        )
    if health.unknown_frees > _MUCH_LOST * max(dump.meta.totals.free_blocks, 1):
        yield (
            f"{_count(health.unknown_frees, 'block')} freed whose allocation was not seen: "
            "older than the recording, or made past its hooks"
        )


def _unattributed(facts: Facts) -> Iterator[str]:
    residence = facts.residence
    if not residence.rss_bytes:
        yield "the memory of the process as the system sees it is not in this dump"
        return
    unknown = residence.parts["unknown"]
    if unknown > _MUCH_UNKNOWN * residence.rss_bytes:
        share = format_share(unknown / residence.rss_bytes)
        yield f"{format_bytes(unknown)} of resident memory ({share}) could not be attributed to anything"
    if residence.unbacked_bytes > _MUCH_UNBACKED * residence.rss_bytes:
        yield (
            f"{format_bytes(residence.unbacked_bytes)} were asked for but are not resident: "
            "never written to, or swapped out"
        )


def _taken_down(facts: Facts) -> Iterator[str]:
    end = facts.last.meta.elapsed_s
    if facts.end_s < end and facts.live_bytes < _MUCH_FREED * facts.live_at_end_s:
        then, now = format_bytes(facts.live_at_end_s), format_bytes(facts.live_bytes)
        yield (
            f"the last dump was taken when the program had begun to free what it held: {now} are live in it, "
            f"not {then} as before; growth is judged until second {facts.end_s:.1f}"
        )


def _without_graph(facts: Facts) -> Iterator[str]:
    heap = facts.last.meta.heap
    if heap is not None and heap.problem:
        earlier = ", an earlier dump is asked for objects" if facts.walked else ""
        yield f"the last dump has no object graph: {heap.problem}{earlier}"


def _imprecision(facts: Facts) -> Iterator[str]:
    meta = facts.last.meta
    if meta.sampled and facts.live_bytes > 0:
        error = format_share(facts.live_error / facts.live_bytes)
        yield (
            f"sampled every {format_bytes(meta.interval_bytes)} on average: "
            f"live memory is known to within ±{error}, single lines less well"
        )


def _shortened(health: Health, max_frames: int) -> Iterator[str]:
    if health.collisions:
        yield f"{_count(health.collisions, 'block')} handed out again though no free of them had been seen"
    if health.truncated_stacks:
        one = health.truncated_stacks == 1
        yield (
            f"{_count(health.truncated_stacks, 'stack', 'was' if one else 'were')} too deep to be followed to the "
            f"outermost caller; the innermost {format_count(max_frames)} frames are kept"
        )


def _count(number: int, name: str, does: str = "") -> str:
    """``1 block was``, ``2 blocks were``, or what they do instead."""
    one = number == 1
    verb = does or ("was" if one else "were")
    return f"{format_count(number)} {name}{'' if one else 's'}" + (f" {verb}" if name != "time" else "")
