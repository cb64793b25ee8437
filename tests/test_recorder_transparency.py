"""
What a program can see: under the recorder it must see what plain Python shows it.

One probing program prints all it can find out about its start; it runs bare and under the recorder, in every way
a program can be named, and the two outputs must be equal.
"""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence
from pathlib import Path

import pytest
from recording import PYTHONS, label, run

pytestmark = pytest.mark.parametrize("python", PYTHONS, ids=label)

PROBE = Path(__file__).parent / "programs" / "probe.py"
WAYS = ("script", "script in a folder", "folder", "module", "package", "code", "standard input")


def target(way: str, folder: Path) -> tuple[list[str], str]:
    """How the probe is named in one of the ways, and what its standard input is."""
    text = PROBE.read_text()
    shutil.copy(PROBE, folder / "probe.py")
    for name in ("inside", "package"):
        (folder / name).mkdir()
        shutil.copy(PROBE, folder / name / "__main__.py")
        shutil.copy(PROBE, folder / name / "probe.py")
    (folder / "package" / "__init__.py").touch()
    return {
        "script": ["probe.py"],
        "script in a folder": ["inside/probe.py"],
        "folder": ["inside"],
        "module": ["-m", "probe"],
        "package": ["-m", "package"],
        "code": ["-c", text],
        "standard input": ["-"],
    }[way], text if way == "standard input" else ""


def recorded(python: str, words: Sequence[str], *options: str) -> list[str]:
    """Command line of the same words under the recorder."""
    return [python, "-m", "leakscope", "run", "--quiet", *options, *words]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("mode", [(), ("--exact",)], ids=["sampled", "exact"])
def test_the_program_sees_what_plain_python_shows_it(
    way: str, mode: Sequence[str], python: str, tmp_path: Path
) -> None:
    words, stdin = target(way, tmp_path)
    words += ["one", "-o", "two words", "--exact"]
    run([python, *words], tmp_path, stdin=stdin)  # writes the caches of compiled modules

    bare = run([python, *words], tmp_path, stdin=stdin)
    under = run(recorded(python, words, *mode), tmp_path, stdin=stdin)

    assert under.truth == bare.truth
    assert (under.exit_code, under.stderr) == (bare.exit_code, bare.stderr) == (0, "")


@pytest.mark.parametrize("way", WAYS)
def test_the_traceback_of_a_failing_program_is_the_same(way: str, python: str, tmp_path: Path) -> None:
    words, stdin = target(way, tmp_path)

    bare = run([python, *words, "fail"], tmp_path, stdin=stdin)
    under = run(recorded(python, [*words, "fail"]), tmp_path, stdin=stdin)

    assert "ValueError: on purpose" in under.stderr
    assert (under.exit_code, under.stderr) == (bare.exit_code, bare.stderr)


@pytest.mark.parametrize("options", ["-X dev", "-W error", "-O", "-X utf8=1", "-u", "-I", "-B -s -E"])
def test_options_of_the_interpreter_arrive(options: str, python: str, tmp_path: Path) -> None:
    words, _ = target("script", tmp_path)

    bare = run([python, *options.split(), *words], tmp_path)
    under = run(recorded(python, words, "--python-args", options), tmp_path)

    assert under.truth == bare.truth


def test_a_preloaded_library_of_the_user_stays_preloaded(python: str, tmp_path: Path) -> None:
    words, _ = target("script", tmp_path)
    preload = {"LD_PRELOAD": "libm.so.6"}

    bare = run([python, *words], tmp_path, environment=preload)
    under = run(recorded(python, words), tmp_path, environment=preload)

    assert bare.truth["environment"]["LD_PRELOAD"] == "libm.so.6"
    assert under.truth == bare.truth


def test_standard_input_arrives_and_nothing_of_ours_is_printed(python: str, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("import sys\nfor line in sys.stdin:\n    print(line.strip()[::-1])\n")

    under = run(recorded(python, ["program.py"]), tmp_path, stdin="abc\ndef\n")

    assert (under.exit_code, under.stdout, under.stderr) == (0, "cba\nfed\n", "")


def test_a_program_that_does_not_compile_fails_as_it_would_bare(python: str, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("def broken(:\n")

    bare = run([python, "program.py"], tmp_path)
    under = run(recorded(python, ["program.py"]), tmp_path)

    assert under.exit_code == bare.exit_code == 1
    assert under.stderr.startswith(bare.stderr)


def test_a_program_that_is_not_there_fails_as_it_would_bare(python: str, tmp_path: Path) -> None:
    bare = run([python, "absent.py"], tmp_path)
    under = run(recorded(python, ["absent.py"]), tmp_path)

    assert under.exit_code == bare.exit_code == 2
    assert under.stderr.startswith(bare.stderr)


def test_children_are_started_without_the_recorder_unless_they_are_followed(python: str, tmp_path: Path) -> None:
    (tmp_path / "child.py").write_text(
        textwrap.dedent("""
            import json, os
            ours = sorted(name for name in os.environ if name.startswith("LEAKSCOPE"))
            with open("/proc/self/maps") as maps:
                loaded = "_recorder." in maps.read()
            print(json.dumps([os.environ.get("LD_PRELOAD"), ours, loaded]))
            """)
    )
    (tmp_path / "program.py").write_text(
        "import subprocess, sys\nsubprocess.run([sys.executable, 'child.py'], check=True)\n"
    )

    under = run(recorded(python, ["program.py"]), tmp_path)

    assert under.truth == [None, [], False]
