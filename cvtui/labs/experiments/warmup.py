"""One high rate from the first step on, and after a linear warm-up: the same weights, the same batches."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cvtui.doctor.curves import learnt
from cvtui.draw.figures import AnyFigure, Curve, Curves, Table
from cvtui.labs.experiments.data import digits
from cvtui.labs.experiments.train import NOT_LEARNED, TensorSplit, evaluate, guess, he, noise, thin, train
from cvtui.labs.report import Knobs, LabResult, Report, round4
from cvtui.text import compact

NOT_OVER = " The run ends before its warm-up does, so the high rate was not tested."
TOO_HIGH = " The rate is too high even after the warm-up, so the claim was not tested."
EXPLODED = 3.0
"""A loss of so many times the first has exploded."""


def steep(seed: int, scale: float) -> nn.Sequential:
    """Build an MLP 64-64-64-10 with ReLU whose first weights are `scale` times He's."""
    layers = (nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    model = nn.Sequential(*layers)
    he(model, seed)
    with torch.no_grad():
        for layer in model:
            if isinstance(layer, nn.Linear):
                layer.weight.mul_(scale)
    return model


def run(knobs: Knobs, report: Report) -> LabResult:
    data = digits()
    seed, steps, rate = int(knobs["seed"]), int(knobs["steps"]), float(knobs["lr"])
    lengths = {"no warm-up": 0, f"warm-up of {knobs['warmup']}": int(knobs["warmup"])}
    losses: dict[str, list[float]] = {}
    curvatures: dict[str, list[tuple[int, float]]] = {}
    ends: dict[str, float] = {}
    for number, (name, length) in enumerate(lengths.items()):
        model = steep(seed, float(knobs["scale"]))
        optimizer = torch.optim.SGD(model.parameters(), lr=rate)
        losses[name], curvatures[name] = [], [(0, curvature(model, data))]

        def lr_at(step: int, length: int = length) -> float:
            return rate * min(1.0, (step + 1) / (length + 1))

        for step in train(model, data, optimizer, steps=steps, batch=int(knobs["batch"]), seed=seed, lr_at=lr_at):
            losses[name].append(step.loss)
            report((number + step.number / steps) / 2, name, lambda: figures(losses, rate, lengths, steps))
            if not math.isfinite(step.loss):
                break
            if step.number + 1 == length:
                curvatures[name].append((length, curvature(model, data)))
        ends[name] = evaluate(model, data.x, data.y)[0]
    return result(knobs, data, lengths, losses, curvatures, ends)


def curvature(model: nn.Module, data: TensorSplit, rounds: int = 15) -> float:
    """Return the largest eigenvalue of the Hessian on the first 512 images (power iteration); SGD needs lr < 2/λ."""
    weights = list(model.parameters())
    loss = F.cross_entropy(model(data.x[:512]), data.y[:512])
    gradients = torch.autograd.grad(loss, weights, create_graph=True)
    generator = noise(0)
    vector: list[Tensor] = [torch.randn(weight.shape, generator=generator) for weight in weights]
    value = 0.0
    for _ in range(rounds):
        length = math.sqrt(sum(float(part.square().sum()) for part in vector))
        if not 0 < length < math.inf:
            return math.nan
        vector = [part / length for part in vector]
        product = torch.autograd.grad(gradients, weights, grad_outputs=vector, retain_graph=True)
        value = sum(float((left * right).sum()) for left, right in zip(product, vector, strict=True))
        vector = [part.detach() for part in product]
    return value


def result(
    knobs: Knobs,
    data: TensorSplit,
    lengths: dict[str, int],
    losses: dict[str, list[float]],
    curvatures: dict[str, list[tuple[int, float]]],
    ends: dict[str, float],
) -> LabResult:
    rate = float(knobs["lr"])
    peaks = {name: max(map(_finite, values)) / values[0] for name, values in losses.items()}
    cold, warm = lengths
    rows = [
        [
            name,
            f"{losses[name][0]:.3g}",
            "no number" if peaks[name] == math.inf else compact(peaks[name] * losses[name][0]),
            f"{ends[name]:.3g}",
            ", ".join(
                f"{2 / value:.2g}" + f" at step {step}" * (step > 0) for step, value in curvatures[name] if value > 0
            ),
        ]
        for name in lengths
    ]
    table = Table(
        title=f"Results with rate {rate:g}",
        columns=["run", "first loss", "highest", "at the end", "stable up to (2/λ)"],
        rows=rows,
    )
    learned = learnt(ends[warm], guess(data.y))
    over = lengths[warm] < int(knobs["steps"])
    tested = learned and peaks[cold] >= EXPLODED and lengths[warm] > 0 and over
    return LabResult(
        figures=[*figures(losses, rate, lengths, int(knobs["steps"])), table],
        numbers={
            "runs": list(lengths),
            "highest loss over the first": [round4(peak) for peak in peaks.values()],
            "loss at the end": [round4(end) for end in ends.values()],
            "curvature": {name: [round4(value) for _, value in values] for name, values in curvatures.items()},
        },
        claim_holds=peaks[warm] < EXPLODED and not ends[cold] <= ends[warm] if tested else None,
        sentence=f"With rate {rate:g} from the first step on the loss {_climb(peaks[cold])} and ends at "
        f"{compact(ends[cold])}; with the warm-up it {_climb(peaks[warm])} and ends at {compact(ends[warm])}."
        + _doubt(learned, peaks[warm], over),
    )


def _doubt(learned: bool, warm_peak: float, over: bool) -> str:
    """Say why the run shows nothing; "" where it does."""
    if not learned:
        return TOO_HIGH if warm_peak >= EXPLODED else NOT_LEARNED
    return "" if over else NOT_OVER


def _climb(peak: float) -> str:
    """Say how far a loss climbs over its first value."""
    if peak == math.inf:
        return "climbs beyond all numbers"
    return f"climbs to {compact(peak)} times its first value" if peak >= 1.005 else "never exceeds its first value"


def _finite(value: float) -> float:
    return value if math.isfinite(value) else math.inf


def figures(losses: dict[str, list[float]], rate: float, lengths: dict[str, int], steps: int) -> list[AnyFigure]:
    places = [float(place) for place in range(0, steps, max(1, steps // 100))]
    rates = [
        Curve(name=name, x=places, y=[round4(rate * min(1.0, (place + 1) / (length + 1))) for place in places])
        for name, length in lengths.items()
    ]
    curves = []
    for name, values in losses.items():
        x, y = thin(values, 200)
        curves.append(Curve(name=name, x=x, y=[round4(value) for value in y]))
    return [
        Curves(title="The rate", x_label="iteration", abreast=2, curves=rates),
        Curves(title="Training loss of each batch", x_label="iteration", log_y=True, abreast=2, curves=curves),
    ]
