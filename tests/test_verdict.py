"""One verdict over everything: the first line, the order of findings, and the numbers beside them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders import chunks, dump, live, series
from simulation import FOREVER, Life, recorded

from leakscope.model.dump import Death, Dump
from leakscope.model.finding import Finding, Growth, Subject, Verdict
from leakscope.verdict import judge, settle

MIB = 1 << 20
END = 40.0


def filling(until: float, *, site: str = "f@app.py:1", died: float = FOREVER) -> Life:
    life = Life()
    for born in np.arange(0, until, 0.01):
        life.add(site, 1024, float(born), died)
    return life


def test_one_place_that_grows_is_the_sentence() -> None:
    report = judge([recorded(filling(END), END)])

    assert report.verdict is Verdict.GROWTH
    assert report.sentence == report.findings[0].sentence


def test_several_places_are_counted_and_added_up() -> None:
    life = filling(END)
    for born in np.arange(0, END, 0.02):
        life.add("g@app.py:9", 1024, float(born))

    report = judge([recorded(life, END)])

    assert report.sentence.startswith("2 places keep growing, together +5.3 MiB; most of it: `f` in app.py:1 keeps ")
    assert [finding.subject.function for finding in report.findings] == ["f", "g"]


def test_the_biggest_of_many_places_is_not_called_most_of_it() -> None:
    life = Life()
    for born in np.arange(0, END, 0.02):
        for number in range(3):
            life.add(f"f{number}@app.py:{9 + number}", 1024, float(born))

    report = judge([recorded(life, END)])

    assert report.sentence.startswith("3 places keep growing, together +")
    assert "; the biggest of them: `f" in report.sentence


def test_level_memory_is_stable_and_says_for_how_long() -> None:
    report = judge([recorded(filling(END / 4), END)])

    assert report.verdict is Verdict.STABLE
    assert report.sentence == "Nothing keeps growing: live memory is level at 1,000.0 KiB over the last 30.0 s."
    assert report.findings == ()


def test_a_cache_that_fills_ever_more_slowly_is_stable() -> None:
    life = Life()
    for number in range(4000):
        life.add("f@app.py:1", 1024, -10 * np.log1p(-number / 4000 * 0.982))

    assert "rose to 3.9 MiB, but ever more slowly" in judge([recorded(life, END)]).sentence


def test_too_short_a_run_is_unknown() -> None:
    report = judge([recorded(filling(0.2), 0.2, samples=2)])

    assert report.verdict is Verdict.UNKNOWN
    assert report.sentence == (
        "Too short to tell growth from a start: 2 samples in 200 ms; give it work for 1.0 s or more."
    )


def test_what_is_level_across_a_gap_is_level_and_what_is_not_is_unknown() -> None:
    # given samples in the first half only, and at the end
    sample_at = [*np.linspace(1, 19, 30), END]
    level = judge([recorded(filling(END / 4), END, sample_at=sample_at)])
    life = filling(END / 4)
    for number in range(300):
        life.add("g@app.py:9", 4096, 30 + number / 100)
    risen = judge([recorded(life, END, sample_at=sample_at)])

    assert (level.verdict, risen.verdict) == (Verdict.STABLE, Verdict.UNKNOWN)
    assert risen.sentence == "Too few samples to tell growth from a start: 26 samples in 40.0 s, with gaps."


def test_growth_that_is_spread_too_thin_to_name_is_unknown() -> None:
    # given a thousand lines that each gain a little
    life = Life()
    for number in range(4000):
        life.add(f"f{number % 1000}@app.py:{number % 1000 + 1}", 1024, number / 100)

    report = judge([recorded(life, END)])

    assert report.verdict is Verdict.UNKNOWN
    assert report.sentence.startswith("Live memory rose, +3.")
    assert report.sentence.endswith(" for 1 min 20 s or more, under the same load.")


def test_a_place_that_may_grow_is_named_if_all_growth_is_there_however_little() -> None:
    # given a text that is enlarged by as much each time, ever more slowly
    life, when = Life(), END * np.linspace(0.01, 0.99, 200) ** 1.9
    for step, (born, died) in enumerate(zip(when, [*when[1:], FOREVER], strict=True)):
        life.add("f@app.py:1", 70_000 + 2_000 * step, float(born), float(died))

    report = judge([recorded(life, END)])

    assert report.verdict is Verdict.UNKNOWN
    assert report.sentence.startswith("`f` in app.py:1 may be growing: +")
    assert "but not steadily" in report.sentence


def test_a_leak_is_never_claimed_by_growth_alone() -> None:
    assert Verdict.LEAK not in {finding.verdict for finding in judge([recorded(filling(END), END)]).findings}


def finding(verdict: Verdict, gain: int, function: str, code: str = "LS501") -> Finding:
    return Finding(
        code=code, rule="r", verdict=verdict, confidence=0.5, fingerprint=function, sentence=function,
        subject=Subject(kind="blocks", function=function), bytes=1, count=1, growth=Growth(gain, 1, (0, 0)), stack=(),
        evidence=(), advice=(),
    )  # fmt: skip


def test_findings_are_settled_so_that_each_subject_is_blamed_once_and_the_worst_come_first() -> None:
    explained = finding(Verdict.BOUNDED, 900, "cache", "LS301")
    found = [
        explained, finding(Verdict.GROWTH, 5, "small"), finding(Verdict.UNKNOWN, 99, "perhaps"),
        finding(Verdict.GROWTH, 900, "cache"), finding(Verdict.GROWTH, 50, "big"), finding(Verdict.LEAK, 1, "leak"),
    ]  # fmt: skip

    assert [one.sentence for one in settle(found)] == ["leak", "big", "small", "cache", "perhaps"]
    assert settle(found)[3] is explained


def test_a_place_is_blamed_once_by_the_rule_that_explains_most_of_it() -> None:
    growth = finding(Verdict.GROWTH, 900, "f")
    big = replace(finding(Verdict.LEAK, 500, "f", "LS601"), subject=Subject("references", function="f", type="list"))
    small = replace(big, growth=Growth(100, 1, (0, 0)), bytes=100)

    assert settle([big, growth]) == (big,)
    assert settle([small, growth]) == (small, growth)


def test_two_types_that_leak_in_one_function_are_two_leaks() -> None:
    leaks = [
        replace(finding(Verdict.LEAK, 500, "f"), subject=Subject("references", function="f", type=name))
        for name in ("list", "dict")
    ]

    assert len(settle(leaks)) == 2


def test_two_lines_of_one_function_that_leak_are_two_leaks() -> None:
    leaks = [
        replace(finding(Verdict.LEAK, 500, "f", code), subject=Subject("blocks", function="f", line=line))
        for code, line in (("LS601", 8), ("LS602", 10))
    ]

    assert settle(leaks) == tuple(leaks)


def test_what_piles_up_accounts_for_the_growth_that_it_holds_and_for_no_other() -> None:
    way = ("module app . CACHE", "Cache . entries [dict value]")
    sessions = replace(
        finding(Verdict.LEAK, 900, "open", "LS608"),
        subject=Subject("objects", function="open", type="Session"), holders=((*way, "Session"),),
    )  # fmt: skip
    baskets = replace(finding(Verdict.GROWTH, 800, "fill"), holders=((*way, "Session . basket [list item]", "str"),))
    namesakes = replace(finding(Verdict.GROWTH, 700, "name"), holders=((*way, "SessionKey . text", "str"),))
    others = replace(finding(Verdict.GROWTH, 600, "log"), holders=(("module app . LOG [list item]", "str"),))
    too_much = replace(baskets, growth=Growth(5000, 1, (0, 0)), bytes=5000)

    assert settle([sessions, baskets, namesakes, others]) == (sessions, namesakes, others)
    assert settle([sessions, too_much]) == (sessions, too_much)


def test_what_leaked_objects_hold_is_not_told_again_as_growth() -> None:
    nobody = "a reference that nobody accounts for (C code)"
    leaked = replace(
        finding(Verdict.LEAK, 900, "open", "LS601"),
        subject=Subject("references", function="open", type="Session"), holders=((nobody, "Session"),),
    )  # fmt: skip
    tokens = replace(finding(Verdict.GROWTH, 400, "sign"), holders=((nobody, "Session . token", "str"),))
    others = replace(finding(Verdict.GROWTH, 300, "log"), holders=((nobody, "Line . text", "str"),))

    assert settle([leaked, tokens, others]) == (leaked, others)


def test_a_doubt_gives_way_to_what_is_sure_about_the_same_place() -> None:
    doubt = replace(finding(Verdict.UNKNOWN, 5, "f"), subject=Subject("references", function="f", type="list"))
    sure = finding(Verdict.GROWTH, 900, "f")
    elsewhere = finding(Verdict.GROWTH, 900, "g")

    assert settle([doubt, sure]) == (sure,)
    assert settle([sure, doubt]) == (sure,)
    assert settle([doubt, elsewhere]) == (elsewhere, doubt)


def test_sources_and_totals_have_one_entry_per_dump_in_time_order() -> None:
    drawn = series(
        live({"f@app.py:1": (10, 1024)}) + chunks({"f@app.py:1": (2, MIB)}),
        live({"f@app.py:1": (20, 1024)}) + chunks({"f@app.py:1": (3, MIB)}),
    )

    report = judge(drawn[::-1])

    assert [source.number for source in report.sources] == [1, 2]
    assert report.totals.live_bytes == (10_240, 20_480)
    assert report.totals.chunks == (2, 3)
    assert report.totals.objects == (None, None)
    assert report.totals.resident is not None
    assert report.totals.resident.rss_bytes == report.totals.rss_bytes[-1]


def test_sparklines_are_the_series_of_the_last_dump_and_holes_are_none() -> None:
    seen = recorded(filling(END), END, samples=10)

    lines = {line.name: line for line in judge([seen]).sparklines}

    assert list(lines) == ["rss_bytes", "live_bytes", "live_blocks"]
    assert lines["live_bytes"].values[-1] == seen.allocations.weight.sum()


@pytest.mark.parametrize(
    ("by", "labels"),
    [
        ("line", [("f", "app/a.py:1"), ("g", "app/b.py:2"), ("f", "app/a.py:9")]),
        ("stack", [("f", "app/a.py:1"), ("g", "app/b.py:2"), ("f", "app/a.py:9")]),
        ("module", [("app.a", ""), ("app.b", "")]),
        ("thread", [("MainThread", ""), ("w", "")]),
        ("library", [("(Python, no library)", ""), ("x.so", "")]),
    ],
)
def test_tables_are_grouped_as_asked(by: str, labels: list[tuple[str, str]]) -> None:
    drawn = dump(
        live({"f@app/a.py:1": (9, 1000), "f@app/a.py:9": 3000})
        + live({"g@app/b.py:2 > !malloc@/lib/x.so": (5, 1000)}, thread="w")
    )

    report = judge([drawn], by=by)  # type: ignore[arg-type]

    assert [(row.label, row.where) for row in report.top_live] == labels
    assert sum(row.share for row in report.top_live) == pytest.approx(1.0)
    assert sum(row.bytes for row in report.top_live) == 17_000


def test_rows_tell_how_old_what_they_hold_is() -> None:
    drawn = dump(
        live({"f@app.py:1": (3, 1000)}, born_s=0.5) + live({"f@app.py:1": (1, 7)}, born_s=59.5), elapsed_s=60.0
    )

    assert judge([drawn]).top_live[0].age_bytes == (7, 0, 3000, 0, 0)


def test_gains_between_two_dumps_are_differences_and_trifles_are_not_listed() -> None:
    first, last = series(
        live({"f@app.py:1": (100, 1024), "g@app.py:2": (10, 1024)}),
        live({"f@app.py:1": (300, 1024), "g@app.py:2": (12, 1024), "h@app.py:3": (5, 1024)}),
    )

    report = judge([first, last])

    assert [(row.label, row.growth_bytes) for row in report.top_growing] == [("f", 200 * 1024), ("h", 5 * 1024)]


def test_gains_between_two_runs_are_found_by_name_whatever_the_folders_and_intervals() -> None:
    first = dump(live({"f@/x/app.py:1": (1000, 1024)}), cwd="/x", pid=1, interval_bytes=64 * 1024)
    last = dump(live({"f@/y/app.py:5": (1500, 1024)}), cwd="/y", pid=2)

    report = judge([first, last])

    assert [(row.label, row.where, row.growth_bytes) for row in report.top_growing] == [("f", "app.py:5", 500 * 1024)]
    assert any("2 runs" in note for note in report.notes)
    assert any("different sampling intervals" in note for note in report.notes)


def two_builds(then: Life, now: Life) -> tuple[Dump, ...]:
    """Two dumps of each of two runs; today's folder and interval are others."""
    dumps = [recorded(then, end, pid=1, number=1) for end in (END / 4, END)]
    dumps += [recorded(now, end, pid=2, number=1, cwd="/today") for end in (END / 4, END)]
    return tuple(dumps)


def test_a_finding_that_the_earlier_run_did_not_show_is_new() -> None:
    quiet = Life()
    for born in (0.0, 0.1):
        quiet.add("f@app.py:1", 1024, born)

    report = judge(two_builds(quiet, filling(END)))

    (finding,) = report.findings
    assert report.compared is not None
    assert (report.verdict, report.compared.verdict) == (Verdict.GROWTH, Verdict.STABLE)
    assert report.compared.before(finding.fingerprint) is None
    assert report.compared.gone == ()


def test_a_finding_of_both_runs_is_known_although_its_line_has_moved() -> None:
    report = judge(two_builds(filling(END), filling(END, site="f@app.py:7")))

    (finding,) = report.findings
    assert report.compared is not None
    before = report.compared.before(finding.fingerprint)
    assert before is not None
    assert (before.subject.line, finding.subject.line) == (1, 7)


def test_a_finding_that_only_the_earlier_run_has_is_gone() -> None:
    report = judge(two_builds(filling(END), filling(END, died=END / 8)))

    assert report.compared is not None
    assert report.findings == ()
    assert [finding.subject.function for finding in report.compared.gone] == ["f"]


def test_gains_are_against_the_end_of_the_earlier_run_however_many_dumps_there_are_of_each() -> None:
    report = judge(two_builds(filling(END / 2), filling(END)))

    assert [round(row.growth_bytes / 1024) for row in report.top_growing if row.growth_bytes] == [100 * END / 2]


def test_dumps_of_one_run_are_compared_with_no_other() -> None:
    assert judge([recorded(filling(END), end) for end in (END / 4, END)]).compared is None


def test_the_tooth_of_a_sawtooth_that_happens_to_stand_is_no_gain() -> None:
    life = Life()
    for born in np.arange(0, END, 0.01):
        life.add("f@app.py:1", 1024, float(born), float((born // 3 + 1) * 3))

    assert judge([recorded(life, END)]).top_growing == ()


def test_top_limits_the_rows() -> None:
    drawn = dump(live({f"f@app.py:{line}": 1000 + line for line in range(1, 30)}))

    assert len(judge([drawn], top=3).top_live) == 3


def test_the_death_and_the_next_command_are_told() -> None:
    seen = recorded(filling(END), END)
    died = replace(seen, meta=replace(seen.meta, death=Death("signal", 9, "killed by SIGKILL")), source="run/0002.lks")

    report = judge([died])

    assert report.sources[-1].death == Death("signal", 9, "killed by SIGKILL")
    assert report.next_command == "leakscope show run/0002.lks --by stack"


def test_a_dump_with_nothing_in_it_is_judged() -> None:
    empty = replace(dump(live({})), series=series(live({}))[0].series)

    assert judge([empty]).verdict is Verdict.UNKNOWN
