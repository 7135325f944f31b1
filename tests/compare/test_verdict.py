"""The lecture's four curves, made by formula: each gets its name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cvtui.compare.grid import split_values
from cvtui.doctor.curves import Seen, Verdict
from cvtui.doctor.curves import judge as judge_seen

T = np.linspace(0, 1, 500)


def judge(losses: Sequence[Any], guess: float | None = None) -> list[Verdict]:
    return judge_seen([Seen(loss=loss, guess=guess) for loss in losses])


def test_the_lectures_figure() -> None:
    low = 2.3 - 0.6 * T
    good = 0.1 + 2.2 * np.exp(-8 * T)
    high = 1.0 + 1.3 * np.exp(-30 * T)
    very_high = 2.3 + 3.0 * T
    diverged = np.where(T < 0.3, 2.3 + 10 * T, np.nan)
    found = judge([low, good, high, very_high, diverged])
    assert [verdict.name for verdict in found] == ["low", "good", "high", "very high", "very high"]
    assert found[4].diverged_at == int(np.flatnonzero(T >= 0.3)[0])


def test_the_labs_curves() -> None:
    steps = np.arange(100)
    low, good = 3.0 - 0.01 * steps, 3.0 * np.exp(-0.1 * steps)
    high, very_high = 1.0 + 2.0 * np.exp(-0.15 * steps), 3.0 * np.exp(0.05 * steps)
    found = judge([low, good, high, very_high, np.array([3.0, np.inf])])
    assert [verdict.name for verdict in found] == ["low", "good", "high", "very high", "very high"]


def test_a_curve_that_overshoots_and_stays_above_is_high_and_not_good() -> None:
    """`lab lr --optimizer adam`: 0.1 ended at 0.32 beside 0.18 of 0.001, and both were called good."""
    over = 0.32 + 9.0 * np.exp(-20 * T) * (1 - np.exp(-60 * T)) + 2.0 * np.exp(-90 * T)
    assert [verdict.name for verdict in judge([0.18 + 2.1 * np.exp(-8 * T), over])] == ["good", "high"]


def test_nothing_learnt_is_never_good_and_a_spike_to_a_guess_is_not_low() -> None:
    dead = np.full(500, 2.302)
    dead[:6] = [2.9, 8.0, 30.0, 9.0, 6.0, 4.0]
    assert [verdict.name for verdict in judge([dead, np.full(500, 2.31)], guess=2.3026)] == ["very high", "low"]
    assert "hardly moves" not in judge([dead], guess=2.3026)[0].why


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
