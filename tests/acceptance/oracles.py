"""
Outside oracles on many random graphs: pympler's deep sizes, guppy3's dominated objects and shortest paths.

Each seed is a process of its own, recorded exactly; every answer must agree.  guppy3 is asked where it is installed.

    python tests/acceptance/oracles.py [--python BIN ...] [--seeds 20] [--graphs 5] [--nodes 200]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from oracle_checks import Compared, compare
from recording import has_module, label


def ask(python: str, options: argparse.Namespace) -> Compared:
    """All seeds on one interpreter."""
    total, guppy = Compared(), has_module(python, "guppy")
    for seed in range(options.seeds):
        with tempfile.TemporaryDirectory() as folder:
            found = compare(python, Path(folder), seed, options.graphs, options.nodes, guppy=guppy)
        total.deep += found.deep
        total.dominated += found.dominated
        total.paths += found.paths
        total.wrong += [f"seed {seed}: {each}" for each in found.wrong]
    return total


def main() -> int:
    """Print a row an interpreter; 0 if all agree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", action="append", help="interpreter with leakscope and pympler; may be repeated")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--graphs", type=int, default=5)
    parser.add_argument("--nodes", type=int, default=200)
    options = parser.parse_args()
    failed = False
    print("| Python | deep sizes | dominated sets | shortest paths | wrong |\n|---|---|---|---|---|")
    for python in options.python or [sys.executable]:
        found = ask(python, options)
        cells = label(python), found.deep, found.dominated, found.paths, len(found.wrong)
        print(f"| {' | '.join(map(str, cells))} |", flush=True)
        print("\n".join(found.wrong[:20]), end="\n" if found.wrong else "")
        failed |= bool(found.wrong)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
