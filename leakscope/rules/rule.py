"""
What a rule is: the record that each file of this folder exposes.

It knows the shape; it refuses to know any rule.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from inspect import cleandoc
from typing import TYPE_CHECKING

from leakscope.model.rule_page import RulePage

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

    @property
    def page(self) -> RulePage:
        """The page of its file, which ``leakscope explain`` prints; without docstrings only its title."""
        text = cleandoc(sys.modules[self.check.__module__].__doc__ or f"{self.code} {self.name}")
        return RulePage(self.code, self.name, text)
