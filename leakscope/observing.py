"""
Pools of libraries that tell of themselves: they are asked what they hold, if the program has imported them.

It knows where each library keeps its books; it refuses to import a library, to wake a device, and to let an error reach
the program.  It is imported inside the traced program: standard library and core only.  NumPy's caches of small blocks
tell nobody, and torch has books for devices only.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from leakscope import native

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_PYARROW, _TORCH = 1, 2
_UNKNOWN = -1


class Observed(NamedTuple):
    """What a pool says: bytes are -1 where it does not tell."""

    name: str
    source: str
    held_bytes: int
    used_bytes: int
    peak_bytes: int


def _pyarrow(arrow: Any) -> Iterator[Observed]:
    default = arrow.default_memory_pool()
    pools = {default.backend_name: default}
    for backend in arrow.supported_memory_backends():
        pools.setdefault(backend, getattr(arrow, f"{backend}_memory_pool")())
    for backend, pool in pools.items():
        used, peak = pool.bytes_allocated(), pool.max_memory()
        if pool is default or used or peak:
            most = _UNKNOWN if peak is None else int(peak)
            yield Observed(f"pyarrow {backend}", f"pyarrow.{backend}_memory_pool", _UNKNOWN, int(used), most)


def _torch(torch: Any) -> Iterator[Observed]:
    cuda = torch.cuda
    if not cuda.is_initialized():  # asking for more would wake the device
        return
    for device in range(cuda.device_count()):
        yield Observed(
            f"torch cuda:{device}", "torch.cuda.memory", int(cuda.memory_reserved(device)),
            int(cuda.memory_allocated(device)), int(cuda.max_memory_allocated(device)),
        )  # fmt: skip
    pinned = getattr(cuda, "host_memory_stats", None)
    stats: Mapping[str, int] = pinned() if pinned is not None else {}
    if stats:
        yield Observed(
            "torch pinned", "torch.cuda.host_memory_stats", int(stats.get("allocated_bytes.current", _UNKNOWN)),
            int(stats.get("active_bytes.current", _UNKNOWN)), int(stats.get("active_bytes.peak", _UNKNOWN)),
        )  # fmt: skip


OBSERVERS: dict[str, tuple[int, Callable[[Any], Iterator[Observed]]]] = {
    "pyarrow": (_PYARROW, _pyarrow), "torch": (_TORCH, _torch),
}  # fmt: skip
"""Module: kind of pool, and who asks it."""


def observe() -> None:
    """Write down what the pools of libraries say of themselves now; nothing in a program that is not recorded."""
    core = native.core()
    for module, (kind, ask) in OBSERVERS.items():
        library = sys.modules.get(module)
        if library is None:
            continue
        try:
            for pool in ask(library):
                number = core.pool_open(pool.name, pool.source, kind)
                core.pool_observed(number, pool.held_bytes, pool.used_bytes, pool.peak_bytes, 0)
        except Exception:  # noqa: BLE001 - another version, or half imported: then it does not tell
            continue
