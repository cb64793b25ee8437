"""The drawing notation: dumps in a line, through the same constructors and writer as recorded ones.

::

    live({"app.py:10": 400})                                one block of 400 bytes, allocated at app.py line 10
    live({"main@app.py:3 > load@app.py:20": (1000, 64)})    1000 blocks of 64 bytes; a stack, outermost first
    live({"app.py:5 > !istr_new@_multidict.so": 96})        a native frame
    live({"": 96})                                          no Python code was running
    live({...}, thread="worker-1", domain="raw", born_s=5)
    live({...}, address=0x7E0000000000)                     there, and after it one by one
    freed({"app.py:10": (50, 64)}, foreign=True)            allocated and given back, here by another thread
    chunks({"app.py:10": (4, 1 << 20)}, kind="arena")       four arenas of 1 MiB
    chunks({...}, used_bytes=9_000, free_bytes=1_039_576, label="arena 2")      each of them measured the same
    chunks({"": 1 << 20}, kind="heap", thread=None)         nobody saw it being taken
    chunks({...}, address=0x7E0000000000)                   there, and after it one by one

These add up with ``+`` to one moment.  ``dump(moment)`` is one dump of it; ``series(moment, moment, ...)`` is a run of
dumps, one at each moment, with common stack ids and growing series.  Blocks that are still there at the next moment
keep their age and address; ``fresh=True`` replaces them all.  Chunks that stay may be measured anew.  With
``interval_bytes`` above 1 small blocks are drawn as the few heavier rows that a sampled recording would have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike, fspath
from types import MappingProxyType
from typing import Any

import numpy as np
from chunk_builders import books_of
from pool_builders import Lent, PoolBooks

from leakscope.formats import lks
from leakscope.model.allocations import AllocationTable, FrameTable, StackTable, StringTable, ThreadTable
from leakscope.model.chunks import CHUNK_KINDS, MEASURES, NO_THREAD, ChunkTable
from leakscope.model.dump import Dump, DumpMeta, Health, LedgerTotals, ProcessMemory
from leakscope.model.series import AGE_CLASSES, AGE_EDGES_S, SERIES_COLUMNS, Series, SiteSamples

MAIN = "MainThread"
DOMAINS = ("raw", "mem", "obj", "native", "mapping")
LARGE_MAPPING = 16 << 20
EXACT_BYTES = 64 << 10
QUIET_BYTES = 8 << 20  # resident before the recording began, in drawn dumps

Sites = Mapping[str, int | tuple[int, int]]
Key = tuple[str, int, str | None, str, int | None, str]  # stack, size, thread, domain or kind, first address, label
Measures = Mapping[str, float]  # by the names of MEASURES


@dataclass(frozen=True)
class Moment:
    """What is there at one moment; ``live(...) + freed(...) + chunks(...)``."""

    live: tuple[tuple[Key, int, float | None, bool], ...] = ()  # key, count, born_s, fresh
    freed: tuple[tuple[Key, int, bool], ...] = ()  # key, count, foreign
    chunks: tuple[tuple[Key, int, Measures], ...] = ()  # key, count, of each
    lent: tuple[tuple[Lent, int], ...] = ()

    def __add__(self, other: Moment) -> Moment:
        parts = ("live", "freed", "chunks", "lent")
        return Moment(**{part: getattr(self, part) + getattr(other, part) for part in parts})


def live(
    sites: Sites,
    *,
    thread: str = MAIN,
    domain: str = "obj",
    born_s: float | None = None,
    fresh: bool = False,
    address: int | None = None,
) -> Moment:
    """Live blocks: site to bytes of one block, or to (count, bytes of each)."""
    return Moment(live=tuple((key, count, born_s, fresh) for key, count in _keys(sites, thread, domain, address)))


def freed(sites: Sites, *, thread: str = MAIN, domain: str = "obj", foreign: bool = False) -> Moment:
    """Blocks that came and went since the moment before."""
    return Moment(freed=tuple((key, count, foreign) for key, count in _keys(sites, thread, domain)))


def chunks(
    sites: Sites,
    *,
    kind: str = "arena",
    thread: str | None = MAIN,
    address: int | None = None,
    label: str = "",
    **measures: float,
) -> Moment:
    """Live chunks of a kind, each with the same measures; those without a label and an address of their own are one."""
    assert set(measures) <= set(MEASURES), measures
    return Moment(chunks=tuple((*key, measures) for key in _keys(sites, thread, kind, address, label)))


def dump(moment: Moment, *, elapsed_s: float = 60.0, **facts: Any) -> Dump:
    """
    One dump of one moment.

    ``facts`` are ``rss_bytes=``, ``interval_bytes=``, ``health=``, ``process=`` (fields of ProcessMemory), ``source=``
    and any other field of DumpMeta.
    """
    return series(moment, every_s=elapsed_s, **facts)[0]


def series(
    *moments: Moment, every_s: float = 60.0, rss_bytes: Sequence[int] | int | None = None, **facts: Any
) -> list[Dump]:
    """A run of dumps, one at each moment; ``rss_bytes`` one for each, or by default what is live and some."""
    run = _Run(interval_bytes=facts.get("interval_bytes", 1))
    rss = [rss_bytes] * len(moments) if rss_bytes is None or isinstance(rss_bytes, int) else list(rss_bytes)
    dumps = []
    for number, moment in enumerate(moments, 1):
        run.advance(moment, number * every_s, rss[number - 1])
        dumps.append(run.dump(number, **facts))
    return dumps


def save(drawn: Dump, path: str | PathLike[str]) -> str:
    """The path of the dump as a file, through the writer that everybody uses."""
    lks.write(drawn, fspath(path))
    return fspath(path)


def column(values: Sequence[Any] | np.ndarray[Any, Any], dtype: str) -> np.ndarray[Any, Any]:
    """A read-only column."""
    made = np.array(values, "<" + dtype)
    made.flags.writeable = False
    return made


def strings(texts: Sequence[str]) -> StringTable:
    """A string table; the first text must be empty."""
    encoded = [text.encode("utf-8", "surrogateescape") for text in texts]
    offset = np.concatenate([[0], np.cumsum([len(text) for text in encoded])])
    return StringTable(column(offset, "u8"), column(np.frombuffer(b"".join(encoded), "u1"), "u1"))


def _keys(
    sites: Sites, thread: str | None, kind: str, address: int | None = None, label: str = ""
) -> list[tuple[Key, int]]:
    pairs = ((site, size if isinstance(size, tuple) else (1, size)) for site, size in sites.items())
    return [((site, each, thread, kind, address, label), count) for site, (count, each) in pairs]


@dataclass
class _Batch:
    """Blocks of one key that were born together."""

    born_s: float
    count: int
    address: int


@dataclass
class _Run:
    """One drawn recording: everything that must agree between its dumps."""

    interval_bytes: int
    texts: dict[str, int] = field(default_factory=lambda: {"": 0})
    frames: dict[tuple[str, str, int, int], int] = field(default_factory=dict)
    nodes: dict[tuple[int, int], int] = field(default_factory=lambda: {(0, -1): 0})  # the root has no frame
    threads: dict[str, float] = field(default_factory=lambda: {MAIN: 0.0})
    blocks: dict[Key, list[_Batch]] = field(default_factory=dict)
    chunk_batches: dict[Key, list[_Batch]] = field(default_factory=dict)
    measures: dict[Key, Measures] = field(default_factory=dict)
    counters: dict[str, Counter[int]] = field(default_factory=dict)
    samples: list[dict[str, float]] = field(default_factory=list)
    sites: list[tuple[int, int, float, float, list[float]]] = field(default_factory=list)
    time_s: float = 0.0
    next_address: int = 0x7F00_0000_0000

    def __post_init__(self) -> None:
        self.pools = PoolBooks(self.stack, self.thread, self.text)

    def advance(self, moment: Moment, time_s: float, rss_bytes: int | None) -> None:
        before, self.time_s = self.time_s, time_s
        wanted: Counter[Key] = Counter()
        for key, count, born_s, fresh in moment.live:
            if fresh:
                self._resize(self.blocks, key, 0, before)
            elif born_s is not None and key not in self.blocks:
                self._resize(self.blocks, key, count, born_s)
            wanted[key] += count
        for key in [*self.blocks, *wanted]:
            self._resize(self.blocks, key, wanted[key], time_s)
        for key, count, foreign in moment.freed:
            self._count(key, "alloc", count)
            self._count(key, "free", count)
            self.counters["foreign_blocks"][self.stack(key[0])] += count if foreign else 0
        there = Counter({key: count for key, count, _ in moment.chunks})
        self.measures |= {key: measures for key, _, measures in moment.chunks}
        for key in [*self.chunk_batches, *there]:
            self._resize(self.chunk_batches, key, there[key], time_s, counted=False)
        self.pools.advance(moment.lent, time_s)
        self._sample(rss_bytes)

    def _resize(self, of: dict[Key, list[_Batch]], key: Key, count: int, born_s: float, counted: bool = True) -> None:
        """More blocks are born now; of fewer, the youngest die."""
        self.stack(key[0]), self.text(key[5])
        if key[2] is not None:
            self.threads.setdefault(key[2], born_s)
        batches = of.setdefault(key, [])
        gain = count - sum(batch.count for batch in batches)
        if counted:
            self._count(key, "alloc" if gain > 0 else "free", abs(gain))
        if gain > 0:
            if key[4] is None:
                batches.append(_Batch(born_s, gain, self.next_address))
                self.next_address += gain * _spacing(key[1])
            else:
                before = sum(batch.count for batch in batches)
                batches.append(_Batch(born_s, gain, key[4] + before * _spacing(key[1])))
        while gain < 0:
            taken = min(batches[-1].count, -gain)
            batches[-1].count -= taken
            gain += taken
            if batches[-1].count == 0:
                batches.pop()

    def _count(self, key: Key, verb: str, count: int) -> None:
        for name in ("alloc_blocks", "alloc_bytes", "free_blocks", "free_bytes", "foreign_blocks"):
            self.counters.setdefault(name, Counter())
        self.counters[f"{verb}_blocks"][self.stack(key[0])] += count
        self.counters[f"{verb}_bytes"][self.stack(key[0])] += count * key[1]

    def _sample(self, rss_bytes: int | None) -> None:
        totals = self.totals()
        row = dict.fromkeys(SERIES_COLUMNS, float("nan"))
        row |= {name: float(getattr(totals, name)) for name in SERIES_COLUMNS if hasattr(totals, name)}
        rss = QUIET_BYTES + totals.live_bytes if rss_bytes is None else rss_bytes
        row |= {"time_s": self.time_s, "rss_bytes": rss, "threads": len(self.threads), "cpu_s": self.time_s / 2}
        row |= {"ledger_bytes": 1 << 20, **books_of(self.chunk_batches, self.measures)}
        ages: dict[int, list[float]] = {}
        counts: Counter[int] = Counter()
        for key, batches in self.blocks.items():
            for batch in batches:
                node = self.stack(key[0])
                age = int(np.searchsorted(AGE_EDGES_S, self.time_s - batch.born_s, side="right"))
                ages.setdefault(node, [0.0] * AGE_CLASSES)[age] += batch.count * key[1]
                counts[node] += batch.count
        for node, age_bytes in sorted(ages.items()):
            self.sites.append((len(self.samples), node, sum(age_bytes), counts[node], age_bytes))
        self.samples.append(row)

    def text(self, text: str) -> int:
        return self.texts.setdefault(text, len(self.texts))

    def thread(self, name: str) -> int:
        self.threads.setdefault(name, self.time_s)
        return list(self.threads).index(name)

    def stack(self, drawing: str) -> int:
        node = 0
        for piece in drawing.split(" > ") if drawing else ():
            native = piece.startswith("!")
            function, _, place = piece.removeprefix("!").rpartition("@")
            file, _, line = (place, "", "0") if native else place.rpartition(":")
            row = (function, file, int(line), int(native))
            self.text(function), self.text(file)
            node = self.nodes.setdefault((node, self.frames.setdefault(row, len(self.frames))), len(self.nodes))
        return node

    def totals(self) -> LedgerTotals:
        alive = {key: sum(batch.count for batch in batches) for key, batches in self.blocks.items()}
        of_kind = {kind: Counter[int]() for kind in CHUNK_KINDS}
        for key, batches in self.chunk_batches.items():
            of_kind[key[3]][key[1]] += sum(batch.count for batch in batches)
        by_domain = {name: sum(count * key[1] for key, count in alive.items() if key[3] == name) for name in DOMAINS}
        sums = {name: counter.total() for name, counter in self.counters.items()}
        return LedgerTotals(
            live_bytes=sum(by_domain.values()),
            live_blocks=sum(alive.values()),
            live_bytes_by_domain=MappingProxyType(by_domain),
            alloc_bytes=sums.get("alloc_bytes", 0),
            alloc_blocks=sums.get("alloc_blocks", 0),
            free_bytes=sums.get("free_bytes", 0),
            free_blocks=sums.get("free_blocks", 0),
            foreign_frees=sums.get("foreign_blocks", 0),
            arena_count=of_kind["arena"].total(),
            arena_bytes=sum(size * count for size, count in of_kind["arena"].items()),
            mapping_count=of_kind["mapping"].total(),
            mapping_bytes=sum(size * count for size, count in of_kind["mapping"].items()),
            large_mapping_count=sum(count for size, count in of_kind["mapping"].items() if size >= LARGE_MAPPING),
            threads=len(self.threads),
            threads_alive=len(self.threads),
            stacks=len(self.nodes),
        )

    def dump(
        self,
        number: int,
        *,
        source: str = "",
        health: Health = Health(),  # noqa: B008
        process: Mapping[str, int | None] = MappingProxyType({}),
        **facts: Any,
    ) -> Dump:
        for name in self.threads:
            self.text(name)
        table = strings(list(self.texts))
        return Dump(
            source=source or f"drawn-{number:04}.lks",
            meta=replace(self._meta(number, process), **facts),
            health=health,
            allocations=AllocationTable(**self._live_rows()),
            stacks=self._stack_table(table),
            threads=ThreadTable(
                name=column([self.texts[name] for name in self.threads], "u4"),
                native_id=column(range(1000, 1000 + len(self.threads)), "u8"),
                started_s=column(list(self.threads.values()), "f8"),
                ended_s=column([float("nan")] * len(self.threads), "f8"),
                strings=table,
            ),
            chunks=ChunkTable(**self._chunk_rows()),
            series=self._series(),
            pools=self.pools.tables(),
        )

    def _meta(self, number: int, process: Mapping[str, int | None]) -> DumpMeta:
        rss = int(self.samples[-1]["rss_bytes"])
        memory: dict[str, Any] = {
            "rss_bytes": rss, "rss_anon_bytes": rss - (1 << 20), "rss_file_bytes": 0, "rss_shmem_bytes": 1 << 20,
            "ledger_bytes": 1 << 20, "began_rss_anon_bytes": QUIET_BYTES - (1 << 20), "malloc_heap_bytes": None,
        }  # fmt: skip
        return DumpMeta(
            leakscope="0.1.0", runtime="CPython", runtime_version="3.11.7", argv=("app.py",), cwd="app", pid=4242,
            number=number, reason="interval", taken_unix_s=1_700_000_000.0 + self.time_s, elapsed_s=self.time_s,
            interval_bytes=self.interval_bytes, exact_bytes=EXACT_BYTES, max_frames=64, platform="linux-x86_64",
            domains=DOMAINS, chunk_kinds=CHUNK_KINDS, death=None,
            process=ProcessMemory(**(memory | dict(process))), totals=self.totals(),
        )  # fmt: skip

    def _live_rows(self) -> dict[str, np.ndarray[Any, Any]]:
        rows: list[tuple[Any, ...]] = []
        for key, batches in self.blocks.items():
            site, size, thread, domain = key[:4]
            for batch in batches:
                weight, step = float(size), 1.0
                if self.interval_bytes > 1 and size < EXACT_BYTES:
                    kept = max(1, min(batch.count, round(batch.count * size / self.interval_bytes)))
                    weight, step = batch.count * size / kept, batch.count / kept
                for row in range(round(batch.count / step)):
                    address = batch.address + int(row * step) * _spacing(size)
                    at = (self.stack(site), list(self.threads).index(thread), DOMAINS.index(domain), batch.born_s)
                    rows.append((address, size, weight, *at, 0))
        names = {"address": "u8", "size": "u8", "weight": "f8", "stack": "u4", "thread": "u4", "domain": "u1"}
        return _columns(rows, names | {"born_s": "f4", "pointed": "u1"})

    def _chunk_rows(self) -> dict[str, np.ndarray[Any, Any]]:
        rows: list[tuple[Any, ...]] = []
        for key, batches in self.chunk_batches.items():
            site, size, thread, kind, _, label = key
            owner = NO_THREAD if thread is None else list(self.threads).index(thread)
            measures = [self.measures[key].get(name, float("nan")) for name in MEASURES]
            for batch in batches:
                of_all = (size, CHUNK_KINDS.index(kind), self.stack(site), owner, batch.born_s, *measures)
                rows += [
                    (batch.address + row * _spacing(size), *of_all, self.texts[label]) for row in range(batch.count)
                ]
        names = {"address": "u8", "size": "u8", "kind": "u1", "stack": "u4", "thread": "u4", "born_s": "f4"}
        return _columns(rows, names | dict.fromkeys(MEASURES, "f8") | {"label": "u4"})

    def _stack_table(self, table: StringTable) -> StackTable:
        frames = [(self.texts[function], self.texts[file], line, kind, 0x40 * kind)
                  for function, file, line, kind in self.frames]  # fmt: skip
        names = {"function": "u4", "file": "u4", "line": "i4", "kind": "u1", "offset": "u8"}
        per_node = {
            name: column([self.counters.get(name, Counter())[node] for node in range(len(self.nodes))], "f8")
            for name in ("alloc_blocks", "alloc_bytes", "free_blocks", "free_bytes", "foreign_blocks")
        }
        return StackTable(
            **_columns([(parent, max(frame, 0)) for parent, frame in self.nodes], {"parent": "u4", "frame": "u4"}),
            **per_node,
            frame_table=FrameTable(**_columns(frames, names), strings=table),
        )

    def _series(self) -> Series:
        names = {"sample": "u4", "stack": "u4", "live_bytes": "f8", "live_blocks": "f8"}
        sites = SiteSamples(
            **_columns([row[:4] for row in self.sites], names),
            age_bytes=column(np.reshape([row[4] for row in self.sites], (-1, AGE_CLASSES)), "f8"),
        )
        return Series(
            **{name: column([row[name] for row in self.samples], "f8") for name in SERIES_COLUMNS}, sites=sites
        )


def _columns(rows: Sequence[Sequence[Any]], names: Mapping[str, str]) -> dict[str, np.ndarray[Any, Any]]:
    return {name: column([row[at] for row in rows], dtype) for at, (name, dtype) in enumerate(names.items())}


def _spacing(size: int) -> int:
    return -(-max(size, 1) // 16) * 16
