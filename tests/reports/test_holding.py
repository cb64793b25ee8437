"""Who holds something, on a page, as a document and as a drawing."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from golden import assert_golden
from heap_builders import Made, heap_dump
from heap_lives import born_at_once

from leakscope.analysis.holding import find_holding
from leakscope.model.holding import Holding
from leakscope.reports import holding as page
from leakscope.reports.holding_dot import as_dot

DRAWING = """
    <module app.cache> m=module .__dict__ -> ns=ns [_entries] -> e=dict:300+1000 [k] -> s#40=app.Session:48
    s .buffers -> l#40=list:56+80 -> b#40=bytearray:57+4000
    <local jobs serve@app/web.py:12 worker-1> j=list:56+400 -> s
    <local last main@app/web.py:70> la=app.Session:48 .buffers -> l2=list -> b2=bytearray:57+90
    h=app.Native!1 .x -> b3=bytearray:57+77; ns [spare] -> spare=app.Pool .free -> free=set -> b4#3=bytearray:57
"""
MADE: Made = {
    "s": ("main@app/web.py:3 > handle@app/cache.py:41", "worker-1"),
    "b": ("main@app/web.py:3 > read@app/io.py:7 > fill@app/io.py:9", "worker-2"),
    "la": "main@app/web.py:70",
}


def drawn(subject: str = "bytearray", limit: int = 3, **options: Any) -> Holding:
    [dump] = born_at_once([heap_dump(DRAWING, made=MADE, **options)])
    return find_holding(dump, subject, limit)


@pytest.mark.parametrize(
    ("name", "width"), [("bytearray", 100), ("bytearray", 60), ("app.Session", 100), ("fill", 100)]
)
def test_the_page_is_the_golden_one(name: str, width: int) -> None:
    assert_golden(page.render(drawn(name), width=width), f"path/{name}-{width}.txt")


def test_the_document_and_the_drawing_are_the_golden_ones() -> None:
    assert_golden(page.as_json(drawn()), "path/bytearray.json")
    assert_golden(as_dot(drawn()), "path/bytearray.dot")


def test_the_document_says_all_that_the_page_says() -> None:
    holding = drawn()

    document = json.loads(page.as_json(holding))

    assert document["schema"] == "leakscope.holding/1"
    assert (document["count"], document["more_paths"], document["more_count"]) == (45, 1, 1)
    assert [path["path"] for path in document["paths"]] == [path.text for path in holding.paths]
    assert document["paths"][0]["also_held_by"] == list(holding.paths[0].others)
    assert document["made"][0]["threads"] == {"worker-2": 40}
    assert document["made"][0]["stack"][0]["function"] == "fill"


def test_paths_are_broken_at_arrows_only_and_lose_nothing() -> None:
    holding = drawn()

    for width in (60, 72, 100):
        text = page.render(holding, width=width)
        together = " ".join(text.split())
        for path in holding.paths:
            assert " ".join(path.text.split()) in together


def test_nothing_of_a_stranger_is_taken_for_an_instruction() -> None:
    holding = drawn()
    evil = replace(holding, subject='[red]\x1b[2J"x\\" objects', paths=(replace(holding.paths[0], root="m\x1b]0;\n"),))

    assert "\x1b" not in page.render(evil)
    assert "[red]" in page.render(evil)
    assert "\x1b" not in as_dot(evil)
    assert '\\"x\\\\\\" objects' in as_dot(evil)
    assert json.loads(page.as_json(evil))["subject"] == evil.subject


def test_threads_that_differ_in_a_number_are_one() -> None:
    holding = drawn()
    made = replace(holding.made[0], threads={"MainThread": 7, **{f"Thread-{at} (serve)": 1 for at in range(200)}})

    text = page.render(replace(holding, made=(made,)))

    assert "by thread MainThread: 7, 200 threads Thread-* (serve): 200" in text
    assert "by 200 threads Thread-* (serve)\n" in page.render(
        replace(holding, made=(replace(made, threads={f"Thread-{at} (serve)": 1 for at in range(200)}),))
    )


def test_colour_is_only_there_if_asked_for() -> None:
    assert "\x1b[" not in page.render(drawn())
    assert "\x1b[" in page.render(drawn(), color=True)


def test_the_beginning_that_paths_share_is_drawn_once() -> None:
    drawing = as_dot(drawn(limit=9))

    assert drawing.count('label="module app.cache"') == 1
    assert drawing.count(" -> ") == sum(len(path.steps) for path in drawn(limit=9).paths)
