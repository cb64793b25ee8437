from __future__ import annotations

from pathlib import Path

import pytest

from leakscope.cli.settings import check_tables, defaults_for, nearest_file, read_settings
from leakscope.errors import UsageError

FILE = Path("pyproject.toml")
OPTIONS = {"interval": "interval", "at-rss": "at_rss", "python-args": "python_args"}


def written(folder: Path, text: str) -> Path:
    path = folder / "pyproject.toml"
    path.write_text(text)
    return path


def test_the_nearest_file_above_counts(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    far = written(tmp_path, "")
    assert nearest_file(deep) == far
    near = written(deep.parent, "")
    assert nearest_file(deep) == near


def test_the_table_of_the_command_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, "[tool.leakscope.run]\ninterval = '16KiB'\nat-rss = 1000\n")
    assert read_settings(path) == {"run": {"interval": "16KiB", "at-rss": 1000}}


def test_a_broken_file_that_does_not_speak_of_us_is_none_of_our_business(tmp_path: Path) -> None:
    assert read_settings(written(tmp_path, "[broken")) == {}


def test_a_broken_file_that_speaks_of_us_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"pyproject\.toml"):
        read_settings(written(tmp_path, "[tool.leakscope"))


def test_a_key_is_written_with_dashes_or_underscores() -> None:
    table = {"at_rss": "1GiB", "interval": 4096}
    assert defaults_for(table, "run", OPTIONS, (), FILE) == {"at_rss": "1GiB", "interval": 4096}


def test_one_value_of_a_repeatable_option_needs_no_list() -> None:
    assert defaults_for({"python-args": "-X dev"}, "run", OPTIONS, {"python_args"}, FILE) == {"python_args": ["-X dev"]}


def test_an_unknown_key_is_an_error_with_the_most_similar_one() -> None:
    with pytest.raises(UsageError, match=r"unknown key 'intervall' in tool\.leakscope\.run") as refused:
        defaults_for({"intervall": 1}, "run", OPTIONS, (), FILE)
    assert refused.value.remedy == "did you mean 'interval'?"


def test_a_table_for_no_command_is_an_error() -> None:
    with pytest.raises(UsageError, match="unknown key 'rum'") as refused:
        check_tables({"rum": {}}, ("run", "diff"), FILE)
    assert refused.value.remedy == "did you mean 'run'?"
