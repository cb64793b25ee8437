"""
Options that commands share, and types of values that click does not know.

It knows how a value is typed on a command line; it refuses to know what a command does with it.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any, TypeVar

import click

from leakscope.cli.voice import WHEN, Manners
from leakscope.units import parse_bytes, parse_duration

if TYPE_CHECKING:
    from collections.abc import Callable

    Command = TypeVar("Command", bound=Callable[..., Any])
    ParamType = click.ParamType[Any]
else:
    # Generic for type checkers only: it is not in every click we work with.
    ParamType = click.ParamType


class Parsed(ParamType):
    """
    A value that a function parses.

    Parameters
    ----------
    name : str
        What `--help` calls it.
    parse : callable
        From text; a ``ValueError`` becomes wrong usage, with its text.
    """

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The parsed value; a configuration file may give a number instead of text."""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            self.fail(f"{value!r} is neither text nor a number", param, ctx)
        try:
            return self._parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def parse_signal(text: str) -> int | None:
    """
    Number of a signal from ``SIGUSR2``, ``usr2`` or ``12``; None for ``none``.

    Raises
    ------
    ValueError
        If there is no such signal.
    """
    name = text.strip().upper()
    if name == "NONE":
        return None
    numbers = {member.name: int(member) for member in signal.Signals}
    number = int(name) if name.isdecimal() else numbers.get(name, numbers.get(f"SIG{name}", 0))
    if number not in signal.valid_signals():
        raise ValueError(f"{text!r} is no signal: write it like SIGUSR2, or none")
    return number


BYTES = Parsed("SIZE", parse_bytes)
DURATION = Parsed("TIME", parse_duration)
SIGNAL = Parsed("SIGNAL", parse_signal)


def manners_of(context: click.Context) -> Manners:
    """How to speak, as the options said so far."""
    return context.ensure_object(Manners)


def speaking(command: Command) -> Command:
    """Give a command, or the group of all, the options ``--color`` and ``--debug``."""
    for option in (
        click.option(
            "--color", type=click.Choice(WHEN), callback=_set, expose_value=False, is_eager=True,
            help="When to use colour (default: auto; NO_COLOR and FORCE_COLOR are honoured).",
        ),
        click.option(
            "--debug", is_flag=True, default=None, callback=_set, expose_value=False, is_eager=True,
            help="Show tracebacks.",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def reporting(command: Command) -> Command:
    """Give a command the options ``--json`` and ``--quiet``."""
    command = click.option("--quiet", "-q", is_flag=True, help="Print nothing but errors.")(command)
    return click.option(
        "--json", "json", is_flag=True, help="Print the report as one JSON document on standard output."
    )(command)


def _set(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value is not None and parameter.name is not None:
        setattr(manners_of(context), parameter.name, value)
