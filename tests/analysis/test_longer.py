"""How long a run must be: in one of that length the recorder takes the dumps that a doubt lacked."""

from __future__ import annotations

import numpy as np
import pytest

from leakscope.analysis.between import telling_moments
from leakscope.analysis.lasting import pace_of
from leakscope.analysis.longer import longer_run_s
from leakscope.analysis.working import Work
from leakscope.capture.dumps import MOST_BASELINES
from leakscope.model.config import CaptureConfig


def moments(length_s: float) -> list[float]:
    """When a run of that length has dumps: baselines at doubled times, the latest kept, and one at its end."""
    first = CaptureConfig().baseline_after_s
    assert first is not None
    doubled = [first * 2**at for at in range(40) if first * 2**at < length_s]
    return [*doubled[-MOST_BASELINES:], length_s]


@pytest.mark.parametrize("seed", range(20))
def test_in_a_run_as_long_as_is_said_growth_that_goes_on_is_even(seed: int) -> None:
    random = np.random.default_rng(seed)
    imported, began = random.uniform(0.02, 3, 2)
    elapsed = float(random.uniform(0.5, 1.2) * max(imported, began))
    length = longer_run_s(Work(all_imported_s=float(imported)), float(began), elapsed)
    begin = max(imported, began)

    times = moments(length)
    values = [max(0.0, time - begin) * 1000 for time in times]
    after = [at for at in telling_moments(times, float("inf")) if at == 0 or times[at - 1] >= begin or values[at] > 0]
    pace = pace_of([values[at] for at in after], [times[at] for at in after], None, (begin, length))

    assert (pace.kind, pace.witness) == ("even", "dumps")
    assert length >= 2 * elapsed


def test_a_run_that_was_no_longer_than_its_imports_would_not_have_told() -> None:
    times = moments(1.0)
    values = [max(0.0, time - 0.9) * 1000 for time in times]

    assert pace_of(values, times, None, (0.9, 1.0)).kind != "even"
