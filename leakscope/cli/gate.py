"""
``leakscope gate``: fails a pipeline on a new leak.

It knows the options and where each report goes; it refuses to know how anything is decided.
"""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from leakscope import gating
from leakscope.cli import settings, voice
from leakscope.cli.options import DURATION, manners_of, reporting, speaking
from leakscope.cli.page import width_of
from leakscope.cli.program import resolve
from leakscope.cli.run import RunCommand, valued_options
from leakscope.cli.target import split
from leakscope.errors import EXIT_FINE, UsageError
from leakscope.model.config import EXACT_INTERVAL, CaptureConfig
from leakscope.model.gate import Outcome
from leakscope.model.plan import PLACEHOLDER, Load, Plan
from leakscope.model.policy import POLICY_KEYS
from leakscope.model.pool_spec import parse_pool

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

    from leakscope.cli.voice import Manners
    from leakscope.model.gate import GateResult
    from leakscope.model.policy import Policy

BASELINE = "leakscope-baseline.json"
FOLDER = "leakscope-gate"
FIRST_ITERATIONS = 100
_TO_OUTPUT = frozenset({"github", "terminal"})
"""Reports that are for the log: without a file they go to standard output."""
_WORDS = f"{__name__}.words"


class GateCommand(RunCommand):
    """A command whose words after the program belong to the program; it keeps what was typed."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the words as they are, for what is proposed to be typed next; dumps have no words of their own."""
        ctx.meta[_WORDS] = list(args)
        _, target = split(args, valued_options(self.params))
        return click.Command.parse_args(self, ctx, args) if _are_dumps(target) else super().parse_args(ctx, args)


@click.command(
    "gate",
    cls=GateCommand,
    epilog="Exit codes: 0 passed, 1 failed, 2 wrong usage or configuration, 3 inconclusive, 4 the program failed "
    "before a verdict, 5 could not record or read, 70 a bug of ours. Limits and suppressions: [tool.leakscope.gate].",
)
@click.option("--iterations", type=click.IntRange(1), metavar="N", help="Work of the first run; {iterations} in the "
              "command, and LEAKSCOPE_ITERATIONS, have the number (default with {iterations}: 100).")  # fmt: skip
@click.option("--repeats", type=click.IntRange(1), metavar="N", help="Most runs before something suspected fails or "
              "passes, each with twice the work (default: 3).")  # fmt: skip
@click.option("--load", metavar="COMMAND", help="The program is a server: keep it busy with this shell command.")
@click.option("--for", "for_s", type=DURATION, help="How long (else the load runs once).")
@click.option("--warmup", "warmup_s", type=DURATION, help="Time at first from which nothing counts.")
@click.option(
    "--ready", "ready_s", type=DURATION, help="When the server is ready (default: when it listens on a port)."
)
@click.option("--policy", "policy_file", metavar="FILE", help="TOML with limits and suppressions (default: "
              "[tool.leakscope.gate] of pyproject.toml).")  # fmt: skip
@click.option("--baseline", default=BASELINE, metavar="FILE", help=f"What is known already (default: {BASELINE}).")
@click.option("--update-baseline", is_flag=True, help="Accept what is new, drop what is gone, and pass.")
@click.option("--note", default="", metavar="TEXT", help="The owner's note for what is accepted.")
@click.option("--inconclusive", type=click.Choice(["tell", "pass", "fail"]), help="What follows from thin evidence "
              "(default: tell, with exit code 3).")  # fmt: skip
@click.option("--report", "reports", multiple=True, metavar="FORMAT[=FILE]", help="Also as sarif, junit, github, "
              "gitlab, json, markdown or terminal; may be repeated.")  # fmt: skip
@click.option("--ignore-failure", "-i", is_flag=True, help="Judge a program that fails, too.")
@click.option("--sampled", is_flag=True, help="Record a sample: faster, and blind to small leaks.")
@click.option(
    "--no-follow", is_flag=True, help="Leave child processes alone; else those that run Python are judged, too."
)
@click.option("--pool", "pools", multiple=True, metavar="SPEC", help="Watch a pool of the program, as 'leakscope run'.")
@click.option("--output", "-o", metavar="DIR", help=f"Folder for dumps; they stay (default: {FOLDER}, kept only if the "
              "gate does not pass).")  # fmt: skip
@click.option("--python", metavar="PATH", help="Run the program with another interpreter.")
@reporting
@speaking
@click.argument("target", nargs=-1, type=click.UNPROCESSED, metavar="-- COMMAND... | A.lks [B.lks]...")
@click.pass_context
def command(context: click.Context, /, target: tuple[str, ...], **options: Any) -> int:
    """
    Run a program under the exact recorder and fail if it leaks, or judge dumps that are there.

    COMMAND is what you would type: app.py, -m module, -c code, pytest, a server. A leak that is suspected is looked for
    again in a second run with twice the work before it fails. Dumps are compared in time order, those of several runs
    in the order given.
    """
    manners = manners_of(context)
    reports = [_report(text) for text in options["reports"]]
    policy = _policy(options)
    baseline = gating.read_baseline(options["baseline"])
    stdout = _apart(sys.stdout) if options["json"] else sys.stdout
    words = {"root": _root(Path.cwd()), "command": shlex.join(target), "arguments": shlex.join(context.meta[_WORDS])}
    plan = None
    if _are_dumps(target):
        result = gating.gate_dumps(target, policy, baseline, **words)
    else:
        plan = _plan(target, options, policy)
        result = gating.gate_program(plan, policy, baseline, tell=_teller(options, manners), **words)
    if options["update_baseline"]:
        return _update(result, plan, options, manners)
    _tell(result, reports, stdout, options, manners)
    if plan is not None and result.status == "passed" and options["output"] is None:
        gating.forget(plan)
    return result.exit_code


def _are_dumps(words: Sequence[str]) -> bool:
    return bool(words) and gating.is_dump(words[0])


def _policy(options: dict[str, Any]) -> Policy:
    """The policy of the file, with what the command line says otherwise."""
    if options["policy_file"] is not None:
        policy = gating.read_policy(options["policy_file"])
    else:
        path = settings.nearest_file(Path.cwd())
        table = settings.read_settings(path).get("gate", {}) if path is not None else {}
        own = {key: value for key, value in table.items() if key in POLICY_KEYS}
        policy = gating.policy_from(own, f"{path}: tool.leakscope.gate")
    names = ("repeats", "iterations", "warmup_s", "inconclusive")
    return replace(policy, **{name: options[name] for name in names if options[name] is not None})


def _plan(target: Sequence[str], options: dict[str, Any], policy: Policy) -> Plan:
    found = resolve(target, options["python"])
    load = None
    if options["load"] is not None:
        load = Load(options["load"], options["for_s"], policy.warmup_s, options["ready_s"])
    elif options["for_s"] is not None or options["ready_s"] is not None:
        raise UsageError("--for and --ready are about a server and its load", "add --load COMMAND")
    asked = any(PLACEHOLDER in word for word in (*target, options["load"] or ""))
    plan = Plan(
        target=found.target,
        folder=Path(options["output"] or FOLDER),
        load=load,
        python=found.python,
        python_args=found.python_args,
        iterations=policy.iterations or (FIRST_ITERATIONS if asked else None),
        ignore_failure=options["ignore_failure"],
        tests=found.tests if load is None else 0,
    )
    if plan.tests:
        _check_tests(plan, options, asked=asked)
    unit = (
        "iteration" if plan.iterations or plan.tests
        else "second" if load is not None and load.for_s else None
    )  # fmt: skip
    for limit in policy.limits:
        if limit.per is not None and limit.per != unit:
            hint = "use --load and --for" if limit.per == "second" else f"use {PLACEHOLDER} or --iterations"
            raise UsageError(f"the policy limits {limit.name} per {limit.per}, which this gate does not count", hint)
    return replace(plan, config=_config(options))


def _check_tests(plan: Plan, options: dict[str, Any], *, asked: bool) -> None:
    """Nothing, unless options are about a program that is run again and again."""
    if asked or options["iterations"] is not None:
        raise UsageError(
            "tests are repeated one by one, without a number of iterations",
            "leave it out; pytest's own option --leakscope-repeats says how often",
        )
    for name in ("sampled", "pools", "warmup_s", "repeats"):
        if options[name]:
            option = {"pools": "pool", "warmup_s": "warmup"}.get(name, name)
            hint = "leave it out" if name in ("sampled", "pools") else f"say --leakscope-{option} after pytest"
            raise UsageError(f"--{option} is not for pytest, which repeats its tests itself", hint)


def _config(options: dict[str, Any]) -> CaptureConfig:
    pools = tuple(text if "\t" in text else parse_pool(text) for text in options["pools"])
    config = CaptureConfig(pools=pools, follow=not options["no_follow"])
    return config if options["sampled"] else replace(config, interval_bytes=EXACT_INTERVAL)


def _report(text: str) -> tuple[str, str | None]:
    """Name and file of ``sarif=out.sarif``; a format that is for other programs has a file in any case."""
    name, _, path = text.partition("=")
    suffixes = gating.report_suffixes()
    if name not in suffixes:
        import difflib  # only needed here, and slow to load

        similar = difflib.get_close_matches(name, suffixes, n=1)
        hint = f"did you mean {similar[0]!r}?" if similar else f"there are: {', '.join(suffixes)}"
        raise UsageError(f"there is no report {name!r}", hint)
    return name, path or (None if name in _TO_OUTPUT else f"{FOLDER}{suffixes[name]}")


def _apart(stdout: TextIO) -> TextIO:
    """Standard output for our document alone: the program's goes where errors go."""
    stdout.flush()
    ours = os.fdopen(os.dup(stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), stdout.fileno())
    return ours


def _root(here: Path) -> str:
    """The folder that paths in reports begin at: the repository's."""
    for variable in ("GITHUB_WORKSPACE", "CI_PROJECT_DIR"):
        told = os.environ.get(variable)
        if told and here.is_relative_to(told):
            return told
    return str(next((folder for folder in (here, *here.parents) if (folder / ".git").exists()), here))


def _teller(options: dict[str, Any], manners: Manners) -> Any:
    def tell(text: str) -> None:
        if not options["quiet"]:
            voice.say(manners, "leakscope", text, "blue")

    return tell


def _update(result: GateResult, plan: Plan | None, options: dict[str, Any], manners: Manners) -> int:
    path = options["baseline"]
    gating.update_baseline(result, path, options["note"])
    new = len(result.with_outcome(Outcome.NEW))
    if not options["quiet"]:
        gone = len(result.stale)
        voice.say(manners, "leakscope", f"{path}: {new} new, {gone} no longer seen and left out", "blue")
        if new and not options["note"]:
            voice.say(manners, "hint", f"say in {path} why each is accepted, under 'note'", "cyan")
    if plan is not None and options["output"] is None:
        gating.forget(plan)
    if result.status == "failed" and new and not result.breaches:
        return EXIT_FINE
    return result.exit_code


def _tell(
    result: GateResult,
    reports: Sequence[tuple[str, str | None]],
    stdout: TextIO,
    options: dict[str, Any],
    manners: Manners,
) -> None:
    named = {name for name, _ in reports}
    if os.environ.get("GITHUB_ACTIONS") == "true" and "github" not in named:
        reports = [*reports, ("github", None)]
        named.add("github")
    if options["json"]:
        stdout.write(gating.render(result, "json"))
        stdout.flush()
    elif not options["quiet"]:
        _print(gating.render(result, "terminal", width=width_of(stdout), color=manners.colored(stdout)), stdout)
    for name, path in reports:
        if path is not None:
            gating.save(gating.render(result, name), path)
        elif name != "terminal":
            # The runner reads both streams; --json has the other one for itself.
            _print(gating.render(result, name), sys.stderr if options["json"] else stdout)
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if "github" in named and summary:
        with open(summary, "a", encoding="utf-8") as file:
            file.write(gating.render(result, "markdown"))


def _print(text: str, stream: TextIO) -> None:
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, errors="replace").decode(encoding))
    stream.flush()
