"""
The buffer protocol under the recorder: the program sees what it sees without, and what is told is the truth.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from recording import EXACT, PYTHONS, Recording, has_module, label, line_of, places, record, run, version_of

from leakscope.model.buffers import Buffers

pytestmark = pytest.mark.parametrize("python", PYTHONS, ids=label)
modes = pytest.mark.parametrize("mode", [(), EXACT], ids=["sampled", "exact"])

KINDS = Path(__file__).parent / "programs" / "buffer_kinds.py"


def buffers_of(recording: Recording) -> Buffers:
    assert recording.exit_code == 0, recording.stderr
    found = recording.dump.buffers
    assert found is not None
    return found


def outstanding(recording: Recording) -> Counter[tuple[str, int, int]]:
    """Exports in the last dump by type, line and bytes."""
    exports, dump = buffers_of(recording).exports, recording.dump
    rows = zip(exports.type.tolist(), exports.stack.tolist(), exports.bytes.tolist(), strict=True)
    return Counter((dump.strings[type_], places(dump)[stack][1], size) for type_, stack, size in rows)


@pytest.mark.parametrize("options", [(), EXACT, ("--no-buffers",)], ids=["sampled", "exact", "without"])
def test_a_program_sees_no_difference(options: Sequence[str], python: str, tmp_path: Path) -> None:
    bare = run([python, str(KINDS)], tmp_path)
    under = run([python, "-m", "leakscope", "run", "--quiet", *options, str(KINDS)], tmp_path)

    assert bare.exit_code == 0, bare.stderr
    assert len(bare.stdout.splitlines()) > 150
    assert (under.stdout, under.stderr, under.exit_code) == (bare.stdout, bare.stderr, 0)


def test_nothing_is_said_where_nobody_watches(python: str, tmp_path: Path) -> None:
    recording = record(KINDS, tmp_path, python=python, options=("--no-buffers",))

    assert recording.dump.buffers is None


KEPT = """
    import array, ctypes, io, json, mmap, pickle
    big = bytearray(100_000)
    kept = [memoryview(big)[:16] for _ in range(30)]                           # <- bytearray
    kept += [memoryview(array.array("d", range(n))) for n in range(1, 6)]      # <- array
    kept += [memoryview(mmap.mmap(-1, 8192)) for _ in range(3)]                # <- mmap
    kept += [pickle.PickleBuffer(bytearray(77)) for _ in range(2)]             # <- pickle
    kept += [io.BytesIO(b"abcd").getbuffer() for _ in range(4)]                # <- bytesio
    kept += [memoryview((ctypes.c_char * 9)()) for _ in range(7)]              # <- ctypes
    kept += [memoryview(b"bytes") for _ in range(7)]                           # <- bytes
    class Own(bytearray): pass
    kept += [memoryview(Own(b"own")) for _ in range(6)]                        # <- own
    for _ in range(500):
        memoryview(big)[1:5].tobytes()
        with memoryview(big) as view: bytes(view[3:9])
    print(json.dumps(True))
"""


@modes
def test_outstanding_exports_are_told_with_their_line_and_size(
    mode: Sequence[str], python: str, tmp_path: Path
) -> None:
    recording = record(KEPT, tmp_path, python=python, options=mode)

    lines = {
        mark: line_of(recording.program, mark) for mark in ("bytearray", "array", "mmap", "pickle", "bytesio", "own")
    }
    expected = Counter({("bytearray", lines["bytearray"], 100_000): 30, ("mmap.mmap", lines["mmap"], 8192): 3})
    expected |= Counter({("bytearray", lines["pickle"], 77): 2, ("_io._BytesIOBuffer", lines["bytesio"], 4): 4})
    expected |= Counter({("array.array", lines["array"], 8 * n): 1 for n in range(1, 6)})
    expected[("__main__.Own", lines["own"], 3)] = 6
    assert outstanding(recording) == expected
    totals = buffers_of(recording).totals
    assert (totals.unknown, totals.replaced, totals.dropped, totals.refused) == (0, 0, 0, 0)
    assert totals.acquired - totals.released == sum(expected.values())
    assert totals.acquired >= 1000 + sum(expected.values())
    assert totals.unseen >= 7
    exports = buffers_of(recording).exports
    assert set(exports.weight.tolist()) == {1}
    assert not exports.on_stack.any()


def test_counters_of_a_line_are_exact_in_an_exact_run(python: str, tmp_path: Path) -> None:
    recording = record(
        """
        import json, zlib
        data = bytearray(100)
        for _ in range(1234):
            zlib.crc32(data)                            # <- counted
        held = [memoryview(data) for _ in range(11)]    # <- held
        print(json.dumps(True))
        """,
        tmp_path,
        python=python,
    )

    acquirers = buffers_of(recording).acquirers
    found: Counter[int] = Counter()
    left: Counter[int] = Counter()
    for stack, acquired, released in zip(acquirers.stack, acquirers.acquired, acquirers.released, strict=True):
        line = places(recording.dump)[int(stack)][1]
        found[line] += int(acquired)
        left[line] += int(acquired) - int(released)
    counted, held = (line_of(recording.program, mark) for mark in ("counted", "held"))
    assert (found[counted], left[counted]) == (1234, 0)
    assert (found[held], left[held]) == (11, 11)


EXCHANGE = """
    import json, queue, random, threading
    random.seed(7)
    handed, kept, lock = queue.Queue(), [], threading.Lock()
    acquired = [0] * 6
    def take(number, count=400):
        chance = random.Random(number)
        for turn in range(count):
            view = memoryview(bytearray(chance.randrange(1, 200_000)))   # <- taken
            acquired[number] += 1
            fate = chance.random()
            if fate < 0.5: view.release()
            elif fate < 0.9: handed.put(view)
            else:
                with lock: kept.append(view)
    def give_back():
        while (view := handed.get()) is not None: view.release(); foreign.append(1)
    foreign = []
    givers = [threading.Thread(target=give_back, name=f"giver-{n}") for n in range(2)]
    takers = [threading.Thread(target=take, args=(n,), name=f"taker-{n}") for n in range(6)]
    for each in [*givers, *takers]: each.start()
    for each in takers: each.join()
    for _ in givers: handed.put(None)
    for each in givers: each.join()
    sizes = sorted(view.nbytes for view in kept)
    print(json.dumps({"acquired": sum(acquired), "foreign": len(foreign), "kept": sizes}))
"""


@modes
def test_threads_that_acquire_and_release_for_each_other_are_told_apart(
    mode: Sequence[str], python: str, tmp_path: Path
) -> None:
    recording = record(EXCHANGE, tmp_path, python=python, options=mode)

    truth, buffers, dump = recording.truth, buffers_of(recording), recording.dump
    line = line_of(recording.program, "taken")
    here = [at for at, stack in enumerate(buffers.exports.stack) if places(dump)[int(stack)][1] == line]
    assert sorted(buffers.exports.bytes[here].tolist()) == truth["kept"]
    assert {dump.threads.name_of(int(row)) for row in buffers.exports.thread[here]} <= {f"taker-{n}" for n in range(6)}
    rows = [at for at, stack in enumerate(buffers.acquirers.stack) if places(dump)[int(stack)][1] == line]
    table = buffers.acquirers
    assert int(table.acquired[rows].sum()) == truth["acquired"] == 2400
    assert int(table.foreign[rows].sum()) == truth["foreign"]
    assert int((table.acquired[rows] - table.released[rows]).sum()) == len(truth["kept"])


def test_a_class_of_python_code_is_the_exporter(python: str, tmp_path: Path) -> None:
    if version_of(python) < (3, 12):
        pytest.skip("methods for the buffer protocol came with Python 3.12")
    recording = record(
        """
        import json, leakscope
        class Packet:
            def __init__(self): self.data = bytearray(500)
            def __buffer__(self, flags): return memoryview(self.data)
        leakscope.dump()                                     # looks for new types
        kept = [memoryview(Packet()) for _ in range(5)]      # <- kept
        for _ in range(100): bytes(memoryview(Packet()))
        print(json.dumps(True))
        """,
        tmp_path,
        python=python,
    )

    line = line_of(recording.program, "kept")
    assert outstanding(recording)[("__main__.Packet", line, 500)] == 5
    assert buffers_of(recording).totals.unknown == 0


def test_a_buffer_that_native_code_never_gives_back_is_told_with_its_line(python: str, tmp_path: Path) -> None:
    recording = record(
        """
        import ctypes, json
        api = ctypes.pythonapi
        api.PyObject_GetBuffer.argtypes = [ctypes.py_object, ctypes.c_void_p, ctypes.c_int]
        views = [ctypes.create_string_buffer(200) for _ in range(9)]
        packets = [bytearray(5000) for _ in range(9)]
        for view, packet in zip(views, packets):
            api.PyObject_GetBuffer(packet, ctypes.addressof(view), 0)    # <- acquired
        print(json.dumps(True))
        """,
        tmp_path,
        python=python,
    )

    assert outstanding(recording)[("bytearray", line_of(recording.program, "acquired"), 5000)] == 9


def test_the_report_of_a_dump_has_the_tables(python: str, tmp_path: Path) -> None:
    recording = record(KEPT, tmp_path, python=python)
    paths = sorted(str(path) for path in recording.folder.glob("*.lks"))

    shown = run([python, "-m", "leakscope", "show", paths[-1]], tmp_path).stdout

    assert "Buffers handed out and not released yet" in shown
    assert "Large buffers that only small views keep" not in shown  # the big one is held by its name as well
    assert "Buffers acquired most" in shown


def test_the_graph_tells_how_much_a_view_sees(python: str, tmp_path: Path) -> None:
    recording = record(
        """
        import json
        big = memoryview(bytearray(1000))
        kept = [big, big[:16], big[::10], big[10:90].cast("I"), big[5:5]]
        gone = memoryview(bytearray(7)); gone.release()
        try:
            import numpy
        except ImportError:
            numpy = None
        if numpy is not None:
            grid = numpy.zeros((100, 200))
            kept += [grid[3:5], grid[:, :2], grid.T, grid[4:4]]
        print(json.dumps(numpy is not None))
        """,
        tmp_path,
        python=python,
    )

    heap = recording.dump.heap
    assert heap is not None
    seen: dict[str, Counter[int]] = {}
    for number, size in zip(heap.window_object.tolist(), heap.window_bytes.tolist(), strict=True):
        seen.setdefault(heap.types.full_name(int(heap.type[number])), Counter())[size] += 1
    assert seen["memoryview"] == Counter([1000, 16, 100, 80, 0])
    if recording.truth:
        assert Counter([3200, 1600, 160_000, 0]) <= seen["numpy.ndarray"]


def test_arrays_of_numpy_are_watched_too(python: str, tmp_path: Path) -> None:
    if not has_module(python, "numpy"):
        pytest.skip("needs numpy")
    recording = record(
        """
        import json, numpy
        grid = numpy.zeros(100_000)
        for _ in range(50): bytes(memoryview(grid)[:3])
        kept = [numpy.frombuffer(bytearray(70_000), "u1")[5:9] for _ in range(12)]   # <- kept
        print(json.dumps(True))
        """,
        tmp_path,
        python=python,
    )

    assert outstanding(recording)[("bytearray", line_of(recording.program, "kept"), 70_000)] == 12
    assert buffers_of(recording).totals.unseen >= 50
