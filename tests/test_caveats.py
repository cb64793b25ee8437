"""What was not seen is told in a sentence each, and nothing is told when nothing was missed."""

from __future__ import annotations

import numpy as np
import pytest
from buffer_builders import with_buffers
from builders import dump, live
from simulation import Life, recorded

from leakscope.analysis.facts import Facts
from leakscope.caveats import caveats
from leakscope.model.dump import Health

MIB = 1 << 20


def test_a_perfect_recording_has_none() -> None:
    assert caveats(Facts([dump(live({"f@a.py:1": (5, 8)}))])) == ()


@pytest.mark.parametrize(
    ("health", "words"),
    [
        (Health(dropped_blocks=1200), "1,200 blocks were not recorded"),
        (Health(dropped_stacks=3), "3 stacks found no room"),
        (Health(dropped_threads=1), "1 thread found no room"),
        (Health(tracer_lost=1), "another tool took the allocator hooks away (1 time)"),
        (Health(unknown_frees=50), "50 blocks were freed whose allocation was not seen"),
        (Health(collisions=2), "2 blocks were handed out again"),
        (Health(truncated_stacks=7), "7 stacks were too deep to be followed"),
    ],
)
def test_each_loss_has_its_sentence(health: Health, words: str) -> None:
    (note,) = caveats(Facts([dump(live({"f@a.py:1": 8}), health=health)]))

    assert note.startswith(words)


@pytest.mark.parametrize(
    ("totals", "words"),
    [
        ({"dropped": 7}, "7 exports of buffers found no room"),
        ({"refused": 1}, "1 type could not be watched where buffers are handed out"),
    ],
)
def test_what_is_missing_of_buffers_is_told(totals: dict[str, int], words: str) -> None:
    (note,) = caveats(Facts([with_buffers(dump(live({"f@a.py:1": 8})), **totals)]))

    assert note.startswith(words)


def test_memory_that_nobody_attributed_is_told_from_a_tenth_on() -> None:
    def notes(unknown: int) -> tuple[str, ...]:
        return caveats(Facts([dump(live({"f@a.py:1": (1024, 1024)}), rss_bytes=9 * MIB + unknown)]))

    assert notes(MIB // 2) == ()
    assert notes(3 * MIB) == ("3.0 MiB of resident memory (25 %) could not be attributed to anything",)


def test_memory_that_is_not_resident_is_told() -> None:
    drawn = dump(live({"f@a.py:1": (10, 10 * MIB)}, domain="native"), rss_bytes=20 * MIB)

    (note,) = caveats(Facts([drawn]))

    assert note.startswith("88.0 MiB were asked for but are not resident")


def test_sampling_tells_its_error() -> None:
    life = Life()
    for number in range(4000):
        life.add("f@a.py:1", 5530, number / 100)
    notes = caveats(Facts([recorded(life, 40.0, interval_bytes=64 * 1024)]))

    (note,) = [note for note in notes if note.startswith("sampled")]
    assert note.startswith("sampled every 64.0 KiB on average: live memory is known to within ±5.")


def test_a_dump_taken_too_late_is_told() -> None:
    life = Life()
    for number in range(4000):
        life.add("f@a.py:1", 1024, number / 100, 39.99)
    last = recorded(life, 40.0, sample_at=[*np.linspace(0.3, 39.7, 50), 40.0], reason="exit")

    notes = caveats(Facts([last]))

    assert any(note.startswith("the last dump was taken when the program had begun to free") for note in notes)


def test_a_dump_without_the_systems_numbers_says_so() -> None:
    nothing = dict.fromkeys(("rss_bytes", "rss_anon_bytes", "rss_file_bytes", "rss_shmem_bytes", "ledger_bytes"), 0)
    drawn = dump(live({"f@a.py:1": 8}), process=nothing | {"began_rss_anon_bytes": 0})

    assert caveats(Facts([drawn])) == ("the memory of the process as the system sees it is not in this dump",)
