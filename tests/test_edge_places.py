"""Places of edges read for many objects at once are those read for each alone."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from object_records import encode, random_heap

from leakscope import kernels
from leakscope.errors import DumpFormatError


@pytest.mark.parametrize("seed", range(30))
def test_places_of_many_are_those_of_each(seed: int) -> None:
    random = Random(seed)
    records, shapes = random_heap(random, random.choice([1, 20, 5000]))
    arguments = encode(records, shapes)
    objects = sorted(random.sample(range(len(records)), random.randint(1, len(records))))
    wanted = [place for own in objects for place, to in enumerate(records[own].edges) if to is not None]

    places = kernels.edge_places(
        arguments["stream"], arguments["block_offset"], np.array(objects, dtype=np.uint32), len(wanted)
    )

    assert places.tolist() == wanted


def test_a_wrong_number_of_edges_is_told_before_memory_is_asked_for() -> None:
    arguments = encode(*random_heap(Random(1), 20))

    for edges in (-1, 2**40):
        with pytest.raises(DumpFormatError, match="cannot be in"):
            kernels.edge_places(arguments["stream"], arguments["block_offset"], np.arange(20, dtype=np.uint32), edges)
