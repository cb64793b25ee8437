"""
Who holds some objects: what a question for holders is answered with.

It knows the shape of the answer; it refuses to know graphs and pages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leakscope.model.allocations import Frame


@dataclass(frozen=True, slots=True)
class PathStep:
    """
    One step of a path.

    Attributes
    ----------
    label : str
        How the object is held: `` . _entries [dict value]``.  Begins with a blank, or is empty.
    name : str
        The object: ``Session``, ``module app.cache``.
    """

    label: str
    name: str

    def same_as(self, other: PathStep) -> bool:
        """Whether the step leads from the like to the like."""
        return (self.label, self.name) == (other.label, other.name)


@dataclass(frozen=True, slots=True)
class HeldPath:
    """
    One way from a root to some of the objects asked for; those that differ in indexes and keys are one.

    Attributes
    ----------
    root : str
        ``module app.cache`` or ``thread worker-1, serve() app.py:12, local jobs``.
    steps : tuple of PathStep
        The last one is the objects; none if they are the root itself.
    count, bytes, retained_bytes : int
        The objects at its end, their own bytes (with their bodies), and what would go with them.
    address : int
        One of them.
    others : tuple of str
        Further ways to them that share nothing with this one, as text: the objects have several owners.
    """

    root: str
    steps: tuple[PathStep, ...]
    count: int
    bytes: int
    retained_bytes: int
    address: int
    others: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The path in one line."""
        return path_text(self.root, self.steps)


@dataclass(frozen=True, slots=True)
class MadeAt:
    """
    Where some of the objects were made.

    Attributes
    ----------
    stack : tuple of Frame
        Innermost first.
    lines : tuple of str
        The same to read, without the import system: ``handle app/cache.py:41``.
    threads : mapping of str to int
        Thread name to objects, most first.
    count, bytes : int
    """

    stack: tuple[Frame, ...]
    lines: tuple[str, ...]
    threads: Mapping[str, int]
    count: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Holding:
    """
    Who holds what was asked for.

    Attributes
    ----------
    source : str
        The dump.
    subject : str
        What it is, in words: ``app.Session objects``, ``the dict at 0x7f...``, ``objects made in app/cache.py:41``.
    types : tuple of (str, int)
        Type to objects, most first.
    count, bytes, retained_bytes : int
        Objects, their own bytes (with their bodies), and what would go with all of them.
    dump_bytes : int
        All objects of the dump.
    paths : tuple of HeldPath
        Most retained bytes first.
    more_paths, more_count : int
        Paths that are not among them, and the objects at their ends.
    point : str
        Where the memory they retain comes together, as a path from the object that holds most; "" if nowhere.
    made : tuple of MadeAt
        Where they were made, as far as the recorder knows; most objects first.
    unknown_made : int
        Objects of which it does not.
    sampled : bool
        It recorded but a sample.
    """

    source: str
    subject: str
    types: tuple[tuple[str, int], ...]
    count: int
    bytes: int
    retained_bytes: int
    dump_bytes: int
    paths: tuple[HeldPath, ...]
    more_paths: int
    more_count: int
    point: str
    made: tuple[MadeAt, ...]
    unknown_made: int
    sampled: bool


def path_text(root: str, steps: tuple[PathStep, ...]) -> str:
    """A path in one line."""
    return root + "".join(f"{step.label} -> {step.name}" for step in steps)
