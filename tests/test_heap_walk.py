"""
The walk over a program's objects: each one found, with its size, its count, and what its edges are called.

Truth is what the program itself says with id(), sys.getsizeof(), sys.getrefcount() and gc.get_referents().
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from recording import PYTHONS, label, record, version_of
from seen_heap import has_object_at, object_at

from leakscope.model.heap import HeapGraph

pytestmark = pytest.mark.parametrize("python", PYTHONS, ids=label)


def heap_of(program: str, folder: Path, python: str, *options: str) -> tuple[HeapGraph, Any]:
    """The graph of the last dump, and the addresses that the program told."""
    recording = record(program, folder, python=python, options=("--exact", *options))
    assert recording.exit_code == 0, recording.stderr
    heap = recording.dump.heap
    assert heap is not None, recording.dump.meta
    return heap, recording.truth


def test_every_container_is_found_with_the_size_the_interpreter_says(python: str, tmp_path: Path) -> None:
    heap, truth = heap_of(
        """
        import array, collections, json, sys
        class Slots:
            __slots__ = ("a", "b")
        kept = {
            "list": [object() for _ in range(100)], "tuple": tuple(range(1000, 1050)),
            "dict": {i: str(i) for i in range(100)}, "set": {float(i) for i in range(100)},
            "frozenset": frozenset(map(float, range(3))), "str": "x" * 1001,
            "wide str": chr(0x20AC) * 500, "bytes": b"y" * 777, "bytearray": bytearray(5000), "int": 10 ** 50,
            "float": 1.5e300, "complex": 1j * 3.5, "slots": Slots(), "deque": collections.deque(range(1000, 1500)),
            "array": array.array("d", range(100)), "empty dict": {}, "empty list": [], "range": range(10 ** 10),
        }
        if sys.version_info >= (3, 15):
            del kept["bytearray"]  # its bytes are an object of their own
        about = lambda value: [id(value), sys.getsizeof(value), type(value).__name__]
        print(json.dumps({name: about(value) for name, value in kept.items()}))
        """,
        tmp_path,
        python,
    )

    seen = {name: object_at(heap, address) for name, (address, _, _) in truth.items()}

    for name, (_, size, kind) in truth.items():
        assert seen[name].type.rpartition(".")[2] == kind
        assert seen[name].total_size == pytest.approx(size, abs=7), name


def test_edges_carry_the_names_that_the_program_uses(python: str, tmp_path: Path) -> None:
    heap, truth = heap_of(
        """
        import collections, functools, json
        class Plain:
            def __init__(self, **names):
                self.__dict__.update(names)
        class Usual:
            def __init__(self):
                self.first, self.second = [1.5], [2.5]
        class Slots:
            __slots__ = ("left", "right")
        class Both(Slots):
            pass
        class Bag(list):
            pass
        class Ordered(collections.OrderedDict):
            pass
        def outer():
            captured = [3.5]
            def inner():
                return captured
            return inner
        def steps():
            held = [4.5]
            yield held
        usual, slots, both, bag, inner, generator = Usual(), Slots(), Both(), Bag([[5.5]]), outer(), steps()
        usual2 = Usual()
        slots.left = both.right = [6.5]
        both.own = [7.5]
        bag.note = [8.5]
        next(generator)
        many = Plain(**{f"name{i}": [float(i)] for i in range(40)})
        ordered = Ordered(key=[9.5])
        partial = functools.partial(outer, [10.5])
        names = ["usual", "slots", "both", "bag", "inner", "generator", "many", "ordered", "partial"]
        told = {name: id(globals()[name]) for name in names}
        told.update({
            "usual.first": id(usual.first), "slots.left": id(slots.left), "both.own": id(both.own),
            "bag.note": id(bag.note), "bag[0]": id(bag[0]), "captured": id(inner()),
            "held": id(generator.gi_frame.f_locals["held"]), "many.name7": id(many.name7),
            "ordered[key]": id(ordered["key"]),
            "partial.args": id(partial.args), "main": id(__import__("__main__")),
        })
        print(json.dumps(told))
        """,
        tmp_path,
        python,
    )
    seen = {name: object_at(heap, address) for name, address in truth.items()}

    def attribute(name: str, key: str) -> int:
        """The address behind an attribute, wherever the interpreter keeps it."""
        one = seen[name]
        if key in one.named:
            return one.named[key].address
        attributes = one.named["__dict__"]
        if key in attributes.named:
            return attributes.named[key].address
        pairs = attributes.others
        texts = [key_object.text for key_object in pairs[::2] if key_object is not None]
        value = pairs[2 * texts.index(key) + 1]
        assert value is not None
        return value.address

    assert attribute("usual", "first") == truth["usual.first"]
    assert seen["slots"].named["left"].address == truth["slots.left"]
    assert attribute("both", "own") == truth["both.own"]
    assert seen["both"].named["right"].address == truth["slots.left"]
    assert attribute("bag", "note") == truth["bag.note"]
    assert [item.address for item in seen["bag"].others if item is not None] == [truth["bag[0]"]]
    (cell,) = seen["inner"].named["__closure__"].others
    assert cell is not None
    assert cell.named["cell_contents"].address == truth["captured"]
    generator = seen["generator"]
    frame = generator.named.get("gi_frame", generator) if version_of(python) < (3, 11) else generator
    assert frame.named["held"].address == truth["held"]
    assert attribute("many", "name7") == truth["many.name7"]
    assert truth["ordered[key]"] in {item.address for item in seen["ordered"].others if item is not None}
    assert seen["partial"].named["args"].address == truth["partial.args"]
    assert attribute("main", "usual") == truth["usual"]


def test_locals_of_running_frames_are_roots_with_the_threads_number(python: str, tmp_path: Path) -> None:
    recording = record(
        """
        import json, threading, leakscope
        ready, go = threading.Event(), threading.Event()
        told = {}
        def worker():
            treasure = [1.5]
            told.update(treasure=id(treasure), thread=threading.get_native_id())
            ready.set()
            go.wait()
        thread = threading.Thread(target=worker)
        thread.start()
        ready.wait()
        def main():
            precious = [2.5]
            told.update(precious=id(precious), main=threading.get_native_id())
            leakscope.dump()
        main()
        go.set()
        thread.join()
        print(json.dumps(told))
        """,
        tmp_path,
        python=python,
    )
    truth = recording.truth
    heap = recording.wanted[-2].heap
    assert heap is not None

    def root_of(address: int, name: str) -> tuple[str, str, int]:
        number = object_at(heap, address).number
        rows = [row for row in range(len(heap.roots)) if int(heap.roots.object[row]) == number]
        (row,) = [row for row in rows if heap.strings[int(heap.roots.name[row])] == name]
        frame = int(heap.roots.frame[row])
        function = heap.strings[int(heap.frames.function[frame])]
        return function, Path(heap.strings[int(heap.frames.file[frame])]).name, int(heap.frames.native_id[frame])

    assert root_of(truth["treasure"], "treasure") == ("worker", "program.py", truth["thread"])
    assert root_of(truth["precious"], "precious") == ("main", "program.py", truth["main"])


def test_references_are_those_that_the_collector_sees_and_the_ones_it_need_not_see(python: str, tmp_path: Path) -> None:
    heap, truth = heap_of(
        """
        import gc, json, random
        chance = random.Random(7)
        class Node:
            pass
        class Slots:
            __slots__ = ("a", "b", "c")
        kept = []
        for number in range(2000):
            older = lambda: chance.choice(kept) if kept else number
            kept.append(chance.choice([
                lambda: [older() for _ in range(chance.randrange(6))],
                lambda: tuple(older() for _ in range(chance.randrange(1, 6))),
                lambda: {i: older() for i in range(chance.randrange(6))},
                lambda: {id(older()) for _ in range(4)},
                lambda: (lambda node: (setattr(node, "x", older()), setattr(node, "y", older()), node)[2])(Node()),
                lambda: (lambda node: (setattr(node, "b", older()), node)[1])(Slots()),
            ])())
        gc.collect()
        seen_by_collector = {str(id(one)): [id(to) for to in gc.get_referents(one)] for one in kept}
        print(json.dumps({address: referents for address, referents in seen_by_collector.items() if referents}))
        """,
        tmp_path,
        python,
    )

    for address, referents in truth.items():
        one = object_at(heap, int(address))
        missing = Counter(referents) - Counter(one.referents)
        # Where attributes lie in the instance, the collector visits them; their dict is a step between here and there.
        through = Counter(one.named["__dict__"].referents) if "__dict__" in one.named else Counter[int]()
        assert not missing - through, (one.type, address)


def test_a_dump_leaves_counts_and_the_collector_as_they_were(python: str, tmp_path: Path) -> None:
    recording = record(
        """
        import gc, json, leakscope, sys
        class Node:
            pass
        kept = [Node() for _ in range(1000)] + [[n] for n in range(1000)] + ["text%d" % n for n in range(1000)]
        gc.collect()
        leakscope.dump()
        gc.disable()
        def state():
            return ([sys.getrefcount(one) for one in kept], [gc.is_tracked(one) for one in kept], gc.get_stats(),
                    gc.get_threshold(), len(gc.garbage), gc.get_freeze_count(), sys.getrefcount(Node))
        before = state()
        leakscope.dump()
        after = state()
        print(json.dumps(before == after))
        """,
        tmp_path,
        python=python,
    )

    assert recording.truth is True
    assert recording.wanted[0].heap is not None


def test_counts_are_the_interpreters_own(python: str, tmp_path: Path) -> None:
    heap, truth = heap_of(
        """
        import json
        class Node:
            pass
        many = Node()
        holders = [many] * 37 + [{"a": many}, (many, many)]
        print(json.dumps({"many": id(many)}))
        """,
        tmp_path,
        python,
    )

    assert object_at(heap, truth["many"]).refcount == 37 + 1 + 2 + 1


def test_garbage_that_waits_for_the_collector_is_in_the_dump(python: str, tmp_path: Path) -> None:
    heap, truth = heap_of(
        """
        import gc, json
        gc.disable()
        class Ring:
            pass
        ring = Ring()
        ring.me = ring
        print(json.dumps({"ring": id(ring)}))
        del ring
        """,
        tmp_path,
        python,
    )

    assert object_at(heap, truth["ring"]).type.endswith("Ring")
    assert not heap.facts.collector_enabled


def test_what_is_freed_is_not_in_the_dump(python: str, tmp_path: Path) -> None:
    heap, truth = heap_of(
        """
        import json
        class Node:
            pass
        gone, stays = Node(), Node()
        told = {"gone": id(gone), "stays": id(stays)}
        del gone
        print(json.dumps(told))
        """,
        tmp_path,
        python,
    )

    assert has_object_at(heap, truth["stays"])
    assert not has_object_at(heap, truth["gone"])


def test_values_are_in_the_file_only_if_they_were_asked_for(python: str, tmp_path: Path) -> None:
    program = """
        import json
        class Account:
            pass
        account = Account()
        account.owner = "Eva " + "Musterfrau"
        table = {"pass" + "word-%d" % 1: "hunter" + "2-%d" % 7}
        print(json.dumps({"account": id(account)}))
        """
    quiet, loud = tmp_path / "quiet", tmp_path / "loud"
    quiet.mkdir()
    loud.mkdir()

    heap_of(program, quiet, python)
    heap_of(program, loud, python, "--values")
    told = {name: b"".join(path.read_bytes() for path in (folder / "run").glob("*.lks")) for name, folder in
            {"quiet": quiet, "loud": loud}.items()}  # fmt: skip

    assert b"owner" in told["quiet"], "names of attributes are no values"
    for secret in (b"Eva Musterfrau", b"password-1", b"hunter2-7"):
        assert secret not in told["quiet"]
        assert secret in told["loud"]


def test_the_program_sees_nothing_of_the_walk(python: str, tmp_path: Path) -> None:
    recording = record(
        """
        import json, os, signal, leakscope
        seen = []
        signal.signal(signal.SIGCHLD, lambda *_: seen.append("SIGCHLD"))
        leakscope.dump()
        try:
            child = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            child = "none"
        print(json.dumps([seen, child, sorted(os.listdir("/proc/self/task")) == [str(os.getpid())]]))
        """,
        tmp_path,
        python=python,
    )

    assert recording.truth == [[], "none", True]
