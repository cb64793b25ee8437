"""
The live table against the truth: small programs that know what they keep, and print it.

Each program runs under an exact recording; the last dump must show, at the marked line, the blocks that the program
says it holds, by number, size, thread and allocator domain.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from recording import PYTHONS, label, record, version_of

from leakscope.model.chunks import ARENA, NO_THREAD

pytestmark = pytest.mark.parametrize("python", PYTHONS, ids=label)

KEEPERS = {
    "small bytes": ("bytes(200)", (233, 233)),
    "large bytes": ("bytes(3000)", (3033, 3033)),
    "huge bytes": ("bytes(200_000)", (200_033, 200_033)),
    "bytearray": ("bytearray(3000)", (3001, 3033)),  # from 3.15 on its memory is a bytes object
    "list": ("[None] * 500", (4000, 4000)),
}


@pytest.mark.parametrize("kind", KEEPERS)
def test_every_kept_block_is_at_its_line_with_its_size(kind: str, python: str, tmp_path: Path) -> None:
    expression, (least, most) = KEEPERS[kind]
    recording = record(
        f"""
        KEPT = [None] * 200
        for i in range(200):
            KEPT[i] = {expression}  # <- kept
        """,
        tmp_path,
        python=python,
    )

    kept = recording.at("kept")

    assert kept.count(least, up_to=most) == 200
    assert 200 * least <= kept.bytes <= 200 * most + 30_000
    assert set(kept.threads) == {"MainThread"}


def test_blocks_that_were_freed_are_gone(python: str, tmp_path: Path) -> None:
    recording = record(
        """
        def main():  # a function, since new globals would make their dict grow at these lines
            for i in range(1000):
                block = bytes(3000)  # <- freed
                del block
            small = [bytes(100 + i) for i in range(300)]  # <- dropped
            small.clear()
        main()
        """,
        tmp_path,
        python=python,
    )

    freed, dropped = recording.at("freed"), recording.at("dropped")

    assert freed.count(3033) == 0
    assert freed.alloc_blocks >= 1000
    assert freed.free_blocks == freed.alloc_blocks
    assert dropped.count(133, up_to=432) == 0


def test_what_was_asked_for_less_what_was_freed_is_what_lives(python: str, tmp_path: Path) -> None:
    recording = record(
        """
        import re, json
        kept = []
        for i in range(300):
            json.loads(json.dumps({"number": [i] * 20, "text": "x" * i * 7}))
            re.match("(a|b)*c", "abababab" + "c" * (i % 2))  # asks for no bytes at all at times
            exec(compile(f"def f{i}(): return [{i}, {{}}]", "generated", "exec"), {"kept": kept})
            kept.append(bytearray(i))
            kept[-1].extend(bytes(i * 3))
        del kept[::2]
        """,
        tmp_path,
        python=python,
    )

    stacks, live = recording.dump.stacks, recording.dump.allocations
    blocks = np.bincount(live.stack, minlength=len(stacks.parent))
    weights = np.bincount(live.stack, weights=live.weight, minlength=len(stacks.parent))

    assert np.abs(stacks.alloc_blocks - stacks.free_blocks - blocks).sum() <= 4  # made while the dump was asked for
    assert np.abs(stacks.alloc_bytes - stacks.free_bytes - weights).sum() <= 4096


def test_the_live_table_grows_by_the_blocks_that_the_interpreter_counts(python: str, tmp_path: Path) -> None:
    recording = record(
        """
        import gc, json, sys, leakscope
        kept = []
        def work(turns):  # objects of every kind that free lists recycle, few of them kept
            for i in range(turns):
                pair, numbers, part = (i, i + 1), [float(i) + j for j in range(10)], slice(i, i + 5)
                text = json.loads(json.dumps({"k": [i, {"b": (i,)}]}))
                if i % 50 == 0:
                    kept.append({"a": pair})
        work(1000)
        leakscope.dump()  # for the first call's own sake
        gc.collect()
        before = sys.getallocatedblocks()
        leakscope.dump()
        work(20_000)
        gc.collect()
        print(json.dumps(sys.getallocatedblocks() - before))
        leakscope.dump()
        """,
        tmp_path,
        python=python,
    )

    asked = [dump.allocations for dump in recording.dumps if dump.meta.reason == "request"]
    before, after = (int(np.isin(live.domain, (1, 2)).sum()) for live in asked[1:3])

    assert recording.truth > 800
    assert abs(after - before - recording.truth) <= 8


def test_a_block_that_grows_in_place_or_moves_is_one_block_of_its_last_size(python: str, tmp_path: Path) -> None:
    recording = record(
        """
        import json
        buffer = bytearray()
        rows = []
        for i in range(500):
            buffer += b"x" * 777  # <- buffer
            rows.append(None)  # <- rows
        print(json.dumps({"buffer": buffer.__alloc__(), "rows": rows.__sizeof__() - [].__sizeof__()}))
        """,
        tmp_path,
        python=python,
    )

    buffer, rows = recording.at("buffer"), recording.at("rows")

    assert buffer.count(recording.truth["buffer"]) == 1
    assert buffer.count(1000, up_to=1 << 40) == 1
    assert rows.count(recording.truth["rows"]) == 1
    assert rows.count(100, up_to=1 << 40) == 1


def test_shrinking_leaves_the_small_size(python: str, tmp_path: Path) -> None:
    recording = record(
        """
        import json
        buffer = bytearray(500_000)
        del buffer[1000:]  # <- shrunk
        print(json.dumps(buffer.__alloc__()))
        """,
        tmp_path,
        python=python,
    )

    assert recording.at("shrunk").count(recording.truth) == 1
    assert (recording.dump.allocations.size < 400_000).all()


def test_the_owner_is_the_allocating_thread_by_python_name_and_native_id(python: str, tmp_path: Path) -> None:
    recording = record(
        """
        import json, threading
        kept, ids = [], {}
        def keep(name, count):
            ids[name] = threading.get_native_id()
            for i in range(count):
                kept.append(bytes(5000))  # <- kept
        for name, count in (("alpha", 30), ("beta", 50)):
            thread = threading.Thread(target=keep, args=(name, count), name=name)
            thread.start()
            thread.join()
        keep("MainThread", 7)
        print(json.dumps(ids))
        """,
        tmp_path,
        python=python,
    )

    kept = recording.at("kept")
    owners = [
        (name, native)
        for name, native, size in zip(kept.threads, kept.native_threads, kept.size, strict=True)
        if size == 5033
    ]

    assert {name: owners.count((name, native)) for name, native in recording.truth.items()} == {
        "alpha": 30,
        "beta": 50,
        "MainThread": 7,
    }


def test_frees_by_another_thread_are_counted_at_the_allocating_line(python: str, tmp_path: Path) -> None:
    recording = record(
        """
        import threading
        handed = [bytes(5000) for i in range(100)]  # <- handed
        own = [bytes(6000) for i in range(100)]  # <- own
        thread = threading.Thread(target=handed.clear)
        thread.start()
        thread.join()
        own.clear()
        """,
        tmp_path,
        python=python,
    )

    handed, own = recording.at("handed"), recording.at("own")

    assert handed.count(5033) == 0
    assert 100 <= handed.foreign_blocks <= 110
    assert own.foreign_blocks == 0
    assert recording.dump.meta.totals.foreign_frees >= 100


@pytest.mark.parametrize("door", ["None", "'libc.so.6'"])
def test_native_blocks_asked_for_through_ctypes_are_at_the_calling_line(door: str, python: str, tmp_path: Path) -> None:
    recording = record(
        f"""
        import ctypes
        library = ctypes.CDLL({door})
        for name in ("malloc", "calloc", "realloc", "aligned_alloc"):
            getattr(library, name).restype = ctypes.c_void_p
        size_t, pointer = ctypes.c_size_t, ctypes.c_void_p
        kept = []
        for i in range(40):
            kept.append(library.malloc(size_t(10_000)))  # <- malloc
            kept.append(library.calloc(size_t(10), size_t(2000)))  # <- calloc
            kept.append(library.realloc(pointer(library.malloc(size_t(100))), size_t(30_000)))  # <- realloc
            kept.append(library.aligned_alloc(size_t(64), size_t(40_960)))  # <- aligned
            library.free(pointer(library.malloc(size_t(50_000))))  # <- freed
        """,
        tmp_path,
        python=python,
    )

    sizes = {"malloc": 10_000, "calloc": 20_000, "realloc": 30_000, "aligned": 40_960}
    found = {mark: recording.at(mark).count(size) for mark, size in sizes.items()}

    assert found == dict.fromkeys(sizes, 40)
    assert set(recording.at("malloc").domains) >= {"native"}
    assert recording.at("freed").count(50_000) == 0


def test_mappings_of_the_mmap_module_are_chunks_until_they_are_closed(python: str, tmp_path: Path) -> None:
    recording = record(
        """
        import mmap
        kept = [mmap.mmap(-1, 20 << 20) for i in range(3)]  # <- kept
        closed = mmap.mmap(-1, 40 << 20)  # <- closed
        closed.close()
        """,
        tmp_path,
        python=python,
    )

    chunks = recording.dump.chunks
    kind = recording.dump.meta.chunk_kinds.index("mapping")
    sizes = [int(size) >> 20 for size, of in zip(chunks.size, chunks.kind, strict=True) if of == kind]

    assert sizes.count(20) == 3
    assert sizes.count(40) == 0
    assert recording.dump.meta.totals.large_mapping_count >= 3


def test_arenas_of_small_objects_are_chunks(python: str, tmp_path: Path) -> None:
    recording = record("kept = [str(i) for i in range(200_000)]  # <- kept\n", tmp_path, python=python)

    totals = recording.dump.meta.totals
    chunks = recording.dump.chunks
    arenas = chunks.kind == ARENA
    seen = arenas & (chunks.thread != NO_THREAD)

    assert recording.at("kept").count(0, up_to=512) >= 199_000
    assert seen.sum() == totals.arena_count
    assert arenas.sum() > seen.sum()  # those from before the recording
    # The new ones must hold nearly all of ten megabytes.
    assert totals.arena_bytes >= 0.8 * recording.at("kept").bytes


@pytest.mark.parametrize("setting", ["malloc", "debug", "pymalloc", "pymalloc_debug", "malloc_debug"])
def test_every_allocator_that_pythonmalloc_can_choose(setting: str, python: str, tmp_path: Path) -> None:
    recording = record(
        """
        kept = [None] * 400
        for i in range(200):
            kept[i] = bytes(300)  # <- small
            kept[i + 200] = bytes(3000)  # <- large
        """,
        tmp_path,
        python=python,
        environment={"PYTHONMALLOC": setting},
    )

    room = 64 if "debug" in setting else 0  # the debug allocator's own fences

    assert recording.exit_code == 0
    assert recording.at("small").count(333, up_to=333 + room) == 200
    assert recording.at("large").count(3033, up_to=3033 + room) == 200


@pytest.mark.parametrize("early", [False, True], ids=["started inside", "started by the environment"])
def test_tracemalloc_beside_the_recorder_changes_nothing_for_either(early: bool, python: str, tmp_path: Path) -> None:
    recording = record(
        """
        import json, tracemalloc
        if not tracemalloc.is_tracing():
            tracemalloc.start(5)
        during = [bytes(3000) for i in range(150)]  # <- during
        seen = [trace for trace in tracemalloc.take_snapshot().traces if trace.size == 3033]
        tracemalloc.stop()
        after = [bytes(4000) for i in range(150)]  # <- after
        print(json.dumps(len(seen)))
        """,
        tmp_path,
        python=python,
        environment={"PYTHONTRACEMALLOC": "5"} if early else {},
    )

    assert recording.exit_code == 0, recording.stderr
    assert recording.truth == 150
    assert recording.at("during").count(3033) == 150
    assert recording.at("after").count(4033) == 150


def test_a_reference_tracer_taken_away_is_noticed(python: str, tmp_path: Path) -> None:
    if version_of(python) < (3, 13):
        pytest.skip("reference tracers came with Python 3.13")
    recording = record(
        """
        import tracemalloc
        tracemalloc.start()
        kept = [bytes(3000) for i in range(150)]  # <- kept
        """,
        tmp_path,
        python=python,
    )

    # From 3.13 on tracemalloc takes the one slot of the process and does not chain to who was there before.
    assert recording.at("kept").count(3033) == 150
    assert recording.dump.health.tracer_lost >= 1


def test_the_program_can_ask_for_a_dump_and_read_its_path(python: str, tmp_path: Path) -> None:
    recording = record(
        """
        import json, os
        import leakscope
        kept = [bytes(3000) for i in range(150)]  # <- kept
        path = leakscope.dump()
        size = os.path.getsize(path)
        kept.clear()
        print(json.dumps({"path": path, "size": size}))
        """,
        tmp_path,
        python=python,
    )

    (asked,) = (dump for dump in recording.dumps if dump.meta.reason == "request")

    assert Path(asked.source).name == Path(recording.truth["path"]).name
    assert recording.truth["size"] == Path(asked.source).stat().st_size
    assert int((asked.allocations.size == 3033).sum()) >= 150
    assert recording.at("kept").count(3033) == 0
