from __future__ import annotations

import io
from pathlib import Path

from leakscope.cli.status import StatusLine, status_text
from leakscope.model.recording import Progress

MIB = 1024 * 1024


def progress(biggest: int | None = None, dump: str | None = None) -> Progress:
    return Progress(12.34, 200 * MIB, 100 * MIB, biggest, None if dump is None else Path(dump))


def test_the_line_says_how_long_how_big_and_where_most_is() -> None:
    line = status_text(progress(), "parse (app.py:12)", 80)
    assert line == "12.3 s  resident 200.0 MiB  live 100.0 MiB  most: parse (app.py:12)"


def test_a_narrow_terminal_shortens_the_site_and_never_a_number() -> None:
    whole = status_text(progress(), "", 200)
    for width in range(120):
        line = status_text(progress(), "a_function_with_a_long_name (app.py:12)", width)
        assert len(line) <= width
        assert line == "" or line.startswith(whole)
    assert "12)" in status_text(progress(), "a_function_with_a_long_name (app.py:12)", 70)


def test_a_site_has_a_name_once_a_dump_knows_it() -> None:
    stream, asked = io.StringIO(), []

    def name_site(dump: Path, stack: int) -> str:
        asked.append((dump.name, stack))
        return "work (app.py:7)" if dump.name == "0002.lks" else ""

    line = StatusLine(stream, name_site)
    for moment in (progress(5), progress(5, "0001.lks"), progress(5, "0001.lks"), progress(5, "0002.lks"),
                   progress(5, "0003.lks")):  # fmt: skip
        line(moment)
    assert asked == [("0001.lks", 5), ("0002.lks", 5)]
    assert stream.getvalue().count("work (app.py:7)") == 2


def test_the_line_is_wiped_without_a_trace_and_a_closed_terminal_is_no_failure() -> None:
    stream = io.StringIO()
    line = StatusLine(stream, lambda dump, stack: "")
    line.wipe()
    assert stream.getvalue() == "\r\x1b[2K"
    stream.close()
    line(progress())
