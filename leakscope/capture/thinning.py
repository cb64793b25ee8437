"""
Which moments of a run are worth keeping, so that a minute and a month fit into the same few samples.

It knows times only; it refuses to know what was measured at them.

The kept samples lie on a grid whose step doubles whenever the room is full, so at any time they are spread evenly over
the whole run, at a distance of at most ``elapsed / (capacity / 2)`` once the room was full for the first time.  With
240 samples and 10 ms to begin with: for 2.4 s a sample every 10 ms, after a minute one every 0.32 s, after a day one
every 650 s at most.
"""

from __future__ import annotations

FIRST_STEP_S = 0.01
CAPACITY = 240


class Thinning:
    """
    A decision per moment: keep it or not, and which older ones to let go.

    Parameters
    ----------
    capacity : int
        Most moments kept.
    first_step_s : float
        Distance of the moments as long as there is room.
    """

    def __init__(self, capacity: int = CAPACITY, first_step_s: float = FIRST_STEP_S) -> None:
        if capacity < 2:
            raise ValueError("thinning needs room for at least two moments")
        self.capacity = capacity
        self.step_s = first_step_s
        self._cells: list[int] = []

    def __len__(self) -> int:
        return len(self._cells)

    def next_s(self) -> float:
        """The earliest time at which another moment would be kept."""
        return (self._cells[-1] + 1) * self.step_s if self._cells else 0.0

    def due(self, time_s: float) -> bool:
        """Whether a moment at this time would be kept."""
        return not self._cells or self._cell(time_s) > self._cells[-1]

    def keep(self, time_s: float) -> list[int] | None:
        """
        Take a moment that is due.

        Parameters
        ----------
        time_s : float
            Later than every moment before; its own place is the last.

        Returns
        -------
        list of int or None
            Positions of the moments that stay, this one included, if room had to be made; else None.
        """
        if not self.due(time_s):
            raise ValueError(f"no moment is due at {time_s} s")
        self._cells.append(self._cell(time_s))
        if len(self._cells) <= self.capacity:
            return None
        kept = list(range(len(self._cells)))
        while len(kept) > self.capacity:
            kept = self._coarser(kept)
        return kept

    def _coarser(self, kept: list[int]) -> list[int]:
        """Double the step; of the moments that now share a cell the first stays."""
        self.step_s *= 2
        halved = [cell // 2 for cell in self._cells]
        first = [index for index, cell in enumerate(halved) if index == 0 or cell != halved[index - 1]]
        self._cells = [halved[index] for index in first]
        return [kept[index] for index in first]

    def _cell(self, time_s: float) -> int:
        # A moment counted as a hair before its own grid line (0.15 / 0.05 is 2.999...) belongs to that line.
        return int(time_s / self.step_s + 1e-6)
