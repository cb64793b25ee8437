"""Pools under watch: what is forgotten or released twice is told with its lines, the quiet twins by none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from launching import leakscope

PROGRAMS = Path(__file__).resolve().parent.parent / "fixtures" / "programs"
CODES = {"LS401", "LS402"}

pytestmark = pytest.mark.slow
modes = pytest.mark.parametrize("mode", [[], ["--exact"]], ids=["sampled", "exact"])


def findings(name: str, folder: Path, *options: str) -> list[dict[str, Any]]:
    run = leakscope("run", *options, "--quiet", "-o", "run", str(PROGRAMS / name), "4", cwd=folder)
    assert run.returncode == 0, run.stderr
    report = json.loads((folder / "run" / "report.json").read_text("utf-8"))
    return [finding for finding in report["findings"] if finding["code"] in CODES]


@modes
def test_packets_that_two_owners_release_are_told_with_both_lines(mode: list[str], tmp_path: Path) -> None:
    [finding] = findings("misused/packets.py", tmp_path, *mode)

    lines = (PROGRAMS / "misused" / "packets.py").read_text("utf-8").splitlines()
    first, second = [number for number, line in enumerate(lines, 1) if line.strip() == "ROOMS.give(packet)"]
    assert finding["verdict"] == "LEAK"
    assert f"at packets.py:{first} are released a second time" in finding["sentence"].replace("programs/", "")
    assert finding["sentence"].endswith(f"packets.py:{second}.")
    assert finding["subject"]["function"] == "deliver"


@modes
def test_segments_of_shared_memory_that_stay_are_told_with_their_line(mode: list[str], tmp_path: Path) -> None:
    [finding] = findings("forgotten/segments.py", tmp_path, *mode)

    assert finding["verdict"] == "LEAK"
    assert "segments of shared memory (64.0 KiB each" in finding["sentence"]
    assert finding["sentence"].endswith("are never unlinked; they outlive whoever made them.")
    assert finding["subject"]["function"] == "show"


@modes
@pytest.mark.parametrize(
    "name", ["stable/packets.py", "stable/segments.py", "pooling/frames.py", "pooling/greetings.py"]
)
def test_pools_whose_handles_come_back_are_left_in_peace(name: str, mode: list[str], tmp_path: Path) -> None:
    assert findings(name, tmp_path, *mode) == []
