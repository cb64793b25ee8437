"""
What every format offers: the record that the table ``FORMATS`` is made of.

It knows the shape of an entry; it refuses to know any entry.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leakscope.model.dump import Dump


@dataclass(frozen=True, slots=True)
class Format:
    """
    One file format, as plain functions.

    Attributes
    ----------
    name : str
        What people call it.
    suffixes : tuple of str
        Usual endings of file names; never used to recognise a file.
    sniff : callable
        ``sniff(head) -> bool``: whether the first bytes are of this format.  From then on anything wrong is malformed.
    read : callable
        ``read(path, verify) -> Dump``: the complete dump, or a ``DumpFormatError`` with the offset.
    write : callable or None
        ``write(dump, path) -> int``: bytes written; None where the format is only read.
    """

    name: str
    suffixes: tuple[str, ...]
    sniff: Callable[[bytes], bool]
    read: Callable[[str, bool], Dump]
    write: Callable[[Dump, str], int] | None = None
