"""
Runs of a program until a gate is sure: once if nothing is found, again with more work if something is.

It knows how a program is told to do more, and how much more is worth it; it refuses to know what is a leak and what is
tolerated.
"""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from leakscope.capture.attending import REASON
from leakscope.capture.serving import Serving
from leakscope.errors import CaptureError, ProgramFailed
from leakscope.formats import open_dump
from leakscope.model.finding import Verdict
from leakscope.model.gate import Trial
from leakscope.model.plan import ITERATIONS_VARIABLE, PLACEHOLDER
from leakscope.policy import gate
from leakscope.verdict import judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from leakscope.model.dump import Dump
    from leakscope.model.gate import GateResult
    from leakscope.model.plan import Plan
    from leakscope.model.policy import Baseline, Policy, WorkUnit
    from leakscope.model.recording import Recording
    from leakscope.model.report import Report

AIM_S = 1.5
"""A short run is followed by one of this length, as far as that can be foreseen, instead of one twice as long."""
AIM_SERVED_S = 4.0
"""The same for the load of a server: it has far more memory than a request keeps, and is dumped every two seconds."""
MOST_AT_ONCE = 64
DID_MORE = 0.0005
"""A program that was told to do more asked for this part more blocks, and for one for each iteration: else it does not
listen, and the number of iterations means nothing."""
MOST_CHILDREN = 16
"""Child processes of a run that are judged: a program may start one for each request."""
TAKEN_DOWN = 0.5
"""What a last dump has less than, in parts of the most before, was taken down."""
STEADY = 0.8
"""What is built up does not fall below this part of the most before, until it is taken down."""
_LEAST_DUMPS = 3
_SEVERITY = list(Verdict)
_SEED = "PYTHONHASHSEED"


@dataclass(frozen=True, slots=True)
class _Run:
    """One run, and how many blocks it ever asked for."""

    trial: Trial
    alloc_blocks: int


def prove(
    plan: Plan,
    policy: Policy,
    baseline: Baseline,
    *,
    run: Callable[..., Recording],
    tell: Callable[[str], None],
    command: str,
) -> GateResult:
    """
    Run a program as often as the gate needs.

    Parameters
    ----------
    plan : Plan
    policy : Policy
    baseline : Baseline
    run : callable
        Runs a program under the recorder, as ``api.run``.
    tell : callable
        Told what is about to be run, and what looks odd.
    command : str
        The program, as one would type it.

    Raises
    ------
    ProgramFailed
        If the program or its load failed.
    CaptureError
        If nothing was recorded.
    """
    runs: list[_Run] = []
    work = _first_work(plan)
    while True:
        tell(_announcement(len(runs) + 1, work, plan, command))
        runs.append(_run_once(plan, policy, len(runs) + 1, work, run))
        believed = _believed(runs)
        if len(runs) > 1 and believed[-1].work is None and work is not None:
            tell(
                "the program did not do more when told to: its number of iterations is ignored; "
                f"use {PLACEHOLDER} in the command, or read {ITERATIONS_VARIABLE}"
            )
        result = gate(believed, policy, baseline)
        if not result.undecided:
            return result
        work = None if work is None else work * _factor(runs[-1].trial)


def _first_work(plan: Plan) -> float | None:
    if plan.iterations is not None:
        return plan.iterations
    return plan.load.for_s if plan.load is not None else None


def _unit(plan: Plan) -> WorkUnit:
    return "iteration" if plan.iterations is not None or plan.load is None else "second"


def _factor(trial: Trial) -> int:
    """How much more the next run does: twice as much, or so much more that it is no short one."""
    if trial.worked_s is None or trial.unit == "second":
        return 2
    aim_s = AIM_SERVED_S if trial.served else AIM_S
    return max(2, min(MOST_AT_ONCE, math.ceil(aim_s / max(trial.worked_s, 0.001))))


def _announcement(number: int, work: float | None, plan: Plan, command: str) -> str:
    if work is None:
        return f"run {number}: {command}"
    much = f"{work:,.0f} {_unit(plan)}{'' if work == 1 else 's'}"
    return f"run {number}, {much}: {command}"


def _run_once(plan: Plan, policy: Policy, number: int, work: float | None, run: Callable[..., Recording]) -> _Run:
    serving = None
    if plan.load is not None:
        load = plan.load
        for_s = work if load.for_s is not None and plan.iterations is None else load.for_s
        serving = Serving(replace(load, command=_filled(load.command, plan, work), for_s=for_s))
    elif policy.warmup_s:
        plan = replace(plan, config=replace(plan.config, baseline_after_s=policy.warmup_s))
    with _environment(plan, work):
        began = time.monotonic()
        recording = run(
            [_filled(word, plan, work) for word in plan.target],
            config=plan.config,
            output=plan.folder / f"run-{number}",
            force=True,
            python=plan.python,
            python_args=plan.python_args,
            attend=serving,
        )
        elapsed_s = time.monotonic() - began
    paths = recording.dumps if serving is None else serving.during(recording.dumps)
    _check(recording, serving, paths, plan)
    dumps = [open_dump(path) for path in paths]
    report = judge(dumps)
    working = _while_working(dumps, report)
    taken_down = _took_down(dumps)
    judged = _children(recording)
    trial = Trial(
        working or report, work, _unit(plan), elapsed_s,
        whole=not taken_down, built_bytes=built_bytes(dumps[-1]) if taken_down else None,
        children=judged, unjudged_children=len(recording.children) - len(judged), served=serving is not None,
    )  # fmt: skip
    return _Run(trial, _alloc_blocks(dumps) + _alloc_blocks_of_children(recording))


def _children(recording: Recording) -> tuple[Report, ...]:
    """Reports of the child processes that lived long enough to tell, and of the biggest ones if they are many."""
    lived = [child for child in recording.children if len(child.dumps) > 1]
    lived.sort(key=lambda child: -child.dumps[-1].stat().st_size)
    reports = [judge(under_load([open_dump(path) for path in child.dumps])) for child in lived[:MOST_CHILDREN]]
    return tuple(report for report in reports if report.findings or report.verdict is not Verdict.UNKNOWN)


def under_load(dumps: Sequence[Dump]) -> Sequence[Dump]:
    """
    Those of a child's dumps that were taken while its server was under load; all, if nobody asked for two or more.

    Parameters
    ----------
    dumps : sequence of Dump
        In time order.
    """
    asked = [at for at, dump in enumerate(dumps) if dump.meta.reason == REASON]
    return dumps[asked[0] : asked[-1] + 1] if len(asked) > 1 else dumps


def _while_working(dumps: Sequence[Dump], report: Report) -> Report | None:
    """
    What was so while the program worked, if that is worse than what its end shows.

    A leak into a local variable of ``main`` is gone from the last dump, and grows for as long as the program works.
    """
    if len(dumps) < _LEAST_DUMPS or not _took_down(dumps):
        return None
    working = judge(dumps[:-1])
    return working if _SEVERITY.index(working.verdict) < _SEVERITY.index(report.verdict) else None


def _took_down(dumps: Sequence[Dump]) -> bool:
    last = dumps[-1]
    most = max([dump.meta.totals.live_bytes for dump in dumps] + [int(value) for value in last.series.live_bytes])
    return last.meta.totals.live_bytes < TAKEN_DOWN * most


def built_bytes(last: Dump) -> int | None:
    """What a program had built when it took it down; None if live memory had fallen before, as that of a sawtooth."""
    most = 0.0
    lives = [float(value) for value in last.series.live_bytes if value == value]
    top = max(range(len(lives)), key=lives.__getitem__, default=0)
    for value in lives[: top + 1]:
        if value < STEADY * most:
            return None
        most = max(most, value)
    return round(most) or None


def _filled(word: str, plan: Plan, work: float | None) -> str:
    return word.replace(PLACEHOLDER, f"{work:.0f}") if plan.iterations is not None and work is not None else word


@contextlib.contextmanager
def _environment(plan: Plan, work: float | None) -> Iterator[None]:
    """What the program finds in its environment; runs are alike, so that they can be compared."""
    before = dict(os.environ)
    os.environ.setdefault(_SEED, "0")
    if plan.iterations is not None and work is not None:
        os.environ[ITERATIONS_VARIABLE] = f"{work:.0f}"
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _check(recording: Recording, serving: Serving | None, dumps: Sequence[Path], plan: Plan) -> None:
    """Nothing, or why there is no verdict."""
    if serving is not None and serving.problem:
        raise ProgramFailed(serving.problem, "run the server and its load by hand to see why")
    end = recording.end
    if serving is None and end.shell_code and not plan.ignore_failure:
        how = recording.death.text if recording.death and end.signal else f"exited with code {end.exit_code}"
        hint = "run it by itself to see why, or judge it all the same with --ignore-failure"
        if recording.dumps:
            hint = f"{hint}; what its memory looked like: leakscope show {recording.dumps[-1]}"
        raise ProgramFailed(f"the program {how} before there was a verdict", hint)
    if not recording.recorded or not dumps:
        why = recording.problem or (str(recording.problems[0]) if recording.problems else "it ended too early")
        raise CaptureError(f"nothing was recorded: {why}", "see 'leakscope run' with the same program")


def _alloc_blocks(dumps: Sequence[Dump]) -> int:
    return max(dump.meta.totals.alloc_blocks for dump in dumps)


def _alloc_blocks_of_children(recording: Recording) -> int:
    """Of a server that forks its workers they do all the work."""
    return sum(open_dump(child.dumps[-1]).meta.totals.alloc_blocks for child in recording.children if child.dumps)


def _believed(runs: Sequence[_Run]) -> list[Trial]:
    """The trials; their work is unknown if the program did no more when told to."""
    first, last = runs[0], runs[-1]
    if first.trial.work is None or last.trial.work is None or first is last:
        return [each.trial for each in runs]
    more = max(last.trial.work - first.trial.work, DID_MORE * first.alloc_blocks)
    if last.alloc_blocks - first.alloc_blocks >= more or last.trial.unit == "second":
        return [each.trial for each in runs]
    return [replace(each.trial, work=None) for each in runs]


def clear(plan: Plan) -> None:
    """Remove the dumps of all runs."""
    for folder in plan.folder.glob("run-*"):
        shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        (plan.folder / ".gitignore").unlink(missing_ok=True)
        plan.folder.rmdir()


def claim(plan: Plan) -> None:
    """Make the folder, kept out of version control, and remove what an earlier gate left there."""
    clear(plan)
    try:
        plan.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        ignore = plan.folder / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")
    except OSError as error:
        raise CaptureError(f"{plan.folder}: cannot be made: {error.strerror}", "choose another with -o DIR") from error
