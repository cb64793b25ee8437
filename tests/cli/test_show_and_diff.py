"""``leakscope show`` and ``leakscope diff``: one document or one screen on standard output, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders import dump, live, save
from heap_builders import heap_dump
from heap_lives import born_evenly
from launching import LEAKSCOPE, leakscope
from simulation import Life, recorded

from leakscope.errors import EXIT_COULD_NOT

END = 40.0
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "NO_COLOR", "FORCE_COLOR"}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three dumps of a run that leaks, and one of another run."""
    here = tmp_path_factory.mktemp("run")
    life = Life()
    for at in np.arange(0, END, 0.01):
        life.add("main@app.py:3 > handle@app/cache.py:41", 1024, float(at), thread=f"worker-{int(at) % 2}")
    for number, end in enumerate((10.0, 25.0, END), 1):
        save(recorded(life, end, number=number), here / f"{number:04}.lks")
    other = dump(live({"main@app.py:3 > handle@app/cache.py:40": (100, 1024)}), pid=9)
    save(replace(other, meta=replace(other.meta, taken_unix_s=1.0)), here / "other.lks")
    return here


def test_show_prints_the_first_screen(folder: Path) -> None:
    done = leakscope("show", str(folder / "0003.lks"), env=ENVIRONMENT)

    assert (done.returncode, done.stderr) == (0, "")
    assert " GROWTH   `handle` in app/cache.py:41 keeps growing: 3.9 MiB in 4,000 blocks" in done.stdout
    assert "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100 + len(str(folder))


@pytest.mark.parametrize("command", ["show", "diff"])
def test_json_is_one_document_and_nothing_else(folder: Path, command: str) -> None:
    words = [str(folder / "0001.lks"), str(folder / "0003.lks")][command == "show" :]

    done = leakscope(command, *words, "--json", "--quiet")

    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    assert report["schema"] == "leakscope.report/1"
    assert report["verdict"] == "GROWTH"
    assert [source["path"] for source in report["sources"]] == words


def test_the_folder_of_a_run_stands_for_its_dumps(folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for number in (1, 2, 3):
        (run / f"000{number}.lks").symlink_to(folder / f"000{number}.lks")
    (run / "report.json").write_text("{}", encoding="utf-8")

    report = json.loads(leakscope("diff", str(run), "--json").stdout)

    assert [os.path.basename(source["path"]) for source in report["sources"]] == ["0001.lks", "0002.lks", "0003.lks"]


def test_a_folder_without_dumps_is_told_in_one_line(tmp_path: Path) -> None:
    done = leakscope("diff", str(tmp_path), str(tmp_path))

    assert done.returncode == EXIT_COULD_NOT
    assert done.stderr.splitlines()[0] == f"error: {tmp_path}: a folder without dumps"


def test_quiet_prints_nothing(folder: Path) -> None:
    done = leakscope("show", str(folder / "0003.lks"), "--quiet")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(("by", "label"), [("thread", "worker-0"), ("module", "app.cache"), ("stack", "main app.py:3")])
def test_rows_are_grouped_as_asked(folder: Path, by: str, label: str) -> None:
    done = leakscope("show", str(folder / "0003.lks"), "--by", by, env={**ENVIRONMENT, "COLUMNS": "120"})

    assert label in done.stdout[done.stdout.index("Holds most") :]


def test_top_limits_the_rows(folder: Path) -> None:
    done = leakscope("show", str(folder / "0003.lks"), "--by", "thread", "--top", "1", "--json")

    assert len(json.loads(done.stdout)["top_live"]) == 1


def test_diff_puts_dumps_of_one_run_in_order_of_time_and_says_so(folder: Path) -> None:
    words = [str(folder / f"{number:04}.lks") for number in (3, 1, 2)]

    done = leakscope("diff", *words, env={**ENVIRONMENT, "COLUMNS": "120"})

    assert "dumps 1, 2, 3 from 10.0 s to 40.0 s" in done.stdout.splitlines()[0]
    assert "(gain since the first dump)" in done.stdout
    assert "+2.9 MiB" in done.stdout


def test_diff_of_two_runs_says_that_they_are_two(folder: Path) -> None:
    done = leakscope("diff", str(folder / "other.lks"), str(folder / "0003.lks"), env={**ENVIRONMENT, "COLUMNS": "120"})

    assert "the dumps are of 2 runs (1, 1 dumps, in the order given), matched by names" in done.stdout
    assert "+3.8 MiB" in done.stdout


def test_objects_are_shown_as_they_are_and_as_a_collection_would_leave_them(tmp_path: Path) -> None:
    drawing = (
        "<module app.cache> m=module -> cache:800 -> entry#10:100 .blob -> blob#10=bytes:4000; node=list:9000 -> node"
    )
    path = save(born_evenly([heap_dump(drawing, made={"entry": "fill@app/cache.py:4"})])[0], tmp_path / "0001.lks")

    as_it_is = leakscope("show", path, env=ENVIRONMENT).stdout
    collected = leakscope("show", path, "--gc", env=ENVIRONMENT).stdout
    document = json.loads(leakscope("show", path, "--json", "--gc").stdout)

    assert "of these only a collection would free 1 object, 8.8 KiB; the collector is on" in as_it_is
    assert "Cycles that wait for a collection" in as_it_is
    assert "after a collection: 22 objects" in collected
    assert "Cycles that wait for a collection" not in collected
    assert (document["heap"]["collected"], document["heap"]["objects"]) == (True, 22)


def test_a_single_dump_is_no_diff(folder: Path) -> None:
    done = leakscope("diff", str(folder / "0003.lks"))

    assert done.returncode == 2
    assert done.stderr == "error: diff needs at least two dumps\nhint: for a single one: leakscope show DUMP\n"


@pytest.mark.parametrize("command", ["show", "diff"])
def test_a_missing_or_damaged_dump_is_one_line(folder: Path, tmp_path: Path, command: str) -> None:
    damaged = tmp_path / "damaged.lks"
    damaged.write_bytes((folder / "0001.lks").read_bytes()[:2000])

    for path in (tmp_path / "missing.lks", damaged):
        done = leakscope(command, *[str(path)] * (2 if command == "diff" else 1))
        assert (done.returncode, done.stdout) == (5, "")
        assert done.stderr.startswith(f"error: {path}: ")
        assert done.stderr.count("\n") == 2


def test_colour_and_characters_follow_the_stream(folder: Path) -> None:
    path = str(folder / "0003.lks")

    assert "\x1b[" in leakscope("show", path, env={**ENVIRONMENT, "FORCE_COLOR": "1"}).stdout
    assert "\x1b[" not in leakscope("show", path, env={**ENVIRONMENT, "FORCE_COLOR": "1", "NO_COLOR": "1"}).stdout
    assert leakscope("show", path, env={**ENVIRONMENT, "PYTHONIOENCODING": "ascii"}).stdout.isascii()


def test_a_closed_pipe_ends_quietly(folder: Path) -> None:
    words = [*LEAKSCOPE, "show", str(folder / "0003.lks")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()

        assert process.stderr.read() == b""
        assert process.wait() == 141
