"""A drawn object graph as columns, packed and unpacked as in a file; `heap_builders` reads the notation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from builders import column, strings

from leakscope import kernels
from leakscope.formats import lks_heap
from leakscope.model import heap as noun
from leakscope.model.heap import NONE, HeapGraph, HeapMeta

BUILTIN = {
    "list": noun.ITEMS, "tuple": noun.ITEMS, "deque": noun.ITEMS, "dict": noun.PAIRS, "ns": noun.NAMESPACE,
    "set": noun.MEMBERS, "frozenset": noun.MEMBERS, "generator": noun.STACK, "coroutine": noun.STACK,
    "frame": noun.STACK,
}  # fmt: skip
UNTRACKED = {"str", "int", "bytes", "bytearray", "float"}
_NAMED = {*UNTRACKED, "module", "function", "cell", "type", "object", "method", "memoryview", "traceback", "ValueError"}
_FIRST_OBJECT, _FIRST_BODY = 0x7F10_0000_0040, 0x7F20_0000_0000
_LEAD = 16


@dataclass
class DrawnObject:
    """One object: named edges first, then the others; None is an empty place."""

    name: str
    type: str
    size: int = 64
    bodies: tuple[int, ...] = ()
    extra: int = 0
    options: Mapping[str, int] = field(default_factory=dict)
    named: dict[str, int | None] = field(default_factory=dict)
    edges: list[int | None] = field(default_factory=list)
    text: str | None = None

    @property
    def tracked(self) -> bool:
        return self.type not in UNTRACKED and "untracked" not in self.options

    @property
    def stored(self) -> list[int | None]:
        return [*self.named.values(), *self.edges]


@dataclass
class Drawing:
    """Everything that was drawn."""

    types: dict[str, int]
    native_ids: dict[str, int]
    thread_names: bool
    objects: list[DrawnObject] = field(default_factory=list)
    nodes: dict[str, list[int]] = field(default_factory=dict)
    roots: list[tuple[int, int, str, int, int]] = field(default_factory=list)
    frames: dict[tuple[str, str], int] = field(default_factory=dict)
    texts: dict[str, int] = field(default_factory=lambda: {"": 0})

    def text(self, text: str) -> int:
        return self.texts.setdefault(text, len(self.texts))

    def graph(self, facts: Mapping[str, Any]) -> HeapGraph:
        """The graph, packed and unpacked again."""
        edges, bodies, layout = self._edges(), self._bodies(), self._layout()
        names = {at: self.text(each.text) for at, each in enumerate(self.objects) if each.text is not None}
        exports = [(at, each.options["exports"]) for at, each in enumerate(self.objects) if "exports" in each.options]
        columns = {**edges, **bodies, **layout, "roots": self._roots(), "frames": self._frames()}
        columns |= {"name_object": column(list(names), "u4"), "name_text": column(list(names.values()), "u4")}
        columns |= {"text_object": column([], "u4"), "text_text": column([], "u4")}
        columns |= _rows(exports, {"export_object": "u4", "export_count": "u4"})
        bounds = [(at, each.options["bound"]) for at, each in enumerate(self.objects) if "bound" in each.options]
        columns |= _rows(bounds, {"bound_object": "u4", "bound_items": "u8"})
        windows = [(at, each.options["sees"]) for at, each in enumerate(self.objects) if "sees" in each.options]
        columns |= _rows(windows, {"window_object": "u4", "window_bytes": "u8"})
        table = strings(list(self.texts))
        counts = {"objects": len(self.objects), "edges": len(edges["targets"]), "bodies": len(bodies["body_owner"])}
        gc = {"collector_thresholds": (700, 10, 10), "generation_counts": (0, 0, 0)}
        columns["types"] = replace(columns["types"], strings=table)
        stored = [[-1 if to is None else to for to in each.stored] for each in self.objects]
        return unpacked(
            HeapGraph(
                **columns,
                strings=table,
                facts=HeapMeta(**{**counts, **gc, **facts}),
                read_edges=stored.__getitem__,
                read_places=_not_yet,
            )
        )

    def _owned_type(self, each: DrawnObject) -> list[int]:
        return self.nodes[each.type] if self.types.get(each.type, 0) & noun.HEAP_TYPE else []

    def _edges(self) -> dict[str, Any]:
        held = [[*self._owned_type(each), *(to for to in each.stored if to is not None)] for each in self.objects]
        targets = [to for each in held for to in each]
        found = [each.extra for each in self.objects]
        for to in [*targets, *(root[0] for root in self.roots if root[4])]:
            found[to] += 1
        counts = [0 if "immortal" in each.options else count for each, count in zip(self.objects, found, strict=True)]
        return {
            "offsets": column(_sums(held), "u8"), "targets": column(targets, "u4"), "refcount": column(counts, "u4"),
        }  # fmt: skip

    def _bodies(self) -> dict[str, Any]:
        rows, address = [], _FIRST_BODY
        for number, each in enumerate(self.objects):
            for body in each.bodies:
                rows.append((number, address, body))
                address += -(-body // 16) * 16
        return _rows(rows, {"body_owner": "u4", "body_address": "u8", "body_size": "u8"})

    def _layout(self) -> dict[str, Any]:
        """Addresses, sizes, shapes and types; the first object of a shape gives it its size."""
        types: dict[str, int] = {}
        shapes: dict[tuple[Any, ...], tuple[int, int]] = {}
        rows, address = [], _FIRST_OBJECT
        for each in self.objects:
            lead = each.options.get("lead", _LEAD if each.tracked else 0)
            kind = BUILTIN.get(each.type, noun.OTHERS)
            key = (types.setdefault(each.type, len(types)), kind, lead, len(self._owned_type(each)), tuple(each.named))
            shape, size = shapes.setdefault(key, (len(shapes), each.size))
            flags = noun.TRACKED * each.tracked | noun.FROZEN * ("frozen" in each.options)
            flags |= noun.HAS_BODIES * bool(each.bodies) | noun.HAS_SIZE * (size != each.size)
            digest = each.options.get("digest", 0)
            rows.append((address, shape, each.size, flags | noun.HAS_DIGEST * bool(digest), digest))
            address += -(-(each.size + 2 * _LEAD) // 16) * 16
        names = {"address": "u8", "shape": "u4", "size": "u8", "flags": "u1", "digest": "u4"}
        return {**_rows(rows, names), "shapes": self._shapes(shapes), "types": self._types(types)}

    def _shapes(self, shapes: Mapping[tuple[Any, ...], tuple[int, int]]) -> noun.ShapeTable:
        rows = [(kind[0], kind[1], size, kind[2], kind[3]) for kind, (_, size) in shapes.items()]
        return noun.ShapeTable(
            **_rows(rows, {"type": "u4", "kind": "u1", "size": "u4", "lead": "u4", "owns_type": "u1"}),
            name_offset=column(_sums([key[4] for key in shapes]), "u4"),
            name=column([self.text(name) for key in shapes for name in key[4]], "u4"),
        )

    def _types(self, types: Mapping[str, int]) -> noun.TypeTable:
        rows = []
        for name in types:
            module, _, short = name.rpartition(".")
            if name in BUILTIN or name in _NAMED:
                module, short = "builtins", "dict" if name == "ns" else name
            flags = self.types.get(name, 0)
            walked = self.nodes[name][0] if flags & noun.HEAP_TYPE else NONE
            rows.append((self.text(short), self.text(module), walked, flags))
        columns = _rows(rows, {"name": "u4", "module": "u4", "object": "u4", "flags": "u4"})
        return noun.TypeTable(**columns, strings=strings([""]))

    def _roots(self) -> noun.RootTable:
        rows = [(number, kind, self.text(name), frame, counted) for number, kind, name, frame, counted in self.roots]
        return noun.RootTable(
            **_rows(rows, {"object": "u4", "kind": "u1", "name": "u4", "frame": "u4", "counted": "u1"})
        )

    def _frames(self) -> noun.RootFrameTable:
        rows, depths = [], dict[str, int]()
        for place, thread in self.frames:
            function, _, at = place.rpartition("@")
            file, _, line = at.rpartition(":")
            name = self.text(thread if self.thread_names else "")
            depth = depths.setdefault(thread, 0)
            depths[thread] += 1
            rows.append((self.native_ids[thread], name, self.text(function), self.text(file), int(line), depth))
        names = {"native_id": "u8", "thread_name": "u4", "function": "u4", "file": "u4", "line": "i4", "depth": "u4"}
        return noun.RootFrameTable(**_rows(rows, names))


def unpacked(drawn: HeapGraph) -> HeapGraph:
    """The same graph after it was packed as in a file and unpacked again."""
    packed = lks_heap.encode(drawn)
    stream, *blocks = (
        packed[f"object.{name}"] for name in ("stream", "block_offset", "block_address", "block_edges", "block_bodies")
    )
    owners = drawn.types.object[drawn.shapes.type]
    objects = kernels.decode_objects(
        stream, blocks[0], blocks[1], blocks[2], blocks[3], drawn.facts.objects, drawn.facts.edges, drawn.facts.bodies,
        drawn.shapes.size, drawn.shapes.owns_type, owners,
    )  # fmt: skip
    digest = objects.digest if objects.digest.any() else None
    places = partial(kernels.edge_places, stream, blocks[0])
    return replace(drawn, **{**objects._asdict(), "digest": digest, "read_places": places})


def _not_yet(objects: object, edges: int) -> Any:
    raise AssertionError("places are known once the graph was packed")


def _sums(parts: Sequence[Sequence[Any]]) -> list[int]:
    sums = [0]
    for part in parts:
        sums.append(sums[-1] + len(part))
    return sums


def _rows(rows: Sequence[Sequence[Any]], names: Mapping[str, str]) -> dict[str, Any]:
    return {name: column([row[at] for row in rows], dtype) for at, (name, dtype) in enumerate(names.items())}
