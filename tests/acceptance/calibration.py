"""
Stated confidence against outcome: of what is said with 0.9, are nine in ten right?

Claims of simulated programs (those of ``analysis/test_confidence.py``: caches of unknown size beside leaks) and of real
ones, which ``scenarios.py --findings`` and others write down, are sorted by their confidence.

    python tests/acceptance/calibration.py [--simulated 600] [FILE ...]

A file is a JSON list of objects with ``confidence`` (a number), ``right`` (true or false) and ``code``.
"""

from __future__ import annotations

import argparse
import json
import sys
from itertools import pairwise
from math import sqrt
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parent.parent / "analysis")]

from test_confidence import one_program  # noqa: E402

EDGES = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.01)
SURE = 2.0
"""Standard errors by which fewer may be right than was said, by accident."""

Claim = tuple[float, bool]


def rows(claims: list[Claim]) -> list[tuple[str, int, float, float]]:
    """For each degree of confidence its name, how many claims there are, what was said on average, what was right."""
    found = []
    for low, high in pairwise(EDGES):
        of_degree = [claim for claim in claims if low <= claim[0] < high]
        if of_degree:
            said = sum(confidence for confidence, _ in of_degree) / len(of_degree)
            right = sum(truth for _, truth in of_degree) / len(of_degree)
            found.append((f"{low:.2f} to {min(high, 1.0):.2f}", len(of_degree), said, right))
    return found


def too_sure(row: tuple[str, int, float, float]) -> bool:
    """Whether fewer claims were right than chance explains."""
    _, count, said, right = row
    return right < said - SURE * sqrt(said * (1 - said) / count)


def main() -> int:
    """Print a table for each source; 0 if none is surer than it may be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--simulated", type=int, default=600, help="simulated programs")
    options = parser.parse_args()
    sources = {"simulated": [claim for claim in map(one_program, range(options.simulated)) if claim is not None]}
    for file in options.files:
        sources[file.stem] = [(each["confidence"], each["right"]) for each in json.loads(file.read_text("utf-8"))]
    failed = False
    for source, claims in sources.items():
        print(
            f"\n{source}: {len(claims)} claims\n\n| confidence | claims | said, on average | right |\n|---|---|---|---|"
        )
        for row in rows(claims):
            failed |= too_sure(row)
            print(f"| {row[0]} | {row[1]} | {row[2]:.2f} | {row[3]:.2f}{' (too sure)' if too_sure(row) else ''} |")
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
