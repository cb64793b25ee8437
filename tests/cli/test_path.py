"""``leakscope path``: the page, the document, the drawing, and one line with the remedy for what goes wrong."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from builders import dump, live, save
from heap_builders import heap_dump
from heap_lives import born_at_once
from launching import leakscope

from leakscope import api
from leakscope.model.finding import Subject

DRAWING = """
    <module app.cache> m=module .__dict__ -> ns=ns [_entries] -> e=dict [k] -> s#40=app.Session
    s .buffers -> b#40=bytearray+9; ns [more] -> l=list -> b5=bytearray
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    [drawn] = born_at_once([heap_dump(DRAWING, made={"s": "main@app.py:3"})])
    return save(drawn, tmp_path_factory.mktemp("path") / "drawn.lks")


def test_the_page_tells_who_holds_it_and_who_made_it(path: str) -> None:
    done = leakscope("path", path, "Session")

    assert (done.returncode, done.stderr) == (0, "")
    assert "40 app.Session objects" in done.stdout
    assert "module app.cache . _entries [dict value] -> Session" in done.stdout
    assert "main app.py:3" in done.stdout
    assert "\x1b" not in done.stdout


def test_json_is_one_document_even_if_quiet_and_limit_limits_it(path: str) -> None:
    done = leakscope("path", path, "bytearray", "--json", "--quiet", "--limit", "1")

    document = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert (len(document["paths"]), document["more_paths"]) == (1, 1)


def test_quiet_prints_nothing_but_writes_the_drawing(path: str, tmp_path: Path) -> None:
    done = leakscope("path", path, "bytearray", "--quiet", "--dot", str(tmp_path / "a.dot"))

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "a.dot").read_text("utf-8").startswith("digraph")


def test_a_picture_is_what_graphviz_makes_of_the_drawing(path: str, tmp_path: Path) -> None:
    fake = tmp_path / "bin" / "dot"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho '<svg>'; exec cat\n", "utf-8")
    fake.chmod(0o755)
    env = {**os.environ, "PATH": f"{fake.parent}:{os.environ['PATH']}"}

    done = leakscope("path", path, "bytearray", "--svg", str(tmp_path / "a.svg"), "--quiet", env=env)

    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "a.svg").read_text("utf-8").startswith("<svg>\ndigraph")


@pytest.mark.parametrize(
    ("script", "code", "line"),
    [
        (None, 2, "error: a picture needs graphviz, and there is no program 'dot'\n"),
        (
            "#!/bin/sh\necho 'Error: no fonts' >&2; exit 1\n",
            5,
            "error: graphviz could not draw the paths: Error: no fonts\n",
        ),
    ],
)
def test_without_a_working_graphviz_there_is_a_line_and_no_file(
    path: str, tmp_path: Path, script: str | None, code: int, line: str
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    if script is not None:
        (folder / "dot").write_text(script, "utf-8")
        (folder / "dot").chmod(0o755)

    done = leakscope(
        "path", path, "bytearray", "--svg", str(tmp_path / "a.svg"), env={**os.environ, "PATH": str(folder)}
    )

    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(line)
    assert "--dot FILE" in done.stderr
    assert not (tmp_path / "a.svg").exists()


@pytest.mark.parametrize(
    ("subject", "words"),
    [
        ("Sesion", "hint: did you mean app.Session?\n"),
        ("0x10", "error: there is no object at 0x10\n"),
        ("deadbeefdeadbeef", "error: no finding of this dump alone has the fingerprint deadbeefdeadbeef\n"),
    ],
)
def test_a_subject_that_means_nothing_is_one_line_and_a_hint(path: str, subject: str, words: str) -> None:
    done = leakscope("path", path, subject)

    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 2


def test_a_fingerprint_stands_for_what_its_finding_is_about(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    subjects = {
        "aaaaaaaa11111111": Subject("objects", type="app.Session", file="app.py", line=3),
        "bbbbbbbb22222222": Subject("blocks", function="main", file="app.py", line=3),
    }
    findings = [SimpleNamespace(fingerprint=name, subject=subject) for name, subject in subjects.items()]
    monkeypatch.setattr(api, "judge", lambda dumps: SimpleNamespace(findings=findings))
    [loaded] = api.load([path])

    assert api.path(loaded, "aaaaaaaa11111111").subject == "app.Session objects"
    assert api.path(loaded, "bbbbbbbb").subject == "objects made in app.py:3"


def test_a_dump_without_objects_says_so_and_how_to_get_them(tmp_path: Path) -> None:
    bare = save(dump(live({"a.py:1": 10})), tmp_path / "bare.lks")

    done = leakscope("path", bare, "Session")

    assert done.returncode == 3
    assert done.stderr == (
        f"error: {bare}: there are no objects in this dump: it was taken without the object graph\n"
        "hint: take one with 'leakscope run', without --no-heap\n"
    )


def test_a_damaged_graph_is_one_line(path: str, tmp_path: Path) -> None:
    content = bytearray(Path(path).read_bytes())
    content[len(content) // 2] ^= 1
    damaged = tmp_path / "damaged.lks"
    damaged.write_bytes(content)

    done = leakscope("path", str(damaged), "Session")

    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr.startswith(f"error: {damaged}: ")
    assert done.stderr.count("\n") == 2
