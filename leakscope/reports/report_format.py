"""
What a report format is: the record that each file of this folder exposes.

It knows the shape; it refuses to know any format.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class ReportFormat:
    """
    One format.

    Attributes
    ----------
    name : str
        What it is asked for by: ``terminal``, ``json``.
    suffix : str
        Of a file that holds it.
    render : callable
        Report to text, or `GateResult` to text in the table of the gate's formats.  What else it takes has defaults.
    """

    name: str
    suffix: str
    render: Callable[..., str]
