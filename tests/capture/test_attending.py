"""Who is with a program asks it for dumps, and its children with it."""

from __future__ import annotations

from pathlib import Path

from leakscope.capture.attending import REASON, Attendance


class Process:
    """A watched process, played: each look at its folder is a moment later."""

    def __init__(self, name: str, *, answers_at: int = 1, ends_at: int = 10_000) -> None:
        self.pid = 1
        self.folder = self
        self.asked = 0
        self._name, self._answers_at, self._ends_at = name, answers_at, ends_at
        self._looks = 0

    @property
    def over(self) -> bool:
        return self._looks >= self._ends_at

    def want(self, reason: str) -> None:
        assert reason == REASON
        self.asked += 1

    def dumps_for(self, reason: str) -> tuple[Path, ...]:
        self._looks += self.asked
        return (Path(f"{self._name}.lks"),) if self.asked and self._looks >= self._answers_at and not self.over else ()


def dump(server: Process, *children: Process) -> Path | None:
    return Attendance(server, lambda: children).dump()  # type: ignore[arg-type, return-value]


def test_children_are_dumped_with_the_program_and_waited_for() -> None:
    server, quick, slow = Process("server"), Process("quick"), Process("slow", answers_at=9)

    assert dump(server, quick, slow) == Path("server.lks")
    assert (server.asked, quick.asked, slow.asked) == (1, 1, 1)
    assert slow.dumps_for(REASON)


def test_a_child_that_ends_without_a_dump_is_not_waited_for() -> None:
    assert dump(Process("server"), Process("gone", answers_at=10_000, ends_at=3)) == Path("server.lks")


def test_there_is_no_dump_of_a_program_that_ended() -> None:
    assert dump(Process("server", answers_at=10_000, ends_at=3), Process("child")) is None
