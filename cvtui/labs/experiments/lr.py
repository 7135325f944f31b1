"""Learning rates from far too low to far too high: one net, one start, one order of batches, a curve each."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from cvtui.doctor.curves import Seen, judge
from cvtui.draw.figures import AnyFigure, Curve, Curves, Table
from cvtui.labs.experiments.data import digits
from cvtui.labs.experiments.train import evaluate, guess, problem, smooth, thin, train
from cvtui.labs.report import Knobs, LabResult, Report, round4
from cvtui.text import compact, percent

OPTIMIZERS: dict[str, Callable[[list[Tensor], float], torch.optim.Optimizer]] = {
    "sgd": lambda weights, lr: torch.optim.SGD(weights, lr=lr),
    "momentum": lambda weights, lr: torch.optim.SGD(weights, lr=lr, momentum=0.9),
    "adam": lambda weights, lr: torch.optim.Adam(weights, lr=lr),
}


def run(knobs: Knobs, report: Report) -> LabResult:
    rates = sorted({float(rate) for rate in str(knobs["rates"]).split(",")})
    steps, seed = int(knobs["steps"]), int(knobs["seed"])
    data = digits()
    losses: dict[float, list[float]] = {}
    accuracies: dict[float, float] = {}
    for number, rate in enumerate(rates):
        model = problem(seed)
        optimizer = OPTIMIZERS[str(knobs["optimizer"])](list(model.parameters()), rate)
        losses[rate] = []
        for step in train(model, data, optimizer, steps=steps, batch=int(knobs["batch"]), seed=seed):
            losses[rate].append(step.loss)
            report((number + step.number / steps) / len(rates), f"rate {compact(rate)}", lambda: [figure(losses, {})])
            if not math.isfinite(step.loss):
                break
        accuracies[rate] = evaluate(model, data.val_x, data.val_y)[1]
    named = judge([Seen(loss=values, guess=guess(data.y), rate=rate) for rate, values in losses.items()])
    names = {rate: verdict.name for rate, verdict in zip(losses, named, strict=True)}
    return result(knobs, losses, accuracies, names)


def result(
    knobs: Knobs, losses: dict[float, list[float]], accuracies: dict[float, float], names: Mapping[float, str]
) -> LabResult:
    order = ["low", "good", "high", "very high"]
    found = [names[rate] for rate in losses]
    all_four = set(found) == set(order)
    rising = [order.index(name) for name in found] == sorted(order.index(name) for name in found)
    rows = [
        [
            compact(rate),
            names[rate],
            "no number" if not math.isfinite(values[-1]) else f"{smooth(values)[-1]:.3g}",
            percent(accuracies[rate]),
        ]
        for rate, values in losses.items()
    ]
    table = Table(title="Results", columns=["rate", "it is", "loss", "validation accuracy"], rows=rows)
    words = ", ".join(f"{compact(rate)} is {names[rate]}" for rate in losses)
    return LabResult(
        figures=[figure(losses, names), table],
        numbers={
            "rates": list(losses),
            "shapes": found,
            "loss at the end": [round4(smooth(values)[-1]) for values in losses.values()],
            "validation accuracy": [round4(accuracies[rate]) for rate in losses],
        },
        claim_holds=rising if all_four else None,
        sentence=f"With {knobs['optimizer']}: {words}.",
    )


def figure(losses: dict[float, list[float]], names: Mapping[float, str]) -> AnyFigure:
    curves = []
    for rate, values in losses.items():
        places, shown = thin(smooth(values), 150)
        name = f"{compact(rate)}: {names[rate]}" if rate in names else compact(rate)
        curves.append(Curve(name=name, x=places, y=[round4(value) for value in shown]))
    return Curves(title="Training loss (smoothed) for each rate", x_label="step", log_y=True, curves=curves)
