"""
Where a handle of a pool was acquired or touched, as a reader would name it: outside the pool's own module.

It knows the modules of watched classes; it refuses to look outside them for what only the pool itself did.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.sources import Origin, origin_of

if TYPE_CHECKING:
    from leakscope.analysis.places import Places
    from leakscope.model.columns import I8, Column
    from leakscope.model.dump import Dump

_MAIN = "__main__"


def find_pool_places(dump: Dump, places: Places, *, command: bool) -> I8:
    """
    Row of the frame table to show for each stack of a dump when it is about handles.

    Parameters
    ----------
    dump : Dump
    places : Places
        Of its stacks.
    command : bool
        Whether the program came from ``-c``.
    """
    frames, pools = dump.stacks.frame_table, dump.pools
    if pools is None or len(frames) == 0:
        return places.place
    modules = {dump.strings[int(source)].partition(":")[0] for source in pools.pools.source} - {_MAIN, ""}
    files, row = np.unique(frames.file, return_inverse=True)
    names = [dump.strings[int(file)] for file in files]
    within = np.array([any(_is_of(name, module) for module in modules) for name in names], dtype=bool)[row]
    worth = np.array(
        [origin_of(name, native=False, command=command) >= Origin.LIBRARY for name in names], dtype=bool
    )[row]  # fmt: skip
    return _outwards(places.place, dump.stacks.parent, within.reshape(-1), worth.reshape(-1))


def _outwards(place: I8, parent: Column, within: Column, worth: Column) -> I8:
    """The place of the nearest caller whose place is not in the pools' modules; the own one if there is none."""
    at = np.arange(len(place))
    while True:
        inside = (place[at] >= 0) & within[np.maximum(place[at], 0)] & (at != 0)
        if not inside.any():
            break
        at = np.where(inside, parent[at], at)
    outer = place[at]
    good = (outer >= 0) & worth[np.maximum(outer, 0)]
    found: I8 = np.where(good, outer, place)
    return found


def _is_of(file: str, module: str) -> bool:
    path = "/" + "/".join(module.split("."))
    return f"/{file}".endswith((f"{path}.py", f"{path}/__init__.py"))
