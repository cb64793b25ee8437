"""A configuration outside its limits is a wrong usage, said in one line."""

from __future__ import annotations

from typing import Any

import pytest

from leakscope.errors import UsageError
from leakscope.model.config import CaptureConfig


def test_exact_is_sampling_with_interval_one() -> None:
    assert CaptureConfig(interval_bytes=1).exact
    assert not CaptureConfig().exact


@pytest.mark.parametrize(
    "wrong",
    [
        {"interval_bytes": 0},
        {"exact_bytes": 0},
        {"max_frames": 0},
        {"max_frames": 100_000},
        {"max_stacks": 1},
        {"sample_every_s": 0},
        {"max_samples": 1},
        {"dump_every_s": 0},
        {"dump_on_rss_bytes": 0},
        {"baseline_after_s": 0},
        {"keep_dumps": 1},
    ],
)
def test_what_is_outside_the_limits_is_refused_with_a_remedy(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        CaptureConfig(**wrong)

    assert "\n" not in caught.value.message
    assert "--help" in caught.value.remedy
