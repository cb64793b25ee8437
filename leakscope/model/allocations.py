"""
Who asked for memory: live blocks, the stacks that allocated them, the threads.

It knows columns and how they point at each other; it refuses to know how they were recorded or stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from leakscope.model.columns import check_columns

if TYPE_CHECKING:
    from leakscope.model.columns import F4, F8, I4, U1, U4, U8, Column

ROOT_STACK = 0
"""Node of the trie that means: no Python code was running."""
MAIN_THREAD = 0
"""Row of the main thread."""
FRAME_KINDS: tuple[Literal["python"], Literal["native"]] = ("python", "native")
"""Names of the values of column ``FrameTable.kind``."""
POINTED = ("unknown", "yes", "no", "linked")
"""
Whether anything in the program's memory leads to a block, or only the collector's list; names of the values of
``AllocationTable.pointed``.
"""


@dataclass(frozen=True, slots=True)
class Frame:
    """
    One line of a stack.

    Attributes
    ----------
    function : str
        Qualified name of the function; for native frames the symbol, or "" if it has none.
    file : str
        Source file; for native frames the library.
    line : int
        1-based; 0 if unknown.
    kind : {"python", "native"}
        What ran there.
    offset : int
        Native frames: byte in the library file; else 0.
    """

    function: str
    file: str
    line: int
    kind: Literal["python", "native"] = "python"
    offset: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class StringTable:
    """
    Strings by id, decoded when asked for; id 0 is the empty string.

    Attributes
    ----------
    offset : ndarray of uint64, shape (n + 1,)
        Where each string begins in ``data``.
    data : ndarray of uint8
        UTF-8, one string after the other; invalid bytes decode to U+FFFD.
    """

    offset: U8
    data: U1

    def __post_init__(self) -> None:
        if len(self.offset) < 2:
            raise ValueError("StringTable: needs at least the empty string")
        check_columns("StringTable", {"offset": self.offset})
        check_columns("StringTable", {"data": self.data})

    def __len__(self) -> int:
        return len(self.offset) - 1

    def __getitem__(self, string: int) -> str:
        begin, end = int(self.offset[string]), int(self.offset[string + 1])
        return self.data[begin:end].tobytes().decode("utf-8", errors="replace")


@dataclass(frozen=True, slots=True, eq=False)
class FrameTable:
    """
    Distinct frames; ``f`` rows of ids into ``strings``.

    Attributes
    ----------
    function, file : ndarray of uint32, shape (f,)
        String ids.
    line : ndarray of int32, shape (f,)
        1-based; 0 unknown.
    kind : ndarray of uint8, shape (f,)
        Index into `FRAME_KINDS`.
    offset : ndarray of uint64, shape (f,)
        Native frames: byte in the library file; else 0.
    strings : StringTable
    """

    function: U4
    file: U4
    line: I4
    kind: U1
    offset: U8
    strings: StringTable

    def __post_init__(self) -> None:
        columns: dict[str, Column] = {
            "function": self.function, "file": self.file, "line": self.line, "kind": self.kind, "offset": self.offset,
        }  # fmt: skip
        check_columns("FrameTable", columns)

    def __len__(self) -> int:
        return len(self.function)

    def __getitem__(self, frame: int) -> Frame:
        return Frame(
            function=self.strings[int(self.function[frame])],
            file=self.strings[int(self.file[frame])],
            line=int(self.line[frame]),
            kind=FRAME_KINDS[int(self.kind[frame])],
            offset=int(self.offset[frame]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class StackTable:
    """
    A trie of frames, ``m`` nodes, with what each node has allocated so far.

    Node 0 is the root; the parent of an outermost frame is 0; parents have smaller ids than their children.
    A stack is named by its innermost node.  Counters are cumulative since recording began, belong to the node as
    innermost, and are estimates in a sampled run.

    Attributes
    ----------
    parent, frame : ndarray of uint32, shape (m,)
        Node of the caller; row of the frame table.  The frame of node 0 means nothing.
    alloc_blocks, alloc_bytes, free_blocks, free_bytes : ndarray of float64, shape (m,)
        Asked for, and given back.
    foreign_blocks : ndarray of float64, shape (m,)
        Blocks freed by another thread than the one that allocated them.
    frame_table : FrameTable
    """

    parent: U4
    frame: U4
    alloc_blocks: F8
    alloc_bytes: F8
    free_blocks: F8
    free_bytes: F8
    foreign_blocks: F8
    frame_table: FrameTable

    def __post_init__(self) -> None:
        columns: dict[str, Column] = {
            "parent": self.parent, "frame": self.frame,
            "alloc_blocks": self.alloc_blocks, "alloc_bytes": self.alloc_bytes,
            "free_blocks": self.free_blocks, "free_bytes": self.free_bytes,
            "foreign_blocks": self.foreign_blocks,
        }  # fmt: skip
        check_columns("StackTable", columns)
        if len(self.parent) == 0:
            raise ValueError("StackTable: needs at least the root")

    def __len__(self) -> int:
        return len(self.parent)

    @property
    def strings(self) -> StringTable:
        """The strings that the frames point into."""
        return self.frame_table.strings

    def frames(self, stack: int) -> list[Frame]:
        """
        The frames of one stack, innermost first; empty for the root.

        Parameters
        ----------
        stack : int
            Node of the trie.

        Raises
        ------
        IndexError
            If there is no such node.
        """
        if not 0 <= stack < len(self.parent):
            raise IndexError(f"no stack {stack} among {len(self.parent)}")
        found: list[Frame] = []
        while stack != ROOT_STACK:
            found.append(self.frame_table[int(self.frame[stack])])
            stack = int(self.parent[stack])
        return found


@dataclass(frozen=True, slots=True, eq=False)
class ThreadTable:
    """
    Threads that ran during the recording, dead ones included; row 0 is the main thread.

    Attributes
    ----------
    name : ndarray of uint32, shape (t,)
        String ids.
    native_id : ndarray of uint64, shape (t,)
        The system's thread id.
    started_s, ended_s : ndarray of float64, shape (t,)
        Seconds since recording began; ``ended_s`` is NaN while the thread lives.
    strings : StringTable
    """

    name: U4
    native_id: U8
    started_s: F8
    ended_s: F8
    strings: StringTable

    def __post_init__(self) -> None:
        columns: dict[str, Column] = {
            "name": self.name, "native_id": self.native_id, "started_s": self.started_s, "ended_s": self.ended_s,
        }  # fmt: skip
        check_columns("ThreadTable", columns)

    def __len__(self) -> int:
        return len(self.name)

    def name_of(self, thread: int) -> str:
        """The name of one thread, or its number if it has none."""
        return self.strings[int(self.name[thread])] or f"thread {int(self.native_id[thread])}"

    def is_alive(self, thread: int) -> bool:
        """Whether the thread had not ended when the dump was taken."""
        ended = float(self.ended_s[thread])
        return ended != ended  # NaN is the mark of the living


@dataclass(frozen=True, slots=True, eq=False)
class AllocationTable:
    """
    Live blocks, ``n`` rows; in a sampled run each row stands for several.

    Attributes
    ----------
    address, size : ndarray of uint64, shape (n,)
        The block itself, in bytes.
    weight : ndarray of float64, shape (n,)
        Bytes the row stands for; equals ``size`` in an exact run.
    stack : ndarray of uint32, shape (n,)
        Node of the stack table that allocated it.
    thread : ndarray of uint32, shape (n,)
        Row of the owner thread.
    domain : ndarray of uint8, shape (n,)
        Index into ``DumpMeta.domains``.
    born_s : ndarray of float32, shape (n,)
        Seconds since recording began.
    pointed : ndarray of uint8, shape (n,)
        Index into `POINTED`.
    """

    address: U8
    size: U8
    weight: F8
    stack: U4
    thread: U4
    domain: U1
    born_s: F4
    pointed: U1

    def __post_init__(self) -> None:
        columns: dict[str, Column] = {
            "address": self.address, "size": self.size, "weight": self.weight, "stack": self.stack,
            "thread": self.thread, "domain": self.domain, "born_s": self.born_s,
            "pointed": self.pointed,
        }  # fmt: skip
        check_columns("AllocationTable", columns)

    def __len__(self) -> int:
        return len(self.address)

    @property
    def blocks(self) -> F8:
        """Blocks each row stands for, float64 of shape (n,): weight over size."""
        blocks: F8 = self.weight / self.size.clip(1)
        return blocks
