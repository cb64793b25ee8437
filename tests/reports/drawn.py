"""Reports to render: judged from drawn programs, so that they are what a user gets, and one full of traps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from buffer_builders import view, with_buffers
from builders import Moment, chunks, column, dump, live, series
from heap_builders import heap_dump, heap_series
from heap_lives import born_evenly
from pool_builders import lent, returned
from simulation import Life, recorded

from leakscope.model.dump import Death, Dump, Health, LedgerTotals
from leakscope.model.report import Report
from leakscope.verdict import judge

MIB = 1 << 20
STD = "/usr/lib/python3.11"
LOADS = f"main@app.py:3 > handle@app/web.py:44 > loads@{STD}/json/__init__.py:346 > decode@{STD}/json/decoder.py:353"
IMPORT = (
    "<module>@app.py:1 > _find_and_load@<frozen importlib._bootstrap>:1 > <module>@/v/site-packages/orm/__init__.py:1"
)
END = 40.0


def web_shop(number: int = 2, end: float = END) -> Dump:
    """Sessions that leak on two workers, documents that come and go, a cache that is full, an import."""
    life = Life()
    for at in np.arange(0, END, 0.01):
        thread = f"worker-{int(at * 100) % 2 + 1}"
        life.add("main@app.py:3 > handle@app/web.py:41 > Session.__init__@app/sessions.py:12", 5300, at, thread=thread)
        life.add(LOADS, 900, at, at + 0.4, thread=thread)
        life.add("main@app.py:3 > lookup@app/prices.py:7", 2000, at, at + 6.0)
    for at in np.linspace(0.01, 0.5, 300):
        life.add(IMPORT, 12_000, at)
    seen = recorded(
        life, end, samples=80, number=number, reason="exit", argv=("app.py", "--port", "80"), cwd="/srv/shop"
    )
    bytes_live = int(seen.allocations.weight.sum())
    totals = LedgerTotals(
        live_bytes=bytes_live, live_blocks=len(seen.allocations), live_bytes_by_domain={"obj": bytes_live},
        arena_count=2, arena_bytes=2 * MIB, mapping_count=1, mapping_bytes=2 * MIB,
    )  # fmt: skip
    process = replace(
        seen.meta.process, rss_bytes=52 * MIB, rss_anon_bytes=40 * MIB, rss_file_bytes=10 * MIB,
        rss_shmem_bytes=2 * MIB, ledger_bytes=2 * MIB, began_rss_anon_bytes=5 * MIB, malloc_heap_bytes=32 * MIB,
    )  # fmt: skip
    rss = column(seen.series.rss_bytes + (52 * MIB - seen.series.rss_bytes[-1]), "f8")
    return replace(
        seen,
        source=f"leakscope-app.4242/{number:04}.lks",
        meta=replace(seen.meta, totals=totals, process=process),
        series=replace(seen.series, rss_bytes=rss),
    )


def growing() -> Report:
    """The shop, killed, in two dumps, with a few things that were missed."""
    last = web_shop()
    died = replace(last.meta, reason="death", death=Death("signal", 9, "killed by SIGKILL"))
    return judge([web_shop(1, 10.0), replace(last, meta=died, health=Health(truncated_stacks=4, dropped_blocks=12))])


def stable() -> Report:
    """A program that fills a cache and stays level."""
    life = Life()
    for at in np.arange(0, 8, 0.01):
        life.add("main@app.py:3 > lookup@app/prices.py:7", 2000, at)
    return judge([replace(recorded(life, END), source="run/0001.lks")])


def unknown() -> Report:
    """A run of a fifth of a second."""
    life = Life()
    for at in np.arange(0, 0.2, 0.001):
        life.add("main@app.py:3", 20_000, at)
    return judge([replace(recorded(life, 0.2, samples=2), source="run/0001.lks")])


def builds() -> Report:
    """Yesterday's build and today's: one leak has gone, one has come, one is still there."""

    def build(pid: int, sites: dict[str, int], end: float) -> Dump:
        life = Life()
        for site, size in sites.items():
            for at in np.arange(0, end, 0.01):
                life.add(f"main@app.py:3 > {site}", size, float(at))
        return replace(recorded(life, end, pid=pid), source=f"leakscope-app.{pid}/0004.lks")

    yesterday = build(4242, {"handle@app/web.py:41": 3000, "Session.__init__@app/sessions.py:12": 1500}, END)
    today = build(5151, {"handle@app/web.py:44": 3000, "render@app/pages.py:80": 2000}, END / 2)
    return judge([yesterday, today])


def hostile() -> Report:
    """Names that a stranger chose: markup, escape sequences, tables, line ends, right to left, very long ones."""
    names = [
        "[red]f[/red]@[bold]a.py:1", "\x1b[31mf\x07@\x1b]0;title\x07.py:2", "f|g`h`@a|b`c.py:3",
        "f\n\r\tg@a\nb.py:4", "f\u202eg\u2066@x\u200b.py:5", "<script>@<b>.py:6",
        "f" * 300 + "@" + "d/" * 150 + "x.py:7", "日本語@日本.py:8", "é\udcff@é.py:9", "*_~#f@**a**.py:10",
    ]  # fmt: skip
    life = Life()
    for at in np.arange(0, END, 0.05):
        for name in names:
            life.add(f"main@app.py:3 > {name}", 900, float(at), thread="w\x1b[0m|`x`")
    seen = recorded(life, END, argv=("a\x1b[2J\nb\udcff.py",))
    return judge([replace(seen, source="d\x1b[0m/1`2|.lks")], top=20)


def mapped() -> Report:
    """A program that asked for much more than it touched, beside arenas and mappings."""
    return judge(
        [
            dump(
                live({"f@a.py:1": (3, 40 * MIB)}, domain="native")
                + chunks({"f@a.py:1": (4, MIB)})
                + chunks({"g@a.py:2": (1, 64 * MIB)}, kind="mapping"),
                rss_bytes=48 * MIB,
            )
        ]
    )


SHOP = {
    "app.Session": ("main@app.py:3 > handle@app/web.py:41 > Session.__init__@app/sessions.py:12", "worker-1"),
    **dict.fromkeys(
        ("basket", "basket1", "basket2"),
        ("main@app.py:3 > handle@app/web.py:41 > Session.__init__@app/sessions.py:14", "worker-1"),
    ),
    **dict.fromkeys(("lost", "lost1", "lost2"), ("main@app.py:3 > parse@app/native.py:20", "worker-2")),
    "node": "main@app.py:3 > tie@app/tree.py:5",
    "word": "main@app.py:3 > read@app/words.py:9",
}


TAKEN = {"walk_s": 0.31, "pause_s": 0.012}


def _shop(generations: int) -> str:
    later = "".join(
        f"""
        d -> Session{n}#200=app.Session:48 .basket -> basket{n}#200=list:56+800; lost{n}#100=list:56!1"""
        for n in range(1, generations)
    )
    return f"""
        <module app.sessions> m=module -> n=ns:64+9000; n [CACHE] -> cache=app.Cache:48 .entries -> d=dict:64+4000
        d -> Session#40=app.Session:48 .basket -> basket#40=list:56+800
        lost#20=list:56!1; node#40=app.Node:9000 .up -> node
        n [WORDS] -> words=list:56+400 -> word#30=str:9000(digest=9); n [EMPTY] -> e=list:56+300000 -> word{later}
    """


def objects() -> Report:
    """One dump of a shop with its objects."""
    text = live({"main@app.py:3 > log@app/native.py:31": (50, 200)}, thread="worker-2")
    (seen,) = born_evenly([heap_dump(_shop(1), made=SHOP, other=text, heap_facts=TAKEN, source="run/0001.lks")])
    return judge([seen], objects=True)


def compared() -> Report:
    """Three dumps of a shop that gains sessions, lists nobody holds and texts nobody refers to."""
    texts = [live({"main@app.py:3 > log@app/native.py:31": (n, 200)}, thread="worker-2") for n in (50, 150, 250)]
    dumps = heap_series(*map(_shop, (1, 2, 3)), made=SHOP, others=texts, heap_facts=TAKEN)
    return judge([replace(d, source=f"run/000{d.meta.number}.lks") for d in born_evenly(dumps)], objects=True)


def pools() -> Report:
    """Three dumps of a service whose workers forget to release on one path."""
    handed = [("handed off", "serve@app/server.py:41", "loop-1"), ("touched", "answer@app/server.py:57", "worker-2")]

    def moment(count: int) -> Moment:
        lost = lent({"read@app/server.py:33": (count, 65536)}, pool="Buffer", thread="loop-1", touches=handed)
        back = returned({"read@app/server.py:33": (900, 65536)}, pool="Buffer", thread="loop-1", by="worker-2")
        own = returned({"main@app.py:9": (40, 100)}, pool="Session")
        return live({"main@app.py:3": (100, 640)}) + lost + back + own

    return judge([replace(d, source=f"run/000{d.meta.number}.lks") for d in series(*map(moment, (100, 200, 300)))])


VIEWS = {
    "v": ("main@app.py:3 > serve@app/net.py:18 > parse@app/http.py:12", "worker-1"),
    "m": ("main@app.py:3 > serve@app/net.py:18 > parse@app/http.py:12", "worker-1"),
    "big": ("main@app.py:3 > serve@app/net.py:18 > receive@app/net.py:40", "worker-1"),
    "s": "main@app.py:3 > cut@app/grid.py:7",
    "array": "main@app.py:3 > load@app/grid.py:3",
}


def buffers() -> Report:
    """A service that remembers heads of packets, and a few slices of arrays; one buffer is waited for."""
    text = """
        <module app.http> x=module .heads -> q=list:56+2000 -> v#150=memoryview:184(sees=16) -> m#150=managedbuffer:128
        m -> big#150=bytearray:56+65536; q -> s#3=numpy.ndarray:112(sees=800) .base -> array#3=numpy.ndarray:112+800000
    """
    (dump,) = born_evenly([heap_dump(text, made=VIEWS, heap_facts=TAKEN, source="run/0001.lks")])
    heap = dump.heap
    assert heap is not None
    big = [at for at in range(heap.count) if heap.types.full_name(int(heap.type[at])) == "bytearray"]
    place, thread = VIEWS["v"]
    views = [
        view(place, 65536, exporter=int(heap.address[at]), address=at, thread=thread, born_s=9 + at / 20) for at in big
    ]
    views.append(view(VIEWS["s"], 8 << 20, type="mmap.mmap", on_stack=True, weight=16))
    acquired = {place: (4150, 4000, 12), VIEWS["s"]: (48, 32, 0)}
    return judge([with_buffers(dump, *views, acquired=acquired, released=61_044, foreign=12, unseen=9)], objects=True)


def chunked() -> Report:
    """Heaps and arenas with little in them: one of ended threads, one with few blocks, all as ``show`` tells it."""
    arena, further, main = 0x7E0000000000, 0x7F0040000000, 0x555500000000
    moment = (
        live({"main@app.py:3 > load@app/table.py:12": (4000, 48)}, thread="loader", address=arena)
        + live({"main@app.py:3 > load@app/table.py:12": (9, 3000)}, thread="loader", address=further, domain="native")
        + live({"main@app.py:3 > index@app/table.py:30": (300, 2000)}, address=main, domain="native")
        + live({"": (5, 900)}, address=main + 5 * MIB, domain="raw")
        + chunks(
            {"main@app.py:3 > load@app/table.py:12": (3, MIB)}, thread="loader", address=arena,
            used_bytes=70_000, free_bytes=970_000, largest_free_bytes=81_920, resident_bytes=MIB, dirty_bytes=MIB,
            swapped_bytes=0,
        )
        + chunks(
            {"": 8 * MIB}, kind="heap", thread=None, address=main, label="main", used_bytes=1_500_000,
            free_bytes=6_800_000, largest_free_bytes=3 * MIB, resident_bytes=7 * MIB, dirty_bytes=7 * MIB,
            swapped_bytes=65_536, trimmable_bytes=2 * MIB, attached_threads=1,
        )
        + chunks(
            {"": 4 * MIB}, kind="heap", thread=None, address=further, label="arena 1", used_bytes=27_216,
            free_bytes=4_100_000, largest_free_bytes=2 * MIB, resident_bytes=4 * MIB, dirty_bytes=4 * MIB,
            swapped_bytes=0, trimmable_bytes=MIB, attached_threads=0,
        )
        + chunks({"main@app.py:3 > ring@app/ring.py:9": 24 * MIB}, kind="mapping", resident_bytes=5 * MIB)
        + chunks({"": 2 * MIB}, kind="shared", thread=None, label="psm_1", resident_bytes=2 * MIB)
        + chunks({"": 32 * MIB}, kind="mapping", thread=None, label="thread stack", resident_bytes=16 << 10)
    )  # fmt: skip
    return judge([dump(moment, rss_bytes=64 * MIB)], objects=True)


REPORTS = {
    "growing": growing, "stable": stable, "unknown": unknown, "hostile": hostile, "mapped": mapped, "objects": objects,
    "compared": compared, "pools": pools, "buffers": buffers, "chunked": chunked, "builds": builds,
}  # fmt: skip
