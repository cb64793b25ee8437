from __future__ import annotations

import pytest

from leakscope.cli.target import split

VALUED = {"-o", "--output", "--interval"}


@pytest.mark.parametrize(
    ("words", "own", "target"),
    [
        ("app.py", "", "app.py"),
        ("-o out app.py -o x --exact", "-o out", "app.py -o x --exact"),
        ("--output=out --exact app.py", "--output=out --exact", "app.py"),
        ("--interval 1k --exact -- app.py", "--interval 1k --exact", "app.py"),
        ("-oout app.py", "-oout", "app.py"),
        ("-qo out app.py", "-qo out", "app.py"),
        ("-m json.tool -o x", "", "-m json.tool -o x"),
        ("-mjson.tool x", "", "-m json.tool x"),
        ("-q -m json.tool --help", "-q", "-m json.tool --help"),
        ("-qm json.tool", "-q", "-m json.tool"),
        ("-c print(1) -- -c 2", "", "-c print(1) -- -c 2"),
        ("-- -m json.tool", "", "-m json.tool"),
        ("app.py -- -- x", "", "app.py -- -- x"),
        ("-- app.py -- x", "", "app.py -- x"),
        ("- x", "", "- x"),
        ("-o -m app.py", "-o -m", "app.py"),
        ("--exact", "--exact", ""),
        ("-o", "-o", ""),
        ("", "", ""),
    ],
)
def test_our_options_end_where_the_program_begins(words: str, own: str, target: str) -> None:
    assert split(words.split(), VALUED) == (own.split(), target.split())
