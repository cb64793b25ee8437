"""
What kind of code a file holds, and what its module is called.

It knows path conventions of Python installations; it refuses to look at the disk, so a dump of another machine reads
the same.  Names are made for people and for fingerprints: the same for every machine and virtual environment.
"""

from __future__ import annotations

import re
from enum import IntEnum
from posixpath import basename, dirname, isabs, join, normpath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakscope.model.dump import DumpMeta


class Origin(IntEnum):
    """Whose code a frame runs; a higher one is worth more to the reader."""

    NATIVE = 0
    IMPORT = 1
    """The import system and other frozen code of the interpreter."""
    GENERATED = 2
    """Code without a file that some library made: ``<string>``, ``<attrs generated init x>``."""
    STDLIB = 3
    DISPATCH = 4
    """Event loops, thread and process starters (their `STARTERS`): whoever called them has no part in what runs."""
    LIBRARY = 5
    APP = 6


_INSTALLED = re.compile(r"^.*/(?:site|dist)-packages/")
_STDLIB = re.compile(r"^.*/(?:lib|lib64|lib32)/(?:python|pypy)\d+(?:\.\d+)?t?/(?:lib-dynload/)?")
_ZIPPED_STDLIB = re.compile(r"^.*/python\d+\.zip/")
_TYPED_IN = re.compile(r"^<(?:stdin|ipython-input-.*|python-input-.*|doctest .*)>$")
_EXTENSION_SUFFIX = re.compile(r"\.(?:cpython-[\w-]+|abi3|pypy[\w-]+)$")
_DISPATCHERS = frozenset(
    """
    threading.py socketserver.py sched.py _threading_local.py
    asyncio/runners.py asyncio/base_events.py asyncio/events.py asyncio/unix_events.py asyncio/selector_events.py
    asyncio/taskgroups.py concurrent/futures/thread.py concurrent/futures/process.py
    multiprocessing/process.py multiprocessing/pool.py multiprocessing/popen_fork.py multiprocessing/spawn.py
    multiprocessing/forkserver.py
    """.split()
)
STARTERS = frozenset(
    """
    _bootstrap _bootstrap_inner run run_forever run_until_complete _run_once _run serve_forever
    process_request_thread _handle_request_noblock _worker _process_worker worker main _main _launch
    """.split()
)
"""Functions of the standard library's dispatchers that run other people's code; last parts of qualified names."""
_COMPREHENSION = re.compile(r"(?:\.<locals>\.<(?:list|dict|set)comp>|\.<locals>\.<genexpr>)+$")
_COMMAND = "<string>"


def program_roots(meta: DumpMeta) -> tuple[str, ...]:
    """
    Folders that the program's own files are named relative to: where it was started, and where its script lies.

    Parameters
    ----------
    meta : DumpMeta
        Working directory and arguments.
    """
    script = meta.argv[0] if meta.argv and not meta.argv[0].startswith("-") else ""
    folders = [dirname(normpath(join(meta.cwd, script)))] if script else []
    return tuple(dict.fromkeys(folder for folder in (meta.cwd, *folders) if folder not in ("", "/")))


def is_command(meta: DumpMeta) -> bool:
    """Whether the program was given on the command line, ``-c``: then ``<string>`` is its own code."""
    return meta.argv[:1] == ("-c",)


def started_tool(meta: DumpMeta, files: Sequence[str]) -> str:
    """
    The installed package that was started with ``-m``, as pytest is; "" if it was a script or the program's own module.

    Parameters
    ----------
    meta : DumpMeta
    files : sequence of str
        Of the frames seen.
    """
    if meta.argv[:1] != ("-m",) or len(meta.argv) < 2:
        return ""
    package = meta.argv[1]
    mains = [file for file in files if file.endswith(f"/{package.replace('.', '/')}/__main__.py")]
    return package if any(_INSTALLED.match(file) or _inside_stdlib(file) for file in mains) else ""


def origin_of(file: str, *, native: bool, command: bool) -> Origin:
    """
    Whose code a file holds.

    Parameters
    ----------
    file : str
        As the code object names it.
    native : bool
        Whether it is the file of a library.
    command : bool
        Whether ``<string>`` is the program itself, see `is_command`.
    """
    if native:
        return Origin.NATIVE
    if file.startswith("<"):
        if file.startswith("<frozen "):
            return Origin.IMPORT
        return Origin.APP if _TYPED_IN.match(file) or (command and file == _COMMAND) else Origin.GENERATED
    if _INSTALLED.match(file):
        return Origin.LIBRARY
    inside = _inside_stdlib(file)
    if inside is None:
        return Origin.APP
    return Origin.DISPATCH if inside in _DISPATCHERS else Origin.STDLIB


def relative_path(file: str, roots: Sequence[str]) -> str:
    """
    A file's path within its package folder: ``requests/models.py``, ``json/decoder.py``, ``app/cache.py``.

    Parameters
    ----------
    file : str
        As the code object names it, or a library.
    roots : sequence of str
        See `program_roots`.

    Returns
    -------
    str
        For files of the program outside its roots, the last two parts of the path.
    """
    if file.startswith("<") or not file:
        return file
    installed = _INSTALLED.match(file)
    if installed:
        return file[installed.end() :]
    inside = _inside_stdlib(file)
    if inside is not None:
        return inside
    if not isabs(file):
        return normpath(file)
    for root in sorted(roots, key=len, reverse=True):
        if file.startswith(root.rstrip("/") + "/"):
            return file[len(root.rstrip("/")) + 1 :]
    return join(basename(dirname(file)), basename(file))


def module_name(file: str, roots: Sequence[str]) -> str:
    """
    Dotted name of the module a file holds: ``requests.models``, ``app.cache``, ``multidict._multidict``.

    Parameters
    ----------
    file : str
        Source file or extension library; ``<frozen importlib._bootstrap>`` gives what it names.
    roots : sequence of str
        See `program_roots`.
    """
    if file.startswith("<"):
        return file.removeprefix("<frozen ").rstrip(">") if file.startswith("<frozen ") else file
    path = relative_path(file, roots)
    stem = path.removesuffix(".py").removesuffix(".so")
    stem = _EXTENSION_SUFFIX.sub("", stem)
    parts = [part for part in stem.split("/") if part not in ("", ".", "..")]
    if len(parts) > 1 and parts[-1] in ("__init__", "__main__"):
        parts.pop()
    return ".".join(parts)


def plain_function(name: str) -> str:
    """
    The name of a function without the comprehension that runs in it: since Python 3.12 there is no frame for that.

    Parameters
    ----------
    name : str
        Qualified; ``load.<locals>.<listcomp>`` gives ``load``.
    """
    return _COMPREHENSION.sub("", name) or name


def _inside_stdlib(file: str) -> str | None:
    for pattern in (_STDLIB, _ZIPPED_STDLIB):
        match = pattern.match(file)
        if match:
            return file[match.end() :]
    return None
