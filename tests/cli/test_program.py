"""What people type to start a program, as words for an interpreter."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from leakscope.cli.program import Command, resolve
from leakscope.errors import UsageError


def command_file(folder: Path, first_line: str) -> str:
    path = folder / "tool"
    path.write_text(f"{first_line}\nprint(1)\n")
    path.chmod(0o755)
    return str(path)


def test_a_script_a_module_and_code_are_what_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app.py").touch()

    assert resolve(["app.py", "-x"], None) == Command(("app.py", "-x"))
    assert resolve(["-m", "json.tool"], None) == Command(("-m", "json.tool"))
    assert resolve(["-c", "1", "a"], "python3") == Command(("-c", "1", "a"), "python3")


def test_an_interpreter_before_the_program_is_taken_with_its_options() -> None:
    words = ["python3.11", "-X", "dev", "-Werror", "-W", "x", "-B", "-m", "app", "-W"]

    assert resolve(words, None) == Command(
        ("-m", "app", "-W"), "python3.11", ("-X", "dev", "-Werror", "-W", "x", "-B")
    )  # fmt: skip
    assert resolve(["/opt/bin/python", "app.py"], None).python == "/opt/bin/python"
    assert resolve(["python", "app.py"], "mine").python == "mine"


@pytest.mark.parametrize(
    ("line", "python"),
    [
        (f"#!{sys.executable}", None),
        ("#!/usr/bin/python3.9 -s", "/usr/bin/python3.9"),
        ("#!/usr/bin/env python3", "python3"),
        ('#!/bin/sh\n\'\'\'exec\' "/a long path/x" /v/bin/python "$0" "$@"', "/v/bin/python"),
    ],
)
def test_a_command_of_a_package_is_run_with_the_interpreter_of_its_first_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, python: str | None
) -> None:
    path = command_file(tmp_path, line)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    assert resolve(["tool", "tests"], None) == Command((path, "tests"), python)


def test_a_path_to_a_command_or_an_interpreter_is_no_script(tmp_path: Path) -> None:
    path = command_file(tmp_path, "#!/usr/bin/python3.9 -s")
    script = tmp_path / "app.py"
    script.write_text("#!/usr/bin/env python3\n")
    script.chmod(0o755)

    assert resolve([path, "tests"], None) == Command((path, "tests"), "/usr/bin/python3.9")
    assert resolve([str(script)], None) == Command((str(script),))
    assert resolve([sys.executable, "app.py"], None) == Command(("app.py",), sys.executable)


@pytest.mark.parametrize(
    ("words", "count"),
    [(["pytest", "-q"], 1), (["-m", "pytest", "tests"], 2), (["python", "-m", "pytest"], 2), (["-m", "app"], 0),
     (["python", "pytest.py"], 0)],
)  # fmt: skip
def test_pytest_is_known_however_it_is_started(words: list[str], count: int) -> None:
    assert resolve(words, None).tests == count


def test_a_command_beside_the_interpreter_comes_first() -> None:
    assert resolve(["pytest", "-q"], None).target == (str(Path(sys.executable).with_name("pytest")), "-q")


@pytest.mark.parametrize(
    ("words", "message", "remedy"),
    [
        ([], "there is nothing to run", "name a program"),
        (["-m"], "-m needs a word after it", "leakscope gate -- -m ..."),
        (["python"], "'python' without a program", "name a program after it"),
        (["python", "-B"], "'python' without a program", "name a program after it"),
        (["nowhere"], "there is no file and no command 'nowhere'", "did you mean: leakscope gate -- -m nowhere"),
        (["no/where"], "there is no file and no command 'no/where'", "name a file"),
        (["sh", "-c", "x"], "/sh is no Python program", "leakscope sees Python programs only"),
    ],
)
def test_what_cannot_be_run_is_refused_with_a_remedy(words: list[str], message: str, remedy: str) -> None:
    with pytest.raises(UsageError) as refused:
        resolve(words, None)

    assert message in refused.value.message
    assert refused.value.remedy.startswith(remedy)
