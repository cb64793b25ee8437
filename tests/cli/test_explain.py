"""``leakscope explain``: every rule has its page, under its code and its name."""

from __future__ import annotations

import json

import pytest
from launching import leakscope

from leakscope import cli
from leakscope.model.rule_page import RulePage
from leakscope.rules import RULES
from leakscope.rules.rule import Rule
from leakscope.trials.repetition import PAGE


def test_without_a_code_all_rules_are_listed_one_line_each() -> None:
    done = leakscope("explain")

    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[0] for line in lines] == sorted([*(rule.code for rule in RULES), PAGE.code])


@pytest.mark.parametrize("rule", [*RULES, PAGE], ids=lambda rule: rule.code)
def test_a_rules_page_comes_by_code_or_name(rule: Rule | RulePage, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.execute(["explain", rule.code.lower()]) == 0
    by_code = capsys.readouterr().out
    assert cli.execute(["explain", rule.name]) == 0

    assert capsys.readouterr().out == by_code
    assert by_code.startswith(f"{rule.code} {rule.name}: ")
    assert {"Says", "Because", "Needs", "Not when", "Example", "Source"} <= set(by_code.splitlines())


def test_json_is_one_document_with_the_pages() -> None:
    done = leakscope("explain", "LS601", "--json", "--quiet")

    [page] = json.loads(done.stdout)["rules"]
    assert (page["code"], page["rule"]) == ("LS601", "leak")
    assert page["page"].startswith(page["title"])


def test_quiet_prints_nothing() -> None:
    assert leakscope("explain", "LS601", "--quiet").stdout == ""


def test_an_unknown_code_is_wrong_usage_with_the_way_to_the_list() -> None:
    done = leakscope("explain", "LS999")

    assert done.returncode == 2
    assert done.stderr.splitlines() == ["error: there is no rule 'LS999'", "hint: leakscope explain lists them"]
