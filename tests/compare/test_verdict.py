"""The lecture's four curves, made by formula: each gets its name."""

from __future__ import annotations

import numpy as np

from cvtui.compare import judge
from cvtui.compare.grid import split_values

T = np.linspace(0, 1, 500)


def test_the_lectures_figure() -> None:
    low = 2.3 - 0.6 * T
    good = 0.1 + 2.2 * np.exp(-8 * T)
    high = 1.0 + 1.3 * np.exp(-30 * T)
    very_high = 2.3 + 3.0 * T
    diverged = np.where(T < 0.3, 2.3 + 10 * T, np.nan)
    found = judge([low, good, high, very_high, diverged])
    assert [verdict.name for verdict in found] == ["low", "good", "high", "very high", "very high"]
    assert found[4].diverged_at == int(np.flatnonzero(T >= 0.3)[0])


def test_runs_without_steps_are_told_so() -> None:
    empty, good = judge([np.empty(0), 0.1 + np.exp(-5 * T)])
    assert (empty.why, good.name) == ("no step yet", "good")


def test_one_run_alone_is_good_when_it_falls() -> None:
    assert judge([np.exp(-5 * T)])[0].name == "good"
    assert judge([1 + T])[0].name == "very high"


def test_a_loss_that_hardly_moves_is_low_whatever_the_noise() -> None:
    noise = np.random.default_rng(0).normal(0, 0.05, 500)
    found = judge([2.79 + 0.1 * T + noise, 0.1 + 2.2 * np.exp(-8 * T)])
    assert found[0].name == "low"


def test_commas_in_brackets_belong_to_the_value() -> None:
    assert split_values("1e-1, 1e-2,1e-3") == ["1e-1", "1e-2", "1e-3"]
    assert split_values("step(3,6),cosine") == ["step(3,6)", "cosine"]
    assert split_values("[(conv8-relu)*2-pool]*2-fc,fc") == ["[(conv8-relu)*2-pool]*2-fc", "fc"]
    assert split_values(" , ") == []
