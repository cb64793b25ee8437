"""A policy from TOML: every key, and what is said about a wrong one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from leakscope.errors import PolicyError
from leakscope.model.policy import DEFAULT_LIMITS, Limit, Policy, Suppression
from leakscope.policy import known_suppressions, policy_from, read_policy

ALL = """
repeats = 2
iterations = 50
warmup = "1.5s"
inconclusive = "fail"
[limits]
growth = "10 KiB/iteration"
total = "1 MiB"
module."app.cache" = "5 objects per iteration"
type."app.Session" = "3 objects"
fragmentation = 4096
[[suppress]]
code = "LS601"
symbol = "intern_*"
reason = "kept on purpose"
"""


def test_every_key_is_read(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(ALL)

    assert read_policy(tmp_path / "policy.toml") == Policy(
        limits=(
            DEFAULT_LIMITS[0],
            Limit("verdict", "GROWTH", bytes=10240, per="iteration"),
            Limit("total", "*", bytes=1 << 20),
            Limit("module", "app.cache", count=5, per="iteration"),
            Limit("type", "app.Session", count=3),
            Limit("verdict", "FRAGMENTATION", bytes=4096),
        ),
        suppressions=(Suppression("kept on purpose", code="LS601", symbol="intern_*"),),
        repeats=2, iterations=50, warmup_s=1.5, inconclusive="fail",
    )  # fmt: skip


def test_a_pyproject_has_it_in_its_own_table(tmp_path: Path) -> None:
    text = ALL.replace("[limits]", "[tool.leakscope.gate.limits]")
    text = "[tool.leakscope.gate]" + text.replace("[[suppress]]", "[[tool.leakscope.gate.suppress]]")
    (tmp_path / "pyproject.toml").write_text(text)
    (tmp_path / "policy.toml").write_text(ALL)

    assert read_policy(tmp_path / "pyproject.toml") == read_policy(tmp_path / "policy.toml")


def test_an_empty_policy_is_the_default() -> None:
    assert policy_from({}, "policy.toml") == Policy()


@pytest.mark.parametrize(
    ("table", "message", "remedy"),
    [
        ({"limit": {}}, "f: unknown key 'limit'", "did you mean 'limits'?"),
        ({"limits": {"groth": 1}}, "f: limits: unknown key 'groth'", "did you mean 'growth'?"),
        ({"limits": {"leak": "some"}}, "f: limits: leak: 'some' is not a size", 'write it like "64 KiB"'),
        ({"limits": {"leak": True}}, "f: limits: leak is True, no limit", 'write it like "64 KiB"'),
        ({"limits": {"module": 3}}, "f: limits.module is not a table", "write [tool.leakscope.gate.limits.module]"),
        ({"repeats": 0}, "f: repeats is 0", "write it without quotes"),
        ({"iterations": "9"}, "f: iterations is '9'", "write it without quotes"),
        ({"warmup": "soon"}, "f: warmup: 'soon' is not a duration", 'write it like "2s"'),
        ({"inconclusive": "maybe"}, "f: inconclusive is 'maybe'", "choose one of: tell, pass, fail"),
        ({"suppress": {}}, "f: suppress is not a list of tables", "write [[tool.leakscope.gate.suppress]]"),
        ({"suppress": [{"code": "LS601"}]}, "f: suppress, entry 1 has no reason", "say why"),
        ({"suppress": [{"reason": "x"}]}, "f: suppress, entry 1 matches everything", "name at least one of: code"),
        ({"suppress": [{"modul": "a"}]}, "f: suppress, entry 1: unknown key 'modul'", "did you mean 'module'?"),
        ({"suppress": [{"code": 1, "reason": "x"}]}, "f: suppress, entry 1: a value is no text", "put it in quotes"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place_and_its_remedy(
    table: dict[str, object], message: str, remedy: str
) -> None:
    with pytest.raises(PolicyError, match=f"^{re.escape(message)}") as refused:
        policy_from(table, "f")

    assert refused.value.remedy.startswith(remedy)
    assert refused.value.exit_code == 2


def test_a_file_that_is_not_there_or_broken_is_named(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"no\.toml: No such file"):
        read_policy(tmp_path / "no.toml")
    (tmp_path / "bad.toml").write_text("limits = [")
    with pytest.raises(PolicyError, match=r"bad\.toml: "):
        read_policy(tmp_path / "bad.toml")


def test_what_comes_with_leakscope_has_reasons_and_says_who_says_so() -> None:
    assert all(entry.origin == "leakscope" and entry.reason for entry in known_suppressions())
