"""Programs whose fault only objects show, recorded with dumps between: told by its rule, and the quiet twin by none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from launching import leakscope

PROGRAMS = Path(__file__).resolve().parent.parent / "fixtures" / "programs"
# Folder and name: the codes that may tell it, and the functions one of which it names (for exports the line that made
# the packets). Objects that stay are told with what they pile up in, where that can be seen.
TOLD = {
    "leak/native_list.py": ({"LS601"}, {"answer"}),
    "unreached/native_text.py": ({"LS602"}, {"report"}),
    "exports/native_buffer.py": ({"LS604"}, {"<module>", "<listcomp>"}),
    "garbage/tree_nodes.py": ({"LS603"}, {"parse"}),
    "kept/listeners.py": ({"LS605", "LS608"}, {"main", "Job.__init__"}),
    "ownerless/native_handles.py": ({"LS607"}, {"open_handle"}),
    "ownerless/native_trees.py": ({"LS607"}, {"new_tree", "<listcomp>"}),
    "piling/visits.py": ({"LS608"}, {"handle"}),
    "view/headers.py": ({"LS403"}, {"parse"}),
}

pytestmark = pytest.mark.slow


def findings(program: Path, folder: Path, *options: str) -> list[dict[str, Any]]:
    run = leakscope("run", "--every", "1s", *options, "--quiet", "-o", "run", str(program), "8", cwd=folder)
    assert run.returncode == 0, run.stderr
    report = json.loads((folder / "run" / "report.json").read_text("utf-8"))
    assert sum(objects is not None for objects in report["totals"]["objects"]) >= 2, report["notes"]
    return [finding for finding in report["findings"] if finding["code"] != "LS501"]


@pytest.mark.parametrize("name", TOLD)
def test_a_fault_that_objects_show_is_told_by_its_rule_with_the_function(name: str, tmp_path: Path) -> None:
    told = findings(PROGRAMS / name, tmp_path, "--exact")

    codes, functions = TOLD[name]
    assert told
    assert {finding["code"] for finding in told} <= codes
    assert functions & {finding["subject"]["function"] for finding in told}
    # On a machine too busy to dump at an even pace it is told as a doubt.
    assert told[0]["verdict"] in {"LEAK", "GROWTH", "UNKNOWN"}
    assert told[0]["holders"]
    assert told[0]["evidence"]


@pytest.mark.parametrize("name", TOLD)
@pytest.mark.parametrize("mode", [[], ["--exact"]], ids=["sampled", "exact"])
def test_its_quiet_twin_is_left_in_peace(name: str, mode: list[str], tmp_path: Path) -> None:
    told = findings(PROGRAMS / "stable" / Path(name).name, tmp_path, *mode)

    # On a machine too busy to tell, a doubt is peace as well.
    assert [each["sentence"] for each in told if each["verdict"] != "UNKNOWN"] == []


def test_the_line_that_took_the_views_is_known_to_a_sampled_run(tmp_path: Path) -> None:
    (told,) = findings(PROGRAMS / "view" / "headers.py", tmp_path)

    assert (told["code"], told["subject"]["function"], told["subject"]["type"]) == ("LS403", "parse", "memoryview")
    assert " memoryviews of 16 B each keep " in told["sentence"]


@pytest.mark.parametrize("mode", [[], ["--exact"]], ids=["sampled", "exact"])
def test_a_cache_that_is_not_full_yet_is_bounded_and_its_bound_is_told(mode: list[str], tmp_path: Path) -> None:
    told = findings(PROGRAMS / "filling" / "thumbnails.py", tmp_path, *mode)

    # In an exact recording the keys are a growth of their own, in the same cache.
    assert {finding["code"] for finding in told} == {"LS301"}
    assert told[0]["verdict"] == "BOUNDED"
    assert "that keeps at most 4,000 items" in told[0]["sentence"]


def test_a_sampled_run_without_dumps_between_tells_of_lost_lists(tmp_path: Path) -> None:
    run = leakscope("run", "--quiet", "-o", "run", str(PROGRAMS / "leak" / "native_list.py"), "8", cwd=tmp_path)

    assert run.returncode == 0
    told = json.loads((tmp_path / "run" / "report.json").read_text("utf-8"))["findings"]
    assert {finding["code"] for finding in told} & {"LS601", "LS501"}
    assert told[0]["subject"]["function"] in {"answer", None}
