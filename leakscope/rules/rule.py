"""
What a rule is: the record that each file of this folder exposes.

It knows the shape; it refuses to know any rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from leakscope.analysis.facts import Facts
    from leakscope.model.finding import Finding


@dataclass(frozen=True, slots=True)
class Rule:
    """
    One rule.

    Attributes
    ----------
    code : str
        ``LS501``; never changes its meaning and never returns.
    name : str
        The name of its file.
    check : callable
        Facts to findings; silent, not failing, where a dump lacks what the rule needs.
    """

    code: str
    name: str
    check: Callable[[Facts], tuple[Finding, ...]]
