"""The container in which objects pile up: which it is, how far above them, and whose."""

from __future__ import annotations

import numpy as np
import pytest
from heap_builders import draw, heap_dump, heap_series

from leakscope.analysis.containers import (
    container_of,
    fill_what_was_there,
    hang_in_chains,
    is_the_scripts_own,
    is_the_tools_own,
)
from leakscope.analysis.walked import Walked


def container(drawing: str, of: str) -> tuple[str, int] | None:
    """The node that is the container of all objects of another node, and the steps between."""
    found = container_of(Walked(heap_dump(drawing)), numbers(drawing, of))
    if found is None:
        return None
    nodes = draw(drawing).numbers
    return next(name for name, each in nodes.items() if found[0] in each), found[1]


def numbers(drawing: str, of: str) -> np.ndarray:
    return np.array(draw(drawing).numbers[of], dtype=np.int64)


MODULE = "<module app> m=module .q -> "


@pytest.mark.parametrize(
    ("drawing", "of", "expected"),
    [
        (f"{MODULE}q=list -> job#50", "job", ("q", 1)),
        (f"{MODULE}q=dict -> job#50; job .body -> body#50", "body", ("q", 2)),  # through their owners
        (f"{MODULE}q=list -> job#50; m .p -> p=list -> job7=app.other", "job", ("q", 1)),
        ("<local jobs main@app.py:3> q=list -> job#50", "job", None),  # a frame holds them
        (f"{MODULE}q=Error -> t=traceback -> f=frame -> l=list -> job#50", "job", None),  # also behind a traceback
        ("q=list!1 -> job#50", "job", None),  # nobody does
        (f"{MODULE}q=list -> r#50=list; r -> job#50; r -> s#50", "r", ("q", 1)),
    ],
)
def test_the_nearest_object_by_which_most_are_held(drawing: str, of: str, expected: tuple[str, int] | None) -> None:
    assert container(drawing, of) == expected


def test_no_objects_have_no_container() -> None:
    assert container_of(Walked(heap_dump(f"{MODULE}q=list -> job#5")), np.empty(0, dtype=np.int64)) is None


def test_a_chain_is_objects_that_hang_on_others_of_them() -> None:
    links = "; ".join(f"e{n} .before -> e{n - 1}" for n in range(30, 0, -1))
    chain = f"{MODULE}e30=app.E; {links}"
    nodes = draw(chain).number
    objects = np.array([nodes[f"e{n}"] for n in range(31)], dtype=np.int64)

    assert hang_in_chains(Walked(heap_dump(chain)), np.sort(objects))
    assert not hang_in_chains(
        Walked(heap_dump(f"{MODULE}q=list -> job#50")), numbers(f"{MODULE}q=list -> job#50", "job")
    )


@pytest.mark.parametrize(
    ("drawing", "own"),
    [
        ("<module __main__> m=module .__dict__ -> n=ns [q] -> q=list -> job#50", True),
        ("<module __main__> m=module .__dict__ -> n=ns [app] -> a=app.App .q -> q=list -> job#50", False),
        ("<module app> m=module .__dict__ -> n=ns [q] -> q=list -> job#50", False),
    ],
)
def test_a_variable_of_the_main_script_is_its_own(drawing: str, own: bool) -> None:
    assert is_the_scripts_own(Walked(heap_dump(drawing)), draw(drawing).number["q"]) is own


@pytest.mark.parametrize(
    ("before", "after", "fill"),
    [
        ("q=dict -> f#50", "q=dict -> f#50; f .sig -> s#50=app.Sig", True),
        (
            "q=dict -> f#50",
            "q=dict -> f#50; f .log -> l#50=list; l -> s#50=app.Sig; l -> s2#50=app.Sig; l -> s3#50=app.Sig",
            False,
        ),
        ("q=dict -> e", "q=dict -> e; q -> f#50; f .sig -> s#50=app.Sig", False),  # new ones with what belongs to them
        ("q=dict -> e", "q=dict -> e; q -> s#50=app.Sig", False),
    ],
)
def test_what_hangs_one_by_one_on_objects_of_old_is_no_pile(before: str, after: str, fill: bool) -> None:
    first, last = (Walked(dump) for dump in heap_series(f"{MODULE}{before}", f"{MODULE}{after}"))
    names = draw(f"{MODULE}{after}").numbers
    objects = np.array(sorted(at for name in ("s", "s2", "s3") for at in names.get(name, ())), dtype=np.int64)

    found = container_of(last, objects)

    assert found is not None
    assert fill_what_was_there(first, last, objects, found[1]) is fill


@pytest.mark.parametrize(
    ("drawing", "package", "own"),
    [
        ("<module m> m=module .r -> r=_tool.term.Reporter .stats -> q=dict -> job#50", "tool", True),
        ("<module m> m=module .r -> r=app.Reporter .stats -> q=dict -> job#50", "tool", False),
        ("<module m> m=module .r -> r=_tool.term.Reporter .stats -> q=dict -> job#50", "", False),
        ("<module tool.term> m=module .q -> q=dict -> job#50", "tool.cli", True),
        ("<module app> m=module .q -> q=dict -> job#50", "tool", False),
    ],
)
def test_what_a_tool_gathers_is_its_own(drawing: str, package: str, own: bool) -> None:
    assert is_the_tools_own(Walked(heap_dump(drawing)), draw(drawing).number["q"], package) is own
