"""The JSON report: one valid document with every field that the design names, in its place."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from golden import assert_golden
from reports.drawn import REPORTS, growing

from leakscope.reports.json_file import render

FINDING = {
    "code", "rule", "verdict", "confidence", "fingerprint", "sentence", "subject", "bytes", "count", "growth", "stack",
    "holders", "threads", "evidence", "advice",
}  # fmt: skip
SUBJECT = {"kind", "type", "module", "function", "file", "line", "library", "symbol", "thread", "pool"}


def refuse(constant: str) -> Any:
    raise AssertionError(f"{constant} is not JSON")


def document(name: str) -> dict[str, Any]:
    loaded = json.loads(render(REPORTS[name]()), parse_constant=refuse)
    assert isinstance(loaded, dict)
    return loaded


@pytest.mark.parametrize(
    "name", ["growing", "stable", "unknown", "objects", "compared", "pools", "buffers", "chunked", "builds"]
)
def test_the_document_is_the_golden_one(name: str) -> None:
    assert_golden(render(REPORTS[name]()), f"json/{name}.json")


@pytest.mark.parametrize("name", REPORTS)
def test_every_field_of_the_design_is_there(name: str) -> None:
    report = document(name)

    assert report["schema"] == "leakscope.report/1"
    assert {"verdict", "sources", "health", "totals", "findings"} < report.keys()
    assert {"rss_bytes", "live_bytes", "objects", "chunks"} == report["totals"].keys()
    assert {len(row) for row in report["totals"].values()} == {len(report["sources"])}
    for finding in report["findings"]:
        assert finding.keys() == FINDING
        assert finding["subject"].keys() == SUBJECT
        assert all(frame.keys() == {"function", "file", "line"} for frame in finding["stack"])
        assert finding["threads"].keys() == {"allocated_by", "released_by"}
        assert finding["growth"].keys() == {"bytes", "count", "between"}
        assert all(each.keys() == {"stance", "claim", "value", "unit", "error"} for each in finding["evidence"])
        assert (finding["holders"] is None) == (report["heap"] is None)
        assert all(isinstance(link, str) for path in finding["holders"] or () for link in path)


def test_the_order_of_fields_is_that_of_the_design() -> None:
    keys = [
        key for key in document("growing") if key in {"schema", "verdict", "sources", "health", "totals", "findings"}
    ]

    assert keys == ["schema", "verdict", "sources", "health", "totals", "findings"]


def test_what_is_not_a_number_becomes_null() -> None:
    report = growing()
    finding = report.findings[0]
    spoilt = replace(finding, evidence=(replace(finding.evidence[0], value=float("nan"), error=float("inf")),))

    loaded = json.loads(render(replace(report, findings=(spoilt,))), parse_constant=refuse)

    assert loaded["findings"][0]["evidence"][0]["value"] is None
    assert loaded["findings"][0]["evidence"][0]["error"] is None


def test_numbers_of_numpy_are_plain_numbers() -> None:
    report = growing()
    line = replace(report.sparklines[0], values=tuple(np.float64(1) for _ in report.sparklines[0].values))

    assert json.loads(render(replace(report, sparklines=(line,))))["series"][0]["values"][0] == 1


def test_series_are_one_line_each() -> None:
    assert max(text.count("\n") for text in [render(growing())]) < 700
    assert any(
        line.strip().startswith('"values": [') and line.count(",") > 50 for line in render(growing()).splitlines()
    )


def test_the_document_is_ascii_and_ends_with_a_line() -> None:
    text = render(REPORTS["hostile"]())

    assert text.isascii()
    assert text.endswith("}\n")
