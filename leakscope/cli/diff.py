"""
``leakscope diff``: what several dumps say together.

It knows its options; it refuses to know how anything is done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from leakscope import api
from leakscope.cli.options import manners_of, reporting, speaking
from leakscope.cli.page import print_report
from leakscope.errors import EXIT_FINE, UsageError
from leakscope.model.report import GROUPINGS

if TYPE_CHECKING:
    from leakscope.model.report import Grouping


@click.command("diff")
@click.argument("dumps", nargs=-1, type=click.Path(), metavar="A B [C]...")
@click.option("--top", type=click.IntRange(1), default=10, metavar="N", help="Rows of each table (default: 10).")
@click.option("--by", type=click.Choice(GROUPINGS), default="line", help="What the rows are (default: line).")
@click.option("--gc", "collected", is_flag=True, help="Show objects as they would be after a collection.")
@reporting
@speaking
@click.pass_context
def command(
    context: click.Context, /, dumps: tuple[str, ...], top: int, by: Grouping, collected: bool, json: bool, quiet: bool
) -> int:
    """
    Compare dumps: what grew from the first to the last, and whether it keeps growing.

    Dumps of one run are put in order of time. Dumps of several runs, as of yesterday's build and today's, are compared
    in the order given, by names: the last run is judged, and what is new, known or gone is told against the first. The
    folder of a run stands for its dumps.
    """
    loaded = api.load(dumps)
    if len(loaded) < 2:
        raise UsageError("diff needs at least two dumps", "for a single one: leakscope show DUMP")
    report = api.judge(loaded, by=by, top=top, objects=True, collected=collected)
    print_report(report, manners_of(context), json=json, quiet=quiet)
    return EXIT_FINE
