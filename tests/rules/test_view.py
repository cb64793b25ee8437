"""LS403: small views that keep large buffers, in which words, what else is then not told, and when it keeps quiet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from buffer_builders import view, with_buffers
from heap_builders import heap_series
from heap_lives import born_at_once, born_evenly, sampled

from leakscope.analysis.facts import Facts
from leakscope.model.dump import Dump
from leakscope.model.finding import Finding, Verdict
from leakscope.rules.view import check
from leakscope.verdict import judge

HEADS = "<module app.web> m=module .heads -> q=list"
READ = "main@app.py:3 > receive@app/net.py:40"
PARSE = "main@app.py:3 > parse@app/http.py:12"
IMPORT = "<module>@app.py:1 > _find@<frozen importlib._bootstrap>:9 > <module>@/usr/lib/python3.11/re.py:5"
CHAIN = (
    "q -> v{n}#{count}=memoryview:184(sees=16) -> mb{n}#{count}=managedbuffer:128 -> big{n}#{count}=bytearray:56+65536"
)
SLICES = "q -> v{n}#{count}=numpy.ndarray:112(sees=32) .base -> big{n}#{count}=numpy.ndarray:112+80000"


def findings(dumps: Sequence[Dump]) -> tuple[Finding, ...]:
    return check(Facts(dumps))


def keeping(*counts: int, chain: str = CHAIN, before: str = HEADS, parse: str = PARSE) -> list[Dump]:
    """Dumps with one generation of views after the other, each the only holder of a buffer."""
    drawn, text, made = [], before, {}
    for n, count in enumerate(counts):
        if count:
            text += "; " + chain.format(n=n, count=count)
        drawn.append(text)
        made |= {f"v{n}": (parse, "worker-1"), f"mb{n}": (parse, "worker-1"), f"big{n}": (READ, "worker-1")}
    return heap_series(*drawn, made=made)


def test_small_views_that_keep_large_buffers_grow() -> None:
    (finding,) = findings(born_evenly(keeping(100, 200, 200)))

    assert finding.sentence == (
        "500 memoryviews of 16 B each keep 500 bytearrays of 64.1 KiB alive (31.3 MiB), made by `parse` in "
        "app/http.py:12; copy the bytes instead: bytes(view)."
    )
    assert (finding.verdict, finding.code, finding.subject.type) == (Verdict.GROWTH, "LS403", "memoryview")
    assert finding.holders == (("module app.web . heads [list item]", "memoryview"),)
    assert finding.growth is not None
    assert finding.growth.count == 400
    assert finding.threads is not None
    assert list(finding.threads.allocated_by) == ["worker-1"]


def test_a_slice_of_an_array_keeps_the_array() -> None:
    (finding,) = findings(born_evenly(keeping(100, 200, 200, chain=SLICES)))

    assert finding.sentence.startswith("500 numpy.ndarray objects of 32 B each keep 500 numpy.ndarray objects of 78")
    assert finding.sentence.endswith("copy the bytes instead: view.copy().")


def test_views_of_views_and_several_of_one_buffer_are_followed() -> None:
    longer = CHAIN.replace("q -> v{n}", "q -> w{n}#{count}=numpy.ndarray:112(sees=4) .base -> v{n}").replace(
        "sees=16", "sees=65536"
    )
    (finding,) = findings(born_evenly(keeping(100, 200, 200, chain=longer)))
    assert finding.sentence.startswith("500 numpy.ndarray objects of 4 B each keep 500 bytearrays of 64.1 KiB")

    twice = CHAIN + "; q -> u{n}#{count}=memoryview:184(sees=16) -> mb{n}"
    (finding,) = findings(born_evenly(keeping(100, 200, 200, chain=twice)))
    assert finding.sentence.startswith("1,000 memoryviews of 16 B each keep 500 bytearrays")


def test_births_until_the_end_are_enough_with_two_dumps() -> None:
    (finding,) = findings(born_evenly(keeping(100, 400)))
    assert finding.verdict is Verdict.GROWTH
    assert findings(born_at_once(keeping(100, 400))) == ()


def test_the_line_is_the_one_that_the_recorder_saw_acquire_the_memory() -> None:
    dumps = [acquired(dump) for dump in sampled(born_evenly(keeping(1000, 1000, 1000)), 50)]

    (finding,) = findings(dumps)

    assert "made by `parse` in app/http.py:12" in finding.sentence


def acquired(dump: Dump) -> Dump:
    """The same dump with an export for each bytearray."""
    heap = dump.heap
    assert heap is not None
    big = [at for at in range(heap.count) if heap.types.full_name(int(heap.type[at])) == "bytearray"]
    return with_buffers(dump, *(view(PARSE, 65536, exporter=int(heap.address[at]), address=at) for at in big))


def test_what_is_kept_is_not_told_again_where_it_was_made() -> None:
    report = judge(born_evenly(keeping(100, 200, 200)))

    assert [finding.code for finding in report.findings] == ["LS403"]
    assert report.verdict is Verdict.GROWTH


def test_quiet_twins() -> None:
    held = "; q -> big{n}"
    twins = {
        "level": keeping(100, 0, 0),
        "gained once": keeping(100, 400, 0),
        "few": keeping(2, 4, 4),
        "a single dump": keeping(400),
        "somebody else holds the buffers": keeping(100, 200, 200, chain=CHAIN + held),
        "nobody knows who else holds them": keeping(100, 200, 200, chain=CHAIN + "!1"),
        "the views see all": keeping(100, 200, 200, chain=CHAIN.replace("sees=16", "sees=65536")),
        "a larger view holds them, too": keeping(
            100, 200, 200, chain=CHAIN + "; q -> u{n}#{count}=memoryview:184(sees=65000) -> mb{n}"
        ),
        "small buffers": keeping(1000, 2000, 2000, chain=CHAIN.replace("65536", "1000")),
        "taken by imports": keeping(100, 200, 200, parse=IMPORT),
        "copies": keeping(100, 200, 200, chain="q -> v{n}#{count}=bytes:49"),
    }

    assert {name: findings(born_evenly(dumps)) for name, dumps in twins.items()} == dict.fromkeys(twins, ())


def test_a_dump_without_a_graph_says_nothing() -> None:
    assert findings([replace(dump, load_heap=None) for dump in keeping(100, 200, 200)]) == ()
