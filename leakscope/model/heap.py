"""
Who holds what: the objects of a process, their references, and the roots that keep them.

It knows columns and how they point at each other; it refuses to know how they are stored and what follows from them.
Objects are numbered in ascending order of address; an edge is one counted reference, so a list that holds an object
twice has two.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from leakscope.model.columns import check_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from leakscope.model.allocations import StringTable
    from leakscope.model.columns import I4, U1, U4, U8, Column

NONE = 0xFFFFFFFF
"""No such row."""

TRACKED, FROZEN, HAS_BODIES, HAS_SIZE, HAS_DIGEST = 1, 2, 4, 8, 16
"""``HeapGraph.flags``: known to the collector; in its permanent generation; the rest is about how it was stored."""

OTHERS, ITEMS, PAIRS, MEMBERS, NAMESPACE, STACK = range(6)
"""``ShapeTable.kind``: what the edges after the named ones are."""
EDGE_KINDS = ("others", "items", "pairs", "members", "namespace", "stack")

HEAP_TYPE, HAS_FINALIZER, LEGACY_DEL, HAS_HEADER, WEAKLY_REFERENCED, PYTHON_TYPE = 1, 2, 4, 8, 16, 32
"""``TypeTable.flags``."""

MODULE, LOCAL, FRAME, INTERPRETER, STATIC_TYPE, THREAD, OTHER = range(7)
"""``RootTable.kind``."""
ROOT_KINDS = ("module", "local", "frame", "interpreter", "static type", "thread", "other")


@dataclass(frozen=True, slots=True)
class HeapMeta:
    """
    How the graph was taken, or why there is none.

    Attributes
    ----------
    objects, edges, bodies : int
        What was walked; ``edges`` counts those there are, type edges included.
    collector_enabled : bool
    collector_thresholds, generation_counts : tuple of int
        As ``gc.get_threshold()`` and ``gc.get_count()`` have them.
    where : {"child", "process"}
        Walked in a forked child, or in the process itself.
    taken_s : float
        Seconds since recording began when the heap was frozen.
    pause_s, walk_s : float
        How long the program stood still, and how long the walk took.
    values : bool
        Whether keys and small values were kept as text.
    garbage : int
        Objects in ``gc.garbage``.
    problem : str
        Why there is no graph; "" if there is one.
    """

    objects: int = 0
    edges: int = 0
    bodies: int = 0
    collector_enabled: bool = True
    collector_thresholds: tuple[int, ...] = ()
    generation_counts: tuple[int, ...] = ()
    where: str = "process"
    taken_s: float = 0.0
    pause_s: float = 0.0
    walk_s: float = 0.0
    values: bool = False
    garbage: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class ShapeTable:
    """
    What objects have in common that are laid out alike: ``s`` rows.

    Attributes
    ----------
    type : ndarray of uint32, shape (s,)
        Row of the type table.
    kind : ndarray of uint8, shape (s,)
        Index into `EDGE_KINDS`: what the edges after the named ones are.
    size, lead : ndarray of uint32, shape (s,)
        Bytes of the object's own block, and bytes of it before the object's address.
    owns_type : ndarray of uint8, shape (s,)
        1 if every instance holds a reference to its type, which is then its first edge.
    name_offset : ndarray of uint32, shape (s + 1,)
        Where each shape's names begin in ``name``.
    name : ndarray of uint32
        String ids: names of the first stored edges.
    """

    type: U4
    kind: U1
    size: U4
    lead: U4
    owns_type: U1
    name_offset: U4
    name: U4

    def __post_init__(self) -> None:
        columns: dict[str, Column] = {
            "type": self.type, "kind": self.kind, "size": self.size, "lead": self.lead, "owns_type": self.owns_type,
        }  # fmt: skip
        check_columns("ShapeTable", columns)
        check_columns("ShapeTable", {"name_offset": self.name_offset})
        check_columns("ShapeTable", {"name": self.name})

    def __len__(self) -> int:
        return len(self.type)

    def names(self, shape: int) -> Sequence[int]:
        """String ids of the names of one shape's first stored edges."""
        begin, end = int(self.name_offset[shape]), int(self.name_offset[shape + 1])
        names: list[int] = self.name[begin:end].tolist()
        return names


@dataclass(frozen=True, slots=True, eq=False)
class TypeTable:
    """
    Types of the walked objects, ``t`` rows.

    Attributes
    ----------
    name, module : ndarray of uint32, shape (t,)
        String ids: qualified name without the module, and the module.
    object : ndarray of uint32, shape (t,)
        Number of the type object; `NONE` if it was not walked.
    flags : ndarray of uint32, shape (t,)
        `HEAP_TYPE` and the others.
    strings : StringTable
    """

    name: U4
    module: U4
    object: U4
    flags: U4
    strings: StringTable

    def __post_init__(self) -> None:
        columns: dict[str, Column] = {
            "name": self.name, "module": self.module, "object": self.object, "flags": self.flags,
        }  # fmt: skip
        check_columns("TypeTable", columns)

    def __len__(self) -> int:
        return len(self.name)

    def full_name(self, row: int) -> str:
        """``module.QualifiedName``; builtins without their module."""
        name, module = self.strings[int(self.name[row])], self.strings[int(self.module[row])]
        return name if module in {"", "builtins"} else f"{module}.{name}"


@dataclass(frozen=True, slots=True, eq=False)
class RootTable:
    """
    What keeps objects from outside the graph, ``r`` rows.

    Attributes
    ----------
    object : ndarray of uint32, shape (r,)
    kind : ndarray of uint8, shape (r,)
        Index into `ROOT_KINDS`.
    name : ndarray of uint32, shape (r,)
        String ids: of the module, of the local variable, ...
    frame : ndarray of uint32, shape (r,)
        Row of the frame table, or `NONE`.
    counted : ndarray of uint8, shape (r,)
        1 if it is one counted reference.
    """

    object: U4
    kind: U1
    name: U4
    frame: U4
    counted: U1

    def __post_init__(self) -> None:
        columns: dict[str, Column] = {
            "object": self.object, "kind": self.kind, "name": self.name, "frame": self.frame, "counted": self.counted,
        }  # fmt: skip
        check_columns("RootTable", columns)

    def __len__(self) -> int:
        return len(self.object)


@dataclass(frozen=True, slots=True, eq=False)
class RootFrameTable:
    """
    Frames that were running, ``f`` rows.

    Attributes
    ----------
    native_id : ndarray of uint64, shape (f,)
        The system's number of the thread.
    thread_name, function, file : ndarray of uint32, shape (f,)
        String ids; the thread's name is "" unless the walker knew it.
    line : ndarray of int32, shape (f,)
    depth : ndarray of uint32, shape (f,)
        0 is the innermost.
    """

    native_id: U8
    thread_name: U4
    function: U4
    file: U4
    line: I4
    depth: U4

    def __post_init__(self) -> None:
        columns: dict[str, Column] = {
            "native_id": self.native_id, "thread_name": self.thread_name, "function": self.function,
            "file": self.file, "line": self.line, "depth": self.depth,
        }  # fmt: skip
        check_columns("RootFrameTable", columns)

    def __len__(self) -> int:
        return len(self.native_id)


@dataclass(frozen=True, eq=False)
class HeapGraph:
    """
    The objects of one process at one moment: ``n`` objects, ``e`` edges, ``b`` bodies.

    Attributes
    ----------
    address : ndarray of uint64, shape (n,)
        Ascending.
    shape : ndarray of uint32, shape (n,)
    refcount : ndarray of uint32, shape (n,)
        0 if immortal.
    size : ndarray of uint64, shape (n,)
        Bytes of the object's own block.
    flags : ndarray of uint8, shape (n,)
    digest : ndarray of uint32, shape (n,), or None
        Keyed hash of the contents of str and bytes; 0 where there is none.  None if no object has one.
    offsets : ndarray of uint64, shape (n + 1,)
        Where each object's edges begin in ``targets``.
    targets : ndarray of uint32, shape (e,)
        Objects referred to, the type first where a shape owns it; empty places are left out.
    body_owner : ndarray of uint32, shape (b,)
        Ascending.
    body_address, body_size : ndarray of uint64, shape (b,)
        Memory that an object owns out of line.
    shapes : ShapeTable
    types : TypeTable
    roots : RootTable
    frames : RootFrameTable
    name_object, name_text : ndarray of uint32
        Ascending objects, and string ids: keys of namespaces.
    text_object, text_text : ndarray of uint32
        Likewise: keys and small values as text, where they were asked for.
    export_object, export_count : ndarray of uint32
        Buffers whose own counter of exports is not 0.
    bound_object, bound_items : ndarray of uint32 and of uint64
        Containers that keep no more than so many items, by their own word: caches and deques.
    window_object, window_bytes : ndarray of uint32 and of uint64
        Objects that look at memory of another one, ascending, and how many bytes they see: memoryviews, and arrays over
        a base.
    strings : StringTable
        What all string ids here point into.
    facts : HeapMeta
    read_edges : callable
        From an object to its edges as stored: referents, -1 for empty places, the type edge not among them.
    read_places : callable
        From ascending objects, and how many edges they have, to the places of these edges: the same, but for many
        objects at once and without the referents, which ``targets`` has.
    """

    address: U8
    shape: U4
    refcount: U4
    size: U8
    flags: U1
    digest: U4 | None
    offsets: U8
    targets: U4
    body_owner: U4
    body_address: U8
    body_size: U8
    shapes: ShapeTable
    types: TypeTable
    roots: RootTable
    frames: RootFrameTable
    name_object: U4
    name_text: U4
    text_object: U4
    text_text: U4
    export_object: U4
    export_count: U4
    bound_object: U4
    bound_items: U8
    window_object: U4
    window_bytes: U8
    strings: StringTable
    facts: HeapMeta
    read_edges: Callable[[int], Sequence[int]]
    read_places: Callable[[U4, int], U4]

    def __post_init__(self) -> None:
        own: dict[str, Column] = {
            "address": self.address, "shape": self.shape, "refcount": self.refcount, "size": self.size,
            "flags": self.flags,
        }  # fmt: skip
        check_columns("HeapGraph", own if self.digest is None else {**own, "digest": self.digest})
        check_columns("HeapGraph", {"targets": self.targets})
        bodies: dict[str, Column] = {
            "body_owner": self.body_owner, "body_address": self.body_address, "body_size": self.body_size,
        }  # fmt: skip
        check_columns("HeapGraph", bodies)
        check_columns("HeapGraph", {"name_object": self.name_object, "name_text": self.name_text})
        check_columns("HeapGraph", {"text_object": self.text_object, "text_text": self.text_text})
        check_columns("HeapGraph", {"export_object": self.export_object, "export_count": self.export_count})
        check_columns("HeapGraph", {"bound_object": self.bound_object, "bound_items": self.bound_items})
        check_columns("HeapGraph", {"window_object": self.window_object, "window_bytes": self.window_bytes})
        if len(self.offsets) != len(self.address) + 1:
            raise ValueError("HeapGraph: offsets needs one item more than there are objects")

    def __len__(self) -> int:
        return len(self.address)

    @property
    def count(self) -> int:
        """How many objects there are."""
        return len(self.address)

    @cached_property
    def type(self) -> U4:
        """Row of the type table of each object, uint32 of shape (n,)."""
        rows: U4 = self.shapes.type[self.shape]
        rows.flags.writeable = False
        return rows

    @cached_property
    def total_size(self) -> U8:
        """Bytes of each object's own block and its bodies, uint64 of shape (n,)."""
        total = self.size.copy()
        owner, bytes_so_far = self.body_owner, self.body_size.cumsum(dtype="u8")
        if len(owner):
            # The owners ascend: each one's bytes are the sum at its last body less the sum at the last one before.
            (last,) = (owner[:-1] != owner[1:]).nonzero()
            ends = bytes_so_far[last]
            total[owner[last]] += ends
            total[owner[last + 1]] -= ends
            total[owner[-1:]] += bytes_so_far[-1:]
        total.flags.writeable = False
        return total

    def stored_edges(self, number: int) -> list[tuple[int, int]]:
        """Each edge of an object as stored: its position and the referent, -1 for an empty place."""
        return list(enumerate(self.read_edges(number)))
