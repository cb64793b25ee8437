"""From raw costs to ratios, and from ratios to Markdown.

Ratios of CPU and instructions have the empty program under the same tool subtracted on both sides; ratios of peak
memory do not.  A run stopped by the time limit gives a lower bound, marked ``>``; a geometric mean with such a value
in it is a lower bound as well.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from measure import Cost

EMPTY = "empty"
Costs = Mapping[str, Mapping[str, Sequence[Cost]]]
Counts = Mapping[str, Mapping[str, "int | None"]]
Ratios = dict[str, dict[str, dict[str, Any]]]


def _median(runs: Iterable[Cost], figure: Callable[[Cost], float]) -> float:
    values = [figure(cost) for cost in runs]
    return statistics.median(values) if values else math.nan


def cpu_ratios(costs: Costs, tools: Sequence[str]) -> Ratios:
    """Net CPU ratio by workload and tool: median over the rounds of the ratio within each round."""
    empty = {tool: _median(costs[EMPTY][tool], lambda cost: cost.cpu_s) for tool in tools}
    rows: Ratios = {}
    for workload, by_tool in costs.items():
        if workload == EMPTY:
            continue
        bare = by_tool["bare"]
        rows[workload] = {}
        for tool in tools[1:]:
            pairs = zip(by_tool[tool], bare, strict=False)
            ratios = [(cost.cpu_s - empty[tool]) / (plain.cpu_s - empty["bare"]) for cost, plain in pairs]
            bound = any(cost.stopped for cost in by_tool[tool])
            rows[workload][tool] = {"ratio": statistics.median(ratios), "bound": bound, "rounds": ratios}
    return rows


def memory_ratios(costs: Costs, tools: Sequence[str]) -> Ratios:
    """Ratio of the medians of peak resident memory; stopped runs have none."""
    rows: Ratios = {}
    for workload, by_tool in costs.items():
        if workload == EMPTY:
            continue
        medians = {tool: _median(by_tool[tool], lambda cost: cost.rss_bytes or math.nan) for tool in tools}
        rows[workload] = {tool: {"ratio": medians[tool] / medians["bare"], "bound": False} for tool in tools[1:]}
    return rows


def instruction_ratios(counts: Counts, tools: Sequence[str]) -> Ratios:
    """Net instruction ratio by workload and tool."""

    def net(workload: str, tool: str) -> float:
        whole, empty = counts[workload][tool], counts[EMPTY][tool]
        return math.nan if whole is None or empty is None else whole - empty

    workloads = [workload for workload in counts if workload != EMPTY]
    return {
        workload: {
            tool: {"ratio": net(workload, tool) / net(workload, "bare"), "bound": False} for tool in tools[1:]
        }
        for workload in workloads
    }  # fmt: skip


def changed_output(costs: Costs) -> list[str]:
    """Name every workload and tool whose checksum is not the bare program's."""
    changed = []
    for workload, by_tool in costs.items():
        expected = {cost.checksum for cost in by_tool["bare"]}
        for tool, runs in by_tool.items():
            if {cost.checksum for cost in runs if not cost.stopped} - expected:
                changed.append(f"{workload} under {tool}")
    return changed


def start_up(costs: Costs, counts: Counts, tools: Sequence[str]) -> dict[str, dict[str, float]]:
    """Cost of the empty program by tool, and the parent's CPU over all workloads per second of bare CPU."""
    table: dict[str, dict[str, float]] = {tool: {} for tool in tools}
    for tool, row in table.items():
        if costs:
            runs = costs[EMPTY][tool]
            row["cpu_s"] = _median(runs, lambda cost: cost.cpu_s)
            row["parent_cpu_s"] = _median(runs, lambda cost: cost.parent_cpu_s)
            row["rss_bytes"] = _median(runs, lambda cost: cost.rss_bytes)
            row["output_bytes"] = _median(runs, lambda cost: cost.output_bytes)
        if counts and (count := counts[EMPTY][tool]) is not None:
            row["instructions"] = count
    return table


def summary(costs: Costs, counts: Counts, tools: Sequence[str]) -> dict[str, Any]:
    """All figures the tables show, as plain data."""
    figures: dict[str, Any] = {"schema": "leakscope.bench/1", "tools": list(tools), "ratios": {}}
    if counts:
        figures["ratios"]["instructions"] = instruction_ratios(counts, tools)
    if costs:
        figures["ratios"]["CPU"] = cpu_ratios(costs, tools)
        figures["ratios"]["peak memory"] = memory_ratios(costs, tools)
        figures["output_bytes"] = _by_tool(costs, tools[1:], lambda cost: cost.output_bytes)
        figures["parent_cpu_s"] = _by_tool(costs, tools[1:], lambda cost: cost.parent_cpu_s)
        figures["bare_cpu_s"] = {name: row["bare"] for name, row in _by_tool(costs, tools, lambda c: c.cpu_s).items()}
    figures["start_up"] = start_up(costs, counts, tools)
    figures["changed_output"] = changed_output(costs)
    return figures


def _by_tool(costs: Costs, tools: Sequence[str], figure: Callable[[Cost], float]) -> dict[str, dict[str, float]]:
    return {
        workload: {tool: _median(by_tool[tool], figure) for tool in tools}
        for workload, by_tool in costs.items()
        if workload != EMPTY
    }


def _ratio_rows(rows: Ratios, tools: Sequence[str]) -> list[list[str]]:
    """Table cells with the geometric mean and the worst value below."""

    def cell(value: float, bound: bool) -> str:
        return "n/a" if math.isnan(value) else f"{'>' if bound else ''}{value:.3f}"

    cells = [[name, *(cell(row[tool]["ratio"], row[tool]["bound"]) for tool in tools)] for name, row in rows.items()]
    means, worst = ["**geomean**"], ["**worst**"]
    for tool in tools:
        known = [row[tool] for row in rows.values() if row[tool]["ratio"] > 0]
        bound = any(entry["bound"] for entry in known)
        values = [entry["ratio"] for entry in known]
        means.append(cell(statistics.geometric_mean(values) if values else math.nan, bound))
        worst.append(cell(max(values, default=math.nan), bound))
    return [*cells, means, worst]


def _markdown(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"### {title}", "", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows), ""])


def _mib(value: float) -> str:
    return "n/a" if math.isnan(value) else f"{value / 2**20:.2f} MiB"


def render(figures: Mapping[str, Any]) -> str:
    """Markdown text of all tables."""
    tools = figures["tools"][1:]
    parts = [
        f"Python {figures['python']}, ratios to the bare program, start-up taken away from CPU and instructions.\n"
    ]
    for metric, rows in figures["ratios"].items():
        parts.append(_markdown(f"Ratio of {metric}", ["workload", *tools], _ratio_rows(rows, tools)))
    if "output_bytes" in figures:
        sizes = [[name, *(_mib(row[tool]) for tool in tools)] for name, row in figures["output_bytes"].items()]
        parts.append(_markdown("Output", ["workload", *tools], sizes))
        parents = [tool for tool in tools if any(row[tool] for row in figures["parent_cpu_s"].values())]
        rows_of_parents = [
            [name, f"{figures['bare_cpu_s'][name]:.2f}", *(f"{row[tool]:.2f}" for tool in parents)]
            for name, row in figures["parent_cpu_s"].items()
        ]
        if parents:
            parts.append(
                _markdown("CPU of the parent process, s", ["workload", "bare CPU, s", *parents], rows_of_parents)
            )
    parts.append(_start_up_table(figures["start_up"]))
    parts.extend(f"OUTPUT CHANGED: {change}\n" for change in figures["changed_output"])
    return "\n".join(parts)


def _start_up_table(rows: Mapping[str, Mapping[str, float]]) -> str:
    nan = math.nan
    cells = [
        [
            tool,
            f"{row.get('cpu_s', nan):.3f}",
            f"{row.get('parent_cpu_s', nan):.2f}",
            f"{row.get('instructions', nan) / 1e6:.0f} M",
            _mib(row.get("rss_bytes", nan)),
            _mib(row.get("output_bytes", nan)),
        ]
        for tool, row in rows.items()
    ]
    head = ["tool", "CPU, s", "parent's CPU, s", "instructions", "peak memory", "output"]
    return _markdown("The empty program", head, cells)
