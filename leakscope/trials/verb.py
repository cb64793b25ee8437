"""
The verb ``leakscope.tracking``.

It knows how it is called; what it does is loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from leakscope.trials.tracked import Tracked


class Tracking:
    """The verb ``tracking``, which is called or repeats something itself."""

    def __call__(self, *, warmup: int = 1, holders: bool = False) -> Tracked:
        """
        A context that tells what a block of code leaves behind, in a process of which every block is recorded.

        Parameters
        ----------
        warmup : int
            Iterations that do not count.
        holders : bool
            Ask who holds what stays: takes a dump, a second or so.

        Returns
        -------
        Tracked
            Tell it of each iteration, and ask it after the block.  Without iterations everything that was made in the
            block and is still alive is told, caches included: nobody can tell these from leaks by one pass.

        Raises
        ------
        CaptureError
            On entering, if this process is not recorded, or sampled.

        Examples
        --------
        >>> with leakscope.tracking() as tracked:  # doctest: +SKIP
        ...     for request in requests:
        ...         handle(request)
        ...         tracked.iteration()
        >>> tracked.assert_no_leaks()  # doctest: +SKIP
        """
        from leakscope.trials.tracked import Tracked

        return Tracked(warmup=warmup, holders=holders)

    def repeat(
        self, function: Callable[[], object], times: int = 8, *, warmup: int = 1, holders: bool = False
    ) -> Tracked:
        """
        What a function leaves behind when it is called again and again, more often where there is a suspicion.

        Parameters
        ----------
        function : callable
            Called without arguments.
        times : int
            Calls that are compared at first.
        warmup : int
            Calls that do not count.
        holders : bool
            As for the context.

        Raises
        ------
        CaptureError
            If this process is not recorded, or sampled.
        """
        from leakscope.trials.tracked import repeated

        return repeated(function, times, warmup, holders=holders)


tracking = Tracking()
