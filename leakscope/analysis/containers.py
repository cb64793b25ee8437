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
_EACH = 2.0
"""So many objects for each of those that were there before are still an attribute of each, not piles."""
_MAIN = "__main__"
_FRAME_TYPE = "frame"
_NOBODYS = frozenset({"", "builtins", "collections", "types", "weakref", "_weakref"})
"""Modules of types that keep things for whoever made them."""


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
        Its number, and how many steps above the objects it is; None if they are held one by one, by threads or frames,
        or by nobody known.

    Notes
    -----
    An exception that a module keeps has a traceback, and with it the frames of functions that may still run.  Their
    variables are the data of these calls, however near a module is.
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
            container = int(holders[np.argmax(held)])
            return None if _is_in_a_frame(walked, container) else (container, step)
    return None


def _is_in_a_frame(walked: Walked, container: int) -> bool:
    """Whether the way from the roots to a container leads through a frame."""
    heap, parent = walked.heap, walked.holders.distances.parent
    while container < heap.count:
        if heap.types.full_name(int(heap.type[container])) == _FRAME_TYPE:
            return True
        container = int(parent[container])
    return False


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


def fill_what_was_there(first: Walked, last: Walked, objects: I8, steps: int) -> bool:
    """
    Whether most of some objects hang on others, one on each, that were in their container at the first dump already.

    Parameters
    ----------
    first, last : Walked
        Of one run.
    objects : ndarray of int64
        Objects of the last one.
    steps : int
        How many steps above them the container is, see `container_of`.
    """
    parent = last.holders.distances.parent
    between = objects.astype(np.int64)
    for _ in range(steps - 1):
        between = parent[between].astype(np.int64)
        between = between[between < last.heap.count]
    if steps == 1 or len(between) == 0:
        return False
    there = last.same_in(first)[between] >= 0
    return float(np.mean(there)) >= _MOSTLY and len(objects) <= _EACH * len(np.unique(between))


def is_the_tools_own(walked: Walked, container: int, package: str) -> bool:
    """
    Whether a container is kept by an object or a module of the package that was started.

    Parameters
    ----------
    walked : Walked
    container : int
        Number of the object.
    package : str
        Its name; "" if a script was started.  A package ``_name`` beside ``name`` is a part of it.
    """
    heap, parent, roots = walked.heap, walked.holders.distances.parent, walked.heap.roots
    types, at = heap.types, container
    while package and at < heap.count:
        module = types.strings[int(types.module[int(heap.type[at])])]
        if module not in _NOBODYS:
            return _top_of(module) == _top_of(package)
        named = np.flatnonzero((roots.object == at) & (roots.kind == MODULE))
        if len(named):
            return _top_of(heap.strings[int(roots.name[named[0]])]) == _top_of(package)
        at = int(parent[at])
    return False


def _top_of(module: str) -> str:
    return module.partition(".")[0].lstrip("_")


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
