"""The drawing notation of object graphs, through the same packing and unpacking as recorded ones.

::

    heap("*cache:8 -> entry:100 -> blob:4000; *cache -> index:50 -> entry")

Statements end with ``;`` or the line.  A node is ``NAME#COUNT=TYPE:SIZE+BODY!REFS(options)``, everything but the name
optional and said once, where the node is first named:

* ``#1000`` draws a thousand objects; an arrow goes to each, and between two such nodes pairwise.
* ``=app.Cache`` its type.  Without it ``job7`` is an ``app.job``.  ``list tuple deque dict set str int`` are builtin;
  ``=ns`` is a dict that is a namespace, ``=module``, ``=function``, ``=cell`` and so on are builtin too.
* ``:100`` bytes of its own block (else 64); ``+4000`` a body, more of them possible.
* ``!2`` references that nothing explains.  Without it the count is what arrows and roots add up to.
* options: ``untracked frozen immortal digest=7 exports=2 sees=16 bound=9 lead=0 finalizer``.

Arrows: ``a -> b`` is an item of a list, a value of a dict with a key of its own, else a reference without name;
``a .entries -> b`` an attribute; ``d [name] -> b`` a value under the key ``"name"``; ``d key -> b`` as a key;
``a .x -> 0`` an empty place; ``'name'`` is the str that is the key ``name`` of a namespace drawn before.

Roots: ``*a``, or in words: ``<module app.cache> m=module``, ``<local jobs serve@app.py:12 worker-1> j``,
``<interpreter builtins> b``, ``<static type> t``, ``<thread worker-1> t``, ``<frame code serve@app.py:12 worker-1> c``.

``types={"app.Job": HEAP_TYPE | HAS_FINALIZER}`` gives types flags; instances of a heap type hold their type, which is
a node named like the type.  ``heap_dump(drawing, made={"job": "main@app.py:3"})`` is a dump in which the blocks of
these nodes are known to the recorder; ``heap_series`` several of one run.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from builders import MAIN, Moment, column, live, series
from heap_columns import BUILTIN, Drawing, DrawnObject

from leakscope.model import heap as noun
from leakscope.model.allocations import AllocationTable
from leakscope.model.dump import Dump
from leakscope.model.heap import NONE, HeapGraph

_NODE = re.compile(
    r"(?P<star>\*)?(?:<(?P<root>[^>]+)>\s*)?(?P<name>'\w+'|[\w.]+)(?:#(?P<count>\d+))?(?:=(?P<type>[\w.]+))?(?::(?P<size>\d+))?"
    r"(?P<bodies>(?:\+\d+)*)(?:!(?P<extra>\d+))?(?:\((?P<options>[^)]*)\))?(?:\s+(?P<label>\.\w+|\[[^\]]*\]|key))?"
)
Made = Mapping[str, str | tuple[str, str]]
Block = tuple[tuple[str, str], int, int]  # (site, thread), size, address


@dataclass
class Drawn:
    """A drawn graph, and where its nodes are: ``number["entry"]`` the first object, ``numbers["job"]`` all of them."""

    graph: HeapGraph
    numbers: Mapping[str, list[int]]

    @property
    def number(self) -> Mapping[str, int]:
        return {name: numbers[0] for name, numbers in self.numbers.items()}


def heap(drawing: str, *, types: Mapping[str, int] | None = None, **facts: Any) -> HeapGraph:
    """The graph of a drawing; ``facts`` are fields of HeapMeta."""
    return draw(drawing, types=types, **facts).graph


def draw(
    drawing: str,
    *,
    types: Mapping[str, int] | None = None,
    native_ids: Mapping[str, int] | None = None,
    thread_names: bool = True,
    **facts: Any,
) -> Drawn:
    """The graph of a drawing and the numbers of its nodes."""
    pencil = _Pencil(Drawing(dict(types or {}), dict(native_ids or {MAIN: 1000}), thread_names))
    for statement in re.split(r"[;\n]", drawing):
        if statement.strip():
            pencil.chain(statement.strip())
    return Drawn(pencil.drawing.graph(facts), pencil.drawing.nodes)


def heap_dump(drawing: str, *, made: Made | None = None, other: Moment | None = None, **options: Any) -> Dump:
    """One dump of a drawing; see `heap_series`."""
    return heap_series(drawing, made=made, others=[other or Moment()], **options)[0]


def heap_series(
    *drawings: str,
    made: Made | None = None,
    others: Sequence[Moment] | None = None,
    types: Mapping[str, int] | None = None,
    heap_facts: Mapping[str, Any] | None = None,
    thread_names: bool = True,
    **options: Any,
) -> list[Dump]:
    """
    Dumps of one run, one for each drawing, with objects.

    ``made`` is node or type to the site, or (site, thread), that made its blocks; the bodies come from there, too.
    ``others`` are further blocks, one moment for each dump, that no object owns.
    """
    rough = [draw(drawing, types=types) for drawing in drawings]
    blocks = [_blocks(drawn, made or {}) for drawn in rough]
    moments = [_moment(found) for found in blocks]
    rest = others or [Moment()] * len(drawings)
    dumps = series(*(moment + more for moment, more in zip(moments, rest, strict=True)), **options)
    made_dumps = []
    for dump, drawing, found in zip(dumps, drawings, blocks, strict=True):
        ids = {dump.threads.name_of(row): int(dump.threads.native_id[row]) for row in range(len(dump.threads))}
        facts = {"taken_s": dump.meta.elapsed_s, **(heap_facts or {})}
        graph = draw(drawing, types=types, native_ids=ids, thread_names=thread_names, **facts).graph
        made_dumps.append(
            replace(
                dump,
                meta=replace(dump.meta, heap=graph.facts),
                allocations=_placed(dump, found),
                load_heap=_always(graph),
            )
        )
    return made_dumps


def with_heap(dump: Dump, graph: HeapGraph) -> Dump:
    """The same dump with an object graph."""
    return replace(dump, meta=replace(dump.meta, heap=graph.facts), load_heap=_always(graph))


def _always(graph: HeapGraph) -> Callable[[], HeapGraph]:
    return lambda: graph


def _blocks(drawn: Drawn, made: Made) -> list[Block]:
    """The blocks that the recorder knows."""
    graph = drawn.graph
    found: list[Block] = []
    for name, numbers in drawn.numbers.items():
        type_name = graph.types.full_name(int(graph.type[numbers[0]]))
        place = made.get(name, made.get(type_name))
        if place is None:
            continue
        at = (place, MAIN) if isinstance(place, str) else place
        for number in numbers:
            lead = int(graph.shapes.lead[graph.shape[number]])
            found.append((at, int(graph.size[number]), int(graph.address[number]) - lead))
            owned = (graph.body_owner == number).nonzero()[0]
            found += [(at, int(graph.body_size[row]), int(graph.body_address[row])) for row in owned]
    return found


def _moment(blocks: Sequence[Block]) -> Moment:
    counts = Counter((at, size) for at, size, _ in blocks)
    known = (live({site: (count, size)}, thread=thread) for ((site, thread), size), count in counts.items())
    return sum(known, Moment())


def _placed(dump: Dump, blocks: Sequence[Block]) -> AllocationTable:
    """The live blocks of a dump, moved to where the objects are; blocks of one site and size are interchangeable."""
    waiting: dict[tuple[str, str, int], list[int]] = {}
    for (site, thread), size, address in blocks:
        waiting.setdefault((site, thread, size), []).append(address)
    rows, moved = dump.allocations, dump.allocations.address.copy()
    drawings = {_drawing(dump, stack): stack for stack in range(len(dump.stacks))}
    for (site, thread, size), places in waiting.items():
        of_thread = [dump.threads.name_of(row) for row in range(len(dump.threads))].index(thread)
        fitting = (rows.stack == drawings[site]) & (rows.size == size) & (rows.thread == of_thread)
        moved[fitting.nonzero()[0][: len(places)]] = places
    return replace(rows, address=column(moved, "u8"))


def _drawing(dump: Dump, stack: int) -> str:
    return " > ".join(
        (f"{frame.function}@" if frame.function else "") + f"{frame.file}:{frame.line}"
        for frame in reversed(dump.stacks.frames(stack))
    )


@dataclass
class _Pencil:
    """What reads the notation."""

    drawing: Drawing

    def chain(self, statement: str) -> None:
        holders: list[int] = []
        label: str | None = None
        for piece in re.split(r"\s*->\s*", statement):
            parts = _NODE.fullmatch(piece.strip())
            assert parts is not None, f"cannot read {piece!r} in {statement!r}"
            if parts["name"] == "0":
                self.arrow(holders, None, label)
                continue
            held = self.node(parts)
            if holders:
                self.arrow(holders, held, label)
            holders, label = held, parts["label"]

    def node(self, parts: re.Match[str]) -> list[int]:
        name = parts["name"]
        if name not in self.drawing.nodes:
            type_name = parts["type"] or "app." + name.rstrip("0123456789")
            options = [option.partition("=") for option in re.split(r"[,\s]+", parts["options"] or "") if option]
            made = [
                self.add(
                    DrawnObject(
                        name, type_name, int(parts["size"] or 64),
                        tuple(int(body) for body in parts["bodies"].split("+")[1:]),
                        int(parts["extra"] or 0), {key: int(value or 1) for key, _, value in options},
                    )
                )
                for _ in range(int(parts["count"] or 1))
            ]  # fmt: skip
            self.drawing.nodes[name] = made
        for number in self.drawing.nodes[name]:
            if parts["star"]:
                self.held_by((number, noun.OTHER, name, NONE, 1))
            if parts["root"]:
                self.root(number, parts["root"])
        return self.drawing.nodes[name]

    def add(self, made: DrawnObject) -> int:
        if self.drawing.types.get(made.type, 0) & noun.HEAP_TYPE and made.type not in self.drawing.nodes:
            self.drawing.nodes[made.type] = [self.add(DrawnObject(made.type, "type", 400))]
        self.drawing.objects.append(made)
        return len(self.drawing.objects) - 1

    def key(self, text: str, in_namespace: bool) -> int:
        node = f"'{text}'"
        if node not in self.drawing.nodes:
            self.drawing.nodes[node] = [self.add(DrawnObject(node, "str", 50))]
        number = self.drawing.nodes[node][0]
        if in_namespace:
            self.drawing.objects[number].text = text
        return number

    def arrow(self, holders: list[int], held: list[int] | None, label: str | None) -> None:
        pairwise = held is not None and len(holders) == len(held)
        for at, holder in enumerate(holders):
            targets: Sequence[int | None] = [None] if held is None else [held[at]] if pairwise else held
            for target in targets:
                self.edge(self.drawing.objects[holder], target, label)

    def edge(self, holder: DrawnObject, target: int | None, label: str | None) -> None:
        kind = BUILTIN.get(holder.type, noun.OTHERS)
        if kind in (noun.PAIRS, noun.NAMESPACE):
            if label == "key":
                holder.edges += [target, None]
            else:
                text = label.strip(".[]") if label else f"key {len(self.drawing.objects)}"
                holder.edges += [self.key(text, in_namespace=kind == noun.NAMESPACE), target]
        elif label is not None and label.startswith("."):
            assert label[1:] not in holder.named, f"{holder.name}{label} is there twice"
            holder.named[label[1:]] = target
        else:
            holder.edges.append(target)

    def root(self, number: int, words: str) -> None:
        kind = "static type" if words.startswith("static type") else words.partition(" ")[0]
        rest = words.removeprefix(kind).strip().split(" ", 2)
        frame = NONE
        if kind in ("local", "frame"):
            thread = rest[2] if len(rest) > 2 else MAIN
            self.drawing.native_ids.setdefault(thread, 1000 + len(self.drawing.native_ids))
            frame = self.drawing.frames.setdefault((rest[1], thread), len(self.drawing.frames))
        name = rest[0] if frame != NONE else " ".join(rest)
        counted = int(kind not in ("module", "static type"))
        self.held_by((number, noun.ROOT_KINDS.index(kind), name, frame, counted))

    def held_by(self, root: tuple[int, int, str, int, int]) -> None:
        if root not in self.drawing.roots:
            self.drawing.roots.append(root)
