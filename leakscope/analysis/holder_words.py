"""
Who holds some objects, in one line: the ways from the roots that most of them have.

It knows which dump is asked and how many objects are enough to tell; it refuses to know why somebody asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.notation import Notation
from leakscope.analysis.path_groups import group_paths

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakscope.analysis.walked import Walked
    from leakscope.model.columns import I8
    from leakscope.model.holding import PathStep

_ENOUGH = 2_000
"""Of more objects some are asked, evenly chosen."""


def paths_to(walked: Walked, objects: I8, roots: Sequence[str], most: int) -> tuple[tuple[str, ...], ...]:
    """
    The paths that most of some objects have, most objects first, as links of a chain.

    Parameters
    ----------
    walked : Walked
    objects : ndarray of int64
        Without doubles.
    roots : sequence of str
        Folders that files are named relative to.
    most : int
        So many paths.

    Returns
    -------
    tuple of tuple of str
        ``" -> ".join`` of each is the path in one line.
    """
    if len(objects) > _ENOUGH:
        objects = objects[np.linspace(0, len(objects) - 1, _ENOUGH).astype(np.int64)]
    groups = sorted(group_paths(walked.holders, walked.naming, objects), key=lambda group: -len(group.members))
    threads = walked.dump.threads
    names = {int(number): threads.name_of(row) for row, number in enumerate(threads.native_id)}
    notation = Notation(walked.holders, walked.naming, names, roots)
    return tuple(
        _links(notation.root(group.way.objects[0], group.roots), notation.steps(group.way)) for group in groups[:most]
    )


def path_to(walked: Walked, objects: I8, roots: Sequence[str]) -> str:
    """The path that most of some objects have, in one line; "" if there are no objects."""
    found = paths_to(walked, objects, roots, 1)
    return " -> ".join(found[0]) if found else ""


def _links(root: str, steps: tuple[PathStep, ...]) -> tuple[str, ...]:
    links = [root]
    for step in steps:
        links[-1] += step.label
        links.append(step.name)
    return tuple(links)
