"""LS202: arenas of malloc whose threads have ended, and those that are still in use."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from builders import Moment, chunks, live, series

from leakscope.analysis.facts import Facts
from leakscope.model.dump import Dump
from leakscope.model.finding import Verdict
from leakscope.rules.deserted import check
from leakscope.verdict import judge

MIB = 1 << 20
AT = 0x7E00_0000_0000
KEPT = "run@threading.py:9 > read_mailbox@mail.py:12"


def thread_arenas(attached: int, free: int = 7 * MIB) -> Moment:
    """Six arenas, of which the last has two heaps."""
    labels = [*(f"arena {number}" for number in range(2, 8)), "arena 7, heap 2"]
    return sum(
        (
            chunks(
                {"": 8 * MIB}, kind="heap", thread=None, label=label, address=AT + at * 64 * MIB, used_bytes=MIB,
                free_bytes=free, largest_free_bytes=30_000, resident_bytes=8 * MIB, attached_threads=attached,
            )
            for at, label in enumerate(labels)
        ),
        chunks({"": 2 * MIB}, kind="arena", used_bytes=MIB, free_bytes=MIB),
    )  # fmt: skip


def kept() -> Moment:
    return sum(
        (
            live({KEPT: 900}, address=AT + at * 64 * MIB + block * 65536, thread=f"mailbox-{at}")
            for at in range(7)
            for block in range(128)
        ),
        Moment(),
    )


def drawn(moment: Moment) -> list[Dump]:
    return series(*[moment] * 5, rss_bytes=80 * MIB)


def test_arenas_that_threads_deserted_are_told_with_what_keeps_them() -> None:
    dumps = drawn(thread_arenas(0) + kept())

    (finding,) = check(Facts(dumps))

    assert finding.sentence == (
        "6 arenas of malloc whose threads have ended hold 49.0 MiB of 80.0 MiB resident that nobody has used since "
        "second 60.0, in holes between 896 blocks (787.5 KiB) made by `read_mailbox` in mail.py:12, allocated by 7 "
        "threads like mailbox-0."
    )
    assert (finding.verdict, finding.code) == (Verdict.FRAGMENTATION, "LS202")
    assert "MALLOC_ARENA_MAX=2" in finding.advice[0]
    assert [found.code for found in judge(dumps).findings] == ["LS202"]


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param(thread_arenas(1) + kept(), id="in use"),
        pytest.param(thread_arenas(0, free=65536) + kept(), id="full"),
    ],
)
def test_quiet_twins(moment: Moment) -> None:
    assert check(Facts(drawn(moment))) == ()


def test_arenas_in_use_are_fragmented_all_the_same() -> None:
    codes: Sequence[str] = [found.code for found in judge(drawn(thread_arenas(1) + kept())).findings]

    assert codes == ["LS201"]
