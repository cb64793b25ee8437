from __future__ import annotations

import os
import sys
import sysconfig
from dataclasses import replace
from pathlib import Path

import pytest

from leakscope import native
from leakscope.capture.interpreter import Interpreter, ask_interpreter, recorder_for, this_interpreter
from leakscope.errors import CaptureError

OTHER = Interpreter("/usr/bin/python3.99", "cpython", "3.99.1", "cpython-399-x86_64-linux-gnu", False, "linux")


def script(folder: Path, text: str) -> str:
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_this_interpreter_is_what_it_says_when_asked() -> None:
    mine, asked = this_interpreter(), ask_interpreter(sys.executable)
    assert replace(asked, core=None, leakscope=None) == mine
    assert mine.abi == sysconfig.get_config_var("SOABI")


def test_a_script_that_leads_to_an_interpreter_will_do(tmp_path: Path) -> None:
    asked = ask_interpreter(script(tmp_path, f'exec "{sys.executable}" "$@"'))
    assert asked.executable == sys.executable


def test_a_name_is_looked_for_in_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.symlink(sys.executable, tmp_path / "a-python")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ask_interpreter("a-python").version == this_interpreter().version


@pytest.mark.parametrize("text", ["exit 3", "echo no", "echo '[1, 2]'", "echo sorry >&2; exit 1"])
def test_what_does_not_answer_like_a_python_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="does not answer like a Python") as refused:
        ask_interpreter(script(tmp_path, text))
    assert refused.value.remedy.startswith("try: ")


def test_our_own_interpreter_gets_our_own_recorder() -> None:
    assert recorder_for(this_interpreter()) == native.recorder_path()


@pytest.mark.parametrize(
    ("there", "reason"),
    [
        (replace(OTHER, platform="darwin"), "programs on darwin cannot be recorded yet"),
        (replace(OTHER, platform="win32"), "programs on win32 cannot be recorded yet"),
        (replace(OTHER, implementation="pypy"), "PyPy 3.99.1 cannot be recorded"),
        (replace(OTHER, free_threaded=True), "free-threaded CPython 3.99.1 cannot be recorded yet"),
        (replace(OTHER, abi="cpython-399-x86_64-linux-musl"), "CPython 3.99.1 on musl cannot be recorded yet"),
    ],
)
def test_what_cannot_be_recorded_is_told_in_one_line_with_what_it_needs(there: Interpreter, reason: str) -> None:
    with pytest.raises(CaptureError) as refused:
        recorder_for(there)
    assert refused.value.message == reason
    assert refused.value.remedy.startswith("recording needs CPython 3.10 to 3.15")


def test_a_build_without_a_recorder_says_what_it_would_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "recorder_path", lambda: None)
    with pytest.raises(CaptureError, match="this leakscope was built without a recorder") as refused:
        recorder_for(this_interpreter())
    assert "x86-64 or aarch64" in refused.value.remedy


@pytest.mark.parametrize(
    ("there", "reason"),
    [
        (OTHER, "leakscope is not installed for it"),
        (replace(OTHER, leakscope="0.0.1"), "they must be equal"),
        (replace(OTHER, leakscope=native.version()), "was built without a recorder"),
    ],
)
def test_an_interpreter_without_our_recorder_gets_the_command_that_installs_it(there: Interpreter, reason: str) -> None:
    with pytest.raises(CaptureError, match=reason) as refused:
        recorder_for(there)
    assert f"/usr/bin/python3.99 -m pip install leakscope=={native.version()}" in refused.value.remedy


def test_the_recorder_of_the_leakscope_installed_there_is_used(tmp_path: Path) -> None:
    recorder = tmp_path / "_recorder.cpython-399-x86_64-linux-gnu.so"
    recorder.touch()
    there = replace(OTHER, leakscope=native.version(), core=tmp_path / "_core.so")
    assert recorder_for(there) == recorder
