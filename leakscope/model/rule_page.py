"""
What a rule tells about itself, for people who read one of its findings.

It knows the shape of the page; it refuses to know any rule.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RulePage:
    """
    The page of one rule.

    Attributes
    ----------
    code, name : str
        ``LS601`` and ``leak``.
    text : str
        What it says, why, what it needs, when it keeps silent, with an example and the source; the first line is the
        title.
    """

    code: str
    name: str
    text: str

    @property
    def title(self) -> str:
        """``LS601 leak: ...``, one line."""
        return self.text.partition("\n")[0]
