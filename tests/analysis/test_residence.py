"""The parts of the resident memory add up to it, whatever they claim."""

from __future__ import annotations

import numpy as np
import pytest
from builders import chunks, dump, live

from leakscope.analysis.residence import anonymous_claims, settle, where_memory_went
from leakscope.model.report import SEGMENT_NAMES

MIB = 1 << 20
CLAIMS = ("python_objects", "large_objects", "pymalloc_free", "small", "large", "mappings", "malloc_free", "before")


@pytest.mark.parametrize("seed", range(50))
def test_settled_claims_fit_whatever_was_claimed(seed: int) -> None:
    random = np.random.default_rng(seed)
    claims = {name: int(random.integers(0, 1000)) * int(random.integers(0, 2)) for name in CLAIMS}
    capacity = int(random.integers(0, 4000))

    settled, taken_off = settle(claims, capacity)

    assert sum(settled.values()) == min(capacity, sum(claims.values()))
    assert taken_off == max(0, sum(claims.values()) - capacity)
    assert all(0 <= settled[name] <= claims[name] for name in CLAIMS)


def test_the_worked_number_on_the_page_is_right() -> None:
    tenths = {"python_objects": 400, "pymalloc_free": 80, "small": 80, "large": 120, "mappings": 640, "before": 60}

    settled, taken_off = settle(tenths | {"malloc_free": 0, "large_objects": 0}, 1100)

    assert taken_off == 280
    assert settled["mappings"] == 404
    assert settled["small"] + settled["large"] == 156


def test_live_blocks_give_way_last() -> None:
    claims = dict.fromkeys(CLAIMS, 10)

    assert [settle(claims, capacity)[0]["python_objects"] for capacity in (80, 50, 30, 20, 10)] == [10, 10, 10, 10, 5]
    assert settle(claims, 30)[0] == dict.fromkeys(CLAIMS, 0) | {"python_objects": 10, "small": 10, "before": 10}


@pytest.mark.parametrize("seed", range(30))
def test_parts_add_up_to_the_resident_memory_of_any_dump(seed: int) -> None:
    random = np.random.default_rng(seed)
    anon, file, shmem, ledger, before, heap = (int(random.integers(0, 64 * MIB)) for _ in range(6))
    drawn = dump(
        live({"f@a.py:1": (200, int(random.integers(1, MIB)))}, domain="native")
        + live({"g@a.py:1": (999, 500)})
        + chunks({"f@a.py:1": (int(random.integers(0, 9)), MIB)})
        + chunks({"f@a.py:1": (1, int(random.integers(1, 64 * MIB)))}, kind="mapping"),
        process={
            "rss_bytes": anon + file + shmem, "rss_anon_bytes": anon, "rss_file_bytes": file, "rss_shmem_bytes": shmem,
            "ledger_bytes": ledger, "began_rss_anon_bytes": before, "malloc_heap_bytes": heap,
        },
    )  # fmt: skip

    found = where_memory_went(drawn)

    assert tuple(found.parts) == SEGMENT_NAMES
    assert sum(found.parts.values()) == found.rss_bytes == anon + file + shmem
    assert min(found.parts.values()) >= 0
    assert found.parts["recorder"] == min(ledger, shmem)
    assert found.parts["recorder"] + found.parts["shared"] == shmem
    assert found.parts["mapped_files"] == file


def test_a_quiet_program_is_explained_to_the_byte() -> None:
    # given 3 MiB of objects in 4 arenas, 2 MiB of native blocks, 6 MiB from before, 1 MiB nobody knows
    drawn = dump(
        live({"f@a.py:1": (6144, 512)})
        + live({"g@a.py:1": (32, 64 << 10)}, domain="native")
        + chunks({"f@a.py:1": (4, MIB)}),
        rss_bytes=23 * MIB,
        process={
            "rss_anon_bytes": 13 * MIB, "rss_file_bytes": 8 * MIB, "rss_shmem_bytes": 2 * MIB, "ledger_bytes": 2 * MIB,
            "began_rss_anon_bytes": 6 * MIB,
        },
    )  # fmt: skip

    parts = where_memory_went(drawn).parts

    assert {name: size / MIB for name, size in parts.items() if size} == {
        "python_objects": 3, "pymalloc_free": 1, "native": 2, "before": 6, "mapped_files": 8, "recorder": 2,
        "unknown": 1,
    }  # fmt: skip


def test_free_memory_inside_malloc_is_what_its_heaps_hold_beyond_all_else() -> None:
    heaps = {"malloc_heap_bytes": 20 * MIB, "began_rss_anon_bytes": 4 * MIB}
    drawn = dump(live({"f@a.py:1": (48, 64 << 10)}, domain="native") + chunks({"f@a.py:1": (1, MIB)}), process=heaps)

    assert anonymous_claims(drawn)["malloc_free"] == (20 - 4 - 3) * MIB


def test_what_was_measured_to_be_free_needs_no_guess() -> None:
    measured = {"used_bytes": MIB // 4, "free_bytes": 3 * MIB // 4, "resident_bytes": MIB // 2}
    drawn = dump(
        live({"f@a.py:1": (10, 64)})
        + chunks({"f@a.py:1": (4, MIB)}, **measured)
        + chunks({"": (2, MIB)}, thread=None, **measured)  # there before, as what was there before says
        + chunks({"": 8 * MIB}, kind="heap", thread=None, used_bytes=MIB, free_bytes=6 * MIB, resident_bytes=8 * MIB),
        process={"malloc_heap_bytes": 20 * MIB, "began_rss_anon_bytes": MIB},
    )

    claims = anonymous_claims(drawn)

    assert (claims["pymalloc_free"], claims["malloc_free"]) == (MIB, 6 * MIB)
    assert where_memory_went(drawn).malloc_measured


def test_if_one_heap_was_not_measured_what_malloc_holds_is_the_bound_again() -> None:
    heap = {"kind": "heap", "thread": None}
    drawn = dump(
        chunks({"": 8 * MIB}, used_bytes=MIB, free_bytes=6 * MIB, resident_bytes=8 * MIB, **heap)
        + chunks({"": 2 * MIB}, label="arena 1", **heap),
        process={"malloc_heap_bytes": 20 * MIB, "began_rss_anon_bytes": 4 * MIB},
    )

    assert anonymous_claims(drawn)["malloc_free"] == 16 * MIB
    assert not where_memory_went(drawn).malloc_measured


def test_objects_too_large_for_arenas_lie_in_mallocs_heaps() -> None:
    heaps = {"malloc_heap_bytes": 20 * MIB, "began_rss_anon_bytes": 4 * MIB}
    drawn = dump(
        live({"f@a.py:1": (3072, 1024), "g@a.py:2": (4096, 256)}) + chunks({"f@a.py:1": (2, MIB)}), process=heaps
    )

    claims = anonymous_claims(drawn)

    assert (claims["python_objects"], claims["pymalloc_free"]) == (4 * MIB, MIB)
    assert claims["malloc_free"] == (20 - 4 - 3) * MIB


def test_large_blocks_lie_outside_of_mallocs_heaps() -> None:
    heaps = {"malloc_heap_bytes": 20 * MIB, "began_rss_anon_bytes": 4 * MIB}
    drawn = dump(live({"f@a.py:1": (3, MIB)}, domain="native") + chunks({"f@a.py:1": (1, MIB)}), process=heaps)

    claims = anonymous_claims(drawn)

    assert (claims["large"], claims["small"], claims["malloc_free"]) == (3 * MIB, 0, 16 * MIB)


def test_a_dump_that_knows_nothing_of_the_process_has_no_bar() -> None:
    nothing = dict.fromkeys(("rss_bytes", "rss_anon_bytes", "rss_file_bytes", "rss_shmem_bytes", "ledger_bytes"), 0)

    found = where_memory_went(dump(live({"f@a.py:1": 8}), process=nothing | {"began_rss_anon_bytes": 0}))

    assert found.rss_bytes == 0
