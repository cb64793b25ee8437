"""What a gate says, in every format: the same, valid by the published schemas, and no name taken for markup."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
import xmlschema
from golden import assert_golden
from reports.gate_drawn import GATES

from leakscope.model.gate import Outcome
from leakscope.reports import GATE_REPORTS, gate_terminal, github, gitlab, junit, sarif
from leakscope.reports.github import annotation
from leakscope.reports.report_format import ReportFormat

SCHEMAS = Path(__file__).resolve().parent.parent.parent / "fixtures" / "schemas"
drawn = pytest.mark.parametrize("name", GATES)


@pytest.mark.parametrize("name", ["failing", "passing", "inconclusive", "breached"])
@pytest.mark.parametrize("entry", GATE_REPORTS, ids=lambda entry: entry.name)
def test_the_report_is_the_golden_one(entry: ReportFormat, name: str) -> None:
    assert_golden(entry.render(GATES[name]()), f"gate/{name}{entry.suffix}")


@drawn
@pytest.mark.parametrize("entry", GATE_REPORTS, ids=lambda entry: entry.name)
def test_nobody_elses_control_characters_get_into_a_report(entry: ReportFormat, name: str) -> None:
    text = entry.render(GATES[name]())

    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", text)
    text.encode("utf-8")


@drawn
def test_sarif_is_valid_and_says_what_became_of_each(name: str) -> None:
    document = json.loads(sarif.render(GATES[name]()))

    jsonschema.Draft4Validator(json.loads((SCHEMAS / "sarif-schema-2.1.0.json").read_text("utf-8"))).validate(document)
    for result in document["runs"][0]["results"]:
        assert result["partialFingerprints"]["leakscope/v1"]
        for location in result.get("locations", []):
            assert not location["physicalLocation"]["artifactLocation"]["uri"].startswith(("/", "file:"))


def test_sarif_tells_new_from_known_suppressed_and_gone() -> None:
    results = json.loads(sarif.render(GATES["failing"]()))["runs"][0]["results"]
    by_print: dict[str, Any] = {result["partialFingerprints"]["leakscope/v1"]: result for result in results}

    leak = by_print["1a2b3c4d5e6f7081"]
    assert (leak["level"], leak["baselineState"], "suppressions" in leak) == ("error", "new", False)
    region = leak["locations"][0]["physicalLocation"]
    assert (region["artifactLocation"]["uri"], region["region"]["startLine"]) == ("app/cache.py", 12)
    assert [place["message"]["text"] for place in leak["relatedLocations"]] == [
        "held by module app.cache -> CACHE -> Cache . entries [dict value] -> app.Session", "called by App.handle",
    ]  # fmt: skip
    assert [len(stack["frames"]) for stack in leak["stacks"]] == [3]
    assert by_print["4444444444444444"]["baselineState"] == "unchanged"
    assert by_print["5555555555555555"]["suppressions"][0]["justification"].endswith("by design")
    assert by_print["9999999999999999"]["baselineState"] == "absent"


@drawn
def test_junit_is_what_its_readers_take(name: str) -> None:
    text = junit.render(GATES[name]())

    xmlschema.XMLSchema(str(SCHEMAS / "junit-10.xsd")).validate(text)
    suite = ElementTree.fromstring(text)[0]
    assert suite.get("failures") == str(len(suite.findall("testcase/failure")))
    assert suite.get("tests") == str(len(suite.findall("testcase")))


def test_junit_fails_what_is_new_and_skips_what_is_known() -> None:
    suite = ElementTree.fromstring(junit.render(GATES["failing"]()))[0]

    assert (suite.get("failures"), suite.get("errors"), suite.get("skipped")) == ("2", "0", "2")
    assert ElementTree.fromstring(junit.render(GATES["inconclusive"]()))[0].get("errors") == "1"
    assert ElementTree.fromstring(junit.render(GATES["breached"]()))[0].get("failures") == "1"


@drawn
def test_gitlab_is_as_its_documentation_says(name: str) -> None:
    issues = json.loads(gitlab.render(GATES[name]()))

    jsonschema.Draft7Validator(json.loads((SCHEMAS / "gitlab-code-quality.json").read_text("utf-8"))).validate(issues)
    assert len({issue["fingerprint"] for issue in issues}) == len(issues)


@drawn
def test_github_gets_one_command_a_line_and_no_more_than_it_shows(name: str) -> None:
    lines = github.render(GATES[name]()).splitlines()

    assert 1 <= len(lines) <= github.MOST
    for line in lines:
        assert re.fullmatch(r"::(error|warning|notice) title=[^,:]*(,file=[^,:]+,line=\d+,endLine=\d+)?::.*", line)


def test_a_library_is_told_at_the_line_of_the_repository_that_calls_it() -> None:
    lines = github.render(GATES["failing"]()).splitlines()

    assert "file=app/cache.py,line=12," in lines[0]
    assert "file=app/web.py,line=44," in lines[1]


def test_values_of_a_command_are_escaped_as_the_runner_reads_them() -> None:
    assert annotation("error", "50%: a,b", "x%\ny:z,") == "::error title=50%25%3A a%2Cb::x%25%0Ay:z,"


def test_ten_annotations_are_all_that_is_shown_and_the_last_one_says_how_many_more() -> None:
    many = GATES["hostile"]()

    assert len(github.render(many).splitlines()) == len(many.decisions) == 10
    from dataclasses import replace

    eleven = replace(many, decisions=(*many.decisions, many.decisions[0]))
    assert github.render(eleven).splitlines()[-1] == "::error title=leakscope::2 more are in the log and the summary"


def test_colour_changes_nothing_else() -> None:
    result = GATES["failing"]()
    colored = gate_terminal.render(result, color=True)

    assert "\x1b[1;37;41m FAILED \x1b[0m" in colored
    assert re.sub(r"\x1b\[[\d;]*m", "", colored).split() == gate_terminal.render(result).split()


def test_every_failing_line_says_what_to_do_next() -> None:
    for name in ("failing", "inconclusive", "breached"):
        text = gate_terminal.render(GATES[name]())
        assert "\nNext\n" in text
        assert text.count("next: leakscope ") == len(GATES[name]().with_outcome(Outcome.NEW))
