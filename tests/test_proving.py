"""How often a program is run, and with how much work: played, with dumps that are drawn."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import save
from simulation import Life, recorded

from leakscope.errors import CaptureError, ProgramFailed
from leakscope.model.config import CaptureConfig
from leakscope.model.gate import GateResult
from leakscope.model.plan import Plan
from leakscope.model.policy import Baseline, Policy
from leakscope.model.recording import Child, End, Recording
from leakscope.proving import built_bytes, claim, clear, prove, under_load


class Stage:
    """Runs a played program; knows what it was asked for."""

    def __init__(
        self, folder: Path, *, per_unit: int = 0, once: int = 0, exit_code: int = 0, deaf: bool = False
    ) -> None:
        self.plan = Plan(("app.py", "{iterations}"), folder / "gate", iterations=100)
        self.asked: list[tuple[list[str], str | None, Path, CaptureConfig]] = []
        self.said: list[str] = []
        self._per_unit, self._once, self._exit_code, self._deaf = per_unit, once, exit_code, deaf

    def run(self, words: Sequence[str], *, output: Path, config: CaptureConfig, **_: Any) -> Recording:
        self.asked.append((list(words), os.environ.get("LEAKSCOPE_ITERATIONS"), output, config))
        iterations = 100 if self._deaf else int(words[1])
        life = Life()
        for at in np.linspace(0.01, 19.9, 400):
            life.add("main@app.py:3 > work@app.py:9", 1000, float(at), float(at) + 0.05)
            if self._per_unit:
                life.add("main@app.py:3 > keep@app.py:5", self._per_unit * iterations / 400, float(at))
        if self._once:
            life.add("main@app.py:3 > load@app.py:7", self._once, 0.02)
        output.mkdir(parents=True, exist_ok=True)
        paths = []
        for number, end in enumerate((5.0, 10.0, 20.0), 1):
            seen = recorded(life, end, number=number, reason="exit" if end == 20.0 else "baseline")
            totals = replace(
                seen.meta.totals, live_bytes=int(seen.allocations.weight.sum()), alloc_blocks=50 * iterations
            )
            paths.append(Path(save(replace(seen, meta=replace(seen.meta, totals=totals)), output / f"{number:04}.lks")))
        return Recording(
            End(self._exit_code), None, output, tuple(paths), (), True, "", (), 20.0, 0.0
        )  # fmt: skip

    def prove(self, policy: Policy | None = None) -> GateResult:
        return prove(
            self.plan,
            policy or Policy(),
            Baseline(),
            run=self.run,
            tell=self.said.append,
            command="app.py {iterations}",
        )


def test_what_grows_with_the_work_fails_in_the_second_run_of_twice_as_much(tmp_path: Path) -> None:
    stage = Stage(tmp_path, per_unit=10_000)

    result = stage.prove()

    assert result.status == "failed"
    assert [(words[1], env) for words, env, _, _ in stage.asked] == [("100", "100"), ("200", "200")]
    assert stage.said == ["run 1, 100 iterations: app.py {iterations}", "run 2, 200 iterations: app.py {iterations}"]
    assert os.environ.get("LEAKSCOPE_ITERATIONS") is None


def test_what_is_there_once_passes_after_a_second_look(tmp_path: Path) -> None:
    stage = Stage(tmp_path, once=5_000_000)

    assert (stage.prove().status, len(stage.asked)) == ("passed", 2)


def test_what_a_program_had_built_is_told_from_a_sawtooth() -> None:
    life = Life()
    for at in np.linspace(0.01, 9.9, 200):
        life.add("main@app.py:3 > keep@app.py:5", 1000, float(at), 10.0)
    built = recorded(life, 12.0)
    for at in np.linspace(0.01, 9.9, 10):
        life.add("main@app.py:3 > saw@app.py:6", 900_000, float(at), float(at) + 0.5)

    assert built_bytes(built) == 200_000
    assert built_bytes(recorded(life, 12.0)) is None


def test_a_program_that_is_deaf_to_iterations_is_said_so_and_judged_by_coming_back(tmp_path: Path) -> None:
    stage = Stage(tmp_path, per_unit=10_000, deaf=True)

    result = stage.prove()

    assert result.status == "failed"
    assert [trial.work for trial in result.trials] == [None, None]
    assert any("did not do more when told to" in line for line in stage.said)


def test_a_program_whose_children_do_more_is_not_deaf(tmp_path: Path) -> None:
    stage = Stage(tmp_path, per_unit=10_000, deaf=True)
    worker = Stage(tmp_path)
    run = stage.run

    def with_a_worker(words: Sequence[str], *, output: Path, **more: Any) -> Recording:
        recording = run(words, output=output, **more)
        child = worker.run(words, output=output / "child-7", **more)
        return replace(recording, children=(Child(7, child.folder, child.dumps),))

    stage.run = with_a_worker  # type: ignore[method-assign]

    assert [trial.work for trial in stage.prove().trials][:2] == [100, 200]
    assert not any("did not do more" in line for line in stage.said)


def test_of_a_servers_child_the_time_under_load_is_judged() -> None:
    reasons = ("baseline", "signal", "interval", "signal", "exit")
    dumps = [recorded(Life(), 1.0 + at, number=at + 1, reason=reason) for at, reason in enumerate(reasons)]

    assert [dump.meta.number for dump in under_load(dumps)] == [2, 3, 4]
    assert under_load(dumps[:3]) == dumps[:3]  # it was born or ended meanwhile: all of its life is under load


def test_a_failing_program_is_no_verdict_unless_asked_for(tmp_path: Path) -> None:
    stage = Stage(tmp_path, exit_code=3)

    with pytest.raises(ProgramFailed, match="the program exited with code 3"):
        stage.prove()

    stage.plan = replace(stage.plan, ignore_failure=True)
    assert stage.prove().status == "passed"


def test_a_run_without_dumps_could_not_be_recorded(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    run = stage.run

    def without_dumps(*words: Any, **options: Any) -> Recording:
        return replace(run(*words, **options), dumps=(), recorded=False, problem="no hook")

    stage.run = without_dumps  # type: ignore[method-assign]
    with pytest.raises(CaptureError, match="nothing was recorded: no hook"):
        stage.prove()


def test_the_warm_up_of_a_program_comes_before_its_first_dump(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.prove(Policy(warmup_s=1.5))

    assert stage.asked[0][3].baseline_after_s == 1.5


def test_the_folder_is_made_kept_out_of_version_control_and_cleared_of_runs_alone(tmp_path: Path) -> None:
    plan = Plan(("app.py",), tmp_path / "gate")
    claim(plan)
    (plan.folder / "run-1").mkdir()
    (plan.folder / "notes.txt").touch()

    claim(plan)
    assert (plan.folder / ".gitignore").read_text() == "*\n"
    assert not (plan.folder / "run-1").exists()
    clear(plan)
    assert [path.name for path in plan.folder.iterdir()] == ["notes.txt"]
    (plan.folder / "notes.txt").unlink()
    claim(plan)
    clear(plan)
    assert not plan.folder.exists()
