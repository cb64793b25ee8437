"""
What pympler and guppy3 said of random graphs inside a process, against what a dump of that process says.

It knows in which ways they count otherwise, and takes that into account by rule, not by tolerance: a size differs only
where the rule says so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from balance import graph_of
from numpy.typing import NDArray
from recording import EXACT, record

from leakscope import kernels
from leakscope.analysis.audit import is_type_object
from leakscope.analysis.walked import Walked
from leakscope.formats import open_dump

PROGRAM = Path(__file__).parent / "programs" / "oracle_graphs.py"
_NOT_DEEP = {"type", "module", "function", "builtin_function_or_method", "NoneType", "code"}
_STEP = re.compile(r"\.__dict__|\[[^\]]*\]|\.\w+")


@dataclass
class Compared:
    """How many answers were compared, and what did not agree."""

    deep: int = 0
    dominated: int = 0
    paths: int = 0
    wrong: list[str] = field(default_factory=list)


def compare(python: str, folder: Path, seed: int, graphs: int, nodes: int, *, guppy: bool) -> Compared:
    """Run the program of the oracles under the recorder, and compare all they said."""
    arguments = [str(seed), str(graphs), str(nodes), *(["guppy"] if guppy else [])]
    recording = record(PROGRAM, folder, python=python, options=EXACT, arguments=arguments)
    assert recording.exit_code == 0, recording.stderr
    said = recording.truth
    against = _Against(Walked(open_dump(said["dump"])), said["roots"])
    for address, size in said["deep"].items():
        against.deep(int(address), size)
    for address, answers in said["guppy"].items():
        against.dominated(int(address), {int(each) for each in answers["dominated"]})
        against.paths(int(address), answers["paths"])
    return against.compared


class _Against:
    """One dump to hold answers against."""

    def __init__(self, walked: Walked, roots: int) -> None:
        self.compared = Compared()
        self.walked, self.heap = walked, graph_of(walked.dump)
        types = self.heap.types
        left_out = np.array([types.full_name(row) in _NOT_DEEP for row in range(len(types))])
        self.left_out: NDArray[np.bool_] = left_out[self.heap.type] | is_type_object(self.heap)
        self.start = self.number(roots)

    def number(self, address: int) -> int:
        """Number of the object at an address."""
        found = int(np.searchsorted(self.heap.address, address))
        assert self.heap.address[found] == address, hex(address)
        return found

    def reached(self, number: int, avoid: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Everything that an object reaches."""
        begin = np.array([number], dtype=np.uint32)
        mask = kernels.reachable(self.heap.offsets, self.heap.targets, begin, avoid.astype(np.uint8))
        return mask.astype(bool) & ~avoid

    def deep(self, address: int, size: int) -> None:
        """A deep size of pympler."""
        self.compared.deep += 1
        sizes = self.heap.total_size[self.reached(self.number(address), self.left_out)]
        mine = int(((sizes + np.uint64(7)) // np.uint64(8) * np.uint64(8)).sum())  # pympler rounds each up
        if mine != size:
            self.compared.wrong.append(f"deep size of {address:#x}: {mine}, pympler says {size}")

    def dominated(self, address: int, said: set[int]) -> None:
        """The objects that go with one, by guppy3."""
        self.compared.dominated += 1
        tree = self.walked.holders
        begin = int(tree.tree_position[self.number(address)])
        end = begin + int(tree.retained_count[self.number(address)])
        inside = (tree.tree_position >= begin) & (tree.tree_position < end) & (tree.dominators.idom != kernels.NONE)
        mine = {int(each) for each in self.heap.address[inside]}
        if mine != said:
            more, less = len(mine - said), len(said - mine)
            self.compared.wrong.append(f"dominated by {address:#x}: {more} more and {less} less than guppy3 says")

    def paths(self, address: int, said: list[str]) -> None:
        """The length of the shortest paths from the list of all graphs, by guppy3."""
        below = {len(_STEP.findall(path.partition("['ROOTS']")[2])) for path in said if "['ROOTS']" in path}
        if not below:
            return
        self.compared.paths += 1
        start = [np.array([self.start], dtype=np.uint32)]
        found = kernels.distances(self.heap.offsets, self.heap.targets, start)
        mine = int(found.distance[self.number(address)])
        if {mine} != below:
            self.compared.wrong.append(f"steps to {address:#x}: {mine}, guppy3 says {sorted(below)}")
