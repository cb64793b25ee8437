"""
The container in which objects pile up, and whose it is.

It knows the ways from the roots; it refuses to know how fast something piles up.  A list or dictionary that the main
script has in a variable of its own is the program's data as likely as a leak; what an object, a class or an imported
module keeps for the program is not, nor is a chain in which each object keeps what came before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.stages import GLOBAL
from leakscope.model.heap import MODULE, NAMESPACE

if TYPE_CHECKING:
    from leakscope.analysis.walked import Walked
    from leakscope.model.columns import I8

_STEPS = 6
_MOSTLY = 0.75
_FEW_ON_TOP = 0.1
_MAIN = "__main__"


def container_of(walked: Walked, objects: I8) -> tuple[int, int] | None:
    """
    The nearest object by which most of some objects are held from modules, classes or the interpreter.

    Parameters
    ----------
    walked : Walked
    objects : ndarray of int64

    Returns
    -------
    int and int, or None
        Its number, and how many steps above the objects it is; None if they are held one by one, by threads, or by
        nobody known.
    """
    distances, count = walked.holders.distances, walked.heap.count
    if len(objects) == 0 or float(np.mean(distances.stage[objects] == GLOBAL)) < _MOSTLY:
        return None
    parent = np.append(distances.parent, count).astype(np.int64)
    at = objects.astype(np.int64)
    for step in range(1, _STEPS + 1):
        at = np.minimum(parent[at], count)
        holders, held = np.unique(at[at < count], return_counts=True)
        if len(holders) == 0:
            return None
        if held.max() >= _MOSTLY * len(objects):
            return int(holders[np.argmax(held)]), step
    return None


def hang_in_chains(walked: Walked, objects: I8) -> bool:
    """
    Whether most of some objects hang on others of them: each keeps what came before it.

    Parameters
    ----------
    walked : Walked
    objects : ndarray of int64
    """
    held = walked.holders.distances.stage[objects] == GLOBAL
    top = walked.holders.topmost(objects)
    return float(np.mean(held)) >= _MOSTLY and float(np.mean(top)) <= _FEW_ON_TOP


def is_the_scripts_own(walked: Walked, container: int) -> bool:
    """
    Whether a container is a variable of the main script, or its namespace.

    Parameters
    ----------
    walked : Walked
    container : int
        Number of the object.
    """
    heap = walked.heap
    roots = heap.roots
    mains = {
        int(roots.object[row])
        for row in np.flatnonzero(roots.kind == MODULE)
        if heap.strings[int(roots.name[row])] == _MAIN
    }
    spaces = {
        int(held)
        for main in mains
        for held in heap.targets[int(heap.offsets[main]) : int(heap.offsets[main + 1])]
        if heap.shapes.kind[heap.shape[held]] == NAMESPACE
    }
    holder = int(walked.holders.distances.parent[container])
    return container in mains | spaces or holder in mains | spaces
