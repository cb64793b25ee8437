"""
``leakscope path``: who holds something.

It knows its options and how a drawing becomes a picture; it refuses to know how anything is found.
"""

from __future__ import annotations

import subprocess
import sys

import click

from leakscope import api
from leakscope.cli.options import manners_of, reporting, speaking
from leakscope.cli.page import width_of
from leakscope.errors import EXIT_FINE, DumpNotWritten, UsageError

_DRAWING_TIME_S = 120


@click.command("path")
@click.argument("dump", type=click.Path())
@click.argument("subject")
@click.option("--limit", type=click.IntRange(1), default=5, metavar="N", help="Most paths to show (default: 5).")
@click.option("--dot", type=click.Path(), metavar="FILE", help="Also write the paths as a drawing for graphviz.")
@click.option("--svg", type=click.Path(), metavar="FILE", help="Also write them as a picture; needs graphviz.")
@reporting
@speaking
@click.pass_context
def command(
    context: click.Context, /, dump: str, subject: str, limit: int, dot: str | None, svg: str | None,
    json: bool, quiet: bool,
) -> int:  # fmt: skip
    """
    Tell who holds SUBJECT in a DUMP, or in the last one of a run's folder: the paths from modules, threads and C code
    to it, merged, and who made it.

    SUBJECT is a type (app.Session, or just Session), an address (0x7f...), a line (app.py:12) or function that made
    objects, or the fingerprint of a finding.
    """
    loaded = api.load([dump])[-1]
    holding = api.path(loaded, subject, limit=limit)
    if dot is not None:
        api.save(api.render_path(holding, "dot"), dot)
    if svg is not None:
        api.save(_picture(api.render_path(holding, "dot")), svg)
    if json:
        sys.stdout.write(api.render_path(holding, "json"))
    elif not quiet:
        manners = manners_of(context)
        text = api.render_path(holding, width=width_of(sys.stdout), color=manners.colored(sys.stdout))
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write(text.encode(encoding, errors="replace").decode(encoding))
    return EXIT_FINE


def _picture(drawing: str) -> str:
    """What graphviz makes of a drawing."""
    try:
        done = subprocess.run(
            ["dot", "-Tsvg"], input=drawing, capture_output=True, encoding="utf-8", timeout=_DRAWING_TIME_S, check=False
        )
    except FileNotFoundError as error:
        raise UsageError(
            "a picture needs graphviz, and there is no program 'dot'", "install graphviz, or use --dot FILE"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise UsageError(
            f"graphviz was not done after {_DRAWING_TIME_S} s", "draw fewer paths with --limit N, or use --dot FILE"
        ) from error
    if done.returncode != 0:
        what = (done.stderr.strip().splitlines() or ["it does not say why"])[-1]
        raise DumpNotWritten(f"graphviz could not draw the paths: {what}", "use --dot FILE")
    return done.stdout
