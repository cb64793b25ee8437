"""
The command line: finding the command, and turning what went wrong into one line and an exit code.

It knows the commands by name and loads a command only when it is used; it refuses to know what they do.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from leakscope.cli import settings, voice
from leakscope.cli.ending import EXIT_BROKEN_PIPE, die_of, drop_output, flush
from leakscope.cli.options import manners_of, speaking
from leakscope.cli.voice import Manners
from leakscope.errors import EXIT_FINE, UsageError
from leakscope.model.policy import POLICY_KEYS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

COMMANDS: dict[str, str] = {
    "run": "Run a program under the recorder and report at the end.",
    "diff": "Compare dumps: what grew, and whether it keeps growing.",
    "show": "Show one dump: where its memory went, who holds most.",
    "gate": "Fail a pipeline on a new leak: run a program or compare dumps, apply a policy.",
    "path": "Tell who holds objects: paths from the roots, and who made them.",
    "explain": "Explain a rule: what its findings say, why, and when it keeps silent.",
}
"""Each command's name, which is its module's too, and what it does."""

_VERSION = str(sys.modules[__name__.partition(".")[0]].__version__)
_COMPLETE = "_LEAKSCOPE_COMPLETE"
_CONTEXT = {"auto_envvar_prefix": "LEAKSCOPE", "help_option_names": ["-h", "--help"]}


class LazyGroup(click.Group):
    """The commands of `COMMANDS`, each loaded when somebody names it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names, in the order of their table."""
        return list(COMMANDS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command, or wrong usage with the most similar one: click knows only commands that are loaded."""
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            import difflib  # only needed here, and slow to load

            similar = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f"did you mean '{ctx.command_path} {similar[0]}'?" if similar else f"{ctx.command_path} --help"
            raise UsageError(f"there is no command {args[0]!r}", hint)
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The object ``command`` of the command's module."""
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"{__name__}.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in the help, without loading anything."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings=_CONTEXT, no_args_is_help=True)
@click.version_option(_VERSION, "-V", "--version", prog_name="leakscope", message="%(prog)s %(version)s")
@speaking
@click.pass_context
def leakscope(context: click.Context) -> None:
    """
    What leaks in a Python program, who allocated it, and why the rest is no leak.

    Exit codes: 'run' passes on the program's own code or signal. Else 0 fine, 1 the gate failed, 2 wrong usage or
    configuration, 3 inconclusive, 4 the program failed before a verdict, 5 could not attach or read, 70 a bug of ours.
    """
    if context.invoked_subcommand is not None and not context.resilient_parsing:
        _apply_settings(context, context.invoked_subcommand)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit."""
    sys.exit(execute(arguments))


def execute(arguments: Sequence[str] | None = None) -> int:
    """
    The exit code of one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of this process.
    """
    manners = Manners()
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = _invoke(words, manners)
        if sys.stdout is not None:
            sys.stdout.flush()
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as problem:
        return _wrong_usage(manners, problem, words)
    except (KeyboardInterrupt, click.Abort):
        return die_of(signal.SIGINT)
    except BrokenPipeError:
        drop_output()
        return EXIT_BROKEN_PIPE
    except Exception as problem:  # noqa: BLE001 - the last place where it can be told in one line
        return voice.failure(manners, problem)
    finally:
        flush()
    return code if isinstance(code, int) else EXIT_FINE


def _invoke(words: list[str], manners: Manners) -> object:
    """What a command returns.  click's own ``main`` would turn a broken pipe into a failure."""
    instruction = os.environ.get(_COMPLETE)
    if instruction:
        from click.shell_completion import shell_complete

        return shell_complete(leakscope, {}, "leakscope", _COMPLETE, instruction)
    with leakscope.make_context("leakscope", words, obj=manners) as context:
        return leakscope.invoke(context)


def _wrong_usage(manners: Manners, problem: click.ClickException, words: list[str]) -> int:
    if isinstance(problem, getattr(click.exceptions, "NoArgsIsHelpError", ())):
        click.echo(problem.format_message(), err=True)
        return problem.exit_code
    command = next((f" {word}" for word in words if word in COMMANDS), "")
    voice.error(manners, problem.format_message(), f"leakscope{command} --help")
    return problem.exit_code


def _apply_settings(context: click.Context, command: str) -> None:
    """Make what the nearest pyproject.toml says the defaults of a command's options."""
    path = settings.nearest_file(Path.cwd())
    found = settings.read_settings(path) if path is not None else {}
    if path is None or not found:
        return
    settings.check_tables(found, {*COMMANDS, settings.POOLS}, path)
    parameters = [parameter for parameter in _parameters(context, command) if isinstance(parameter, click.Option)]
    names = {
        name.lstrip("-"): parameter.name
        for parameter in parameters
        for name in parameter.opts
        if name.startswith("--") and parameter.name not in {None, "help"}
    }
    repeatable = {parameter.name for parameter in parameters if parameter.multiple}
    table: dict[str, Any] = found.get(command, {})
    others = POLICY_KEYS if command == "gate" else ()
    defaults = settings.defaults_for(table, command, names, repeatable, path, others)
    if settings.POOLS in repeatable and found.get(settings.POOLS):
        pools = settings.pools_of(found[settings.POOLS])
        defaults[settings.POOLS] = [*defaults.get(settings.POOLS, []), *pools]
    context.default_map = {command: defaults}
    manners_of(context)


def _parameters(context: click.Context, command: str) -> list[click.Parameter]:
    assert isinstance(context.command, click.Group)
    found = context.command.get_command(context, command)
    return [] if found is None else found.get_params(context)
