"""Simulated runs: from blocks with a birth and a death to the dump that a recorder would have written.

The builders draw moments; this draws lifetimes, for what depends on who survives.  Sampling is done as the recorder
does it: a block is recorded with probability ``1 - exp(-size / interval)``, for its whole life.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from builders import EXACT_BYTES, QUIET_BYTES, column, dump, live

from leakscope.model.allocations import AllocationTable
from leakscope.model.dump import Dump
from leakscope.model.series import AGE_CLASSES, AGE_EDGES_S, Series, SiteSamples

FOREVER = np.inf


@dataclass
class Life:
    """Blocks of one run: parallel lists."""

    site: list[str] = field(default_factory=list)
    size: list[int] = field(default_factory=list)
    born: list[float] = field(default_factory=list)
    died: list[float] = field(default_factory=list)
    thread: list[str] = field(default_factory=list)

    def add(self, site: str, size: int, born: float, died: float = FOREVER, thread: str = "MainThread") -> None:
        """One block."""
        self.site.append(site)
        self.size.append(size)
        self.born.append(born)
        self.died.append(died)
        self.thread.append(thread)


def recorded(
    life: Life,
    end_s: float,
    *,
    samples: int = 120,
    interval_bytes: int = 1,
    seed: int = 0,
    sample_at: Sequence[float] | None = None,
    **facts: Any,
) -> Dump:
    """
    The dump of a simulated run, taken at its end.

    ``sample_at`` are the times of the series, by default ``samples`` evenly spaced ones.
    """
    sites, site = np.unique(life.site, return_inverse=True)
    threads, thread = np.unique(life.thread, return_inverse=True)
    drawn = dump(
        sum((live({name: 1}, thread=str(who)) for name in sites for who in threads), start=live({})), elapsed_s=end_s
    )
    stack_of = dict(zip([str(name) for name in sites for _ in threads], drawn.allocations.stack.tolist(), strict=True))
    names = [drawn.threads.name_of(row) for row in range(len(drawn.threads))]
    size, born, died = np.array(life.size, "u8"), np.array(life.born), np.array(life.died)
    chance = (
        np.where(size < EXACT_BYTES, -np.expm1(-size.astype(float) / interval_bytes), 1.0)
        if interval_bytes > 1
        else 1.0
    )
    kept = np.random.default_rng(seed).random(len(size)) < chance
    blocks = {
        "size": size, "weight": size / chance, "born": born, "died": died,
        "stack": np.array([stack_of[str(name)] for name in sites], "u4")[site],
        "thread": np.array([names.index(str(name)) for name in threads], "u4")[thread],
    }  # fmt: skip
    blocks = {name: values[kept] for name, values in blocks.items()}
    times = np.linspace(end_s / samples, end_s, samples) if sample_at is None else np.array(sample_at)
    alive = (blocks["born"] <= end_s) & (blocks["died"] > end_s)
    live_bytes = round(float(blocks["weight"][alive].sum()))
    held = {
        "totals": replace(
            drawn.meta.totals, live_bytes=live_bytes, live_blocks=int(alive.sum()),
            live_bytes_by_domain={"obj": live_bytes},
        ),
        "process": replace(
            drawn.meta.process, rss_bytes=QUIET_BYTES + live_bytes, rss_anon_bytes=QUIET_BYTES - (1 << 20) + live_bytes
        ),
    }  # fmt: skip
    return replace(
        drawn,
        meta=replace(drawn.meta, **({"interval_bytes": interval_bytes, "elapsed_s": end_s} | held | facts)),
        allocations=_live_rows({name: values[alive] for name, values in blocks.items()}),
        series=_series(drawn.series, blocks, times),
    )


def _live_rows(blocks: dict[str, Any]) -> AllocationTable:
    n = len(blocks["size"])
    return AllocationTable(
        address=column(np.arange(n) * 16, "u8"), size=column(blocks["size"], "u8"),
        weight=column(blocks["weight"], "f8"), stack=column(blocks["stack"], "u4"),
        thread=column(blocks["thread"], "u4"), domain=column(np.full(n, 2), "u1"), born_s=column(blocks["born"], "f4"),
        pointed=column(np.zeros(n), "u1"),
    )  # fmt: skip


def _series(like: Series, blocks: dict[str, Any], times: Any) -> Series:
    edges = np.array([0.0, *AGE_EDGES_S, np.inf])
    rows: list[tuple[int, int, float, float, Any]] = []
    totals = np.zeros((len(times), 2))
    for sample, time in enumerate(times):
        alive = (blocks["born"] <= time) & (blocks["died"] > time)
        stack, weight = blocks["stack"][alive], blocks["weight"][alive]
        count = weight / blocks["size"][alive]
        age = np.digitize(time - blocks["born"][alive], edges[1:-1])
        for each in np.unique(stack):
            of = stack == each
            ages = np.bincount(age[of], weights=weight[of], minlength=AGE_CLASSES)
            rows.append((sample, int(each), float(weight[of].sum()), float(count[of].sum()), ages))
        totals[sample] = weight.sum(), count.sum()
    fields = {name: column(np.full(len(times), np.nan), "f8") for name in _SERIES if name not in ("time_s", "sites")}
    fields |= {"time_s": column(times, "f8"), "cpu_s": column(np.asarray(times) / 2, "f8")}
    fields |= {"live_bytes": column(totals[:, 0], "f8"), "live_blocks": column(totals[:, 1], "f8")}
    fields["rss_bytes"] = column(totals[:, 0] + (8 << 20), "f8")
    sites = SiteSamples(
        sample=column([row[0] for row in rows], "u4"), stack=column([row[1] for row in rows], "u4"),
        live_bytes=column([row[2] for row in rows], "f8"), live_blocks=column([row[3] for row in rows], "f8"),
        age_bytes=column(np.reshape([row[4] for row in rows], (-1, AGE_CLASSES)), "f8"),
    )  # fmt: skip
    return replace(like, **fields, sites=sites)


_SERIES = tuple(Series.__dataclass_fields__)
