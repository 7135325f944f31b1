"""Cures one by one: a net with first weights too small, dead ReLUs and a low rate, cured in turn, then batch norm."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import nn

from cvtui.doctor.curves import learnt
from cvtui.draw.figures import AnyFigure, Bar, Bars, Curve, Curves, Table
from cvtui.labs.experiments.data import digits
from cvtui.labs.experiments.train import TensorSplit, evaluate, guess, he, smooth, thin, train
from cvtui.labs.report import Knobs, LabResult, Report, round4
from cvtui.text import percent

HIDDEN = 4


@dataclass
class Rung:
    """One way to train the net, and its result."""

    name: str
    scale: float
    bias: float
    lr: float
    norm: bool = False
    losses: list[float] = field(default_factory=list)
    dead: float = 0.0
    """Share of hidden units that are 0 for every image, before training."""
    loss: float = math.nan
    accuracy: float = 0.0

    @property
    def settings(self) -> tuple[float, float, float, bool]:
        return self.scale, self.bias, self.lr, self.norm


def rungs(knobs: Knobs) -> list[Rung]:
    """Return the faulty net, each cure added to those before, and batch norm alone on the faulty net."""
    scale, bias, lr, good = (float(knobs[name]) for name in ("scale", "bias", "lr", "good-lr"))
    return [
        Rung("as it is", scale, bias, lr),
        Rung("+ He's init", 1.0, bias, lr),
        Rung("+ biases 0", 1.0, 0.0, lr),
        Rung(f"+ rate {good:g}", 1.0, 0.0, good),
        Rung("+ batch norm", 1.0, 0.0, good, norm=True),
        Rung("batch norm alone", scale, bias, lr, norm=True),
    ]


def build(rung: Rung, seed: int) -> nn.Sequential:
    """Build an MLP of four hidden layers of 64 with ReLU."""
    layers: list[nn.Module] = [nn.Flatten()]
    for _ in range(HIDDEN):
        layers += [nn.Linear(64, 64), *([nn.BatchNorm1d(64)] if rung.norm else []), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Linear(64, 10))
    he(model, seed)
    linear = [layer for layer in model if isinstance(layer, nn.Linear)]
    with torch.no_grad():
        for layer in linear:
            layer.weight.mul_(rung.scale)
        for layer in linear[:-1]:
            layer.bias.fill_(rung.bias)
    return model


@torch.no_grad()
def dead_share(model: nn.Sequential, data: TensorSplit) -> float:
    """Return the share of ReLUs that are 0 for every training image (batch norm by the whole set's statistics)."""
    x, dead, units = data.x, 0, 0
    for layer in model:
        if isinstance(layer, nn.BatchNorm1d):
            x = nn.functional.batch_norm(x, None, None, layer.weight, layer.bias, training=True)
        else:
            x = layer(x)
        if isinstance(layer, nn.ReLU):
            dead, units = dead + int((x == 0).all(0).sum()), units + x.shape[1]
    return dead / units


def run(knobs: Knobs, report: Report) -> LabResult:
    data = digits()
    seed, steps = int(knobs["seed"]), int(knobs["steps"])
    tried = rungs(knobs)
    for number, rung in enumerate(tried):
        model = build(rung, seed)
        rung.dead = dead_share(model, data)
        optimizer = torch.optim.SGD(model.parameters(), lr=rung.lr, momentum=0.9)
        for step in train(model, data, optimizer, steps=steps, batch=int(knobs["batch"]), seed=seed):
            rung.losses.append(step.loss)
            report((number + step.number / steps) / len(tried), rung.name, lambda: curves(tried))
        rung.loss, rung.accuracy = evaluate(model, data.x, data.y)
    return result(tried, guess(data.y))


def result(tried: list[Rung], guess: float) -> LabResult:
    ladder, alone = tried[:-1], tried[-1]
    pairs = list(pairwise(ladder))
    # A fault that the knobs have taken away has no cure; batch norm is one by itself, not on top of the others.
    cures = [(before, after) for before, after in pairs[:-1] if before.settings != after.settings]
    rows = [
        [
            rung.name,
            percent(rung.dead),
            f"{rung.loss:.3g}" if math.isfinite(rung.loss) else "no number",
            percent(rung.accuracy),
            f"{100 * (rung.accuracy - ladder[max(0, number - 1)].accuracy):+z.1f}" if 0 < number < len(ladder) else "",
        ]
        for number, rung in enumerate(tried)
    ]
    table = Table(
        title="Each cure on top of those above it",
        columns=["", "dead units", "loss", "accuracy", "gain (points)"],
        rows=rows,
    )
    bars = Bars(
        title="Training accuracy",
        bars=[Bar(name=rung.name, value=round4(rung.accuracy), text=percent(rung.accuracy)) for rung in tried],
    )
    faulty = not learnt(ladder[0].loss, guess) and learnt(ladder[-1].loss, guess)
    gains = ", ".join(f"{after.name} {percent(after.accuracy)}" for _, after in pairs)
    return LabResult(
        figures=[bars, table, *curves(tried)],
        numbers={
            "nets": [rung.name for rung in tried],
            "dead units": [round4(rung.dead) for rung in tried],
            "loss at the end": [round4(rung.loss) for rung in tried],
            "accuracy": [round4(rung.accuracy) for rung in tried],
        },
        claim_holds=all(after.loss < before.loss for before, after in cures) and learnt(alone.loss, guess)
        if faulty
        else None,
        sentence=f"Training accuracy {percent(ladder[0].accuracy)} as it is, {gains}; batch norm alone "
        f"{percent(alone.accuracy)}.",
    )


def curves(tried: list[Rung]) -> list[AnyFigure]:
    shown = []
    for rung in tried:
        if rung.losses:
            places, values = thin(smooth(rung.losses), 150)
            shown.append(Curve(name=rung.name, x=places, y=[round4(value) for value in values]))
    return [Curves(title="Training loss (smoothed)", x_label="iteration", log_y=True, curves=shown)]
