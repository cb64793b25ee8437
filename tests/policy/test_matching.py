"""Which findings a pattern means."""

from __future__ import annotations

import pytest
from gating import finding

from leakscope.model.allocations import Frame
from leakscope.model.finding import Subject
from leakscope.model.policy import Suppression
from leakscope.policy.matching import is_module, suppresses

SUBJECT = Subject(
    "objects", type="multidict.istr", module="app.web", function="Web.get", library="_multidict.so", symbol="istr_new"
)
STACK = (
    Frame("istr_new", "/python3.11/site-packages/multidict/_multidict.cpython-311-x86_64-linux-gnu.so", 0, "native"),
    Frame("add", "/v/lib/python3.11/site-packages/yarl/__init__.py", 3),
    Frame("call", "/usr/lib/python3.11/http/client.py", 4),
    Frame("Web.get", "/src/app/web.py", 9),
)  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ({"code": "LS601"}, True), ({"code": "LS6*"}, True), ({"code": "LS301"}, False),
        ({"module": "app"}, True), ({"module": "app.*"}, True), ({"module": "app.we"}, False),
        ({"module": "multidict"}, True), ({"module": "multidict._multidict"}, True), ({"module": "yarl"}, True),
        ({"module": "http.client"}, True), ({"module": "src"}, False),
        ({"symbol": "istr_*"}, True), ({"symbol": "Web.get"}, True), ({"symbol": "_multidict.so"}, True),
        ({"symbol": "add"}, True), ({"symbol": "ADD"}, False),
        ({"type": "multidict.*"}, True), ({"type": "str"}, False),
        ({"code": "LS601", "type": "str"}, False),
        ({"holder": "module app* . CACHE ?dict value? -> *istr"}, True), ({"holder": "*registry*"}, False),
    ],
)  # fmt: skip
def test_a_suppression_matches_if_all_its_patterns_do(pattern: dict[str, str], expected: bool) -> None:
    found = finding(subject=SUBJECT, stack=STACK, holders=(("module app.web . CACHE [dict value]", "multidict.istr"),))

    assert suppresses(Suppression("why", **pattern), found) is expected


def test_a_module_means_what_is_below_it_and_nothing_beside_it() -> None:
    assert is_module("app.cache", "app")
    assert not is_module("application", "app")
    assert is_module("app.cache.lru", "app.*")
