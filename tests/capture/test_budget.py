from __future__ import annotations

import pytest

from leakscope.capture.budget import Budget


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_the_grace_may_be_spent_at_once_and_then_the_share() -> None:
    clock = Clock()
    budget = Budget(share=0.01, grace_s=0.1, clock=clock)
    budget.spend(0.09)
    assert budget.wait_s() == 0.0
    budget.spend(0.02)
    assert budget.wait_s() == pytest.approx(1.0)
    clock.now_s += 1.01
    assert budget.wait_s() == 0.0


def test_it_tells_how_long_one_would_wait_had_something_been_spent() -> None:
    clock = Clock()
    budget = Budget(share=0.01, grace_s=0.1, clock=clock)
    assert budget.wait_s(after_s=0.1) == 0.0
    assert budget.wait_s(after_s=0.12) == pytest.approx(2.0)
    assert budget.spent_s == 0.0


def test_whoever_asks_first_and_pays_afterwards_spends_the_share_on_average() -> None:
    clock = Clock()
    budget = Budget(share=0.01, grace_s=0.1, clock=clock)
    for _ in range(1000):
        clock.now_s += max(budget.wait_s(), 0.05)
        budget.spend(0.004)
    elapsed = clock.now_s - 100.0
    assert budget.spent_s == pytest.approx(4.0)
    assert budget.spent_s <= 0.1 + 0.01 * elapsed + 0.004
