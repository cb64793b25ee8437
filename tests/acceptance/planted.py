"""
Three real programs with a leak planted in their configuration or use, and what each tool says of it.

The libraries are as released; what leaks is how they are set up: a metric with the path of every request as a label, a
log handler that collects a worker's records, a memoised function in a data job. ``python planted.py FOLDER
--python PY [--peers-python PY]`` prints leakscope's findings with path and stack, and what the peers print.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

REQUIREMENTS = ("flask", "prometheus-client", "celery", "pandas")

WEB = '''
"""A web service that counts requests; the label is the path, and every customer has one of their own."""
import time
from flask import Flask, jsonify, request
from prometheus_client import CollectorRegistry, Histogram

app = Flask(__name__)
registry = CollectorRegistry()
latency = Histogram("latency_seconds", "How long a request took", ["method", "path"], registry=registry)

@app.before_request
def begin():
    request.began = time.perf_counter()

@app.after_request
def measure(response):
    latency.labels(request.method, request.path).observe(time.perf_counter() - request.began)
    return response

@app.get("/customers/<int:number>")
def customer(number):
    return jsonify(number=number, name=f"customer {number}")

def main(requests):
    client = app.test_client()
    for number in range(requests):
        assert client.get(f"/customers/{number}").status_code == 200

main(6000)
'''

WORKER = '''
"""A long-lived worker; its log goes to a handler that collects records for a target nobody ever gave it."""
import logging.config
from celery import Celery
from celery.utils.log import get_task_logger

logging.config.dictConfig({
    "version": 1,
    "handlers": {"collected": {"class": "logging.handlers.MemoryHandler", "capacity": 10_000_000}},
    "root": {"level": "INFO", "handlers": ["collected"]},
})
app = Celery("work", broker="memory://")
app.conf.update(task_always_eager=True)
log = get_task_logger("work")

@app.task
def resize(number):
    log.info("resized picture %d to %s", number, {"width": number % 640, "height": number % 480})

def main(tasks):
    for number in range(tasks):
        resize.delay(number)

main(6000)
'''

DATA = '''
"""A data job that joins prices day by day; loading a day is memoised, by day and by version, without a bound."""
import functools
import numpy as np
import pandas as pd

@functools.cache
def prices(day, version):
    chance = np.random.default_rng(day)
    return pd.DataFrame({"item": np.arange(400), "price": chance.random(400), "day": day})

def main(days):
    total = 0.0
    for day in range(days):
        frame = prices(day, "2024-1").merge(prices(day, "2024-2"), on="item")
        total += float(frame["price_x"].sum())
    print(round(total))

main(1500)
'''

PEERS = {
    "tracemalloc": """
import sys, tracemalloc, runpy
tracemalloc.start(1)
before = tracemalloc.take_snapshot()
runpy.run_path(sys.argv[1], run_name="__main__")
for line in tracemalloc.take_snapshot().compare_to(before, "lineno")[:3]:
    print(line)
""",
    "objgraph": """
import sys, runpy, objgraph
objgraph.growth(limit=0)
runpy.run_path(sys.argv[1], run_name="__main__")
for name, total, grown in objgraph.growth(limit=5):
    print(f"{name:30} {total:8} +{grown}")
""",
    "guppy3": """
import sys, runpy
from guppy import hpy
heap = hpy()
heap.setrelheap()
kept = runpy.run_path(sys.argv[1], run_name="__main__")
print(heap.heap())
""",
}


@dataclass(frozen=True)
class Planted:
    """One program."""

    name: str
    text: str
    holder: str
    """What must be on the path that leakscope prints."""
    line: str
    """A piece of the line that must be named."""


PROGRAMS = (
    Planted("web service (flask, prometheus_client)", WEB, "Histogram . _metrics", "latency.labels"),
    Planted("worker (celery, log collected in memory)", WORKER, "MemoryHandler . buffer", "log.info"),
    Planted("data job (pandas, functools.cache)", DATA, "module __main__ . prices", "pd.DataFrame("),
)


def environment() -> Mapping[str, str]:
    """Ours without what would reach into the programs."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "LEAKSCOPE"))}


def run(command: list[str], folder: Path) -> str:
    """What a command printed, both streams."""
    done = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, check=False, timeout=900
    )
    return (done.stdout + done.stderr).strip()


def leakscope(program: Planted, path: Path, python: str, *options: str) -> bool:
    """Print what ``run`` and ``diff`` say; whether holder and line are named."""
    folder = path.parent
    output = folder / f"run{''.join(options)}"
    print(
        textwrap.indent(run([python, "-m", "leakscope", "run", "-o", str(output), *options, str(path)], folder), "  ")
    )
    dumps = sorted(str(dump) for dump in output.glob("[0-9]*.lks"))
    said = run([python, "-m", "leakscope", "diff", *dumps], folder) if len(dumps) > 1 else ""
    print(textwrap.indent(said, "  "))
    report = json.loads((output / "report.json").read_text())
    named = json.dumps(report["findings"])
    lines = [number for number, text in enumerate(program.text.lstrip().splitlines(), 1) if program.line in text]
    right = program.holder in named and any(f'"line": {line},' in named for line in lines)
    print(f"  => verdict {report['verdict']}, holder and line named: {right}")
    return right


def peers(path: Path, python: str) -> None:
    """Print what the others say of the same program."""
    for name, code in PEERS.items():
        script = path.parent / f"{name}_of.py"
        script.write_text(code)
        print(f"\n-- {name}\n" + textwrap.indent(run([python, str(script), path.name], path.parent)[-1800:], "  "))
    output = path.parent / "memray.bin"
    run([python, "-m", "memray", "run", "--trace-python-allocators", "-f", "-o", str(output), str(path)], path.parent)
    said = run([python, "-m", "memray", "summary", str(output)], path.parent)
    print("\n-- memray (summary of what was live at the peak)\n" + textwrap.indent(said[:2400], "  "))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--python", default=sys.executable, help=f"has leakscope and {', '.join(REQUIREMENTS)}")
    parser.add_argument("--peers-python", help="has memray, objgraph and guppy3 beside them")
    parser.add_argument("--only", default="", help="a piece of the name")
    options = parser.parse_args()
    right = []
    for number, program in enumerate(PROGRAMS):
        if options.only not in program.name:
            continue
        path = options.folder / str(number) / "program.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(program.text.lstrip())
        print(f"\n==== {program.name}\n")
        right.append(leakscope(program, path, options.python))
        if options.peers_python:
            peers(path, options.peers_python)
    print(f"\n{sum(right)} of {len(right)} named with holder and line")
    sys.exit(0 if all(right) else 1)


if __name__ == "__main__":
    main()
