"""Places of single stacks: those that ``analysis.places`` finds in a trie, and none where a harness asks."""

from __future__ import annotations

import random

from builders import dump, live

from leakscope.analysis.places import find_places
from leakscope.model.allocations import Frame
from leakscope.trials.place import OURS, place_of

FILES = (
    "/srv/app/shop.py", "/srv/app/cart.py", "/venv/lib/python3.11/site-packages/requests/models.py",
    "/usr/lib/python3.11/json/decoder.py", "/usr/lib/python3.11/threading.py", "/usr/lib/python3.11/asyncio/events.py",
    "<frozen importlib._bootstrap>", "<string>", "<attrs generated init x>",
)  # fmt: skip
FUNCTIONS = ("<module>", "serve", "Thread.run", "_run", "load")
PYTEST = "/venv/lib/python3.11/site-packages/_pytest/python.py"


def some_stack(rng: random.Random) -> str:
    """In the drawing notation."""
    frames = [
        f"!call@/usr/lib/lib{rng.randrange(3)}.so"
        if rng.random() < 0.15
        else f"{rng.choice(FUNCTIONS)}@{rng.choice(FILES)}:{rng.randrange(1, 5)}"
        for _ in range(rng.randrange(1, 9))
    ]
    return " > ".join(frames)


def test_a_stack_by_itself_has_the_place_it_has_in_a_trie() -> None:
    rng = random.Random(20)
    stacks = dump(live({some_stack(rng): 64 for _ in range(600)})).stacks
    places = find_places(stacks, command=True)

    for node in range(1, len(stacks)):
        assert place_of(stacks.frames(node), command=True) == stacks.frame_table[int(places.place[node])]


def test_what_a_harness_asks_for_has_no_place() -> None:
    test = Frame("test_it", "/srv/tests/test_it.py", 3)
    call = Frame("pytest_pyfunc_call", PYTEST, 1)
    keep = Frame("MonkeyPatch.setattr", PYTEST, 2)
    harness = ("/venv/lib/python3.11/site-packages/_pytest/",)

    assert place_of([test, call], harness) == test
    assert place_of([keep, test, call], harness) is None
    assert place_of([Frame("loads", "/usr/lib/python3.11/json/__init__.py", 1), call], harness) is None
    assert place_of([test, keep, test, call], harness) == test
    assert place_of([Frame("run", f"{OURS}trials/trial.py", 1)]) is None


def test_what_a_thread_does_by_itself_has_a_place_without_a_frame_of_the_program() -> None:
    started = Frame("Thread._bootstrap", "/usr/lib/python3.11/threading.py", 1)
    put = Frame("Queue.put", "/usr/lib/python3.11/queue.py", 1)

    assert place_of([put, started], ("/elsewhere/",)) == put
