"""What is ready-made for pipelines works: action, job and hook do what they should, the README names what there is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
SHORT = {**os.environ, "LEAKSCOPE_GATE_INCONCLUSIVE": "pass"}


def load(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text("utf-8"))


def step(name: str) -> dict[str, Any]:
    steps: list[dict[str, Any]] = load(".github/actions/gate/action.yml")["runs"]["steps"]
    return next(found for found in steps if found["name"] == name)


def run_step(name: str, folder: Path, inputs: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A step of the action as the runner would start it."""
    action = load(".github/actions/gate/action.yml")
    values = {key: str(given.get("default", "")) for key, given in action["inputs"].items()} | inputs
    env = {
        key: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda match: values[match[1]], text)
        for key, text in step(name)["env"].items()
    }
    output = folder / "output"
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step(name)["run"]],
        cwd=folder, env={**SHORT, **env, "GITHUB_OUTPUT": str(output)}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_action_runs_the_gate_with_words_as_a_shell_would_split_them(tmp_path: Path) -> None:
    (tmp_path / "a program.py").write_text("import sys\nassert sys.argv[1:] == ['x y', '$HOME', '`id`'], sys.argv\n")
    inputs = {"python": sys.executable, "command": "'a program.py' 'x y' $HOME `id`", "options": "--repeats 1"}

    installed = run_step("Install leakscope", tmp_path, inputs)
    done = run_step("Run the gate", tmp_path, inputs)

    assert (installed.returncode, installed.stdout) == (0, "")
    assert done.returncode == 0, done.stderr
    assert "::notice title=leakscope gate::" in done.stdout
    assert (tmp_path / "leakscope-gate.sarif").is_file()
    assert (tmp_path / "output").read_text() == "exit-code=0\n"


def test_the_action_passes_on_why_there_is_no_verdict(tmp_path: Path) -> None:
    done = run_step("Run the gate", tmp_path, {"python": sys.executable, "command": "-c 'raise SystemExit(3)'"})

    assert done.returncode == 4
    assert (tmp_path / "output").read_text() == "exit-code=4\n"


def test_the_job_of_gitlab_runs_the_gate(tmp_path: Path) -> None:
    job = load(".ci/gitlab-gate.yml")[".leakscope-gate"]
    (tmp_path / "smoke.py").write_text("import sys\nassert int(sys.argv[1]) % 7 == 0\n")
    script = "\n".join([*job["before_script"], *job["script"]])
    env = {**SHORT, **job["variables"], "GATE_COMMAND": "smoke.py {iterations}", "GATE_OPTIONS": "--iterations 7"}
    program = f'python() {{ {sys.executable} "$@"; }}\n{script}'

    done = subprocess.run(["sh", "-ec", program], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "run 1, 7 iterations: smoke.py" in done.stderr
    for kind in ("codequality", "junit"):
        assert re.search(rf"={re.escape(job['artifacts']['reports'][kind])}\b", script)


def test_the_hook_is_what_pre_commit_expects() -> None:
    (hook,) = load(".pre-commit-hooks.yaml")

    assert {"id", "name", "entry", "language"} <= set(hook)
    assert hook["entry"].split() == ["leakscope", "gate"]


@pytest.mark.parametrize("words", ["uses: OWNER", "extends: .leakscope-gate", "id: leakscope-gate"])
def test_examples_of_the_readme_name_what_there_is(words: str) -> None:
    texts = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    (text,) = (text for text in texts if words in text)
    example = yaml.safe_load(textwrap.dedent(text))

    assert text.count("\n") <= 10
    if words.startswith("uses"):
        assert set(example[-1]["with"]) <= set(load(".github/actions/gate/action.yml")["inputs"])
    elif words.startswith("extends"):
        assert set(example["leaks"]["variables"]) <= set(load(".ci/gitlab-gate.yml")[".leakscope-gate"]["variables"])
        assert (ROOT / example["include"][0]["local"]).is_file()
    else:
        assert example[0]["hooks"][0]["id"] == load(".pre-commit-hooks.yaml")[0]["id"]


def test_the_policy_of_the_readme_is_one(tmp_path: Path) -> None:
    from leakscope.policy import read_policy

    (text,) = re.findall(
        r"```toml\n(\[tool\.leakscope\.gate\]\n.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL
    )
    (tmp_path / "pyproject.toml").write_text(text)
    policy = read_policy(tmp_path / "pyproject.toml")

    assert (policy.iterations, policy.repeats, policy.inconclusive, len(policy.limits)) == (200, 3, "fail", 5)
    assert policy.suppressions[0].reason.startswith("kept for the life of the process")
