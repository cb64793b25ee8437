"""The overhead table: what leakscope and its peers add to eleven workloads, as ratios to the bare program.

Start-up is taken away: the cost of the empty program under the same tool is subtracted on both sides of every CPU and
instruction ratio, and shown in a table of its own.  Peak memory is the plain ratio.  CPU runs are interleaved and the
median of the rounds is taken, since two bare runs of one round differ by several percent on a busy machine.

    python tests/bench/overhead.py --python BIN [--peers-python BIN] [--workloads calls,graph] [--configs leakscope]
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from measure import Cost, Place, instructions, run
from table import render, summary
from tools import BARE, TOOLS, Tool

WORKLOADS = Path(__file__).parent / "workloads"
EMPTY = "empty"


def names_of_workloads() -> list[str]:
    """All workloads but the empty one, in alphabetical order."""
    return sorted(file.stem for file in WORKLOADS.glob("[a-z]*.py") if file.stem != EMPTY)


def script_of(workload: str, scale: float) -> list[str]:
    """Words that name a workload and its scale to an interpreter."""
    return [str(WORKLOADS / f"{workload}.py"), str(scale)]


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is to be measured, and with which interpreters."""

    workloads: Sequence[str]
    tools: Sequence[Tool]
    python: str
    peers_python: str | None
    scale: float
    count_scale: float
    rounds: int
    limit_s: float
    caches: Path

    def python_of(self, tool: Tool) -> str:
        """The interpreter a tool is installed for."""
        return self.peers_python if tool.peer and self.peers_python else self.python

    def command(self, tool: Tool, workload: str, output: Path) -> list[str]:
        """Command line of one run."""
        return [*tool.begin(self.python_of(tool), output), *script_of(workload, self.scale)]

    @contextmanager
    def place(self) -> Iterator[Place]:
        """An empty folder, and an environment in which only the tool differs from run to run."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "LEAKSCOPE"))}
        environment |= {"PYTHONHASHSEED": "0", "PYTHONPYCACHEPREFIX": str(self.caches)}
        with tempfile.TemporaryDirectory() as folder:
            yield Place(Path(folder), environment)


def warm_up(plan: Plan) -> None:
    """Fill the caches of compiled modules: every tool once, every workload once."""
    runs = [*((tool, EMPTY) for tool in plan.tools), *((BARE, workload) for workload in plan.workloads)]
    for tool, workload in runs:
        with plan.place() as place:
            run(plan.command(tool, workload, place.output), place, plan.limit_s, tool.parent)


def measure_cpu(plan: Plan) -> dict[str, dict[str, list[Cost]]]:
    """Costs by workload and tool, one per round; a tool that was stopped is not tried again on that workload."""
    costs: dict[str, dict[str, list[Cost]]] = {
        workload: {tool.name: [] for tool in plan.tools} for workload in (EMPTY, *plan.workloads)
    }
    for turn in range(plan.rounds):
        for workload, by_tool in costs.items():
            order = [*plan.tools[turn % len(plan.tools) :], *plan.tools[: turn % len(plan.tools)]]
            for tool in order:
                if any(cost.stopped for cost in by_tool[tool.name]):
                    continue
                with plan.place() as place:
                    command = plan.command(tool, workload, place.output)
                    by_tool[tool.name].append(run(command, place, plan.limit_s, tool.parent))
                note(f"round {turn + 1} {workload} {tool.name}: {by_tool[tool.name][-1].cpu_s:.2f} s")
    return costs


def measure_instructions(plan: Plan) -> dict[str, dict[str, int | None]]:
    """Instructions by workload and tool; one run each, as they repeat."""
    counts: dict[str, dict[str, int | None]] = {}
    for workload in (EMPTY, *plan.workloads):
        counts[workload] = {}
        for tool in plan.tools:
            with plan.place() as place:
                python = plan.python_of(tool)
                begin, words = tool.begin(python, place.output), script_of(workload, plan.count_scale)
                count = instructions(python, begin, words, tool.interval_bytes, place, plan.limit_s * 20)
                counts[workload][tool.name] = count
            note(f"{workload} {tool.name}: {counts[workload][tool.name]} instructions")
    return counts


def note(text: str) -> None:
    """One line of progress on the error stream."""
    print(text, file=sys.stderr, flush=True)


def version_of(python: str) -> str:
    """Full version text of an interpreter."""
    return subprocess.run(
        [python, "-c", "import sys; print(sys.version)"], capture_output=True, text=True, check=True
    ).stdout.strip()


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="interpreter with leakscope (and NumPy) installed")
    parser.add_argument("--peers-python", help="interpreter of the same version with memray (and NumPy) installed")
    parser.add_argument("--workloads", default=",".join(names_of_workloads()))
    parser.add_argument("--configs", default=",".join(tool.name for tool in TOOLS))
    parser.add_argument("--scale", type=float, default=1.0, help="1 is 0.5 to 1 s of CPU per bare run")
    parser.add_argument(
        "--count-scale", type=float, default=0.5, help="scale of the runs whose instructions are counted"
    )
    parser.add_argument("--rounds", type=int, default=5, help="CPU rounds; 0 leaves CPU, memory and output out")
    parser.add_argument("--no-instructions", action="store_true")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds before a run is stopped ('>' in the table)")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    return parser.parse_args(arguments)


def plan_of(options: argparse.Namespace, caches: Path) -> Plan:
    """Turn options into a plan; refuses interpreters of different versions."""
    wanted = options.configs.split(",")
    tools = [tool for tool in TOOLS if tool is BARE or tool.name in wanted]
    if not options.peers_python:
        tools = [tool for tool in tools if not tool.peer]
    elif version_of(options.peers_python) != version_of(options.python):
        raise SystemExit("--python and --peers-python are different builds: their ratios would not compare")
    return Plan(
        workloads=options.workloads.split(","),
        tools=tools,
        python=options.python,
        peers_python=options.peers_python,
        scale=options.scale,
        count_scale=options.count_scale,
        rounds=options.rounds,
        limit_s=options.limit,
        caches=caches,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the Markdown tables, write the JSON; 1 if a tool changed a workload's checksum."""
    options = parse(arguments)
    with tempfile.TemporaryDirectory() as caches:
        plan = plan_of(options, Path(caches))
        warm_up(plan)
        costs = measure_cpu(plan) if plan.rounds else {}
        counts = {} if options.no_instructions else measure_instructions(plan)
    figures = summary(costs, counts, [tool.name for tool in plan.tools])
    figures["python"] = version_of(plan.python)
    figures["options"] = {key: str(value) for key, value in vars(options).items()}
    print(render(figures))
    if options.json:
        raw: dict[str, Any] = {
            workload: {tool: [dataclasses.asdict(cost) for cost in runs] for tool, runs in by_tool.items()}
            for workload, by_tool in costs.items()
        }
        options.json.write_text(json.dumps({**figures, "runs": raw, "instructions": counts}, indent=1))
    return 1 if figures["changed_output"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
