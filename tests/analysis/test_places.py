"""Which frame of a stack a reader is shown."""

from __future__ import annotations

import numpy as np
import pytest
from builders import dump, live

from leakscope.analysis.places import NOWHERE, find_places

STD, LIB = "/usr/lib/python3.11", "/v/lib/python3.11/site-packages"

STACKS = {
    # the innermost line of the program
    "main@app.py:3 > handle@app/cache.py:41": ("app/cache.py", 41),
    f"main@app.py:3 > handle@app/cache.py:41 > loads@{STD}/json/__init__.py:346 > raw_decode@{STD}/json/decoder.py:353":
        ("app/cache.py", 41),
    f"handle@app.py:7 > execute@{LIB}/orm/session.py:90 > fetch@{LIB}/orm/loading.py:12": ("app.py", 7),
    # what a loop or a thread runs has nothing to do with who started it
    f"main@app.py:3 > run@{STD}/asyncio/runners.py:44 > _run_once@{STD}/asyncio/base_events.py:1 > poll@{LIB}/jar.py:9":
        (f"{LIB}/jar.py", 9),
    f"main@app.py:3 > run@{STD}/asyncio/runners.py:44 > _run@{STD}/asyncio/events.py:80 > work@app/jobs.py:5":
        ("app/jobs.py", 5),
    f"Thread._bootstrap@{STD}/threading.py:1 > Thread.run@{STD}/threading.py:9 > worker@app.py:20": ("app.py", 20),
    f"main@app.py:3 > run@{STD}/asyncio/runners.py:44 > select@{STD}/selectors.py:8": ("app.py", 3),
    # ... but who makes a thread does
    f"main@app.py:3 > pool@{LIB}/pool.py:4 > Thread.__init__@{STD}/threading.py:80": ("app.py", 3),
    # the main script only starts what a library does
    f"<module>@app.py:30 > run@{LIB}/uvicorn/main.py:5 > serve@{LIB}/uvicorn/server.py:60":
        (f"{LIB}/uvicorn/server.py", 60),
    "<module>@app.py:30": ("app.py", 30),
    f"<module>@app.py:30 > loads@{STD}/json/__init__.py:346": ("app.py", 30),
    # an import belongs to the importing line
    f"<module>@app.py:1 > _find_and_load@<frozen importlib._bootstrap>:1 > <module>@{LIB}/pandas/__init__.py:3":
        ("app.py", 1),
    "<module>@app.py:1 > _find_and_load@<frozen importlib._bootstrap>:1 > <module>@app/models.py:8":
        ("app/models.py", 8),
    "f@app.py:9 > _find_and_load@<frozen importlib._bootstrap>:1 > get_data@<frozen importlib._bootstrap_external>:7":
        ("app.py", 9),
    # no line of the program
    f"<module>@{LIB}/black/__main__.py:3 > parse@{LIB}/black/parsing.py:60": (f"{LIB}/black/parsing.py", 60),
    "f@app.py:9 > __init__@<string>:2": ("app.py", 9),
    f"_run_code@<frozen runpy>:88 > <module>@{STD}/test/__main__.py:2 > run@{STD}/test/x.py:3": (f"{STD}/test/x.py", 3),
    "f@<frozen zipimport>:3": ("<frozen zipimport>", 3),
    "!start_thread@libc.so.6": ("libc.so.6", 0),
}  # fmt: skip


@pytest.mark.parametrize(("stack", "place"), STACKS.items(), ids=range(len(STACKS)))
def test_the_place_of_a_stack(stack: str, place: tuple[str, int]) -> None:
    drawn = dump(live({stack: 64}))

    places = find_places(drawn.stacks, command=False)

    frame = drawn.stacks.frame_table[int(places.place[drawn.allocations.stack[0]])]
    assert (frame.file, frame.line) == place


def test_many_stacks_at_once_have_the_places_they_have_alone() -> None:
    # given all of them in one trie
    drawn = dump(live(dict.fromkeys(STACKS, 64)))

    places = find_places(drawn.stacks, command=False)

    for node, place in zip(drawn.allocations.stack, STACKS.values(), strict=True):
        frame = drawn.stacks.frame_table[int(places.place[node])]
        assert (frame.file, frame.line) == place


def test_native_frames_and_making_lines_are_kept_apart() -> None:
    drawn = dump(
        live({"f@app.py:5 > loads@/usr/lib/python3.11/json/x.py:9 > !PyDict_New@libpython.so > !malloc@x.so": 96})
    )
    places = find_places(drawn.stacks, command=False)
    node = int(drawn.allocations.stack[0])

    frame = drawn.stacks.frame_table
    assert frame[int(places.made_in[node])].line == 9
    assert frame[int(places.native[node])].function == "malloc"


def test_an_importing_line_knows_what_it_imports() -> None:
    machinery = "_find@<frozen importlib._bootstrap>:1"
    stack = f"<module>@app.py:1 > {machinery} > <module>@{LIB}/pandas/__init__.py:3 > f@{LIB}/x.py:1"
    drawn = dump(live({stack: 8, "g@app.py:2": 8}))

    imported = find_places(drawn.stacks, command=False).imported[drawn.allocations.stack]

    assert drawn.stacks.frame_table[int(imported[0])].file == f"{LIB}/pandas/__init__.py"
    assert imported[1] == NOWHERE


def test_a_library_line_that_imports_knows_it_too() -> None:
    machinery = "_find@<frozen importlib._bootstrap>:1"
    drawn = dump(
        live({f"<module>@{LIB}/black/concurrency.py:9 > {machinery} > <module>@{STD}/asyncio/__init__.py:8": 8})
    )
    node = drawn.allocations.stack[0]

    places = find_places(drawn.stacks, command=False)

    assert drawn.stacks.frame_table[int(places.place[node])].file == f"{LIB}/black/concurrency.py"
    assert drawn.stacks.frame_table[int(places.imported[node])].file == f"{STD}/asyncio/__init__.py"


def test_the_owner_is_the_innermost_of_program_and_libraries_whoever_called() -> None:
    drawn = dump(
        live({
            f"f@app.py:1 > get@{LIB}/requests/api.py:3 > loads@{STD}/json/__init__.py:9": 8,
            f"<module>@app.py:1 > _find@<frozen importlib._bootstrap>:1 > <module>@{LIB}/pandas/core/frame.py:3": 8,
            f"f@app.py:1 > loads@{STD}/json/__init__.py:9": 8,
            f"loads@{STD}/json/__init__.py:9": 8,
        })
    )  # fmt: skip

    owners = find_places(drawn.stacks, command=False).owner[drawn.allocations.stack]

    files = [drawn.stacks.frame_table[int(owner)].file for owner in owners]
    assert files == [f"{LIB}/requests/api.py", f"{LIB}/pandas/core/frame.py", "app.py", f"{STD}/json/__init__.py"]


def test_the_root_is_nowhere() -> None:
    places = find_places(dump(live({"": 8})).stacks, command=False)

    assert places.place.tolist() == places.made_in.tolist() == places.native.tolist() == [NOWHERE]


def test_the_program_of_a_command_line_is_the_program() -> None:
    drawn = dump(live({f"<module>@<string>:1 > f@<string>:2 > get@{LIB}/x.py:3": 8}))

    place = find_places(drawn.stacks, command=True).place[drawn.allocations.stack[0]]

    assert drawn.stacks.frame_table[int(place)].line == 2


@pytest.mark.parametrize("seed", range(10))
def test_random_tries_give_what_a_walk_along_each_stack_gives(seed: int) -> None:
    random = np.random.default_rng(seed)
    pieces = ["f@app.py:{}", "<module>@app.py:{}", f"g@{LIB}/x.py:{{}}", f"h@{STD}/json/y.py:{{}}",
              f"run@{STD}/threading.py:{{}}", "_find@<frozen importlib._bootstrap>:{}", "i@<string>:{}",
              "!m@z.so"]  # fmt: skip
    stacks = [
        " > ".join(str(random.choice(pieces)).format(random.integers(1, 4)) for _ in range(random.integers(1, 8)))
        for _ in range(60)
    ]
    drawn = dump(live(dict.fromkeys(stacks, 8)))
    places = find_places(drawn.stacks, command=False)

    for node in drawn.allocations.stack:
        found = drawn.stacks.frame_table[int(places.place[node])]
        frames = [(frame.function, frame.file, frame.line) for frame in reversed(drawn.stacks.frames(int(node)))]
        assert (found.function, found.file, found.line) == stupid_place(frames)


def stupid_place(frames: list[tuple[str, str, int]]) -> tuple[str, str, int]:
    """The rules of the module, one frame after the other from the outermost."""
    app = outer = library = stdlib = python = native = None
    top = importing = imported = False
    for frame in frames:
        function, file, _ = frame
        if file.endswith(".so"):
            native = frame
            continue
        python = frame
        if file.startswith("<frozen"):
            importing = imported = True
        elif file == "app.py":
            app, library, importing = frame, None, False
            top = function == "<module>" and not imported
        elif file.startswith(LIB):
            library = library if importing and app else frame
        elif file.endswith("threading.py"):
            outer, app, library, importing, stdlib = app or outer, None, None, False, frame
        elif file.startswith(STD):
            stdlib = frame
    starts = top and not importing and library is not None
    found = (library if starts or app is None else app) or app or outer or stdlib or python or native
    assert found is not None
    return found
