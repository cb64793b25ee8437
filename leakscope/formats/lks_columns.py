"""
The columns of one ``.lks`` file, and the checks that every group of them shares.

It knows names, types and rows, and where in the file a row is; it refuses to know what the columns mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from leakscope import native
from leakscope.errors import DumpFormatError

if TYPE_CHECKING:
    import mmap
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Tables = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of one file, checked against each other."""

    path: str
    arrays: Mapping[str, NDArray[Any]]
    offsets: Mapping[str, int]

    @classmethod
    def of(cls, path: str, data: mmap.mmap, needed: Mapping[str, str], *groups: Mapping[str, str]) -> Columns:
        """
        The columns that the directory lists.

        Parameters
        ----------
        path : str
        data : mmap
            The whole file.
        needed, *groups : mapping of str to str
            Name to type: all of the first must be there; all or none of each of the others.

        Raises
        ------
        DumpFormatError
            If one is missing, unknown, there twice or of another type.
        """
        known = {name: dtype for columns in (needed, *groups) for name, dtype in columns.items()}
        arrays: dict[str, NDArray[Any]] = {}
        offsets: dict[str, int] = {}
        for name, dtype, count, offset, _ in native.read_directory(path, data):
            if name not in known:
                raise DumpFormatError(path, offset, f"unknown column {name!r}")
            if name in arrays:
                raise DumpFormatError(path, offset, f"column {name!r} is there twice")
            if dtype != known[name]:
                raise DumpFormatError(path, offset, f"column {name!r} has type {dtype!r}, not {known[name]!r}")
            arrays[name] = _view(data, dtype, count, offset)
            offsets[name] = offset
        there = [group for group in groups if any(name in arrays for name in group)]
        missing = [name for columns in (needed, *there) for name in columns if name not in arrays]
        if missing:
            raise DumpFormatError(path, len(data), f"column {missing[0]!r} is missing")
        return cls(path, arrays, offsets)

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.arrays[name]

    def table(self, table: str, names: Sequence[str] | Mapping[str, str]) -> dict[str, Any]:
        """The columns of one table by their names in it."""
        return {column: self[f"{table}.{column}"] for column in names}

    def fail(self, name: str, what: str, row: int = 0) -> NoReturn:
        """An error at one row of a column."""
        offset = self.offsets[name] + row * self[name].itemsize
        raise DumpFormatError(self.path, offset, what if name == "meta" else f"column {name!r}, row {row:,}: {what}")

    def require(self, name: str, wrong: NDArray[np.bool_], what: str, first_row: int = 0) -> None:
        """Nothing, or an error at the first row that is wrong."""
        if wrong.any():
            self.fail(name, what, first_row + int(wrong.argmax()))

    def below(self, name: str, limit: int, of: str, or_none: int | None = None) -> None:
        """Nothing, or an error at the first id that points outside its table; ``or_none`` points nowhere on purpose."""
        column = self[name]
        # The maximum needs no room of its own; the mask is made only to find the culprit.
        if len(column) and int(column.max()) >= limit:
            wrong = column >= limit
            if or_none is not None:
                wrong &= column != or_none
            self.require(name, wrong, f"points outside the {limit:,} {of}")

    def ascending(self, name: str) -> None:
        """Nothing, or an error at the first row that is not above the one before it."""
        column = self[name]
        self.require(name, column[1:] <= column[:-1], "does not ascend", first_row=1)

    def amounts(self, *names: str) -> None:
        """Nothing, or an error at the first number that is negative, infinite or none."""
        for name in names:
            self.require(name, ~((self[name] >= 0) & np.isfinite(self[name])), "is not a finite amount")

    def same_rows(self, tables: Tables) -> None:
        """Nothing, or an error at the first column of a table that has more or fewer rows than its first one."""
        for table, columns in tables.items():
            first, *others = (f"{table}.{column}" for column in columns)
            for name in others:
                if len(self[name]) != len(self[first]):
                    self.fail(name, f"{len(self[name]):,} rows where {first!r} has {len(self[first]):,}")

    def cuts(self, name: str, of: str) -> None:
        """Nothing, or an error if a column of beginnings does not cut another one into pieces from 0 to its end."""
        offset = self[name]
        if len(offset) == 0 or int(offset[0]) != 0:
            self.fail(name, "does not begin at 0")
        self.require(name, offset[1:] < offset[:-1], "runs backwards", first_row=1)
        if int(offset[-1]) != len(self[of]):
            self.fail(name, f"does not end at {len(self[of]):,}", len(offset) - 1)

    def strings(self, table: str) -> None:
        """Nothing, or an error if a table of strings does not begin with the empty one or runs backwards."""
        offset = self[f"{table}.offset"]
        if len(offset) < 2 or int(offset[0]) != 0 or int(offset[1]) != 0:
            self.fail(f"{table}.offset", "the first string is not the empty one")
        self.cuts(f"{table}.offset", f"{table}.bytes")


def _view(data: mmap.mmap, dtype: str, count: int, offset: int) -> NDArray[Any]:
    if count == 0:
        empty = np.empty(0, "<" + dtype)
        empty.flags.writeable = False
        return empty
    return np.frombuffer(data, "<" + dtype, count, offset)
