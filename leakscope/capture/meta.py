"""
The small facts of a dump, put together at the moment it is taken.

It knows where each fact comes from: the ledger, the system, the settings; it refuses to know when a dump is taken.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from leakscope import native
from leakscope.capture.process import Resident
from leakscope.model.dump import DumpMeta, Health, LedgerTotals, ProcessMemory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leakscope.capture.sampler import Sampler
    from leakscope.model.config import CaptureConfig
    from leakscope.model.dump import Death

_BY_DOMAIN = "live_bytes."


@dataclass(frozen=True, slots=True)
class RunFacts:
    """
    What all dumps of a process have in common.

    Attributes
    ----------
    argv : tuple of str
        The program and its arguments.
    cwd : str
    """

    argv: tuple[str, ...]
    cwd: str


def facts_now(
    facts: RunFacts,
    config: CaptureConfig,
    pid: int,
    reason: str,
    death: Death | None,
    state: Mapping[str, Any],
    sampler: Sampler,
) -> tuple[DumpMeta, Health]:
    """
    What the meta column of a dump tells of this moment; its number and the object graph are still to come.

    Parameters
    ----------
    facts : RunFacts
    config : CaptureConfig
    pid : int
    reason : str
    death : Death or None
    state : mapping
        The ledger's state.
    sampler : Sampler
        It has just measured.
    """
    meta = DumpMeta(
        leakscope=native.version(),
        runtime="CPython",
        runtime_version=str(state["python"]),
        argv=facts.argv,
        cwd=facts.cwd,
        pid=pid,
        number=0,
        reason=reason,
        taken_unix_s=time.time(),
        elapsed_s=float(state["elapsed_s"]),
        interval_bytes=config.interval_bytes,
        exact_bytes=config.exact_bytes,
        max_frames=config.max_frames,
        platform=f"{sys.platform}-{os.uname().machine}",
        domains=native.domains(),
        chunk_kinds=native.chunk_kinds(),
        death=death,
        process=_process_memory(state, sampler),
        totals=_ledger_totals(sampler.totals),
    )
    return meta, Health(**{field.name: int(state[field.name]) for field in fields(Health)})


def _process_memory(state: Mapping[str, Any], sampler: Sampler) -> ProcessMemory:
    resident = sampler.resident or Resident(0, 0, 0, 0)
    return ProcessMemory(
        rss_bytes=resident.rss_bytes,
        rss_anon_bytes=resident.anon_bytes,
        rss_file_bytes=resident.file_bytes,
        rss_shmem_bytes=resident.shmem_bytes,
        ledger_bytes=int(state["ledger_bytes"]),
        began_rss_anon_bytes=int(state["began_rss_anon_bytes"]),
        malloc_heap_bytes=sampler.malloc_heap_bytes,
    )


def _ledger_totals(totals: Mapping[str, int]) -> LedgerTotals:
    names = [field.name for field in fields(LedgerTotals) if field.name != "live_bytes_by_domain"]
    by_domain = {name.removeprefix(_BY_DOMAIN): value for name, value in totals.items() if name.startswith(_BY_DOMAIN)}
    return LedgerTotals(**{name: totals[name] for name in names}, live_bytes_by_domain=by_domain)
