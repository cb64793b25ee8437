"""
What nobody accounts for in the dumps of one run, and who is new: each comparison made once, when first asked for.

It knows which comparison needs two dumps; it refuses to judge.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from leakscope.analysis.gained import (
    blocks_since_imports,
    gained_blocks,
    gained_exports,
    gained_references,
    references_so_far,
)
from leakscope.analysis.opaque import possible_holders, possible_owners
from leakscope.analysis.pinning import pinned_groups
from leakscope.analysis.staying import staying_objects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakscope.analysis.gained import GainedBlocks, GainedExports, GainedReferences
    from leakscope.analysis.pinning import Pinning
    from leakscope.analysis.staying import Staying
    from leakscope.analysis.walked import Walked
    from leakscope.analysis.working import Work
    from leakscope.model.columns import Column
    from leakscope.model.heap import HeapGraph

_MOST_STAYING = 50
_TOO_SHORT_FOR_DUMPS_S = 0.1
"""In such a run all the work may come before the first dump, or after it."""
_OBJECTS_PER_BLOCK, _OBJECTS_PER_BLOCK_AND_IMPORTS = 0.02, 0.5
"""Objects that must have been added for each block of native memory to be thought its owners."""


class Unaccounted:
    """
    Comparisons between the dumps of one run that have an object graph; with one alone few of them tell anything.

    Parameters
    ----------
    walked : sequence of Walked
        In time order.
    site_of_stack : ndarray of int
        Site of each stack of the last dump of the run.
    work : Work
        When the program worked.
    """

    def __init__(self, walked: Sequence[Walked], site_of_stack: Column, work: Work) -> None:
        self.walked = tuple(walked)
        self.site_of_stack = site_of_stack
        self.work = work

    @property
    def comparable(self) -> bool:
        """Whether there are two dumps to compare."""
        return len(self.walked) > 1

    @cached_property
    def references(self) -> tuple[GainedReferences, ...]:
        """Groups of objects that gained unexplained references, most first."""
        if self.comparable:
            return gained_references(self.walked, self.site_of_stack, self.work)
        # One dump tells of what is lost alone.
        searched = self.walked and self.walked[-1].dump.allocations.pointed.any()
        return references_so_far(self.walked[-1], self.site_of_stack) if searched else ()

    @cached_property
    def exports(self) -> tuple[GainedExports, ...]:
        """Groups of buffers that gained exports without views, most first."""
        return gained_exports(self.walked, self.site_of_stack, self.work) if self.comparable else ()

    @cached_property
    def blocks(self) -> tuple[GainedBlocks, ...]:
        """Groups of blocks without an object that became more, by bytes."""
        found = gained_blocks(self.walked, self.site_of_stack, self.work) if self.comparable else ()
        if self.walked and self._says_more_than_dumps(self.walked[-1]):
            seen = {(each.domain, each.site) for each in found}
            since = blocks_since_imports(self.walked[-1], self.site_of_stack, self.work)
            found += tuple(each for each in since if (each.domain, each.site) not in seen)
        return found

    @staticmethod
    def _says_more_than_dumps(last: Walked) -> bool:
        """Whether the last dump alone tells of what earlier ones cannot: they came too late; or what is lost."""
        return last.taken_s <= _TOO_SHORT_FOR_DUMPS_S or bool(last.dump.allocations.pointed.any())

    @cached_property
    def staying(self) -> tuple[Staying, ...]:
        """Groups of objects that became more, by bytes."""
        if not self.comparable:
            return ()
        return staying_objects(self.walked, self.site_of_stack, _MOST_STAYING, self.work)

    @cached_property
    def pinning(self) -> tuple[Pinning, ...]:
        """Large buffers that small views keep alive in the last dump, by groups, biggest first."""
        return pinned_groups(self.walked, self.site_of_stack, self.work)

    def possible_holders(self, gained: float) -> tuple[str, int] | None:
        """The type that does not tell what it holds and grew enough to hold what was gained, and by how much."""
        if not self.walked:
            return None
        return possible_holders(self._before, self.walked[-1].heap, round(gained))

    def possible_owners(self, gained: float) -> tuple[str, int] | None:
        """The compiled type of which enough objects were added to own the native blocks gained, and how many."""
        after = [each for each in self.walked if each.taken_s >= self.work.imported_s]
        if len(after) > 1:
            return possible_owners(after[0].heap, after[-1].heap, gained, _OBJECTS_PER_BLOCK)
        if not self.walked:
            return None
        # Imports make objects as well.
        return possible_owners(self._before, self.walked[-1].heap, gained, _OBJECTS_PER_BLOCK_AND_IMPORTS)

    @property
    def _before(self) -> HeapGraph | None:
        """The objects of the first dump of several."""
        return self.walked[0].heap if self.comparable else None

    @cached_property
    def threads_gained(self) -> int:
        """Running threads that the last dump has more than the first."""
        if not self.comparable:
            return 0
        first, last = (len(np.unique(each.heap.frames.native_id)) for each in (self.walked[0], self.walked[-1]))
        return max(last - first, 0)
