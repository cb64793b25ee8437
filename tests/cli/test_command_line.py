"""What every command has in common: errors in one line, exit codes, settings, cost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from launching import LEAKSCOPE, leakscope

from leakscope import cli
from leakscope.cli.options import parse_signal
from leakscope.errors import CaptureError


def test_the_version_is_the_packages() -> None:
    done = leakscope("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("leakscope ")


def test_the_version_costs_little_more_than_click() -> None:
    heavy = "numpy", "rich", "psutil", "leakscope.api", "leakscope.cli.run", "subprocess"
    code = f"""
import click, sys
heavy = [name for name in {heavy} if name not in sys.modules]
from leakscope import cli
try:
    cli.main(["--version"])
except SystemExit:
    print(*(name for name in heavy if name in sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1:] == [""]


def test_without_a_command_the_help_comes_and_the_usage_was_wrong() -> None:
    done = leakscope()
    assert done.returncode == 2
    assert "Run a program under the recorder" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("words", "error", "hint"),
    [
        ("runn", "error: there is no command 'runn'", "hint: did you mean 'leakscope run'?"),
        ("--nope", "error: No such option '--nope'", "hint: leakscope --help"),
        ("run", "error: there is nothing to run", "hint: name a program: leakscope run app.py"),
        ("run -m", "error: -m needs a word after it", "hint: leakscope run -m ..."),
        ("run --nope x.py", "error: No such option '--nope'", "hint: leakscope run --help"),
        ("run --interval 3x x.py", "error: Invalid value for '--interval'", "hint: leakscope run --help"),
        ("run --every soon x.py", "error: Invalid value for '--every'", "hint: leakscope run --help"),
        (
            "run --chunk-size 100 x.py",
            "error: the size from which mappings are large must be at least 4096",
            "hint: see",
        ),
        ("run --interval 0 x.py", "error: the sampling interval must be at least 1 byte", "hint: see"),
        ("run --exact --interval 1 x.py", "error: --exact and --interval contradict", "hint: leave one"),
        ("run python x.py", "error: 'python' is not a program", "hint: leave the interpreter out"),
        ("run --python-args '-X x.py", "error: --python-args", "hint: quote it"),
    ],
)
def test_wrong_usage_is_one_line_and_a_hint(words: str, error: str, hint: str) -> None:
    done = leakscope(*words.split())
    lines = done.stderr.splitlines()
    assert (done.returncode, done.stdout, len(lines)) == (2, "", 2)
    assert lines[0].startswith(error)
    assert lines[1].startswith(hint)


def test_a_failure_has_its_own_exit_code_and_a_traceback_only_on_demand(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise CaptureError("it cannot\nbe \x1b[31mdone", "do something else")

    monkeypatch.setattr("leakscope.api.run", fail)
    assert cli.execute(["run", "-c", "pass"]) == 5
    assert capsys.readouterr().err == "error: it cannot be ?[31mdone\nhint: do something else\n"
    assert cli.execute(["run", "--debug", "-c", "pass"]) == 5
    assert "Traceback" in capsys.readouterr().err


def test_a_bug_of_ours_says_where_and_exits_with_70(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("nothing to divide by")

    monkeypatch.setattr("leakscope.api.run", fail)
    assert cli.execute(["run", "-c", "pass"]) == 70
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("error: a bug in leakscope: ZeroDivisionError: nothing to divide by (run.py:")
    assert lines[1].startswith("hint: report it")


@pytest.mark.parametrize(
    ("words", "environment", "colored"),
    [
        ("", {}, False),
        ("", {"FORCE_COLOR": "1"}, True),
        ("", {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ("--color always", {"NO_COLOR": "1"}, True),
        ("--color never", {"FORCE_COLOR": "1"}, False),
    ],
)
def test_colour_follows_the_option_then_the_environment(words: str, environment: dict[str, str], colored: bool) -> None:
    clean = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR"}}
    done = leakscope(*words.split(), "run", env=clean | environment)
    assert ("\x1b[" in done.stderr) is colored


def test_settings_come_from_the_file_then_the_environment_then_the_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def note(target: object, *, config: object, **_: object) -> None:
        seen.append(config.max_frames)  # type: ignore[attr-defined]
        raise CaptureError("enough")

    monkeypatch.setattr("leakscope.api.run", note)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[tool.leakscope.run]\nframes = 10\n")
    cli.execute(["run", "-c", "pass"])
    monkeypatch.setenv("LEAKSCOPE_RUN_FRAMES", "20")
    cli.execute(["run", "-c", "pass"])
    cli.execute(["run", "--frames", "30", "-c", "pass"])
    assert seen == [10, 20, 30]


def test_an_unknown_key_in_the_file_is_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.leakscope.run]\nfrmes = 10\n")
    done = leakscope("run", "x.py", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines()[1] == "hint: did you mean 'frames'?"


def test_a_reader_that_goes_away_is_no_failure() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([*LEAKSCOPE, "run", "--help"], stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize(("text", "number"), [("SIGUSR2", 12), ("usr2", 12), ("12", 12), ("none", None)])
def test_a_signal_is_named_in_any_usual_way(text: str, number: int | None) -> None:
    assert parse_signal(text) == number


@pytest.mark.parametrize("text", ["NOPE", "", "0", "999", "-1"])
def test_what_is_no_signal_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write it like SIGUSR2"):
        parse_signal(text)
