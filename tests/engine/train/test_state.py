"""What a training holds beside its parts."""

from __future__ import annotations

import pytest

from cvtui.engine.train.state import RatesAhead
from tests.engine.making import training


def test_the_rates_ahead_are_the_schedules_whatever_happens_to_it() -> None:
    t = training(schedule="cosine", warmup=20, epochs=20, lr=0.1)
    rates = RatesAhead()
    order = [*range(150), 40, 41, 0, *range(t.checked.total_steps - 3, t.checked.total_steps + 3)]
    assert [rates.at(t.schedule, step) for step in order] == [t.schedule.lr_at(step) for step in order]
    moved = t.schedule.moved_to(50, 0.3)
    assert rates.at(moved, 50) == pytest.approx(0.3) != rates.at(t.schedule, 50)


def test_each_step_gets_the_rate_that_somebody_has_just_set() -> None:
    t = training(schedule="linear", lr=0.1)
    assert t.update_lr() == t.schedule.lr_at(0) == t.optimizer.param_groups[0]["lr"]
    t.step += 1
    t.schedule = t.schedule.moved_to(1, 0.02)
    assert t.update_lr() == 0.02 == t.optimizer.param_groups[-1]["lr"]
