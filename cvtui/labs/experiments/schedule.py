"""Learning-rate schedules over each other, and the loss that each of them gives on one fixed problem."""

from __future__ import annotations

import torch

from cvtui.doctor.curves import learnt
from cvtui.draw.figures import AnyFigure, Curve, Curves, Table
from cvtui.labs.experiments.data import digits
from cvtui.labs.experiments.train import evaluate, guess, problem, smooth, thin, train
from cvtui.labs.report import Knobs, LabResult, Report, round4
from cvtui.recipe.choices.schedules import SCHEDULES, Schedule
from cvtui.recipe.choices.spec import parse_choice
from cvtui.text import compact, percent

BATCH = 32
DECAYED = 0.05
"""A rate that ends below this share of its height has decayed."""


def run(knobs: Knobs, report: Report) -> LabResult:
    seed, epochs = int(knobs["seed"]), int(knobs["epochs"])
    data = digits()
    per_epoch = -(-len(data.x) // BATCH)
    schedules = {
        name: plan(name, float(knobs["lr"]), per_epoch, epochs, round(float(knobs["warmup"]) * per_epoch * epochs))
        for name in str(knobs["schedules"]).split(",")
    }
    losses: dict[str, list[float]] = {}
    ends: dict[str, tuple[float, float]] = {}
    for number, (name, schedule) in enumerate(schedules.items()):
        model = problem(seed)
        optimizer: torch.optim.Optimizer = (
            torch.optim.Adam(model.parameters())
            if knobs["optimizer"] == "adam"
            else torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.9)
        )
        losses[name] = []
        steps = schedule.total_steps
        for step in train(model, data, optimizer, steps=steps, batch=BATCH, seed=seed, lr_at=schedule.lr_at):
            losses[name].append(step.loss)
            report((number + step.number / steps) / len(schedules), name, lambda: figures(schedules, losses))
        ends[name] = (evaluate(model, data.x, data.y)[0], evaluate(model, data.val_x, data.val_y)[1])
    return result(knobs, schedules, losses, ends, guess(data.y))


def plan(name: str, lr: float, per_epoch: int, epochs: int, warmup: int) -> Schedule:
    spec, values = parse_choice(name, SCHEDULES, "schedules")
    return Schedule(name=spec.name, values=values, lr=lr, steps_per_epoch=per_epoch, epochs=epochs, warmup=warmup)


def result(
    knobs: Knobs,
    schedules: dict[str, Schedule],
    losses: dict[str, list[float]],
    ends: dict[str, tuple[float, float]],
    guess: float,
) -> LabResult:
    table = Table(
        title="At the end: loss over all training images, validation accuracy",
        columns=["schedule", "loss", "accuracy"],
        rows=[[name, compact(loss), percent(accuracy)] for name, (loss, accuracy) in ends.items()],
    )
    holds: bool | None = None
    best = min(ends, key=lambda name: ends[name][0])
    words = f"With {best} the loss ends lowest, at {compact(ends[best][0], 2)}"
    decays = [name for name in ends if schedules[name].lr_at(schedules[name].total_steps - 1) < DECAYED * knobs["lr"]]
    if "constant" in ends and decays:
        constant = ends["constant"][0]
        worst = max(decays, key=lambda name: ends[name][0])
        words += (
            f"; with a constant rate at {compact(constant, 2)}"
            + f", with those that end below {percent(DECAYED, 0)} of it at {compact(ends[worst][0], 2)} or less"
            * (len(decays) > 1)
        )
        learned = [learnt(ends[name][0], guess) for name in decays]
        holds = ends[worst][0] < constant if all(learned) else None
        words += "" if all(learned) else " (some have learnt nothing: the claim was not tested)"
    return LabResult(
        figures=[*figures(schedules, losses), table],
        numbers={
            "schedules": list(ends),
            "loss at the end": [round4(loss) for loss, _ in ends.values()],
            "validation accuracy": [round4(accuracy) for _, accuracy in ends.values()],
            "in words": [schedule.describe() for schedule in schedules.values()],
        },
        claim_holds=holds,
        sentence=words + ".",
    )


def figures(schedules: dict[str, Schedule], losses: dict[str, list[float]]) -> list[AnyFigure]:
    rates = []
    for name, schedule in schedules.items():
        points = schedule.curve(120)
        rates.append(Curve(name=name, x=[float(step) for step, _ in points], y=[round4(rate) for _, rate in points]))
    trained = []
    for name, values in losses.items():
        places, shown = thin(smooth(values, 0.95), 150)
        trained.append(Curve(name=name, x=places, y=[round4(value) for value in shown]))
    shown_figures: list[AnyFigure] = [Curves(title="The rate over the run", x_label="step", curves=rates)]
    if trained:
        shown_figures.append(
            Curves(title="Training loss (smoothed): MLP on digits", x_label="step", log_y=True, curves=trained)
        )
    return shown_figures
