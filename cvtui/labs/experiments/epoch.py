"""Iterations and epochs, counted: every training image once an epoch, then the curve, validation, the best weights."""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F

from cvtui.draw.figures import AnyFigure, Curve, Curves, Table
from cvtui.engine.data.images import Images
from cvtui.engine.train.step import PlainStep, training_step
from cvtui.labs.experiments.data import digits
from cvtui.labs.experiments.train import batches, evaluate, problem, smooth, thin
from cvtui.labs.report import Knobs, LabResult, Report, round4
from cvtui.text import counted, percent


def run(knobs: Knobs, report: Report) -> LabResult:
    data = digits()
    size, epochs, seed = int(knobs["batch"]), int(knobs["epochs"]), int(knobs["seed"])
    model = problem(seed)
    optimizer = torch.optim.SGD(model.parameters(), lr=float(knobs["lr"]), momentum=0.9)
    state = PlainStep(model, F.cross_entropy, optimizer)
    per_epoch = math.ceil(len(data.x) / size)
    order = batches(len(data.x), size, seed)
    losses: list[float] = []
    looks: list[tuple[float, float]] = []
    once = True
    best = (math.inf, 0)
    for epoch in range(epochs):
        seen = torch.zeros(len(data.x), dtype=torch.int64)
        for _ in range(per_epoch):
            picked = next(order)
            seen[picked] += 1
            loss, _ = training_step(state, Images(data.x[picked], data.y[picked]))
            losses.append(loss.item())
            report(len(losses) / (epochs * per_epoch), f"epoch {epoch + 1}", lambda: figures(losses, looks, per_epoch))
        once = once and bool((seen == 1).all())
        looks.append(evaluate(model, data.val_x, data.val_y))
        best = min(best, (looks[-1][0], epoch + 1))
    rows = [
        [str(number + 1), f"{(number + 1) * per_epoch}", f"{mean_of(losses, number, per_epoch):.3g}", f"{loss:.3g}",
         percent(right), "saved" if loss == min(look[0] for look in looks[: number + 1]) else ""]
        for number, (loss, right) in enumerate(looks)
    ]  # fmt: skip
    table = Table(
        title="After each epoch",
        columns=["epoch", "iterations", "training loss", "validation loss", "accuracy", "model"],
        rows=rows,
    )
    return LabResult(
        figures=[*figures(losses, looks, per_epoch), table],
        numbers={
            "images": len(data.x),
            "iterations per epoch": per_epoch,
            "iterations": len(losses),
            "validation accuracy": [round4(right) for _, right in looks],
            "best epoch": best[1],
        },
        claim_holds=once and len(losses) == per_epoch * epochs,
        sentence=f"{len(data.x):,} images in batches of {size:,} make {counted(per_epoch, 'iteration')} an epoch, each "
        f"image once; "
        f"epoch {best[1]} has the lowest validation loss.",
    )


def mean_of(losses: list[float], epoch: int, per_epoch: int) -> float:
    part = losses[epoch * per_epoch : (epoch + 1) * per_epoch]
    return sum(part) / len(part)


def figures(losses: list[float], looks: list[tuple[float, float]], per_epoch: int) -> list[AnyFigure]:
    places, shown = thin(smooth(losses), 150)
    ends = [float((number + 1) * per_epoch) for number in range(len(looks))]
    curves = [
        Curve(name="training", x=places, y=[round4(value) for value in shown]),
        Curve(name="validation", x=ends, y=[round4(loss) for loss, _ in looks]),
    ]
    return [
        Curves(
            title="Loss: training at every iteration (smoothed), validation after every epoch",
            x_label="iteration",
            log_y=True,
            curves=[curve for curve in curves if curve.x],
        )
    ]
