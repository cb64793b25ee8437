"""
``leakscope show``: what one dump says.

It knows its options; it refuses to know how anything is done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from leakscope import api
from leakscope.cli.options import manners_of, reporting, speaking
from leakscope.cli.page import print_report
from leakscope.errors import EXIT_FINE
from leakscope.model.report import GROUPINGS

if TYPE_CHECKING:
    from leakscope.model.report import Grouping


@click.command("show")
@click.argument("dump", type=click.Path())
@click.option("--top", type=click.IntRange(1), default=10, metavar="N", help="Rows of each table (default: 10).")
@click.option("--by", type=click.Choice(GROUPINGS), default="line", help="What the rows are (default: line).")
@click.option("--gc", "collected", is_flag=True, help="Show objects as they would be after a collection.")
@reporting
@speaking
@click.pass_context
def command(
    context: click.Context, /, dump: str, top: int, by: Grouping, collected: bool, json: bool, quiet: bool
) -> int:
    """
    Show one DUMP, or all of a run's folder: where its memory went, who holds most and who gained most, what grows.

    A line is the innermost one of the program's own code; the table says where else the memory was made.
    """
    report = api.judge(api.load([dump]), by=by, top=top, objects=True, collected=collected)
    print_report(report, manners_of(context), json=json, quiet=quiet)
    return EXIT_FINE
