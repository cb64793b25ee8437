"""
The real programs: what each is, how it is prepared, driven and stopped, and what of its work can be compared.

Knows nothing of recording; :mod:`real_programs` runs each job bare and recorded.  Only the small glue around the
programs is written here: an application for the web server, tasks for the worker, a script for the data frame library.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

REQUIREMENTS = ("flask", "waitress", "sphinx", "black", "pandas", "numpy", "celery")
VISITOR = Path(__file__).with_name("visitor.py")
LIBRARY = Path(os.__file__).parent

Program = subprocess.Popen[str]


@dataclass(frozen=True)
class Job:
    """One program."""

    name: str
    words: Sequence[str]
    """What follows the interpreter."""
    prepare: Callable[[Path], None] = lambda folder: None
    drive: Callable[[Program, str, Path], dict[str, float]] | None = None
    """From program, interpreter and folder: gives a service its work and stops it; None if it ends by itself."""
    products: Sequence[str] = ()
    """Patterns of the files whose contents must be equal."""
    scrubbed: Mapping[str, str] = field(default_factory=dict)
    """Patterns in output and products that differ between any two runs, and what stands for them."""
    streams: bool = True
    """Whether what it prints can be compared."""


FLASK_APP = """
import hashlib, json, sqlite3, threading
from flask import Flask, jsonify, render_template_string, request
from waitress import serve

app = Flask(__name__)
store = threading.local()
PAGE = "<ul>{% for row in rows %}<li>{{ row.number }}: {{ row.name }}</li>{% endfor %}</ul>"

def database():
    if not hasattr(store, "connection"):
        store.connection = sqlite3.connect(":memory:")
        store.connection.execute("CREATE TABLE item (number INTEGER, name TEXT)")
        rows = [(i, f"item {i}") for i in range(200)]
        store.connection.executemany("INSERT INTO item VALUES (?, ?)", rows)
    return store.connection

@app.get("/page/<int:number>")
def page(number):
    rows = database().execute("SELECT number, name FROM item LIMIT ?", (number % 50 + 1,)).fetchall()
    return render_template_string(PAGE, rows=[{"number": row[0], "name": row[1]} for row in rows])

@app.post("/digest")
def digest():
    body = request.get_json()
    text = json.dumps(body, sort_keys=True)
    return jsonify(digest=hashlib.sha256(text.encode()).hexdigest(), length=len(text))

if __name__ == "__main__":
    import sys
    serve(app, host="127.0.0.1", port=int(sys.argv[1]), threads=8, _quiet=True)
"""

PANDAS_JOB = """
import hashlib
import numpy as np
import pandas as pd

rng = np.random.default_rng(7)
total = hashlib.sha256()
for turn in range(12):
    frame = pd.DataFrame({
        "key": rng.integers(0, 500, 60_000),
        "day": pd.date_range("2024-01-01", periods=60_000, freq="min"),
        "value": rng.normal(size=60_000).round(6),
        "name": [f"name-{number % 97}" for number in range(60_000)],
    })
    grouped = frame.groupby("key")["value"].agg(["count", "min", "max"])
    merged = frame.merge(grouped.reset_index(), on="key").sort_values(["key", "day"], kind="stable")
    daily = frame.set_index("day")["value"].resample("D").max()
    pivot = frame.pivot_table(index="name", columns=frame["key"] % 7, values="value", aggfunc="max")
    for table in (grouped, merged.head(500), daily, pivot):
        total.update(table.to_csv().encode())
    print(turn, len(merged), total.hexdigest()[:16])
"""

CELERY_APP = """
import hashlib, os, zlib
from pathlib import Path
from celery import Celery

HERE = Path(os.environ["JOB_FOLDER"])
app = Celery("work", broker="filesystem://", backend=f"file://{HERE}/results")
app.conf.update(
    broker_transport_options={
        "data_folder_in": f"{HERE}/queue", "data_folder_out": f"{HERE}/queue", "polling_interval": 0.01,
    },
    worker_hijack_root_logger=False, worker_prefetch_multiplier=1, broker_connection_retry_on_startup=True,
)

@app.task
def crunch(number):
    data = b"".join(hashlib.sha256(f"{number}:{i}".encode()).digest() for i in range(3000))
    packed = zlib.compress(data * 3)
    (HERE / "done").mkdir(exist_ok=True)
    (HERE / "done" / f"{number:04}").write_text(hashlib.sha256(zlib.decompress(packed)).hexdigest())
    return len(packed)
"""

POOL_JOB = """
import csv, gzip, hashlib, io, json, re, sqlite3
from concurrent.futures import ThreadPoolExecutor, as_completed

def work(number):
    rows = [{"id": number * 1000 + i, "text": f"row {i} of {number} " * 3, "value": i / 7} for i in range(400)]
    packed = gzip.compress(json.dumps(rows).encode(), mtime=0)
    again = json.loads(gzip.decompress(packed))
    out = io.StringIO()
    csv.DictWriter(out, ["id", "text", "value"]).writerows(again)
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE TABLE t (id, text, value)")
        connection.executemany("INSERT INTO t VALUES (:id, :text, :value)", again)
        words = connection.execute("SELECT SUM(LENGTH(text)) FROM t WHERE id % 3 = 0").fetchone()[0]
    return number, hashlib.sha256((out.getvalue() + str(words)).encode()).hexdigest()

with ThreadPoolExecutor(8, thread_name_prefix="pool") as pool:
    done = dict(future.result() for future in as_completed(pool.submit(work, number) for number in range(300)))
print(hashlib.sha256(json.dumps(sorted(done.items())).encode()).hexdigest())
"""


def jobs(seconds: float) -> list[Job]:
    """All programs; services are under load for ``seconds``."""
    port = free_port()
    return [
        Job(
            "flask and waitress under load", ["app.py", str(port)],
            prepare=lambda folder: write(folder / "app.py", FLASK_APP),
            drive=lambda program, python, folder: visit(program, port, seconds),
        ),
        Job(
            "celery worker, thread pool",
            ["-m", "celery", "-A", "work", "worker", "-P", "threads", "-c", "4", "-l", "ERROR", "--without-mingle",
             "--without-gossip"],
            prepare=prepare_celery, drive=await_tasks, products=["done/*"], streams=False,
        ),
        Job("thread pool", ["pool.py"], prepare=lambda folder: write(folder / "pool.py", POOL_JOB)),
        Job(
            "sphinx-build", ["-m", "sphinx", "-b", "html", "-q", "-E", "source", "html"],
            prepare=prepare_sphinx, products=["html/*.html", "html/_modules/**/*.html"],
            scrubbed={r"0x[0-9a-f]{6,}": "ADDRESS"},
        ),
        Job(
            "black", ["-m", "black", "--workers", "1", "--line-length", "79", "code"],
            prepare=prepare_black, products=["code/*.py"],
        ),
        Job("pandas", ["frames.py"], prepare=lambda folder: write(folder / "frames.py", PANDAS_JOB)),
        Job("pip list", ["-m", "pip", "list", "--format", "freeze", "--disable-pip-version-check"]),
        Job(
            "pip install", ["-m", "pip", "install", "--no-index", "--no-deps", "--target", "there", "--no-color",
             "--progress-bar", "off", "--disable-pip-version-check", "library-1.0-py3-none-any.whl"],
            prepare=prepare_wheel, products=["there/**/*.py"],
        ),
    ]  # fmt: skip


def write(path: Path, text: str) -> None:
    """Write a file, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def prepare_celery(folder: Path) -> None:
    """Lay out the worker's application and the folders that are its broker."""
    write(folder / "work.py", CELERY_APP)
    for name in ("queue", "results"):
        (folder / name).mkdir()


def prepare_sphinx(folder: Path) -> None:
    """Write a manual that documents a good part of the standard library from its docstrings."""
    names = ["argparse", "email.message", "http.client", "json", "logging", "pathlib", "tarfile", "typing", "zipfile"]
    names += ["asyncio.streams", "concurrent.futures", "configparser", "csv", "difflib", "textwrap", "unittest.case"]
    extensions = "['sphinx.ext.autodoc', 'sphinx.ext.viewcode']"
    write(folder / "source/conf.py", f"project = 'Library'\nextensions = {extensions}\nhtml_theme = 'alabaster'\n")
    pages = "\n   ".join(names)
    write(folder / "source/index.rst", f"Library\n=======\n\n.. toctree::\n\n   {pages}\n")
    for name in names:
        write(folder / f"source/{name}.rst", f"{name}\n{'=' * len(name)}\n\n.. automodule:: {name}\n   :members:\n")


def prepare_black(folder: Path) -> None:
    """Copy a few packages of the standard library to be formatted anew."""
    (folder / "code").mkdir()
    for package in ("asyncio", "json", "email"):
        for source in sorted((LIBRARY / package).glob("*.py"))[:12]:
            shutil.copy(source, folder / "code" / f"{package}_{source.name}")


def prepare_wheel(folder: Path) -> None:
    """Pack a good part of the standard library into a wheel, so that pip has something to unpack, check and compile."""
    about = "library-1.0.dist-info"
    texts = {
        f"library/{source.relative_to(LIBRARY)}": source.read_text()
        for package in ("asyncio", "json", "email", "http", "unittest", "xml")
        for source in sorted((LIBRARY / package).rglob("*.py"))
    }
    texts[f"{about}/METADATA"] = "Metadata-Version: 2.1\nName: library\nVersion: 1.0\n"
    texts[f"{about}/WHEEL"] = "Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    texts[f"{about}/RECORD"] = "".join(f"{name},,\n" for name in (*texts, f"{about}/RECORD"))
    with zipfile.ZipFile(folder / "library-1.0-py3-none-any.whl", "w") as wheel:
        for name, text in texts.items():
            wheel.writestr(name, text)


def visit(program: Program, port: int, seconds: float) -> dict[str, float]:
    """Let a second process ask as fast as it can, then stop the service as a terminal would."""
    await_port(program, port)
    visitor = [sys.executable, str(VISITOR), str(port), str(seconds)]
    said = subprocess.run(visitor, capture_output=True, text=True, check=True).stdout.split()
    program.send_signal(signal.SIGINT)
    return {"requests": float(said[0]), "requests/s": float(said[1]), "p99 ms": float(said[2])}


def await_tasks(program: Program, python: str, folder: Path) -> dict[str, float]:
    """Send tasks to the worker, wait until all are done, then ask it to end."""
    count = 300
    code = f"import work; [work.crunch.delay(number) for number in range({count})]"
    began = time.monotonic()
    subprocess.run([python, "-c", code], cwd=folder, env={**os.environ, "JOB_FOLDER": str(folder)}, check=True)
    while len(list(folder.glob("done/*"))) < count and program.poll() is None and time.monotonic() - began < 300:
        time.sleep(0.05)
    took = time.monotonic() - began
    program.send_signal(signal.SIGTERM)
    return {"tasks": float(count), "tasks/s": count / took}


def free_port() -> int:
    """A port nobody listens to just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def await_port(program: Program, port: int, limit_s: float = 60.0) -> None:
    """Return when the service listens; fail if it ended or never does."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end and program.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"the service does not listen on port {port}")


def digest(job: Job, folder: Path) -> str:
    """One checksum over all products of a job."""
    total = hashlib.sha256()
    for pattern in job.products:
        for path in sorted(folder.glob(pattern)):
            if path.is_file():
                text = scrub(job, path.read_text(errors="surrogateescape"), folder)
                total.update(f"{path.relative_to(folder)}\n{text}".encode(errors="surrogateescape"))
    return total.hexdigest()[:16]


def scrub(job: Job, text: str, folder: Path) -> str:
    """Text without what differs between any two runs: the folder, and the job's own patterns."""
    text = text.replace(str(folder), "FOLDER")
    for pattern, stand_in in job.scrubbed.items():
        text = re.sub(pattern, stand_in, text)
    return text
