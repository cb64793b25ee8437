"""
Bytes to dumps and back: the table of formats, and the one way to open a file.

It knows how to tell the formats apart by their first bytes; it refuses to trust a file's name.
"""

from __future__ import annotations

import os
import stat
from os import PathLike
from typing import TYPE_CHECKING

from leakscope.errors import DumpFormatError, DumpUnreadable, UnknownFormat
from leakscope.formats.lks import LKS

if TYPE_CHECKING:
    from leakscope.formats.format import Format
    from leakscope.model.dump import Dump

FORMATS: tuple[Format, ...] = (LKS,)
"""Every format leakscope reads; a new one is one file and one entry here."""

_SUFFIXES = tuple(suffix for known in FORMATS for suffix in known.suffixes)

HEAD_BYTES = 4096
"""How much of a file the formats may look at to recognise it."""


def open_dump(path: str | PathLike[str], verify: bool = True) -> Dump:
    """
    The dump in a file, whatever its format.

    Parameters
    ----------
    path : str or path-like
        The file; its suffix does not matter.
    verify : bool
        Check the checksum of every column: one pass over the file.

    Returns
    -------
    Dump
        Complete and consistent; its columns are read-only views of the mapped file where the format allows.

    Raises
    ------
    DumpUnreadable
        If there is no such file, it is none, or it may not be read.
    UnknownFormat
        If no format recognises the first bytes.
    DumpFormatError
        If it is recognised, but malformed; with the offset.
    """
    name = os.fspath(path)
    head = _read_head(name)
    if not head:
        raise DumpFormatError(name, None, "the file is empty", "the dump was never written: take a new one")
    for known in FORMATS:
        if known.sniff(head):
            return known.read(name, verify)
    raise UnknownFormat(name, 0, "not a dump: the first bytes belong to no known format")


def dumps_of(path: str | PathLike[str]) -> list[str]:
    """
    What a path stands for: a file for itself, the folder of a run for its dumps, in the order they were taken.

    Parameters
    ----------
    path : str or path-like

    Raises
    ------
    DumpUnreadable
        If it is a folder without dumps, or one that cannot be listed.
    """
    name = os.fspath(path)
    if not os.path.isdir(name):
        return [name]
    try:
        found = sorted(entry for entry in os.listdir(name) if entry.endswith(_SUFFIXES))
    except OSError as error:
        raise DumpUnreadable(f"{name}: cannot be listed: {error.strerror}", "check who may read it") from error
    if not found:
        raise DumpUnreadable(f"{name}: a folder without dumps", "'leakscope run -o DIR' fills one")
    return [os.path.join(name, entry) for entry in found]


def is_dump(path: str | PathLike[str]) -> bool:
    """Whether some format recognises a file, or the dumps in a folder; False if it cannot be read."""
    try:
        head = _read_head(dumps_of(path)[0])
    except DumpUnreadable:
        return False
    return any(known.sniff(head) for known in FORMATS)


def _read_head(path: str) -> bytes:
    try:
        # A pipe would block an open for reading, so look before opening.
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise DumpUnreadable(f"{path}: is a folder, not a dump", f"name the dumps in it: {path}/*.lks")
        if not stat.S_ISREG(mode):
            raise DumpUnreadable(f"{path}: is not a regular file", "copy it to a file first")
        with open(path, "rb") as file:
            return file.read(HEAD_BYTES)
    except FileNotFoundError as error:
        raise DumpUnreadable(f"{path}: no such file", "check the path; 'leakscope run' prints it at the end") from error
    except PermissionError as error:
        raise DumpUnreadable(
            f"{path}: no permission to read it", "dumps belong to the user that recorded them: read it as that user"
        ) from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise DumpUnreadable(f"{path}: cannot be read: {reason}", "check the path and the disk") from error
