"""
Who holds something, as a drawing for graphviz: paths that begin alike are drawn once.

It knows the dot language; it refuses to know how a drawing becomes a picture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakscope.units import format_bytes, format_count

if TYPE_CHECKING:
    from leakscope.model.holding import HeldPath, Holding

_HEAD = """digraph holding {
  rankdir=LR;
  node [shape=box, style="rounded,filled", fillcolor="#f4f4f4", fontname="Helvetica", fontsize=11];
  edge [fontname="Helvetica", fontsize=9, color="#555555"];
"""
_ROOT, _END = 'fillcolor="#dfeefc"', 'fillcolor="#fbe3d6", penwidth=2'


def as_dot(holding: Holding) -> str:
    """
    The drawing, from the roots on the left to the objects on the right.

    Parameters
    ----------
    holding : Holding
    """
    nodes: dict[tuple[str, ...], str] = {}
    lines = [f'  label={_quoted(_legend(holding))}; labelloc=t; fontname="Helvetica";']
    for path in holding.paths:
        lines += _path_lines(path, nodes)
    return _HEAD + "\n".join(lines) + "\n}\n"


def _legend(holding: Holding) -> str:
    more = f"; further paths ({format_count(holding.more_paths)}) are not drawn" if holding.more_paths else ""
    return f"Who holds {format_count(holding.count)} {holding.subject}: roots are blue, what was asked for is red{more}"


def _path_lines(path: HeldPath, nodes: dict[tuple[str, ...], str]) -> list[str]:
    lines = []
    way: tuple[str, ...] = (path.root,)
    if way not in nodes:
        nodes[way] = f"n{len(nodes)}"
        lines.append(f"  {nodes[way]} [label={_quoted(path.root)}, {_ROOT}];")
    for at, step in enumerate(path.steps):
        above, way = way, (*way, step.label, step.name)
        last = at == len(path.steps) - 1
        key = (*way, "end", str(path.address)) if last else way
        if key in nodes:
            continue
        nodes[key] = f"n{len(nodes)}"
        label = f"{step.name}\n{_size(path)}" if last else step.name
        lines.append(f"  {nodes[key]} [label={_quoted(label)}{', ' + _END if last else ''}];")
        held = step.label.strip().replace(". ", ".")
        lines.append(f"  {nodes[above]} -> {nodes[key]} [label={_quoted(held)}];")
    return lines


def _size(path: HeldPath) -> str:
    held = f" ({format_bytes(path.retained_bytes)} with what they hold)" if path.retained_bytes > path.bytes else ""
    return f"{format_count(path.count)} x, {format_bytes(path.bytes)}{held}"


def _quoted(text: str) -> str:
    visible = "".join(char if char.isprintable() or char == "\n" else "?" for char in text)
    escaped = visible.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
