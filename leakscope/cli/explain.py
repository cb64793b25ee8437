"""
``leakscope explain``: what a rule says, why, and when it keeps silent.

It knows its options; it refuses to know any rule.
"""

from __future__ import annotations

import sys
from json import dumps

import click

from leakscope import api
from leakscope.cli.options import reporting, speaking
from leakscope.errors import EXIT_FINE

SCHEMA = "leakscope.rules/1"


@click.command("explain")
@click.argument("code", required=False)
@reporting
@speaking
def command(*, code: str | None, json: bool, quiet: bool) -> int:
    """
    Explain a rule: what its findings say, why that matters, what it needs, and when it keeps silent.

    CODE is that of a finding (LS601), or the rule's name (leak). Without one all rules are listed.
    """
    pages = api.explain(code)
    if json:
        rules = [{"code": page.code, "rule": page.name, "title": page.title, "page": page.text} for page in pages]
        sys.stdout.write(dumps({"schema": SCHEMA, "rules": rules}, indent=2, ensure_ascii=False) + "\n")
    elif not quiet:
        listed = "".join(f"{page.title}\n" for page in pages)
        sys.stdout.write(listed if code is None else "".join(f"{page.text}\n" for page in pages))
    return EXIT_FINE
