"""The rate drops on a plateau of the validation loss when torch's ReduceLROnPlateau would lower it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from cvtui.engine.optim.plateau import Plateau
from cvtui.engine.train.control import Signals
from cvtui.engine.worker import train_folder
from cvtui.recipe.choices.schedules import Schedule
from tests.engine.making import folder, history


def plateau(**values: float) -> Schedule:
    settings = {"factor": 0.1, "patience": 5, "threshold": 1e-4, "cooldown": 0, "lowest": 0, **values}
    return Schedule(name="plateau", values=settings, lr=0.1, steps_per_epoch=7, epochs=100)


@given(
    losses=st.lists(st.sampled_from([0.5, 0.9, 0.99991, 1.0, 1.1, 2.0, math.nan]), min_size=1, max_size=60),
    patience=st.integers(0, 4),
    cooldown=st.integers(0, 3),
    threshold=st.sampled_from([0.0, 1e-4, 0.2]),
)
def test_the_rate_drops_when_pytorchs_does(losses: list[float], patience: int, cooldown: int, threshold: float) -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.5, patience=patience, cooldown=cooldown, threshold=threshold, eps=0
    )
    ours, rule = plateau(factor=0.5, patience=patience, cooldown=cooldown, threshold=threshold), Plateau()
    for epoch, loss in enumerate(losses, 1):
        theirs.step(loss)
        ours = rule.after_epoch(loss, ours, 7 * epoch)
        assert ours.lr_at(7 * epoch) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)
    drops = list(ours.drops)
    assert [ours.lr_at(drop - 1) / ours.lr_at(drop) for drop in drops] == pytest.approx([2.0] * len(drops))


def test_a_plateau_waits_for_the_warm_up_and_stops_at_the_lowest_rate() -> None:
    warm = Schedule(
        name="plateau", values=plateau(patience=0).values, lr=0.1, steps_per_epoch=7, epochs=100, warmup=5,
        warmup_per="epoch",
    )  # fmt: skip
    rule, found = Plateau(), warm
    for epoch in range(1, 6):
        found = rule.after_epoch(1.0, found, 7 * epoch)
    assert found.drops == ()
    assert rule.after_epoch(1.0, found, 42).drops == (42,)
    rule, low = Plateau(), plateau(patience=0, lowest=0.005)
    for epoch in range(1, 10):
        low = rule.after_epoch(1.0, low, 7 * epoch)
    assert low.lr_at(70) == pytest.approx(0.01)
    constant = Schedule(name="constant", values={}, lr=0.1, steps_per_epoch=7, epochs=2)
    assert Plateau().after_epoch(1.0, constant, 7) is constant


def test_drops_are_marked_as_commands_and_scale_what_is_ahead(tmp_path: Path) -> None:
    text = "plateau(0.5, patience=0, threshold=0.5)"
    run = folder(tmp_path, epochs=4, schedule=text, optimizer="sgd", lr=0.01)
    assert train_folder(run.path, Signals()) == 0
    found = history(run)
    assert [(mark.step, mark.command, mark.words) for mark in found.commands] == [
        (24, "set_lr", "plateau: rate 0.01 → 0.005"),
        (36, "set_lr", "plateau: rate 0.005 → 0.0025"),
    ]
    assert found.steps.lr.tolist() == pytest.approx([0.01] * 24 + [0.005] * 12 + [0.0025] * 12)


def test_in_words_and_on_the_curve_nothing_is_known_before() -> None:
    schedule = plateau(patience=1)
    assert {rate for _, rate in schedule.curve()} == {0.1}
    assert schedule.describe() == (
        "stays at 0.1 and is multiplied by 0.1 whenever the validation loss has not fallen for more than 1 epoch: when "
        "that will be, only the run can tell"
    )


def test_the_counters_of_an_older_checkpoint() -> None:
    old = Plateau.of_state({"best": 0.5, "bad": 3, "rest": 1})
    assert old == Plateau(best=0.5, num_bad_epochs=3, cooldown_counter=1) == Plateau.of_state(vars(old))
