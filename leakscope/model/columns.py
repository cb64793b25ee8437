"""
What every table promises about its columns: equal lengths, read-only.

It knows lengths and flags; it refuses to know NumPy at run time, so that importing the nouns costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, TypeAlias

    import numpy as np
    from numpy.typing import NDArray

    Column: TypeAlias = NDArray[Any]
    U1: TypeAlias = NDArray[np.uint8]
    U4: TypeAlias = NDArray[np.uint32]
    I4: TypeAlias = NDArray[np.int32]
    U8: TypeAlias = NDArray[np.uint64]
    I8: TypeAlias = NDArray[np.int64]
    F4: TypeAlias = NDArray[np.float32]
    F8: TypeAlias = NDArray[np.float64]


def check_columns(owner: str, columns: Mapping[str, Column]) -> None:
    """
    Nothing, or an error if the columns of a table disagree in length or can be written to.

    Parameters
    ----------
    owner : str
        Name of the table, for the message.
    columns : mapping of str to ndarray
        Columns by name.

    Raises
    ------
    ValueError
        If lengths differ or a column is writable: a mistake of the caller, not of a file.
    """
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"{owner}: columns of different lengths: {lengths}")
    writable = [name for name, column in columns.items() if column.flags.writeable]
    if writable:
        raise ValueError(f"{owner}: columns must be read-only: {', '.join(writable)}")
