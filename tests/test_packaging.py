"""What a user receives: the wheel's contents, the cost of starting, the README's promises, clean text.

It knows the installed package and the repository's files; it refuses to know what the code does.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
SOURCE_SUFFIXES = {".cpp", ".h", ".hpp", ".cc", ".c", ".cmake"}
EXTENSION_SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
RECORDED_HERE = sys.platform == "linux" and not sysconfig.get_config_var("Py_GIL_DISABLED")


# What is in the wheel


def test_the_installed_package_has_the_compiled_parts_and_no_sources() -> None:
    distribution = importlib.metadata.distribution("leakscope")
    origin = json.loads(distribution.read_text("direct_url.json") or "{}")
    if origin.get("dir_info", {}).get("editable"):
        pytest.skip("installed with -e: nothing was copied")
    assert_complete([str(file) for file in distribution.files or [] if file.suffix != ".pyc"])


@pytest.mark.slow
def test_a_wheel_has_the_compiled_parts_and_no_sources(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "-qq", "--no-deps", "-w", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True, timeout=280)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert_complete(archive.namelist())


def assert_complete(names: list[str]) -> None:
    package = {PurePosixPath(name) for name in names if name.startswith("leakscope/")}
    assert PurePosixPath(f"leakscope/_core{EXTENSION_SUFFIX}") in package
    assert PurePosixPath("leakscope/py.typed") in package
    assert PurePosixPath("leakscope/_core.pyi") in package
    if RECORDED_HERE:
        assert any(path.name.startswith("_recorder.") and path.suffix == ".so" for path in package)
    assert [path for path in package if path.suffix in SOURCE_SUFFIXES or "_native" in path.parts] == []
    assert [path for path in package if path.suffix == ".md" or path.name == "CMakeLists.txt"] == []
    copied = {PurePosixPath(path.relative_to(ROOT).as_posix()) for path in (ROOT / "leakscope").rglob("*.py")}
    assert copied - package == set()


def test_package_core_and_metadata_agree_on_the_version() -> None:
    code = "import leakscope, leakscope._core; print(leakscope.__version__, leakscope._core.BUILD)"
    package, core = run_isolated("-c", code).split()
    assert package == core == importlib.metadata.version("leakscope")


# What starting costs


COUNT_MODULES = "atexit.register(lambda: print(len(sys.modules)))"


def test_printing_the_version_loads_hardly_more_than_click() -> None:
    click = run_isolated("-c", f"import atexit, sys; {COUNT_MODULES}; import click; print()")
    ours = run_isolated(
        "-c",
        f"import atexit, sys; {COUNT_MODULES}; sys.argv = ['leakscope', '--version']; "
        "from leakscope.cli import main; main()",
    )
    assert int(ours.split()[-1]) <= 1.5 * int(click.split()[-1])


def test_the_command_prints_the_version() -> None:
    command = Path(sys.executable).with_name("leakscope")
    printed = subprocess.run([command, "--version"], capture_output=True, text=True, check=True, timeout=60).stdout
    assert importlib.metadata.version("leakscope") in printed


def run_isolated(*arguments: str) -> str:
    done = subprocess.run([sys.executable, "-I", *arguments], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


# What the README promises


@pytest.mark.parametrize("name", ["main job", "tests"])
def test_the_readme_has_each_promised_command_as_one_line_that_sets_everything_up(name: str) -> None:
    command = readme_block(f"command: {name}")
    assert command.count("\n") == 1
    assert "python3 -m venv .venv" in command
    assert "pip install" in command
    last = command.rsplit("&&", 1)[1].split()
    target = next(word for word in last[1:] if word.endswith(".py"))
    assert (ROOT / target).is_file()


def test_the_readme_shows_what_its_main_command_prints() -> None:
    assert "the report of the command above" not in readme_block("output: main job")


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_every_file_that_a_page_tells_to_read_exists(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:leakscope|tests|fixtures)/[\w./-]+|[A-Z]+\.md|LICENSE)`", text))
    assert named
    assert sorted(path for path in named if "NAME" not in path and not (ROOT / path).exists()) == []


def readme_block(mark: str) -> str:
    text = README.read_text(encoding="utf-8")
    found = re.search(rf"^<!-- {re.escape(mark)} -->\n```\w+\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert found, f"README.md has no block after the mark {mark!r}"
    return found[1]


# What no text may hold

# Spelled so that this file does not hold them.
MACHINE_PATH = re.compile(r"(?<![\w.}>-])/(?:work|root|tmp|opt/(?:venvs|pythons|wheels|pypi))/\w")
REGISTRY_HOST = re.compile(r"py[p]i\.org|python[h]osted|deb\.[d]ebian|npm[j]s\.(?:org|com)")


@pytest.mark.parametrize("pattern", [MACHINE_PATH, REGISTRY_HOST], ids=["machine path", "registry host"])
def test_no_text_of_the_repository_names_a(pattern: re.Pattern[str]) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}"
        for path in repository_files()
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []


def repository_files() -> list[Path]:
    command = ["git", "-C", str(ROOT), "ls-files", "-z"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.is_file() and b"\0" not in path.read_bytes()[:8192]]
