"""Whatever people type for what they mean is understood, or answered with what they may have meant."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders import column, dump, live
from heap_builders import heap_dump
from heap_lives import born_at_once

from leakscope.analysis.holding import find_holding
from leakscope.analysis.subjects import find_subject
from leakscope.analysis.walked import Walked
from leakscope.errors import NotEnoughData, UsageError

DRAWING = """
    *list=list -> s#4=app.Session; list -> o#2=other.Session; list -> job=app.Job:100+500; list -> b=bytearray:57+900
    list -> x=app.Outer.Inner
"""
MADE = {"s": "main@/srv/app/web.py:3 > handle@/srv/app/cache.py:41", "job": "main@/srv/app/web.py:3"}


def walked(**options: object) -> Walked:
    [drawn] = born_at_once([heap_dump(DRAWING, made=MADE, cwd="/srv", **options)])  # type: ignore[arg-type]
    return Walked(drawn)


def found(text: str) -> tuple[str, int]:
    subject = find_subject(walked(), text, ("/srv",))
    assert np.all(np.diff(subject.objects) > 0)
    return subject.words, len(subject.objects)


@pytest.mark.parametrize(
    ("text", "words", "count"),
    [
        ("app.Session", "app.Session objects", 4),
        ("Job", "app.Job objects", 1),
        ("Inner", "app.Outer.Inner objects", 1),
        ("Outer.Inner", "app.Outer.Inner objects", 1),
        ("bytearray", "bytearray objects", 1),
        ("builtins.bytearray", "bytearray objects", 1),
        ("app/cache.py:41", "objects made in app/cache.py:41", 4),
        ("cache.py:41", "objects made in cache.py:41", 4),
        ("/srv/app/cache.py:41", "objects made in /srv/app/cache.py:41", 4),
        ("handle", "objects made in handle", 4),
    ],
)
def test_types_lines_and_functions_are_understood(text: str, words: str, count: int) -> None:
    assert found(text) == (words, count)


def test_a_function_that_only_called_what_made_objects_stands_for_them_if_it_made_none() -> None:
    [drawn] = born_at_once([heap_dump("*a#3=app.A", made={"a": "outer@a.py:1 > inner@a.py:2"})])

    assert len(find_subject(Walked(drawn), "outer", ()).objects) == 3
    assert found("main") == ("objects made in main", 1)


def test_a_line_that_only_enlarged_objects_stands_for_these() -> None:
    [drawn] = born_at_once([heap_dump("*a=app.A:100+5000; *b=app.B", other=live({"grow@b.py:2": 5000}))])
    body = Walked(drawn).heap.body_address
    grown = replace(drawn, allocations=replace(drawn.allocations, address=column(body, "u8")))

    found = find_subject(Walked(grown), "b.py:2", ())

    assert (found.words, found.objects.tolist()) == ("objects that grew in b.py:2", [0])


def test_a_line_whose_memory_is_no_object_says_so() -> None:
    [drawn] = born_at_once([heap_dump("*a=app.A", other=live({"grow@b.py:2": 5000}))])

    with pytest.raises(UsageError, match=r"nothing of what 'b.py:2' made is an object") as caught:
        find_subject(Walked(drawn), "b.py:2", ())
    assert "memory of C code" in caught.value.remedy


def test_an_address_may_be_anywhere_in_an_object_or_its_memory() -> None:
    this = walked()
    heap = this.heap
    number = int(heap.body_owner[0])
    lead = int(heap.shapes.lead[heap.shape[number]])

    for address in (
        int(heap.address[number]), int(heap.address[number]) - lead, int(heap.address[number]) + 5,
        int(heap.body_address[0]), int(heap.body_address[0]) + 499,
    ):  # fmt: skip
        assert find_subject(this, hex(address), ()).objects.tolist() == [number]
    with pytest.raises(UsageError, match="no object at 0x10"):
        find_subject(this, "0x10", ())


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("Session", "'Session' is the name of 2 types", "name one of them: app.Session (4), other.Session (2)"),
        ("Jobs", "there is no object of type 'Jobs'", "did you mean app.Job?"),
        ("app.job", "there is no object of type 'app.job'", "did you mean app.Job?"),
        ("zzzzzz", "there is no object of type 'zzzzzz'", "name a type (app.Session)"),
        ("app/cache.py:42", "the recorder saw no object made in app/cache.py:42", "lines near it that made some: 41"),
        ("other.py:1", "the recorder saw no object made in other.py:1", "name a file as the stacks of"),
    ],
)
def test_what_means_nothing_is_answered_with_what_may_be_meant(text: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_subject(walked(), text, ("/srv",))

    assert caught.value.message.startswith(message)
    assert caught.value.remedy.startswith(hint)


def test_a_dump_without_objects_says_why() -> None:
    with pytest.raises(
        NotEnoughData, match=r"a\.lks: there are no objects in this dump: it was taken without"
    ) as caught:
        find_holding(dump(live({"a.py:1": 10}), source="a.lks"), "Session", 5)
    assert "--no-heap" in caught.value.remedy
