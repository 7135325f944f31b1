"""Why zero-mean: the signs of a unit's gradients, and the shape of a linear classifier's loss, before and after.

The gradient of a unit's weight is the unit's own gradient times the input: with all inputs positive, all its weights
move up together or down together, and the way to the minimum is a zigzag.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cvtui.draw.figures import AnyFigure, Bar, Bars, Heat, Points, Table
from cvtui.labs.experiments.data import raw
from cvtui.labs.experiments.train import seeded
from cvtui.labs.report import Knobs, LabResult, Report, round4
from cvtui.text import NONE, compact

CIFAR_MEAN = (0.4914, 0.4822, 0.4465)
CIFAR_STD = (0.2470, 0.2435, 0.2616)

Preprocess = Callable[[Tensor], Tensor]


def per_channel(images: Tensor) -> tuple[Tensor, Tensor]:
    """(mean, std) of each channel, [1, C, 1, 1]: the lecture's 3 numbers and 3 numbers."""
    return images.mean((0, 2, 3), keepdim=True), images.std((0, 2, 3), keepdim=True)


def centre(images: Tensor) -> Tensor:
    return images - per_channel(images)[0]


def standardise(images: Tensor) -> Tensor:
    mean, std = per_channel(images)
    return (images - mean) / std


WAYS: dict[str, Preprocess] = {
    "none": lambda images: images * 255.0,
    "scale": lambda images: images,
    "centre": centre,
    "standardise": standardise,
}
"""As in the recipe: pixels 0..255, 0..1, less the channel's mean, and over its standard deviation too."""


def pictures(name: str, count: int, seed: int) -> Tensor:
    """[n, C, H, W] from 0 to 1. `cifar-like`: noise with CIFAR-10's 3 means and 3 stds, smooth over 4x4 pixels."""
    if name != "cifar-like":
        return raw(name, count)
    coarse = torch.randn(count, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
    fine = F.interpolate(coarse, size=(32, 32), mode="bilinear", align_corners=False)
    fine = fine / fine.std((0, 2, 3), keepdim=True)
    shape = (1, 3, 1, 1)
    return (fine * torch.tensor(CIFAR_STD).reshape(shape) + torch.tensor(CIFAR_MEAN).reshape(shape)).clamp(1e-3, 1.0)


def same_sign(images: Tensor, units: int, seed: int) -> float:
    """Of one image and one unit: the share of the unit's weight gradients that have the sign of its own gradient.

    The mean over images and units of a first layer of ReLU units under random classes; weights whose input is exactly 0
    have no gradient and don't count. NaN where no unit has a gradient.
    """
    inputs = images.flatten(1)
    first = seeded(lambda: nn.Linear(inputs.shape[1], units), seed)
    last = seeded(lambda: nn.Linear(units, 10), seed + 1)
    assert isinstance(first, nn.Linear)
    shares = []
    for number, image in enumerate(inputs):
        summed = first(image[None] / max(1.0, float(inputs.abs().max())))
        summed.retain_grad()
        F.cross_entropy(last(torch.relu(summed)), torch.tensor([number % 10])).backward()  # type: ignore[no-untyped-call]
        own, weights = summed.grad, first.weight.grad
        assert own is not None
        assert weights is not None
        for unit in torch.flatten(torch.nonzero(own[0])).tolist():
            gradients = weights[unit][weights[unit] != 0]
            shares.append(float((gradients.sign() == own[0, unit].sign()).float().mean()))
        first.weight.grad = None
    return sum(shares) / len(shares) if shares else math.nan


# ------------------------------------------------------------------ the loss of a classifier over its two weights


@dataclass(frozen=True, kw_only=True)
class Bowl:
    """The logistic loss of a classifier with two weights (no bias) on one set of points."""

    name: str
    x: Tensor
    y: Tensor
    minimum: Tensor
    condition: float
    """Of the Hessian at the minimum: its largest curvature over its smallest."""
    path: Tensor
    """Full-batch gradient descent at 1.8 / (largest curvature)."""
    steps: int
    """Until the loss is within 1 % of the way from the beginning to the minimum."""

    def loss(self, weights: Tensor) -> Tensor:
        """[..., 2] -> [...]; with a little weight decay, so that a minimum exists for separable points as well."""
        scores = torch.einsum("...d,nd->...n", weights, self.x)
        return F.softplus(-self.y * scores).mean(-1) + 1e-2 * (weights * self.x.std(0)).square().sum(-1)


def bowl(name: str, x: Tensor, y: Tensor, most: int = 3000) -> Bowl:
    blank = Bowl(name=name, x=x, y=y, minimum=torch.zeros(2), condition=1.0, path=torch.zeros(1, 2), steps=0)
    weights = torch.zeros(2, dtype=torch.float64)
    for _ in range(50):  # Newton
        slope, curvature = derivatives(blank, weights)
        weights = weights - torch.linalg.solve(curvature, slope)
    _, curvature = derivatives(blank, weights)
    curvatures = torch.linalg.eigvalsh(curvature)
    # The slope is steepest at the start, where every point's own curvature is ¼.
    steepest = float(torch.linalg.eigvalsh(derivatives(blank, torch.zeros(2, dtype=torch.float64))[1])[-1])
    rate = 1.8 / max(steepest, float(curvatures[-1]))
    place = torch.zeros(2, dtype=torch.float64)
    goal, start = float(blank.loss(weights)), float(blank.loss(place))
    path, needed = [place], most
    for step in range(most):
        place = place - rate * derivatives(blank, place)[0]
        path.append(place)
        if float(blank.loss(place)) - goal <= 0.01 * (start - goal):
            needed = step + 1
            break
    return Bowl(
        name=name,
        x=x,
        y=y,
        minimum=weights,
        condition=float(curvatures[-1] / curvatures[0]),
        path=torch.stack(path),
        steps=needed,
    )


def derivatives(shape: Bowl, weights: Tensor) -> tuple[Tensor, Tensor]:
    """(gradient [2], Hessian [2, 2]) of the loss; the logistic loss's in closed form."""
    scores = shape.x @ weights
    wrong = torch.sigmoid(-shape.y * scores)
    decay = 2e-2 * shape.x.std(0).square()
    slope = -(wrong * shape.y) @ shape.x / len(shape.y) + decay * weights
    spread = wrong * (1 - wrong)
    return slope, (shape.x * spread[:, None]).T @ shape.x / len(shape.y) + torch.diag(decay)


def two_features(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Two classes of points with two features that are always positive and of different scales; labels ±1."""
    maker = torch.Generator().manual_seed(seed)
    y = torch.where(torch.arange(count) % 2 == 0, 1.0, -1.0).double()
    x = torch.randn(count, 2, generator=maker, dtype=torch.float64) + 0.6 * torch.stack([y, -y], 1)
    return (x * torch.tensor([1.0, 0.4]) + torch.tensor([4.0, 2.0])).clamp(min=0.05), y


# ------------------------------------------------------------------ the lab


def run(knobs: Knobs, report: Report) -> LabResult:
    seed = int(knobs["seed"])
    images = pictures(str(knobs["data"]), int(knobs["images"]), seed)
    rows, signs, conditions = [], {}, {}
    for number, (name, way) in enumerate(WAYS.items()):
        report(0.6 * number / len(WAYS), f"signs: {name}")
        shown = way(images)
        signs[name] = same_sign(shown, int(knobs["units"]), seed)
        conditions[name] = channel_condition(shown)
        mean, std = (part.flatten().tolist() for part in per_channel(shown))
        rows.append([name, _numbers(mean), _numbers(std), _share(signs[name]), compact(conditions[name])])
    report(0.6, "loss surfaces")
    x, y = two_features(400, seed)
    bowls = [
        bowl("As they are", x, y),
        bowl("Centred", x - x.mean(0), y),
        bowl("Mean 0, std 1", (x - x.mean(0)) / x.std(0), y),
    ]
    return result(signs, conditions, rows, bowls)


def channel_condition(images: Tensor) -> float:
    """Condition number of E[z zᵀ] over all pixels, z = (channels, 1): of a linear unit's squared loss on pixels."""
    pixels = images.double().permute(0, 2, 3, 1).reshape(-1, images.shape[1])
    extended = torch.cat([pixels, torch.ones(len(pixels), 1, dtype=torch.float64)], 1)
    curvatures = torch.linalg.eigvalsh(extended.T @ extended / len(extended))
    return float(curvatures[-1] / curvatures[0].clamp(min=1e-300))


def _share(share: float) -> str:
    return NONE if math.isnan(share) else f"{share:.2f}"


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:.3g}" if abs(value) >= 5e-4 else "0" for value in values)


def result(
    signs: dict[str, float], conditions: dict[str, float], rows: list[list[str]], bowls: Sequence[Bowl]
) -> LabResult:
    figures: list[AnyFigure] = [
        Table(
            title="Per channel, over the training images",
            columns=["preprocess", "means", "stds", "same sign", "condition"],
            rows=rows,
            note="same sign: share of a unit's weight gradients with the unit's own sign, for one image. "
            "condition: of a linear unit on pixels.",
        ),
        Bars(
            title="Weight gradients of one unit that point the same way",
            bars=[Bar(name=name, value=round4(share), text=_share(share)) for name, share in signs.items()],
        ),
        *(surface(shape) for shape in (bowls[0], bowls[-1])),
    ]
    before, after = bowls[0], bowls[-1]
    seen = not any(map(math.isnan, signs.values()))
    holds = min(signs["none"], signs["scale"]) > 0.999 and all(
        0.35 <= signs[name] <= 0.65 for name in ("centre", "standardise")
    )
    holds = holds and after.condition < 0.2 * before.condition and after.steps < before.steps
    return LabResult(
        figures=figures,
        numbers={
            "preprocess": list(signs),
            "same sign": [round4(share) for share in signs.values()],
            "condition of pixels": [round4(value) for value in conditions.values()],
            "features": [shape.name for shape in bowls],
            "condition of the loss": [round4(shape.condition) for shape in bowls],
            "steps to the minimum": [shape.steps for shape in bowls],
        },
        claim_holds=holds if seen else None,
        sentence=(
            f"Same sign: {signs['scale']:.2f} of the gradients with positive inputs, {signs['centre']:.2f} with "
            "centred ones. "
            if seen
            else "No unit is active for any image, so no gradient has a sign: take more units. "
        )
        + f"Condition number {before.condition:.3g} before, {after.condition:.3g} after; gradient descent takes "
        f"{before.steps} and {after.steps} steps.",
    )


def surface(shape: Bowl) -> Heat:
    """Draw the loss around the path as a heat map, with the path."""
    reach = torch.cat([shape.path, shape.minimum[None]])
    low, high = reach.min(0).values, reach.max(0).values
    middle, half = (low + high) / 2, float((high - low).max()) * 0.75 + 1e-3
    x = torch.linspace(float(middle[0]) - half, float(middle[0]) + half, 39, dtype=torch.float64)
    y = torch.linspace(float(middle[1]) - half, float(middle[1]) + half, 24, dtype=torch.float64)
    values = torch.log10(
        shape.loss(torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)) - float(shape.loss(shape.minimum)) + 1e-3
    )
    path = shape.path[:: max(1, math.ceil(len(shape.path) / 200))]
    low_value, high_value = float(values.min()), float(values.max())
    return Heat(
        title=f"{shape.name}: condition {shape.condition:.3g}",
        abreast=2,
        values=[[round4(value) for value in row] for row in values.tolist()],
        x_low=float(x[0]),
        x_high=float(x[-1]),
        y_low=float(y[0]),
        y_high=float(y[-1]),
        x_label="w1",
        y_label="w2",
        levels=[low_value + (high_value - low_value) * share for share in (0.25, 0.5, 0.75)],
        paths=[
            Points(
                name=f"gradient descent, {shape.steps} steps",
                x=[round4(value) for value in path[:, 0].tolist()],
                y=[round4(value) for value in path[:, 1].tolist()],
                joined=True,
            )
        ],
    )
