"""A process that reads its own ledger: what it sees, and that looking changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from self_recorded import run

from leakscope import native


def test_a_process_that_is_not_recorded_says_so() -> None:
    assert native.own_state() is None


def test_the_program_sees_its_own_environment_and_records_every_block(tmp_path: Path) -> None:
    out = run(
        """
        import os
        from leakscope import native
        state = native.own_state()
        print(state["interval_bytes"], state["reader"], "LEAKSCOPE_LEDGER" in os.environ)
        print(os.environ.get("LD_PRELOAD"))
        """,
        tmp_path,
    )

    assert out.splitlines() == ["1 0 False", "None"]


def test_counts_at_moments_tell_who_gained_and_nothing_of_the_looking(tmp_path: Path) -> None:
    out = run(
        """
        import struct
        from leakscope import native
        counts = native.live_counts(6)
        kept = [None] * 10
        def keep(at):
            kept[at] = bytearray(1000)
        for at in range(-1, 6):
            keep(at + 1)  # the first time may use up what an interpreter keeps for reuse
            counts.mark(max(at, 0), False)
        for row in struct.iter_unpack("=13q", counts.changed(6)):
            print([frame[0] for frame in native.own_frames(row[0])], [n - row[1] for n in row[1:7]])
        """,
        tmp_path,
    )

    assert out.splitlines() == ["['keep', '<module>'] [0, 2, 4, 6, 8, 10]"]


def test_folded_moments_keep_the_least(tmp_path: Path) -> None:
    out = run(
        """
        import struct
        from leakscope import native
        counts = native.live_counts(4)
        kept = [None] * 4
        def work(at):
            kept[at] = object()
        def series(slots):
            rows = struct.iter_unpack(f"={1 + 2 * slots}q", counts.changed(slots))
            (row,) = [row for row in rows if [frame[0] for frame in native.own_frames(row[0])][:1] == ["work"]]
            return [n - row[1] for n in row[1:1 + slots]]
        counts.mark(0, False)
        for at in (1, 2, 3):
            work(at)
            counts.mark(at, False)
        print(series(4))
        kept[3] = None
        counts.mark(3, True)
        print(series(4))
        counts.halve()
        print(series(2))
        """,
        tmp_path,
    )

    assert out.splitlines() == ["[0, 1, 2, 3]", "[0, 1, 2, 2]", "[0, 2]"]


def test_blocks_of_a_stack_are_listed_with_their_thread(tmp_path: Path) -> None:
    out = run(
        """
        import struct, threading
        from leakscope import native
        counts = native.live_counts(2)
        kept = []
        def work():
            kept.append(b"%d" % 1234567890123)
        counts.mark(0, False)
        for _ in range(3):
            thread = threading.Thread(target=work, name="worker")
            thread.start()
            thread.join()
        del thread
        counts.mark(1, False)
        stacks = [row[0] for row in struct.iter_unpack("=5q", counts.changed(2))
                  if [frame[0] for frame in native.own_frames(row[0])][:1] == ["work"]]
        packed = native.own_blocks(struct.pack(f"{len(stacks)}I", *stacks), 0)
        for address, size, stack, thread, born_s in struct.iter_unpack(native.OWN_BLOCK, packed):
            mine = address <= id(kept[0]) < address + size
            print(mine, size, native.own_thread_name(thread), born_s >= 0)
        """,
        tmp_path,
    )

    lines = sorted(out.splitlines())
    assert [line for line in lines if "46" in line] == [
        "False 46 worker True",
        "False 46 worker True",
        "True 46 worker True",
    ]


def test_a_forked_child_knows_that_it_is_not_recorded(tmp_path: Path) -> None:
    out = run(
        """
        import os, sys
        from leakscope import native
        child = os.fork()
        if child == 0:
            print(native.own_state(), flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        print(native.own_state() is not None)
        """,
        tmp_path,
    )

    assert out.splitlines() == ["None", "True"]


def test_nobody_is_there_to_write_a_dump(tmp_path: Path) -> None:
    out = run(
        """
        import leakscope
        from leakscope.errors import CaptureError
        try:
            leakscope.dump(timeout_s=5)
        except CaptureError as error:
            print(error)
        """,
        tmp_path,
    )

    assert "records itself" in out


@pytest.mark.parametrize("call", ["counts.mark(4, False)", "counts.changed(5)", "counts.changed(0)"])
def test_slots_that_are_not_there_are_refused(call: str, tmp_path: Path) -> None:
    out = run(
        f"""
        from leakscope import native
        counts = native.live_counts(4)
        try:
            {call}
        except IndexError as error:
            print(error)
        """,
        tmp_path,
    )

    assert out.strip() == "there is no such slot"
