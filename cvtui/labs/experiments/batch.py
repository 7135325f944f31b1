"""Batch ×N, rate ×N: curves over epochs and over time, and the noise of the gradient against the batch size."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cvtui.doctor.curves import learnt
from cvtui.draw.figures import AnyFigure, Curve, Curves, Table
from cvtui.errors import RequestError
from cvtui.labs.experiments.data import digits
from cvtui.labs.experiments.train import NOT_LEARNED, TensorSplit, evaluate, guess, problem, train
from cvtui.labs.report import Knobs, LabResult, Report, round4
from cvtui.text import compact, rounded, whole_range

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Runner:
    """One combination of batch and rate, and what was seen of it after each part of an epoch."""

    def __init__(self, name: str, batch: int, rate: float, warmup: int) -> None:
        self.name, self.batch, self.rate, self.warmup = name, batch, rate, warmup
        self.epochs: list[float] = []
        self.losses: list[float] = []
        self.seconds: list[float] = []

    def lr_at(self, step: int) -> float:
        return self.rate * min(1.0, (step + 1) / (self.warmup + 1))


def run(knobs: Knobs, report: Report) -> LabResult:
    data = digits()
    base, times, rate = int(knobs["batch"]), int(knobs["times"]), float(knobs["lr"])
    large = base * times
    if large > len(data.x):
        raise RequestError(
            f"--times: {base} x {times} = {large:,} images, but digits has only {len(data.x):,} to train on; "
            f"allowed: {whole_range(1, len(data.x) // base)}"
        )
    warmup = round(float(knobs["warmup"]) * math.ceil(len(data.x) / large))
    runners = [
        Runner(f"batch {base}, rate {rate:g}", base, rate, 0),
        Runner(f"batch {large}, rate {rate:g}", large, rate, 0),
        Runner(f"batch {large}, rate {rate * times:g}", large, rate * times, warmup),
    ]
    for number, runner in enumerate(runners):
        go(runner, data, knobs, report, 0.8 * number / 3, 0.8 / 3, runners)
    report(0.8, "gradient noise")
    noise = gradient_noise(data, int(knobs["seed"]), int(knobs["draws"]), report)
    return result(knobs, runners, noise, guess(data.y), len(data.x))


def go(
    runner: Runner, data: TensorSplit, knobs: Knobs, report: Report, done: float, part: float, runners: list[Runner]
) -> None:
    """Trains with plain SGD; the loss over all training images is looked at four times an epoch, off the clock."""
    seed = int(knobs["seed"])
    model = problem(seed)
    per_epoch = math.ceil(len(data.x) / runner.batch)
    steps = per_epoch * int(knobs["epochs"])
    every = max(1, per_epoch // 4)
    optimizer = torch.optim.SGD(model.parameters(), lr=runner.rate)
    look(runner, model, data, 0.0, 0.0)
    seconds, begin = 0.0, time.perf_counter()
    steps_done = train(model, data, optimizer, steps=steps, batch=runner.batch, seed=seed, lr_at=runner.lr_at)
    for step in steps_done:
        seconds += time.perf_counter() - begin
        if (step.number + 1) % every == 0 or step.number + 1 == steps:
            look(runner, model, data, (step.number + 1) / per_epoch, seconds)
        report(done + part * step.number / steps, runner.name, lambda: curves(runners))
        begin = time.perf_counter()


def look(runner: Runner, model: nn.Module, data: TensorSplit, epoch: float, seconds: float) -> None:
    runner.epochs.append(epoch)
    runner.losses.append(evaluate(model, data.x, data.y)[0])
    runner.seconds.append(seconds)


def gradient_noise(data: TensorSplit, seed: int, draws: int, report: Report) -> list[float]:
    """For each of SIZES: ‖minibatch gradient − full gradient‖ / ‖full gradient‖, root mean square over the draws.

    At the first weights; images are drawn with replacement, so that large batches are as independent as small ones.
    """
    model = problem(seed)
    full = gradient(model, data.x, data.y)
    maker = torch.Generator().manual_seed(seed)
    noise = []
    for number, size in enumerate(SIZES):
        report(0.8 + 0.2 * number / len(SIZES), "gradient noise")
        squares = 0.0
        for _ in range(draws):
            picked = torch.randint(len(data.x), (size,), generator=maker)
            squares += float((gradient(model, data.x[picked], data.y[picked]) - full).square().sum())
        noise.append(math.sqrt(squares / draws) / float(full.norm()))
    return noise


def gradient(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """All parameters' gradients in one row."""
    found = torch.autograd.grad(F.cross_entropy(model(x), y), list(model.parameters()))
    return torch.cat([part.flatten() for part in found])


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Of the straight line through log y over log x (least squares)."""
    logs = [(math.log(a), math.log(b)) for a, b in zip(x, y, strict=True)]
    mean_x, mean_y = (sum(values) / len(logs) for values in zip(*logs, strict=True))
    fall: float = sum((a - mean_x) * (b - mean_y) for a, b in logs) / sum((a - mean_x) ** 2 for a, _ in logs)
    return fall


def distance(first: Runner, second: Runner) -> float:
    """How far two loss curves over epochs lie apart: the mean of |ln(loss / loss)| at the second's epochs."""
    import numpy as np

    epochs = np.array(second.epochs[1:])
    ours = np.interp(epochs, first.epochs, first.losses)
    return float(np.abs(np.log(np.array(second.losses[1:]) / ours)).mean())


def result(knobs: Knobs, runners: list[Runner], noise: list[float], guess: float, images: int) -> LabResult:
    small, plain, scaled = runners
    tested = learnt(small.losses[-1], guess) and knobs["times"] >= 2
    fall = slope(SIZES, noise)
    plain_gap, scaled_gap = distance(small, plain), distance(small, scaled)
    faster = small.seconds[-1] / max(scaled.seconds[-1], 1e-9)
    rows = [
        [runner.name, str(round(runner.epochs[-1] * math.ceil(images / runner.batch))), f"{runner.losses[-1]:.3g}",
         f"{runner.seconds[-1]:.2f} s"]
        for runner in runners
    ]  # fmt: skip
    figures: list[AnyFigure] = [
        *curves(runners),
        Table(title="At the end", columns=["run", "steps", "loss", "time"], rows=rows),
        Curves(
            title=f"Noise of the gradient against the batch size (slope {fall:.2f}; 1/sqrt(B) is -0.5)",
            x_label="images",
            log_x=True,
            log_y=True,
            curves=[
                Curve(name="measured", x=[float(size) for size in SIZES], y=[round4(value) for value in noise]),
                Curve(
                    name="1/sqrt(B)",
                    x=[float(size) for size in SIZES],
                    y=[round4(noise[0] / math.sqrt(size)) for size in SIZES],
                    dim=True,
                ),
            ],
        ),
    ]
    return LabResult(
        figures=figures,
        numbers={
            "runs": [runner.name for runner in runners],
            "loss at the end": [round4(runner.losses[-1]) for runner in runners],
            "seconds": [round4(runner.seconds[-1]) for runner in runners],
            "factor off the small batch's curve": {
                "same rate": round4(math.exp(plain_gap)),
                "scaled rate": round4(math.exp(scaled_gap)),
            },
            "batch sizes": list(SIZES),
            "gradient noise": [round4(value) for value in noise],
            "noise slope": round4(fall),
        },
        claim_holds=scaled_gap < 0.5 * plain_gap and abs(fall + 0.5) < 0.05 if tested else None,
        sentence=f"Over epochs the loss of batch x{knobs['times']} is off the small batch's by a factor of "
        f"{compact(math.exp(plain_gap), 2)}, with rate x{knobs['times']} of {compact(math.exp(scaled_gap), 2)}; that "
        f"run is {faster:.1f} times as fast. "
        f"The gradient's noise falls with B^{fall:.2f}." + ("" if learnt(small.losses[-1], guess) else NOT_LEARNED),
    )


def curves(runners: list[Runner]) -> list[AnyFigure]:
    begun = [runner for runner in runners if runner.losses]

    def over(title: str, x_label: str, x_of: str) -> Curves:
        return Curves(
            title=title,
            x_label=x_label,
            log_y=True,
            curves=[
                Curve(
                    name=runner.name,
                    x=[rounded(x, 4) for x in getattr(runner, x_of)],
                    y=[round4(loss) for loss in runner.losses],
                )
                for runner in begun
            ],
        )

    return [
        over("Loss over all training images, over epochs", "epoch", "epochs"),
        over("… and over time", "seconds", "seconds"),
    ]
