"""
``leakscope run``: a program under the recorder, then the report.

It knows the options and the order of things; it refuses to know how anything is done.  While the program runs, its
streams get nothing from us; the report goes to standard error, because standard output is the program's.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from leakscope import api
from leakscope.cli import voice
from leakscope.cli.ending import die_of, drop_output
from leakscope.cli.options import BYTES, DURATION, SIGNAL, manners_of, reporting, speaking
from leakscope.cli.page import page
from leakscope.cli.target import split
from leakscope.errors import LeakscopeError, UsageError
from leakscope.model.config import EXACT_INTERVAL, CaptureConfig
from leakscope.model.pool_spec import parse_pool
from leakscope.units import format_duration, format_share

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from leakscope.cli.voice import Manners
    from leakscope.model.recording import Recording

REPORT_NAME = "report.json"
_PYTHON = re.compile(r"python[\d.]*")


class RunCommand(click.Command):
    """A command whose words after the program belong to the program."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Hide the program's words from click."""
        own, target = split(args, valued_options(self.params))
        return super().parse_args(ctx, [*own, "--", *target] if target else own)


def valued_options(parameters: Sequence[click.Parameter]) -> set[str]:
    """Names of options that take a value, with their dashes."""
    return {name for parameter in parameters if _takes_value(parameter) for name in parameter.opts}


def _takes_value(parameter: click.Parameter) -> bool:
    return isinstance(parameter, click.Option) and not parameter.is_flag and not parameter.count


@click.command(
    "run",
    cls=RunCommand,
    epilog="Options come before the program; everything after it, or after '--', is the program's.",
)
@click.option("--output", "-o", metavar="DIR", help="Folder for dumps and report (default: leakscope-APP.PID).")
@click.option("--force", is_flag=True, help="Replace an earlier run in that folder.")
@click.option("--exact", is_flag=True, help="Record every block, not a sample.")
@click.option("--interval", type=BYTES, help="Mean distance of samples in allocated bytes (default: 64KiB).")
@click.option("--frames", type=click.IntRange(1, 1024), metavar="N", help="Frames kept of a stack (default: 64).")
@click.option("--every", type=DURATION, help="Take a dump every so often, as 30s or 10min.")
@click.option("--at-rss", type=BYTES, help="Take a dump at this resident memory and at each quarter more.")
@click.option("--dump-signal", type=SIGNAL, default="SIGUSR2", help="A signal to leakscope that takes a dump, or none "
              "(default: SIGUSR2).")  # fmt: skip
@click.option("--keep", type=click.IntRange(2), metavar="N", help="Dumps kept of those by --every and --at-rss: the "
              "first and the latest (default: 20).")  # fmt: skip
@click.option("--chunk-size", type=BYTES, help="From here on a mapping is a large one, and in the table of chunks even "
              "if nobody saw it being taken (default: 16MiB).")  # fmt: skip
@click.option("--no-heap", is_flag=True, help="Leave the object graph out of the dumps: no walk, no pause.")
@click.option("--values", is_flag=True, help="Keep the texts of keys and small values in the dumps.")
@click.option("--buffers/--no-buffers", default=None, help="Record who acquires and releases memory through the buffer "
              "protocol (default: yes).")  # fmt: skip
@click.option("--pool", "pools", multiple=True, metavar="SPEC", help="Watch a pool of the program, as 'app.pool:Buffer("
              "acquire=take, release=give, pool=app.pool:Pool)'; may be repeated.")  # fmt: skip
@click.option("--follow", is_flag=True, help="Record child processes that run Python, too.")
@click.option("--python", metavar="PATH", help="Run the program with another interpreter.")
@click.option("--python-args", multiple=True, metavar="ARGS", help="Options of the interpreter, as '-X dev -W error'; "
              "may be repeated.")  # fmt: skip
@click.option("--status", is_flag=True, help="Show on a terminal how it goes.")
@click.option("--no-report", is_flag=True, help="Take the dumps, judge nothing.")
@reporting
@speaking
@click.argument("target", nargs=-1, type=click.UNPROCESSED, metavar="APP.PY | -m MODULE | -c CODE [ARGS]...")
@click.pass_context
def command(context: click.Context, /, target: tuple[str, ...], **options: Any) -> int:
    """
    Run a Python program under the recorder; report at the end.

    The program runs as plain Python would run it, and its exit code or signal is passed on. The report goes to standard
    error; with --json it goes to standard output, after whatever the program printed there. Dumps are taken at the end,
    when the program calls leakscope.dump(), and as the options say; kill -USR2 with leakscope's own process id takes
    one, too.
    """
    manners = manners_of(context)
    _check_target(target)
    config = _config(options)
    line = _status_line(options)
    python_args = [word for words in options["python_args"] for word in _words(words)]
    if target[0] not in {"-m", "-c", "-"} and not os.path.exists(target[0]):
        return _let_python_complain(target, python_args, options, manners)
    recording = api.run(
        target,
        config=config,
        output=options["output"],
        force=options["force"],
        python=options["python"],
        python_args=python_args,
        progress=line,
    )
    if line is not None:
        line.wipe()
    _tell(recording, options, manners)
    return die_of(recording.end.signal) if recording.end.signal else recording.end.exit_code


def _check_target(target: Sequence[str]) -> None:
    if not target:
        raise UsageError("there is nothing to run", "name a program: leakscope run app.py")
    if target[0] in {"-m", "-c"} and len(target) < 2:
        raise UsageError(f"{target[0]} needs a word after it", f"leakscope run {target[0]} ...")
    if _PYTHON.fullmatch(os.path.basename(target[0])) and not os.path.isfile(target[0]):
        raise UsageError(
            f"{target[0]!r} is not a program for Python", "leave the interpreter out, or name it with --python"
        )


def _let_python_complain(
    target: Sequence[str], python_args: Sequence[str], options: dict[str, Any], manners: Manners
) -> int:
    """A file that is not there: nothing to record, and Python's own words and exit code are what people know."""
    import subprocess

    code = subprocess.call([options["python"] or sys.executable, *python_args, *target])
    if target[0].isidentifier() and not options["quiet"]:
        voice.say(manners, "hint", f"a module is run with: leakscope run -m {target[0]}", "cyan")
    return code


def _config(options: dict[str, Any]) -> CaptureConfig:
    for one, other in (("exact", "interval"), ("no_heap", "values")):
        if options[one] and options[other]:
            names = f"--{one.replace('_', '-')} and --{other}"
            raise UsageError(f"{names} contradict each other", "leave one of them out")
    chosen = {
        "interval_bytes": EXACT_INTERVAL if options["exact"] else options["interval"],
        "max_frames": options["frames"],
        "dump_every_s": options["every"],
        "dump_on_rss_bytes": options["at_rss"],
        "keep_dumps": options["keep"],
        "buffers": options["buffers"],
        "chunk_bytes": options["chunk_size"],
    }
    return CaptureConfig(
        follow=options["follow"],
        heap=not options["no_heap"],
        values=options["values"],
        dump_on_signal=options["dump_signal"],
        pools=tuple(text if "\t" in text else parse_pool(text) for text in options["pools"]),
        **{name: value for name, value in chosen.items() if value is not None},
    )


def _words(text: str) -> list[str]:
    import shlex

    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(f"--python-args {text!r}: {error}", "quote it as a shell would") from error


def _status_line(options: dict[str, Any]) -> Any:
    if not options["status"] or options["quiet"] or sys.stderr is None or not sys.stderr.isatty():
        return None
    from leakscope.cli.status import StatusLine

    return StatusLine(sys.stderr, _name_site)


def _name_site(dump: Path, stack: int) -> str:
    try:
        frames = api.load([dump], verify=False)[0].stacks.frames(stack)
    except (LeakscopeError, IndexError):
        return ""
    return f"{frames[0].function} ({os.path.basename(frames[0].file)}:{frames[0].line})" if frames else ""


def _tell(recording: Recording, options: dict[str, Any], manners: Manners) -> None:
    """Everything that is said at the end."""
    for problem in recording.problems:
        if isinstance(problem, LeakscopeError):
            voice.warning(manners, problem.message, problem.remedy)
        else:
            voice.failure(manners, problem)
    if not recording.recorded:
        if not options["quiet"]:
            why = recording.problem or _why_nothing(recording)
            voice.warning(manners, f"nothing was recorded: {why}")
        return
    if recording.dumps and not options["no_report"]:
        try:
            _report(recording, options, manners)
        except BrokenPipeError:
            drop_output()
        except Exception as problem:  # noqa: BLE001 - the program's exit code is worth more than our report
            voice.failure(manners, problem)
    if not options["quiet"]:
        for line in _footer(recording, reported=not options["no_report"]):
            voice.say(manners, "leakscope", line, "blue")


def _report(recording: Recording, options: dict[str, Any], manners: Manners) -> None:
    report = api.judge(api.load(recording.dumps))
    document = api.render(report, "json")
    if options["json"]:
        click.echo(document, nl=not document.endswith("\n"))
    elif not options["quiet"]:
        click.echo(page(report, sys.stderr, manners), err=True, nl=False, color=True)
    api.save(document, recording.folder / REPORT_NAME)


def _footer(recording: Recording, *, reported: bool) -> Iterator[str]:
    """What is true of this run alone: how it ended, where its dumps are, what watching it cost."""
    if recording.death is not None and not reported:
        yield f"the program {'' if recording.death.kind == 'exit' else 'was '}{recording.death.text}"
    count = len(recording.dumps)
    yield f"{count} {'dump' if count == 1 else 'dumps'} in {recording.folder}" if count else "there is no dump"
    followed = [child for child in recording.children if child.dumps]
    if followed:
        yield f"{len(followed)} child {'process' if len(followed) == 1 else 'processes'} in {recording.folder}/child-*"
    share = recording.sampling_cpu_s / recording.elapsed_s if recording.elapsed_s else 0.0
    cost = format_duration(recording.sampling_cpu_s)
    yield f"sampling took {cost} of processor time outside the program ({format_share(share)} of one processor)"


def _why_nothing(recording: Recording) -> str:
    if recording.end.signal:
        return f"the program was killed by signal {signal.Signals(recording.end.signal).name} before its own code ran"
    return f"the program ended with code {recording.end.exit_code} before its own code ran"
