"""
The only door to the compiled core ``leakscope._core``.

It knows how to load the core and how its failures read as ours; it refuses to know what the columns mean.  It is
imported inside traced programs, so it uses the standard library only: buffers go in and out, never arrays.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leakscope.errors import (
    CaptureError,
    CoreMissing,
    DiskFull,
    DumpFormatError,
    DumpNotWritten,
    LeakscopeError,
    NewerFormat,
    UnknownFormat,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import ModuleType
    from typing import TypeAlias

    from leakscope._core import Ledger, LiveCounts

    Columns: TypeAlias = Mapping[str, tuple[str, Any]]
    """Column name to (dtype name as in the file, contiguous buffer)."""

_REINSTALL = "reinstall leakscope for this Python: python -m pip install --force-reinstall leakscope"


def core() -> ModuleType:
    """
    The compiled core, loaded on first use.

    Raises
    ------
    CoreMissing
        If it is absent, cannot be loaded here, or was built from another version.
    """
    try:
        from leakscope import _core
    except ImportError as error:
        raise CoreMissing(f"the compiled part of leakscope cannot be loaded: {error}", _REINSTALL) from error
    package = sys.modules[__name__.partition(".")[0]]
    if package.__version__ != _core.BUILD:
        raise CoreMissing(
            f"the compiled part is of leakscope {_core.BUILD}, the rest of {package.__version__}", _REINSTALL
        )
    return _core


def version() -> str:
    """The version the core was built from, equal to the package's."""
    return str(core().BUILD)


def domains() -> tuple[str, ...]:
    """Names of the values of column ``live.domain``."""
    return tuple(core().DOMAINS)


def chunk_kinds() -> tuple[str, ...]:
    """Names of the values of column ``chunk.kind``."""
    return tuple(core().CHUNK_KINDS)


def recorder_path() -> Path | None:
    """
    The recorder library that a program is started with, or None where this build has none.

    Raises
    ------
    CoreMissing
        If the core is absent, or it names a recorder that is not beside it.
    """
    module = core()
    if module.RECORDER is None or module.__file__ is None:
        return None
    path = Path(module.__file__).with_name(module.RECORDER)
    if not path.is_file():
        raise CoreMissing(f"the recorder library {path.name} is missing beside the compiled part", _REINSTALL)
    return path


def create_ledger(
    *,
    interval_bytes: int,
    exact_bytes: int,
    max_frames: int,
    max_stacks: int,
    heap: bool = True,
    values: bool = False,
    buffers: bool = False,
    chunk_bytes: int = 16 << 20,
) -> Ledger:
    """
    A fresh ledger in shared memory, for one program to be recorded.

    Parameters
    ----------
    interval_bytes, exact_bytes, max_frames, max_stacks, heap, values, buffers, chunk_bytes
        As in ``CaptureConfig``.

    Returns
    -------
    Ledger
        The caller passes its ``fd`` to the program and closes it.

    Raises
    ------
    CaptureError
        If the system gives no shared memory.
    """
    module = core()
    try:
        ledger: Ledger = module.Ledger.create(
            interval_bytes, exact_bytes, max_frames, max_stacks, heap, values, buffers, chunk_bytes
        )
    except module.CoreError as error:
        raise _capture_error(error) from error
    return ledger


def adopt_ledger(fd: int) -> Ledger:
    """
    The ledger behind a file descriptor that a followed child process sent.

    Parameters
    ----------
    fd : int
        Belongs to the ledger from now on, and is closed also if there is none behind it.

    Raises
    ------
    CaptureError
        If there is no ledger of this version behind it.
    """
    module = core()
    try:
        ledger: Ledger = module.Ledger.adopt(fd)
    except module.CoreError as error:
        raise _capture_error(error) from error
    return ledger


def write_dump(ledger: Ledger, path: str, meta: str, columns: Columns, parts: Sequence[object]) -> int:
    """
    Bytes written: a complete dump of what was taken out of the ledger, and the given columns.

    Parameters
    ----------
    ledger : Ledger
    path : str
        Replaced atomically; readable by its owner only.
    meta : str
        JSON text.
    columns : mapping of str to (dtype, buffer)
        What the ledger does not know: the series, the sites and what was measured; they replace columns of the parts.
    parts : sequence of object
        From ``ledger.freeze()``, and perhaps from ``ledger.heap_columns()``.

    Raises
    ------
    DiskFull, DumpNotWritten
        Nothing is left at ``path`` that was not there before.
    """
    module = core()
    try:
        return int(ledger.write_dump(path, meta, columns, parts))
    except module.CoreError as error:
        raise _write_error(path, error) from error


def write_columns(path: str, columns: Columns) -> int:
    """
    Bytes written: a dump made of the given columns alone, for drawn and converted ones.

    Raises
    ------
    DiskFull, DumpNotWritten
        As in `write_dump`.
    """
    module = core()
    try:
        return int(module.write_columns(path, columns))
    except module.CoreError as error:
        raise _write_error(path, error) from error


def read_directory(path: str, data: Any) -> list[tuple[str, str, int, int, int]]:
    """
    The columns of a dump: name, dtype, count, byte offset, byte length.

    Parameters
    ----------
    path : str
        For the message.
    data : buffer
        The whole file, usually mapped.

    Raises
    ------
    UnknownFormat, NewerFormat, DumpFormatError
        With the offset of the trouble.
    """
    module = core()
    try:
        directory: list[tuple[str, str, int, int, int]] = module.read_directory(data)
    except module.CoreError as error:
        raise _format_error(path, error) from error
    return directory


def check_columns(path: str, data: Any) -> None:
    """
    Nothing, or an error if the checksum of a column is wrong.  Reads the whole file once.

    Raises
    ------
    DumpFormatError
        With the offset of the column.
    """
    module = core()
    try:
        module.check_columns(data)
    except module.CoreError as error:
        raise _format_error(path, error) from error


def symbols(path: str, offsets: Sequence[int]) -> list[str]:
    """
    Demangled names of the native functions around each offset of a library; "" where there is none.

    Parameters
    ----------
    path : str
        The library; unreadable ones have no names.
    offsets : sequence of int
        Bytes in the file.
    """
    module = core()
    try:
        return list(module.symbols(path, offsets))
    except module.CoreError:
        return [""] * len(offsets)


def recording() -> bool:
    """Whether this very process runs under the recorder."""
    return bool(core().recording())


def request_dump(timeout_s: float, heap: bool) -> str:
    """
    The path of a dump of this process, taken by the parent that records it.

    Parameters
    ----------
    timeout_s : float
        Seconds to wait for it.
    heap : bool
        With the object graph.

    Raises
    ------
    CaptureError
        If this process is not recorded, or the parent does not answer in time.
    """
    module = core()
    try:
        return str(module.request_dump(timeout_s, heap))
    except module.CoreError as error:
        raise _capture_error(error) from error


def _details(error: Exception) -> tuple[str, str, int | None]:
    slug, text, offset = error.args
    return slug, text, None if offset < 0 else offset


def _capture_error(error: Exception) -> CaptureError:
    slug, text, _ = _details(error)
    remedy = "start the program with 'leakscope run'" if slug == "not-recording" else ""
    return CaptureError(text, remedy)


def _write_error(path: str, error: Exception) -> LeakscopeError:
    slug, text, _ = _details(error)
    if slug == "disk-full":
        return DiskFull(f"{path}: {text}", "free some room or choose another folder with -o DIR")
    return DumpNotWritten(f"{path}: {text}", "choose a folder that can be written to with -o DIR")


def _format_error(path: str, error: Exception) -> DumpFormatError:
    slug, text, offset = _details(error)
    kind = {"unknown-format": UnknownFormat, "newer-format": NewerFormat}.get(slug, DumpFormatError)
    return kind(path, offset, text)


def own_state() -> dict[str, int] | None:
    """
    What this process knows of its own recording; None if it is not recorded.

    Returns
    -------
    dict or None
        ``interval_bytes`` (1: every block), ``stacks`` and ``most_stacks``, ``dropped_stacks``, ``dropped_blocks``,
        ``reader`` (process id of who else reads the ledger, 0 for nobody), ``file`` (descriptor of the ledger, or -1).
    """
    state: dict[str, int] | None = core().own_state()
    return state


def live_counts(slots: int) -> LiveCounts:
    """
    Room for what every stack of this process holds at several moments.

    Parameters
    ----------
    slots : int
        1 to 64 moments.  Its memory is mapped, not allocated: taking a moment changes nothing that is counted.

    Raises
    ------
    CaptureError
        If this process is not recorded.
    """
    module = core()
    try:
        counts: LiveCounts = module.LiveCounts(slots)
    except module.CoreError as error:
        raise _capture_error(error) from error
    return counts


def own_frames(stack: int) -> tuple[tuple[str, str, int, bool, int], ...]:
    """
    A stack of this process, innermost frame first.

    Parameters
    ----------
    stack : int

    Returns
    -------
    tuple of (function, file, line, native, offset)
        A native frame has no function, but an offset in its file: see `symbols`.
    """
    frames: tuple[tuple[str, str, int, bool, int], ...] = core().own_frames(stack)
    return frames


OWN_BLOCK = "QQIId"
"""What `own_blocks` packs: address, bytes, stack, thread (for `own_thread_name`), birth in seconds."""


def own_blocks(stacks: bytes, after_s: float) -> bytes:
    """
    The live blocks of some stacks of this process, born at a moment or later, packed as `OWN_BLOCK`.

    Parameters
    ----------
    stacks : bytes
        Ids as unsigned numbers of four bytes.
    after_s : float
        Seconds of `own_now`.  Births are known to within 0.4 % of the time since recording began.

    Notes
    -----
    Cost: one pass over the live table, 1 ms for some 2 MiB of heap.
    """
    return bytes(core().own_blocks(stacks, after_s))


def own_thread_name(thread: int) -> str:
    """What the thread of an own block is called; "" if that is not known."""
    return str(core().own_thread_name(thread))


def own_now() -> float:
    """Seconds since this process began to be recorded."""
    return float(core().own_now())


def own_unread() -> None:
    """Whoever read this process' ledger is gone: nobody can be asked for a dump."""
    core().own_unread()
