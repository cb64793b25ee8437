"""
More real programs, run for minutes: services under load, tasks, test suites, tools over big trees, tables and numbers.

None is known to leak.  Knows nothing of recording; :mod:`healthy` runs them.  As in :mod:`jobs`, only the glue around
the programs is written here, and none of it keeps what it made.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from jobs import LIBRARY, Job, free_port, jobs, visit, write

HEALTHY_REQUIREMENTS = (
    "flask", "waitress", "celery", "aiohttp", "fastapi", "uvicorn", "django", "sqlalchemy", "pandas", "numpy", "scipy",
    "pyarrow", "black", "mypy", "pylint", "sphinx", "networkx", "pytest", "hypothesis",
)  # fmt: skip

AIOHTTP_APP = """
import hashlib, json, sys
from aiohttp import web

async def page(request):
    number = int(request.match_info["number"])
    rows = "".join(f"<li>{row}: item {row}</li>" for row in range(number % 50 + 1))
    return web.Response(text=f"<ul>{rows}</ul>", content_type="text/html")

async def digest(request):
    text = json.dumps(await request.json(), sort_keys=True)
    return web.json_response({"digest": hashlib.sha256(text.encode()).hexdigest(), "length": len(text)})

app = web.Application()
app.add_routes([web.get("/page/{number}", page), web.post("/digest", digest)])
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)
"""

FASTAPI_APP = """
import hashlib, sys
import uvicorn
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from pydantic import BaseModel

class Row(BaseModel):
    i: int
    text: str

class Body(BaseModel):
    number: int
    rows: list[Row]

app = FastAPI()

@app.get("/page/{number}", response_class=HTMLResponse)
def page(number: int):
    return "".join(f"<li>{row}</li>" for row in range(number % 50 + 1))

@app.post("/digest")
async def digest(body: Body):
    return {"digest": hashlib.sha256(body.model_dump_json().encode()).hexdigest(), "rows": [*body.rows[:3]]}

uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
"""

DJANGO_APP = """
import hashlib, json, sys
from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="none", INSTALLED_APPS=["django.contrib.contenttypes"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "items.db"}},
    LOGGING_CONFIG=None, TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
)
import django
django.setup()
from django.core.management import execute_from_command_line
from django.db import connection, models
from django.http import HttpResponse, JsonResponse
from django.template import Context, Template
from django.urls import path

class Item(models.Model):
    name = models.CharField(max_length=40)
    class Meta:
        app_label = "items"

PAGE = Template("<ul>{% for item in items %}<li>{{ item.id }}: {{ item.name|upper }}</li>{% endfor %}</ul>")

def page(request, number):
    return HttpResponse(PAGE.render(Context({"items": Item.objects.order_by("id")[: number % 50 + 1]})))

def digest(request):
    text = json.dumps(json.loads(request.body), sort_keys=True)
    return JsonResponse({"digest": hashlib.sha256(text.encode()).hexdigest(), "length": len(text)})

urlpatterns = [path("page/<int:number>", page), path("digest", digest)]
if __name__ == "__main__":
    with connection.schema_editor() as editor:
        editor.create_model(Item)
    Item.objects.bulk_create(Item(name=f"item {number}") for number in range(200))
    execute_from_command_line(["app.py", "runserver", "--noreload", "--skip-checks", f"127.0.0.1:{sys.argv[1]}"])
"""

ORM_JOB = """
import sys, time
from sqlalchemy import ForeignKey, create_engine, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

class Base(DeclarativeBase):
    pass

class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer: Mapped[str]
    lines: Mapped[list["Line"]] = relationship(back_populates="order", cascade="all, delete-orphan")

class Line(Base):
    __tablename__ = "lines"
    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    amount: Mapped[float]
    order: Mapped[Order] = relationship(back_populates="lines")

engine = create_engine("sqlite:///orders.db")
Base.metadata.create_all(engine)
end, turn = time.monotonic() + float(sys.argv[1]), 0
while time.monotonic() < end:
    with Session(engine) as session:
        for number in range(20):
            lines = [Line(amount=(turn * number + at) % 97 / 7) for at in range(5)]
            session.add(Order(customer=f"customer {number}", lines=lines))
        session.commit()
        totals = select(Order.customer, func.sum(Line.amount)).join(Line).group_by(Order.customer)
        session.execute(totals).all()
        for order in session.scalars(select(Order).order_by(Order.id).limit(20)):
            session.delete(order)
        session.commit()
    turn += 1
print(turn)
"""

TABLES_JOB = """
import sys, time
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

rng, end, turn = np.random.default_rng(7), time.monotonic() + float(sys.argv[1]), 0
while time.monotonic() < end:
    frame = pd.DataFrame({
        "key": rng.integers(0, 500, 60_000), "day": pd.date_range("2024-01-01", periods=60_000, freq="min"),
        "value": rng.normal(size=60_000).round(6), "name": [f"name-{number % 97}" for number in range(60_000)],
    })
    grouped = frame.groupby("key")["value"].agg(["count", "min", "max"])
    merged = frame.merge(grouped.reset_index(), on="key").sort_values(["key", "day"], kind="stable")
    frame.set_index("day")["value"].resample("D").max().to_csv()
    pq.write_table(pa.Table.from_pandas(merged), "merged.parquet")
    table = pq.read_table("merged.parquet")
    table.filter(pc.greater(table["value"], 0.5)).group_by("name").aggregate([("value", "mean")]).to_pandas()
    turn += 1
print(turn)
"""

NUMBERS_JOB = """
import sys, time
import numpy as np
from scipy import fft, ndimage, optimize, signal, sparse, spatial, stats
from scipy.sparse.linalg import spsolve

rng, end, turn = np.random.default_rng(7), time.monotonic() + float(sys.argv[1]), 0
while time.monotonic() < end:
    image = rng.normal(size=(400, 400))
    fft.ifft2(fft.fft2(ndimage.gaussian_filter(image, 3))).real
    signal.sosfilt(signal.butter(4, 0.2, output="sos"), image, axis=0)
    matrix = sparse.random(2000, 2000, 0.002, format="csc", rng=rng) + sparse.identity(2000, format="csc") * 4
    spsolve(matrix, rng.normal(size=2000))
    spatial.cKDTree(rng.normal(size=(5000, 3))).query(rng.normal(size=(500, 3)), k=5)
    optimize.minimize(optimize.rosen, rng.normal(size=6), method="BFGS")
    stats.linregress(image[0], image[1])
    np.linalg.svd(image[:150, :150])
    turn += 1
print(turn)
"""

CELERY_JOB = """
import hashlib, os, signal, threading, time, zlib
from celery import Celery
from celery.signals import worker_ready

app = Celery("work", broker="memory://")
app.conf.update(task_ignore_result=True, worker_hijack_root_logger=False, worker_redirect_stdouts=False)
done = []

@app.task
def crunch(number):
    data = b"".join(hashlib.sha256(f"{number}:{i}".encode()).digest() for i in range(3000))
    zlib.decompress(zlib.compress(data * 3))
    done[:] = [number]

def give():
    end, sent = time.monotonic() + SECONDS, 0
    while time.monotonic() < end:
        crunch.delay(sent)
        sent += 1
        while sent - sum(done) > 40 and time.monotonic() < end:
            time.sleep(0.01)
    print(sent, flush=True)
    os.kill(os.getpid(), signal.SIGTERM)

worker_ready.connect(lambda **_: threading.Thread(target=give).start(), weak=False)
"""


def healthy_jobs(seconds: float) -> list[Job]:
    """All programs; those that would go on for ever do so for ``seconds``."""
    return [
        jobs(seconds)[0],
        Job(
            "celery worker, thread pool",
            ["-m", "celery", "-A", "work", "worker", "-P", "threads", "-c", "4", "-l", "ERROR"],
            prepare=lambda folder: write(folder / "work.py", CELERY_JOB.replace("SECONDS", str(seconds))),
        ),
        service("aiohttp under load", AIOHTTP_APP, seconds),
        service("fastapi and uvicorn under load", FASTAPI_APP, seconds),
        service("django's own server under load", DJANGO_APP, seconds),
        script("sqlalchemy and sqlite", ORM_JOB, seconds),
        script("pandas and pyarrow", TABLES_JOB, seconds),
        script("numpy and scipy", NUMBERS_JOB, seconds),
        Job("tests of networkx", ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--pyargs", "networkx"]),
        Job(
            "tests of pandas' frames",
            ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--pyargs", "pandas.tests.frame"],
        ),
        Job("mypy on sqlalchemy", ["-m", "mypy", "--cache-dir", "cache", "-p", "sqlalchemy"]),
        Job("pylint on django", ["-m", "pylint", "django.db", "django.forms", "django.http", "--score", "n"]),
        Job("black on the standard library", ["-m", "black", "-q", "--workers", "1", "code"], prepare_tree),
        Job(
            "sphinx on the standard library",
            ["-m", "sphinx", "-b", "html", "-q", "-E", "source", "html"],
            prepare_manual,
        ),
    ]


def service(name: str, text: str, seconds: float) -> Job:
    """A web service under the load of :mod:`visitor`."""
    port = free_port()
    return Job(
        name, ["app.py", str(port)], prepare=lambda folder: write(folder / "app.py", text),
        drive=lambda program, python, folder: visit(program, port, seconds),
    )  # fmt: skip


def script(name: str, text: str, seconds: float) -> Job:
    """A script that does the same again and again, and prints how often."""
    return Job(name, ["work.py", str(seconds)], prepare=lambda folder: write(folder / "work.py", text))


def prepare_tree(folder: Path) -> None:
    """Copy most of the standard library, to be formatted anew."""
    for package in (
        "asyncio",
        "collections",
        "concurrent",
        "email",
        "encodings",
        "http",
        "importlib",
        "json",
        "unittest",
        "xml",
    ):
        shutil.copytree(LIBRARY / package, folder / "code" / package)
    for source in sorted(LIBRARY.glob("[a-z]*.py")):
        shutil.copy(source, folder / "code")


def prepare_manual(folder: Path) -> None:
    """Write a manual that documents most of the standard library from its docstrings."""
    names = sorted(source.stem for source in LIBRARY.glob("[a-z]*.py") if source.stem not in {"antigravity", "this"})
    extensions = "['sphinx.ext.autodoc', 'sphinx.ext.viewcode']"
    write(folder / "source/conf.py", f"project = 'Library'\nextensions = {extensions}\nhtml_theme = 'alabaster'\n")
    write(folder / "source/index.rst", "Library\n=======\n\n.. toctree::\n\n   " + "\n   ".join(names) + "\n")
    for name in names:
        write(folder / f"source/{name}.rst", f"{name}\n{'=' * len(name)}\n\n.. automodule:: {name}\n   :members:\n")
