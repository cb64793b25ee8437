from __future__ import annotations

from pathlib import Path

import pytest

from leakscope.capture.dumps import DumpFolder, Schedule, claim_folder, default_folder
from leakscope.errors import UsageError
from leakscope.model.config import CaptureConfig

MIB = 1024 * 1024


def take(folder: DumpFolder, *reasons: str) -> None:
    for reason in reasons:
        _, path = folder.next_dump()
        path.write_bytes(b"a dump")
        folder.took(path, reason)


def names(folder: DumpFolder) -> list[str]:
    assert [path.name for path in folder.dumps] == sorted(path.name for path in folder.path.iterdir())
    return [path.name for path in folder.dumps]


def test_dumps_are_numbered_in_the_order_they_are_taken(tmp_path: Path) -> None:
    folder = DumpFolder(tmp_path / "run", keep=20)
    take(folder, "baseline", "signal", "exit")
    assert names(folder) == ["0001.lks", "0002.lks", "0003.lks"]


def test_a_folder_is_not_made_before_the_first_dump(tmp_path: Path) -> None:
    folder = DumpFolder(tmp_path / "run", keep=20)
    assert not folder.path.exists()
    assert folder.dumps == ()


def test_too_many_interval_dumps_lose_the_oldest_between_the_first_and_the_last(tmp_path: Path) -> None:
    folder = DumpFolder(tmp_path, keep=4)
    take(folder, *["interval"] * 7)
    assert names(folder) == ["0001.lks", "0005.lks", "0006.lks", "0007.lks"]


def test_dumps_somebody_asked_for_are_never_dropped(tmp_path: Path) -> None:
    folder = DumpFolder(tmp_path, keep=2)
    take(folder, "rss", "request", "interval", "signal", "interval", "interval", "exit")
    assert names(folder) == ["0001.lks", "0002.lks", "0004.lks", "0006.lks", "0007.lks"]


def test_the_latest_three_baselines_stay_beside_all_others(tmp_path: Path) -> None:
    folder = DumpFolder(tmp_path, keep=2)
    take(folder, "baseline", "baseline", "request", "interval", "baseline", "baseline", "interval", "baseline", "exit")
    assert names(folder) == ["0003.lks", "0004.lks", "0005.lks", "0006.lks", "0007.lks", "0008.lks", "0009.lks"]


def test_time_calls_for_a_dump_once_per_interval() -> None:
    schedule = Schedule(CaptureConfig(dump_every_s=30.0, baseline_after_s=None))
    assert [schedule.due(time_s, None) for time_s in (29.9, 30.0, 30.1, 59.9, 60.2)] == [
        None, "interval", None, None, "interval",
    ]  # fmt: skip
    assert schedule.next_s() == 90.0


def test_a_process_that_was_stopped_for_an_hour_owes_one_dump() -> None:
    schedule = Schedule(CaptureConfig(dump_every_s=30.0, baseline_after_s=None))
    assert [schedule.due(time_s, None) for time_s in (3600.0, 3600.5, 3629.0, 3630.0)] == [
        "interval", None, None, "interval",
    ]  # fmt: skip


def test_resident_memory_calls_for_a_dump_at_the_threshold_and_at_each_quarter_more() -> None:
    schedule = Schedule(CaptureConfig(dump_on_rss_bytes=100 * MIB, baseline_after_s=None))
    seen = [schedule.due(0.0, rss * MIB) for rss in (99, 100, 110, 124, 125, 100, 130, 157, 400, 401)]
    assert seen == [None, "rss", None, None, "rss", None, None, "rss", "rss", None]


def test_a_baseline_comes_whenever_the_run_has_become_twice_as_long() -> None:
    schedule = Schedule(CaptureConfig(dump_every_s=0.5, baseline_after_s=0.1))
    times = (0.05, 0.1, 0.15, 0.21, 0.6, 0.6, 0.79, 1.0, 3.3, 3.3, 6.3, 6.4)
    assert [schedule.due(time_s, None) for time_s in times] == [
        None, "baseline", None, "baseline", "baseline", "interval", None, "baseline", "baseline", "interval",
        "interval", "baseline",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("program", "name"),
    [
        ("app.py", "leakscope-app.py.7"),
        ("/srv/web/app.py", "leakscope-app.py.7"),
        ("http.server", "leakscope-http.server.7"),
        ("my app;rm -rf.py", "leakscope-my-app-rm-rf.py.7"),
        ("..", "leakscope-python.7"),
        ("é", "leakscope-python.7"),
    ],
)
def test_the_default_folder_is_named_after_program_and_process(program: str, name: str) -> None:
    assert default_folder(program, 7) == Path(name)


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "0001.lks").touch()
    with pytest.raises(UsageError, match="holds files already") as refused:
        claim_folder(tmp_path, force=False)
    assert "--force" in refused.value.remedy


def test_force_removes_an_earlier_run_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "child-12").mkdir()
    (tmp_path / "child-12" / "0001.lks").touch()
    for name in ("0001.lks", "0002.lks", "report.json", "notes.txt"):
        (tmp_path / name).touch()
    claim_folder(tmp_path, force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_an_empty_or_absent_folder_is_fine_and_a_file_is_not(tmp_path: Path) -> None:
    claim_folder(tmp_path, force=False)
    claim_folder(tmp_path / "a" / "b", force=False)
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is a file"):
        claim_folder(tmp_path / "file", force=True)
