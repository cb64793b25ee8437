"""
A look around from inside a living process: what became more, who holds this object, how big is it with all below it.

It knows how to ask objgraph and pympler, which are loaded on first use; it refuses to know anything about dumps, and to
remember anything for you: what to compare with is in your `Watch`.  Nothing here says who made an object: that takes a
recorded run.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, NamedTuple

from leakscope.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from os import PathLike

_MOST_STEPS = 20
_DRAWN_BY_US = ".dot"


class Grown(NamedTuple):
    """
    A type with more instances than ever before.

    Attributes
    ----------
    type : str
        With its module: ``app.cache.Entry``.
    instances : int
        Now, of those that the garbage collector knows.
    gained : int
        Beyond the highest count so far.
    """

    type: str
    instances: int
    gained: int


class Watch:
    """
    Counts of instances by type, to compare with later.

    Parameters
    ----------
    only : callable, optional
        Which objects to count; all by default.

    Notes
    -----
    Counted are the objects that the collector knows, after a collection: containers and instances, not strings,
    numbers and bytes.  A type that only goes up and down is told once, at its highest.

    Examples
    --------
    >>> watch = Watch(only=lambda each: type(each).__name__ == "Entry")
    >>> class Entry:
    ...     pass
    >>> kept = [Entry() for _ in range(3)]
    >>> [(each.instances, each.gained) for each in watch.grown()]
    [(3, 3)]
    >>> watch.grown()
    []
    """

    def __init__(self, only: Callable[[object], bool] | None = None) -> None:
        self._only = only
        self._highest: dict[str, int] = {}
        self.grown(None)

    def grown(self, most: int | None = 10) -> list[Grown]:
        """
        Types that have more instances than at any call before, those that gained most first.

        Parameters
        ----------
        most : int or None
            How many types to tell; None for all.
        """
        import objgraph

        found = objgraph.growth(limit=None, peak_stats=self._highest, shortnames=False, filter=self._only)
        return [Grown(*each) for each in found][:most]


def chain(target: object, max_steps: int = _MOST_STEPS) -> list[object]:
    """
    A shortest chain of references from a module to an object, both ends included.

    Parameters
    ----------
    target : object
    max_steps : int
        How far to look.

    Returns
    -------
    list of object
        Just the object if no module holds it: look at running frames then, and at what only a collection would free.

    Examples
    --------
    >>> import collections
    >>> [type(each).__name__ for each in chain(collections.OrderedDict)][0]
    'module'
    """
    import objgraph

    found: list[object] = objgraph.find_backref_chain(target, objgraph.is_proper_module, max_depth=max_steps)
    return found


def draw(chains: Sequence[object] | Sequence[Sequence[object]], path: str | PathLike[str]) -> str:
    """
    The path of a picture of one chain of references, or of several.

    Parameters
    ----------
    chains : sequence
        What `chain` returned, or a list of such.
    path : path
        Where the picture goes: a ``.dot`` file, or any format that Graphviz writes, if its ``dot`` is installed.

    Raises
    ------
    UsageError
        If ``path`` is another format and there is no Graphviz.
    """
    import objgraph

    file = os.fspath(path)
    graphviz = shutil.which("dot")
    if not file.endswith(_DRAWN_BY_US) and graphviz is None:
        raise UsageError(f"there is no Graphviz to draw {file}", f"install Graphviz, or name a {_DRAWN_BY_US} file")
    several = [each for each in chains if isinstance(each, list)]
    drawn = several if several and len(several) == len(chains) else [list(chains)]
    text = io.StringIO()
    objgraph.show_chain(*drawn, output=text)
    if file.endswith(_DRAWN_BY_US):
        with open(file, "w", encoding="utf-8") as stream:
            stream.write(text.getvalue())
    else:
        kind = os.path.splitext(file)[1].removeprefix(".")
        subprocess.run([str(graphviz), f"-T{kind}", "-o", file], input=text.getvalue().encode(), check=True)
    return file


def deep_size(*objects: object) -> int:
    """
    Bytes of some objects and of all that they refer to, what is shared counted once.

    Parameters
    ----------
    *objects : object

    Notes
    -----
    Unlike the retained size that `leakscope show` tells, this counts what others hold as well.  Modules, types and
    functions are left out.

    Examples
    --------
    >>> deep_size([b"x" * 10_000]) > 10_000
    True
    """
    from pympler import asizeof

    return int(asizeof.asizeof(*objects))  # type: ignore[no-untyped-call]
