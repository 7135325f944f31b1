"""The lecture's four curves, made by formula: each gets its name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cvtui.compare import Judge
from cvtui.compare import judge as judge_runs
from cvtui.compare.grid import split_values
from cvtui.doctor import examine
from cvtui.doctor.curves import Seen, Verdict
from cvtui.doctor.curves import judge as judge_seen
from cvtui.runlog.events import Record
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.runlog.writer import EventWriter
from tests.doctor.making import sample, started, story

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
    # First weights that are worse than a guess, and a rate so low that they stay: no climb, though above the guess.
    assert [verdict.name for verdict in judge([np.full(500, 2.56)], guess=2.3026)] == ["low"]
    assert "hardly moves" not in judge([dead], guess=2.3026)[0].why


def test_a_fork_that_stays_where_its_parent_was_has_not_climbed_to_a_guess() -> None:
    """With 96.4 % it was called very high: "up to 0.166 at first, then stays at 0.131: a guess"."""
    noise = np.random.default_rng(0).normal(0, 0.01, 500)
    fork = 0.131 + noise
    fork[20:40] += 0.02
    better, worse = 0.1 + 2.2 * np.exp(-8 * T), 0.5 + noise
    (alone,) = judge([fork], guess=2.3026)
    assert alone.name == "good"
    assert alone.why.startswith("begins trained, at 0.1")
    assert [verdict.name for verdict in judge([fork, better], guess=2.3026)] == ["good", "good"]
    assert [verdict.name for verdict in judge([worse, better], guess=2.3026)] == ["low", "good"]
    rises = np.where(T < 0.2, 0.13, 2.3) + noise
    assert judge([rises], guess=2.3026)[0].name == "very high"


def test_runs_without_steps_are_told_so() -> None:
    empty, good = judge([np.empty(0), 0.1 + np.exp(-5 * T)])
    assert (empty.why, good.name) == ("no step", "good")


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


def logged(folder: Path, name: str, records: Sequence[Record]) -> History:
    made = RunFolder.create(folder, name, 'data = "digits"\n')
    with EventWriter(made) as writer:
        for record in records:
            writer.write(record)
    history = History(made)
    history.poll()
    return history


def test_compare_never_says_low_where_the_doctor_says_too_high(tmp_path: Path) -> None:
    """At lr 1.0 the doctor called it 100 times too high, and compare "low: hardly moves"."""
    dead = story(
        run=started(own=False, lr=1.0),
        loss=lambda step: [3.5, 15.0, 9.0][step] if step < 3 else 2.31,
        rate=lambda _: 1.0,
        look=lambda step: sample(step, update_ratio=0.9 if not step else 0.0, grad_norm=1.0 if not step else 0.0),
    )
    slow = story(run=started(own=False, lr=1e-6), loss=lambda _: 2.3, look=lambda s: sample(s, update_ratio=1e-6))
    histories = [logged(tmp_path, name, one) for name, one in (("dead", dead), ("slow", slow), ("good", story()))]
    doctors = [[one.id for one in examine(history)][:1] for history in histories]
    found = judge_runs(histories)
    assert doctors == [["F01"], ["F02"], []]
    assert [verdict.name for verdict in found] == ["very high", "low", "good"]
    assert "F01" in found[0].why
    assert "F02" in found[1].why


def test_a_judge_that_follows_says_what_one_that_comes_late_says(tmp_path: Path) -> None:
    judge = Judge()
    made = RunFolder.create(tmp_path, "run", 'data = "digits"\n')
    history = History(made)
    with EventWriter(made) as writer:
        for record in story():
            writer.write(record)
            writer.flush()
            history.poll()
            judge([history])
    assert judge([history]) == judge_runs([history])
