"""The baseline as a file: what is known goes in, what is gone goes out, and people's notes stay."""

from __future__ import annotations

from pathlib import Path

import pytest
from gating import finding, trial

from leakscope.errors import PolicyError
from leakscope.model.policy import Baseline, BaselineEntry, Policy
from leakscope.policy import gate, read_baseline, updated, write_baseline

OLD = BaselineEntry("b", "LS601", "app.B, `b` in app/b.py", "ticket 7", "2026-01-01")
GONE = BaselineEntry("c", "LS608", "app.C", "", "2026-01-01")


def test_what_is_written_is_read_again_sorted(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    path.write_text(write_baseline(Baseline((GONE, OLD))))

    assert read_baseline(path) == Baseline((OLD, GONE), str(path))
    assert path.read_text().count("\n") >= 2 * 5


def test_an_absent_file_is_an_empty_baseline(tmp_path: Path) -> None:
    assert read_baseline(tmp_path / "none.json").entries == ()


def test_an_update_adds_the_new_drops_the_stale_and_keeps_notes() -> None:
    result = gate([trial(finding("a"), finding("b"))], Policy(repeats=1), Baseline((OLD, GONE)))

    after = updated(result, "2026-11-30", "known since the port")

    assert after.entries == (
        BaselineEntry("a", "LS601", "app.A, `a` in app/a.py", "known since the port", "2026-11-30"), OLD,
    )  # fmt: skip
    assert gate([trial(finding("a"), finding("b"))], Policy(repeats=1), after).status == "passed"


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", '{"schema": "leakscope.baseline/9", "known": {}}',
        '{"schema": "leakscope.baseline/1", "known": []}', '{"schema": "leakscope.baseline/1", "known": {"a": 1}}',
        '{"schema": "leakscope.baseline/1", "known": {"a": {"note": 1}}}',
        '{"schema": "leakscope.baseline/1", "known": {"a": {"notes": ""}}}',
    ],
)  # fmt: skip
def test_what_is_no_baseline_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "baseline.json"
    path.write_text(text)

    with pytest.raises(PolicyError, match=r"baseline\.json"):
        read_baseline(path)
