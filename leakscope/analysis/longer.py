"""
How long a run must be for what is in doubt to be told.

It knows the moments at which a run compares itself, which double from ten milliseconds on, and when the growth began;
it refuses to know what grows.  What is in doubt needs three dumps after both the imports and the first of what was
gained: whatever that moment is, a run six times as long has them, well apart from each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leakscope.analysis.working import Work

_TIMES_THE_BEGINNING, _TIMES_THE_RUN = 6.0, 2.0


def longer_run_s(work: Work, began_s: float, elapsed_s: float) -> float:
    """
    How long a run must be, at the pace of this one, so that three dumps can show whether something goes on.

    Parameters
    ----------
    work : Work
        When the program worked.
    began_s : float
        When the first of what was gained was made.
    elapsed_s : float
        How long this run was; the answer is at least twice that, since it was not enough.
    """
    begin = max(work.all_imported_s, began_s)
    return max(_TIMES_THE_BEGINNING * begin, _TIMES_THE_RUN * elapsed_s)
