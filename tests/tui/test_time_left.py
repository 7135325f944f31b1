"""Time left of a run: its mean pace and how much that varied, worked by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cvtui.tui.panes.time_left import spread_left, time_left_text


def history(times: list[float], total: int) -> Any:
    steps = SimpleNamespace(seconds=np.cumsum(np.array(times)))
    return SimpleNamespace(run=SimpleNamespace(total_steps=total), steps=steps, steps_done=len(times))


def test_an_even_pace_has_no_spread() -> None:
    told = history([0.1] * 200, 1200)
    assert spread_left(told) == pytest.approx((100.0, 0.0))
    assert time_left_text(told) == "1:40"


def test_a_pace_that_halves_tells_how_far_it_moved() -> None:
    # ten stretches of ten steps; five take 0.1 s a step, five 0.2 s: mean 0.15, standard deviation 0.0527
    told = history([0.0] + ([0.1] * 10 + [0.2] * 10) * 5, 1101)
    left = spread_left(told)
    assert left == pytest.approx((1000 * 0.15, 1000 * 0.05 * (10 / 9) ** 0.5), rel=1e-6)
    assert time_left_text(told) == "2:30 ± 53 s"


@pytest.mark.parametrize(("times", "total"), [([0.1] * 5, 100), ([0.1] * 200, 0), ([0.1] * 199 + [np.nan], 400)])
def test_what_is_not_known_is_not_told(times: list[float], total: int) -> None:
    assert time_left_text(history(times, total)) == ""
