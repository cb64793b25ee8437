"""
Dumps on their way: from a reason to a file.

It knows in which order the heap is frozen, the table of blocks read, the objects walked and the file written; it
refuses to know when a dump is wanted.  Nothing in here waits for the program: each turn of the watch takes a step, and
samples are taken in between.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from leakscope import native
from leakscope.capture.dumps import BOUNDED_REASONS
from leakscope.capture.heap import BY_REQUEST, BY_WISH, CLAIM_BY_SCHEDULE_S, CLAIM_S, HeapWatch, Stage
from leakscope.capture.meta import facts_now
from leakscope.errors import DiskFull
from leakscope.model.heap import HeapMeta
from leakscope.model.meta_text import write_meta

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from leakscope._core import Ledger
    from leakscope.capture.dumps import DumpFolder
    from leakscope.capture.meta import RunFacts
    from leakscope.capture.sampler import Sampler
    from leakscope.model.config import CaptureConfig
    from leakscope.model.dump import Death, DumpMeta, Health
    from leakscope.native import Columns

UNHEARD_S = 0.25
"""A program that has not heard the wish by then seems to be idle: its dump tells of this moment."""
SCHEDULED_S, ASKED_S = 0.1, 0.5
"""Most processor time for each of arenas, heaps and pages, of dumps that nobody or somebody asked for."""
MOST_WAITING = 8
"""A program that is sent a thousand signals does not owe a thousand dumps."""


@dataclass(frozen=True, slots=True)
class _Frozen:
    """All of a dump but the object graph, as it was when the heap was frozen."""

    meta: DumpMeta
    health: Health
    columns: Columns
    table: object


@dataclass(slots=True)
class _Order:
    """A dump that is on its way with an object graph."""

    reason: str
    ticket: int
    since_s: float
    frozen: _Frozen | None = None
    settled: bool = False


class Taking:
    """
    The dumps of one process.

    Parameters
    ----------
    ledger : Ledger
    pid : int
    folder : DumpFolder
    facts : RunFacts
    config : CaptureConfig
    sampler : Sampler
    note : callable
        Told what went wrong; the program and its exit code come first.
    """

    def __init__(
        self,
        ledger: Ledger,
        pid: int,
        folder: DumpFolder,
        facts: RunFacts,
        config: CaptureConfig,
        sampler: Sampler,
        note: Callable[[Exception], None],
    ) -> None:
        self._ledger = ledger
        self._pid = pid
        self._folder = folder
        self._facts = facts
        self._config = config
        self._sampler = sampler
        self._note = note
        self._heap = HeapWatch(ledger, pid)
        self._waiting: deque[str] = deque(maxlen=MOST_WAITING)
        self._order: _Order | None = None

    @property
    def answering(self) -> bool:
        """Whether the program waits for a dump whose objects are being walked: others that ask then come after it."""
        return self._order is not None and self._order.ticket != 0

    def want(self, reason: str) -> None:
        """A dump that nobody in the program waits for, as soon as the others are done."""
        if not (reason in BOUNDED_REASONS and reason in self._waiting):
            self._waiting.append(reason)

    def answer(self, ticket: int, reason: str, now_s: float) -> None:
        """The dump that the program waits for; `ticket` is answered when it is written, or failed."""
        asked, problem = self._heap.has_request(), self._heap.request_problem()
        if reason == "exit":
            self._waiting.clear()
        if asked or reason == "exit":
            self._make_way(reason)
        if asked:
            self._order = _Order(reason, ticket, now_s)
            self._advance(self._heap.begin(now_s, BY_REQUEST), now_s)
        else:
            # Why it has no graph, or that nobody wanted one.
            path = self.take_now(reason, HeapMeta(problem=problem) if problem else None)
            self._answer(ticket, path)

    def step(self, now_s: float) -> None:
        """Whatever can be done without waiting."""
        if self._order is not None:
            self._hurry(self._order, now_s)
            self._advance(self._heap.step(now_s), now_s)
            return
        self._heap.sweep(now_s)
        if self._waiting:
            self._begin(self._waiting.popleft(), now_s)

    def take_last(self, reason: str, death: Death | None, now_s: float) -> Path | None:
        """The last dump of a process that is gone, with the graph if it had been walked by then."""
        died = "the program ended during the walk over its objects"
        order = self._order
        if order is not None and order.reason == "exit" and order.frozen is not None:
            if self._heap.step(now_s) is not Stage.OVER:
                self._heap.give_up(died)
            meta = replace(order.frozen.meta, reason=reason, death=death)
            return self._conclude(_Order(reason, order.ticket, now_s, replace(order.frozen, meta=meta)), now_s)
        self._make_way(reason)
        if self._config.heap and self._heap.has_request():
            if self._heap.begin(now_s, BY_REQUEST) is not Stage.OVER:
                self._heap.give_up(died)
            return self._conclude(_Order(reason, 0, now_s, self._freeze(reason, death)), now_s)
        problem = "the program died" if reason == "death" else "the program left without the interpreter's own end"
        return self.take_now(reason, HeapMeta(problem=problem) if self._config.heap else None, death)

    def take_now(self, reason: str, heap: HeapMeta | None, death: Death | None = None) -> Path | None:
        """A dump without a graph; None if it failed."""
        frozen = self._freeze(reason, death)
        return None if frozen is None else self._write(frozen, heap)

    def _begin(self, reason: str, now_s: float) -> None:
        if not self._config.heap:
            self.take_now(reason, None)
        elif reason == "baseline" and not self._heap.affordable(now_s):
            self._waiting.append(reason)  # as soon as it is cheap beside the time since the last one
        elif reason in BOUNDED_REASONS and not self._heap.affordable(now_s):
            self.take_now(reason, HeapMeta(problem="walks this often would take more than 5 % of the program's time"))
        elif self._heap.has_request():
            # The program is about to ask for a dump of its own.
            self._waiting.appendleft(reason)
        else:
            self._order = _Order(reason, 0, now_s)
            claim_s = CLAIM_BY_SCHEDULE_S if reason in BOUNDED_REASONS else CLAIM_S
            self._advance(self._heap.begin(now_s, BY_WISH, claim_s, wake=reason not in BOUNDED_REASONS), now_s)

    def _hurry(self, order: _Order, now_s: float) -> None:
        """Who asks for a dump does not wait for one that nobody asked for and a sleeping program has not heard of."""
        asked = next((reason for reason in self._waiting if reason not in BOUNDED_REASONS), None)
        if asked is None or order.reason not in BOUNDED_REASONS or not self._heap.hurry(now_s):
            return
        self._waiting.remove(asked)
        self.want(order.reason)
        self._order = _Order(asked, order.ticket, now_s)

    def _advance(self, stage: Stage, now_s: float) -> None:
        order = self._order
        if order is None:
            return
        if stage is Stage.WISHED:
            if order.frozen is None and now_s - order.since_s >= UNHEARD_S:
                order.frozen = self._freeze(order.reason, None)
            return
        # What goes with a graph is read after the heap was frozen; else a block freed in between were held by nobody.
        if order.frozen is None or not (order.settled or self._heap.problem):
            order.frozen = self._freeze(order.reason, None)
            order.settled = True
            # The walk may be over by now; if not, there will be another turn.
            stage = self._heap.step(now_s)
        if order.frozen is None or stage is Stage.OVER:
            self._conclude(order, now_s)

    def _conclude(self, order: _Order, now_s: float) -> Path | None:
        self._order = None
        path = None
        if order.frozen is not None:
            try:
                heap, graph = self._heap.fetch()
            except MemoryError as error:
                heap, graph = HeapMeta(problem=f"it could not be fetched: {error}"), None
            path = self._write(order.frozen, heap, graph)
        self._heap.done(now_s)
        if order.ticket:
            self._answer(order.ticket, path)
        return path

    def _make_way(self, reason: str) -> None:
        """What is on its way ends here: the heap is frozen for somebody else, or will never be again."""
        order, self._order = self._order, None
        if order is None:
            return
        self._heap.give_up(f"the dump at the program's {reason} came before the end of the walk")
        if order.settled and order.frozen is not None:
            self._write(order.frozen, HeapMeta(problem=self._heap.problem))
        elif reason == "request":
            self._waiting.appendleft(order.reason)

    def _answer(self, ticket: int, path: Path | None) -> None:
        self._ledger.answer_request(ticket, "" if path is None else str(path.absolute()))

    def _freeze(self, reason: str, death: Death | None) -> _Frozen | None:
        try:
            self._sampler.refresh()
            state = self._ledger.state()
            sample = self._sampler.sample(float(state["elapsed_s"]), int(state["ledger_bytes"]), whole=True)
            # After the sample: it must know all stacks that the sample names.  At its end the program waits, so that
            # its memory can be searched for pointers.
            table = self._ledger.freeze(self._pid if reason == "exit" and death is None else 0)
            chunks, totals = self._chunks(reason, death, table)
            sample = replace(sample, values={**sample.values, **totals})
            meta, health = facts_now(self._facts, self._config, self._pid, reason, death, state, self._sampler)
            return _Frozen(meta, health, {**self._sampler.series.columns(sample), **chunks}, table)
        except Exception as error:  # noqa: BLE001 - told at the end
            self._note(error)
            return None

    def _chunks(self, reason: str, death: Death | None, table: object) -> tuple[Columns, dict[str, float]]:
        """The chunks of a process that lives, measured, and their totals; else what the table tells stands."""
        if death is not None or not self._sampler.mappings:
            return {}, {}
        # Not with this module: NumPy starts threads, which must come after signals are blocked.
        from leakscope.capture.chunks import Place, columns_of, measured_chunks, totals_of

        timeout_s = SCHEDULED_S if reason in BOUNDED_REASONS else ASKED_S
        place = Place(self._pid, lambda: self._heap.copy(self._pid), self._sampler.mappings, timeout_s)
        chunks = measured_chunks(self._ledger, table, place, self._config.chunk_bytes)
        return columns_of(table, chunks), totals_of(chunks)

    def _write(self, frozen: _Frozen, heap: HeapMeta | None, graph: object = None) -> Path | None:
        try:
            number, path = self._folder.next_dump()
            text = write_meta(replace(frozen.meta, number=number, heap=heap), frozen.health)
            parts = (frozen.table,) if graph is None else (frozen.table, graph)
            native.write_dump(self._ledger, str(path), text, frozen.columns, parts)
            self._folder.took(path, frozen.meta.reason)
        except DiskFull as error:
            if graph is not None:
                return self._write(frozen, HeapMeta(problem="there was no room for it on the disk"))
            self._note(error)
            return None
        except Exception as error:  # noqa: BLE001 - told at the end
            self._note(error)
            return None
        return path
