"""
What the report says of objects: who retains most, who dominates, what nobody accounts for, what a collection frees.

Plain data without a way back to a dump.  It knows no rule and no rendering; a table that has nothing to say is empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from leakscope.model.allocations import Frame


@dataclass(frozen=True, slots=True)
class Retained:
    """
    Objects that belong together, and what they alone keep alive.

    Attributes
    ----------
    label : str
        A type, a module or a function.
    where : str
        For code, the line: ``app/cache.py:41``; else empty.
    objects, bytes : int
        How many, and what they take themselves, bodies included.
    retained_bytes : int
        What would go with them.
    share : float
        ``retained_bytes`` as a part of the bytes of all objects.
    """

    label: str
    where: str
    objects: int
    bytes: int
    retained_bytes: int
    share: float


@dataclass(frozen=True, slots=True)
class Dominator:
    """
    One object in the tree of who keeps whom alive, or children alike of one object together.

    Attributes
    ----------
    depth : int
        0 for those that nothing but the roots keeps.
    label : str
        What it is called: ``module app.cache``, ``dict``, ``Session``.
    objects : int
        1, or how many alike are told in one line.
    bytes, retained_bytes : int
    share : float
        ``retained_bytes`` as a part of the bytes of all objects.
    address : int
        Of one of them.
    """

    depth: int
    label: str
    objects: int
    bytes: int
    retained_bytes: int
    share: float
    address: int


@dataclass(frozen=True, slots=True)
class Held:
    """
    Objects of one type, made in one line, and who holds them.

    Attributes
    ----------
    type : str
    label, where : str
        The function and the line that made them; empty if nobody knows.
    objects, bytes : int
        In the last source.
    growth_objects, growth_bytes : int or None
        Gain since the first source, of ``staying`` with what the new ones alone keep alive; None of a single source.
    references : int
        Unexplained references or exports, in the tables about these; else 0.
    stayed : float or None
        Part of what was new in earlier sources that is still there; None if too little was to tell.
    holder : str
        The path from a root that most of them have; "" if nobody asked.
    threads : tuple of str
        That made them, most blocks first.
    stack : tuple of Frame
        That made most of them, innermost first.
    """

    type: str
    label: str
    where: str
    objects: int
    bytes: int
    growth_objects: int | None = None
    growth_bytes: int | None = None
    references: int = 0
    stayed: float | None = None
    holder: str = ""
    threads: tuple[str, ...] = ()
    stack: tuple[Frame, ...] = ()


@dataclass(frozen=True, slots=True)
class Unreached:
    """
    Live blocks without an object.

    Attributes
    ----------
    domain : str
        Who asked: ``obj`` for memory of objects, ``mem``, ``raw``, ``native``.
    label, where : str
        The function and the line that asked.
    bytes, blocks : int
        In the last source; estimates in a sampled run.
    growth_bytes, growth_blocks : int or None
        Gain since the first source.
    threads : tuple of str
        Owner threads, most blocks first.
    stack : tuple of Frame
    """

    domain: str
    label: str
    where: str
    bytes: int
    blocks: int
    growth_bytes: int | None = None
    growth_blocks: int | None = None
    threads: tuple[str, ...] = ()
    stack: tuple[Frame, ...] = ()


@dataclass(frozen=True, slots=True)
class Cycles:
    """
    Cycles made of the same types that wait for a collection.

    Attributes
    ----------
    label : str
        The types.
    where : str
        The line that made one of the objects; empty if unknown.
    cycles, objects, bytes : int
    finalizers, blocked : bool
        Whether finalizers run first; whether a legacy ``tp_del`` keeps the collector from freeing them.
    """

    label: str
    where: str
    cycles: int
    objects: int
    bytes: int
    finalizers: bool
    blocked: bool


@dataclass(frozen=True, slots=True)
class Waste:
    """
    Memory that holds nothing new.

    Attributes
    ----------
    kind : {"copies", "sparse"}
        The same content many times, or containers that are mostly empty.
    label : str
        The type, and the content where it is known.
    where : str
        The line that made one of them; empty if unknown.
    objects, bytes, wasted_bytes : int
    """

    kind: Literal["copies", "sparse"]
    label: str
    where: str
    objects: int
    bytes: int
    wasted_bytes: int


@dataclass(frozen=True, slots=True)
class Collection:
    """
    The collector, and what one collection would do.

    Attributes
    ----------
    enabled : bool
    objects, bytes : int
        What it would free.
    frozen_objects, frozen_bytes, frozen_garbage_bytes : int
        In the permanent generation; and what is garbage there.
    uncollectable : int
        Objects in ``gc.garbage``.
    """

    enabled: bool
    objects: int
    bytes: int
    frozen_objects: int = 0
    frozen_bytes: int = 0
    frozen_garbage_bytes: int = 0
    uncollectable: int = 0


@dataclass(frozen=True, slots=True)
class HeapReport:
    """
    Everything about the objects of the last source that has a graph.

    Attributes
    ----------
    source : int
        Index of that source.
    compared_with : int or None
        Index of the source that gains are against.
    objects, bytes, edges : int
    pause_s, walk_s : float
        What taking the graph cost.
    collection : Collection
    collected : bool
        Whether the tables show the heap as it would be after a collection.
    by_type, by_module, by_stack : tuple of Retained
    dominators : tuple of Dominator
        A tree, each behind its parent.
    references, exports : tuple of Held
        What nobody accounts for.
    apart_references : int
        Unexplained references to types, code and ``None``, which say nothing.
    unreached : tuple of Unreached
    unreached_bytes : tuple of (str, int)
        By domain, all of it.
    cycles : tuple of Cycles
    waste : tuple of Waste
    staying : tuple of Held
        New since the first source and still there; the topmost only, not what they hold.
    """

    source: int
    compared_with: int | None
    objects: int
    bytes: int
    edges: int
    pause_s: float
    walk_s: float
    collection: Collection
    collected: bool = False
    by_type: tuple[Retained, ...] = ()
    by_module: tuple[Retained, ...] = ()
    by_stack: tuple[Retained, ...] = ()
    dominators: tuple[Dominator, ...] = ()
    references: tuple[Held, ...] = ()
    exports: tuple[Held, ...] = ()
    apart_references: int = 0
    unreached: tuple[Unreached, ...] = ()
    unreached_bytes: tuple[tuple[str, int], ...] = ()
    cycles: tuple[Cycles, ...] = ()
    waste: tuple[Waste, ...] = ()
    staying: tuple[Held, ...] = ()
