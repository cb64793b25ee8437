"""
Facts to findings: the table of rules, in order of explanation.

It knows the order, in which rules that explain come before rules that accuse; it refuses to settle overlaps, which
`verdict.judge` does.
"""

from __future__ import annotations

from leakscope.rules.deserted import DESERTED
from leakscope.rules.exports import EXPORTS
from leakscope.rules.filling import FILLING
from leakscope.rules.forgotten import FORGOTTEN
from leakscope.rules.fragmentation import FRAGMENTATION
from leakscope.rules.garbage import GARBAGE
from leakscope.rules.growth import GROWTH
from leakscope.rules.kept import KEPT
from leakscope.rules.leak import LEAK
from leakscope.rules.misused import MISUSED
from leakscope.rules.ownerless import OWNERLESS
from leakscope.rules.piling import PILING
from leakscope.rules.pooling import POOLING
from leakscope.rules.rule import Rule
from leakscope.rules.unreached import UNREACHED
from leakscope.rules.unreleased import UNRELEASED
from leakscope.rules.view import VIEW

RULES: tuple[Rule, ...] = (
    UNRELEASED,
    POOLING,
    FRAGMENTATION,
    DESERTED,
    FILLING,
    FORGOTTEN,
    MISUSED,
    GARBAGE,
    EXPORTS,
    VIEW,
    LEAK,
    UNREACHED,
    OWNERLESS,
    PILING,
    GROWTH,
    KEPT,
)
"""Every rule; a new one is one file and one entry here, at its place."""
