"""
What is tolerated, and what follows: reports in, pass or fail out.

It knows limits, baselines, suppressions and what a second run proves; it refuses to judge memory: that was done before.
"""

from __future__ import annotations

from leakscope.policy.baseline_file import read_baseline, updated, write_baseline
from leakscope.policy.deciding import gate
from leakscope.policy.known import known_suppressions
from leakscope.policy.reading import policy_from, read_policy

__all__ = [
    "gate", "known_suppressions", "policy_from", "read_baseline", "read_policy", "updated", "write_baseline",
]  # fmt: skip
