"""
LS701 repetition: a test, or other work that is repeated, leaves more memory behind each time.

Says
    So many blocks and bytes, asked for in a function, are alive after each repetition of a test that were not before
    it.  A leak where that goes on without slowing down, else growth.

Because
    A test is work that is the same each time.  What its code keeps of every repetition, a service keeps of every
    request.

Needs
    A process that records every block, ``pytest --leakscope``, and a test that passes again when it is repeated.  Four
    repetitions arouse suspicion, eight and sixteen more prove it.

Not when
    The harness itself asked for the memory.  The least of any quarter of the repetitions does not rise.  What stays
    lies in an ``lru_cache`` with a bound, in a cache of the standard library, or is a name that this Python never lets
    go.  A marker allows it.

Example
    ``tests/pytest_plugin/test_planted.py`` beside ``test_quiet.py``.

Source
    ``python -m test -R 3:3``, CPython's own search for leaks in its tests.
"""

from __future__ import annotations

import math
import os
from hashlib import sha256
from typing import TYPE_CHECKING

from leakscope.analysis.sources import module_name, plain_function
from leakscope.model.finding import Evidence, Finding, Growth, Subject, Verdict
from leakscope.model.rule_page import RulePage
from leakscope.trials.words import without_harness

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from leakscope.model.trial import JudgedTest, Leak

CODE = "LS701"
NAME = "repetition"
PAGE = RulePage(CODE, NAME, (__doc__ or f"{CODE} {NAME}").strip())
_SURE = 0.95
_ADVICE = "remove what is done with, or let the test clean up after itself; its marker may allow it: max_leak='1 KiB'"


def finding_of(leak: Leak, tests: Sequence[str] = ()) -> Finding:
    """
    What stays with each repetition, as a finding.

    Parameters
    ----------
    leak : Leak
    tests : sequence of str
        The tests that leave it, the one that leaves most first.
    """
    inner = leak.stack[0] if leak.stack and leak.stack[0].kind == "native" else None
    bytes_, count = math.ceil(leak.bytes_each), round(leak.blocks_each)
    return Finding(
        code=CODE, rule=NAME, verdict=leak.verdict, confidence=_SURE, fingerprint=_fingerprint(leak),
        sentence=f"{leak.sentence}{_in(leak, tests)}.",
        subject=Subject(
            kind="blocks", module=module_name(leak.file, (os.getcwd(),)), function=leak.function, file=leak.file,
            line=leak.line, library=os.path.basename(inner.file) if inner else None,
            symbol=inner.function if inner else None, thread=leak.thread or None,
        ),
        bytes=bytes_, count=count, growth=Growth(bytes_, count, (0, 0)), stack=without_harness(leak.stack),
        evidence=(Evidence("for", "repetitions that were compared", leak.repetitions, "repetitions"),),
        advice=(_ADVICE,), holders=tuple(tuple(holder.split(" -> ")) for holder in leak.holders),
    )  # fmt: skip


def findings_of(tests: Iterable[JudgedTest]) -> tuple[Finding, ...]:
    """
    What the tests of a suite must not leave behind, each place once, leaks first.

    Parameters
    ----------
    tests : iterable of JudgedTest
        Of several that leave the same, the one that leaks, and leaves most, speaks for all.
    """
    by_place: dict[str, list[tuple[Leak, str]]] = {}
    for tested in tests:
        for leak in tested.leaks:
            by_place.setdefault(_fingerprint(leak), []).append((leak, tested.test))
    found = []
    for same in by_place.values():
        same.sort(key=lambda one: (one[0].verdict is not Verdict.LEAK, -one[0].bytes_each))
        found.append(finding_of(same[0][0], [test for _, test in same]))
    return tuple(sorted(found, key=lambda one: (one.verdict is not Verdict.LEAK, -one.bytes)))


def _fingerprint(leak: Leak) -> str:
    """As of other findings: the function and its path within the package, no line and no number."""
    parts = (CODE, plain_function(leak.function), leak.file)
    return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _in(leak: Leak, tests: Sequence[str]) -> str:
    if not tests:
        return ""
    more = len(tests) - 1
    others = f", and in {more:,} more test{'' if more == 1 else 's'}" if more else ""
    return f"; seen in {leak.repetitions} repetitions of {tests[0]}{others}"
