"""Nothing: what a tool costs before and after the program.  It is taken away from every other workload's figures."""

from __future__ import annotations

from _workload import main


def work(scale: float) -> int:
    """Return at once."""
    return 0


if __name__ == "__main__":
    main(work)
