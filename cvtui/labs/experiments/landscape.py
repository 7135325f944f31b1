"""The loss around a trained net (Li et al. 2018): along two filter-normalised random directions, and along its path.

Random directions hold nearly nothing of the path (in so many dimensions all are at right angles to it), so the path is
drawn on the plane of its own two principal components, as the paper does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from cvtui.calc import Size
from cvtui.doctor.curves import knows
from cvtui.draw.figures import AnyFigure, Curve, Curves, Heat, Points, Table
from cvtui.engine.nn.model import Net
from cvtui.labs.experiments.data import build, images
from cvtui.labs.experiments.train import NOT_LEARNED, TensorSplit, chance, evaluate, noise, train
from cvtui.labs.report import Knobs, LabResult, Report, round4
from cvtui.text import compact, percent

STEPS_OF_PATH = 30
NEAR = 0.3
"""A map that reaches less far shows no rim, and tests nothing."""
SIDES = ("left", "right")
"""The two nets by the names of their knobs: a title may be cut before their expressions differ."""


class Land:
    """One trained net with its surroundings: losses [rows, columns] over steps along two directions."""

    def __init__(self, side: str, name: str, net: Net) -> None:
        self.side, self.name, self.net = side, name, net
        self.path: list[list[Tensor]] = []
        self.losses = torch.empty(0)
        self.way = torch.empty(0)
        """Losses on the path's own plane, and the path on it: [points, 2]."""
        self.walked = torch.empty(0, 2)
        self.held = (0.0, 0.0)
        """The share of the path's length (squared) that lies in the random plane, and in its own."""
        self.accuracy = 0.0

    @property
    def centre(self) -> float:
        rows, columns = self.losses.shape
        return float(self.losses[rows // 2, columns // 2])

    def roughness(self) -> float:
        """Return the share of positions, besides the middle, lower than all four neighbours (false valleys)."""
        z = self.losses[1:-1, 1:-1]
        lower = (
            (z < self.losses[:-2, 1:-1])
            & (z < self.losses[2:, 1:-1])
            & (z < self.losses[1:-1, :-2])
            & (z < self.losses[1:-1, 2:])
        )
        rows, columns = lower.shape
        lower[rows // 2, columns // 2] = False
        return float(lower.float().mean())

    def rise(self) -> float:
        """Logarithm of (median loss on the map's rim / loss in its middle)."""
        rim = torch.cat([self.losses[0], self.losses[-1], self.losses[1:-1, 0], self.losses[1:-1, -1]])
        return math.log(float(rim.median()) / max(self.centre, 1e-12))


def run(knobs: Knobs, report: Report) -> LabResult:
    seed = int(knobs["seed"])
    data = images("digits")
    size: Size = (8, 8, 1)
    lands: list[Land] = []
    for option in SIDES:
        text = str(knobs[option])
        lands.append(Land(option, text, build(text, size, 10, seed, option=f"--{option}")))
    for number, land in enumerate(lands):
        learn(land, data, knobs, report, number / 2, 0.2)
        part = data.head(int(knobs["images"]), 1)
        middle = weights(land.net)
        random = directions(land.net, int(knobs["seed"]))
        own = principal(land.path, middle)
        land.walked, own_share = project(land.path, middle, own)
        land.held = (project(land.path, middle, random)[1], own_share)
        reach, side = float(knobs["reach"]), int(knobs["side"]) | 1
        span = window(land.walked)
        for attribute, ways, area in (("losses", random, (-reach, reach, -reach, reach)), ("way", own, span)):
            done = number / 2 + (0.2 if attribute == "losses" else 0.35)
            losses = torch.full((side, side), math.nan)
            setattr(land, attribute, losses)
            for share in explore(land.net, part, middle, ways, area, losses):
                report(done + 0.15 * share, f"around {land.name}", lambda: maps(lands, float(knobs["reach"])))
    return result(knobs, lands, data.val_y)


def learn(land: Land, data: TensorSplit, knobs: Knobs, report: Report, done: float, part: float) -> None:
    """Trains with Adam, and keeps the weights on the way about 30 times."""
    steps = int(knobs["epochs"]) * math.ceil(len(data.x) / 64)
    optimizer = torch.optim.Adam(land.net.parameters())
    land.path.append(weights(land.net))

    def cosine(step: int) -> float:
        return 2.5e-3 * (1 + math.cos(math.pi * step / steps))

    for step in train(land.net, data, optimizer, steps=steps, batch=64, seed=int(knobs["seed"]), lr_at=cosine):
        if (step.number + 1) % max(1, steps // STEPS_OF_PATH) == 0 or step.number + 1 == steps:
            land.path.append(weights(land.net))
        report(done + part * step.number / steps, f"training {land.name}")
    land.net.eval()
    land.accuracy = evaluate(land.net, data.val_x, data.val_y)[1]


def weights(net: Net) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in net.parameters()]


def directions(net: Net, seed: int) -> list[list[Tensor]]:
    """Two random directions, each filter's part as long as the filter itself; biases and norms stay where they are."""
    generator = noise(seed)
    found = []
    for _ in range(2):
        parts = []
        for parameter in net.parameters():
            part = torch.randn(parameter.shape, generator=generator)
            if parameter.dim() <= 1:
                parts.append(torch.zeros_like(parameter))
                continue
            across = tuple(range(1, parameter.dim()))
            length = part.norm(dim=across, keepdim=True) if len(across) == 1 else part.square().sum(across, True).sqrt()
            own = parameter.detach().square().sum(across, True).sqrt()
            parts.append(part * own / (length + 1e-10))
        found.append(parts)
    return found


def principal(path: list[list[Tensor]], middle: list[Tensor]) -> list[list[Tensor]]:
    """Find the two directions (of unit length) in which the path, seen from its end, reaches furthest."""
    moved = torch.stack([flat(point) - flat(middle) for point in path])
    _, _, rows = torch.linalg.svd(moved, full_matrices=False)
    # A path of one step has but one direction.
    return [shaped(rows[min(number, len(rows) - 1)], middle) for number in range(2)]


def flat(parts: list[Tensor]) -> Tensor:
    return torch.cat([part.flatten() for part in parts])


def shaped(row: Tensor, like: list[Tensor]) -> list[Tensor]:
    """One long row as tensors of the same shapes as `like`."""
    parts = torch.split(row, [part.numel() for part in like])
    return [part.reshape(other.shape) for part, other in zip(parts, like, strict=True)]


def project(path: list[list[Tensor]], middle: list[Tensor], ways: list[list[Tensor]]) -> tuple[Tensor, float]:
    """([points, 2] on the plane through the middle, by least squares; the share of the squared lengths it holds)."""
    plane = torch.stack([flat(way) for way in ways], 1)
    moved = torch.stack([flat(point) - flat(middle) for point in path], 1)
    places = torch.linalg.lstsq(plane, moved).solution
    return places.T, float((plane @ places).square().sum() / moved.square().sum().clamp(min=1e-30))


def window(places: Tensor) -> tuple[float, float, float, float]:
    """x_low, x_high, y_low, y_high around the places, with a fifth more on each side."""
    low, high = places.min(0).values, places.max(0).values
    margin = (high - low).clamp(min=1e-3 * float((high - low).max()) + 1e-9) * 0.2
    low, high = low - margin, high + margin
    return float(low[0]), float(high[0]), float(low[1]), float(high[1])


@torch.no_grad()
def explore(
    net: Net,
    data: TensorSplit,
    middle: list[Tensor],
    ways: list[list[Tensor]],
    area: tuple[float, float, float, float],
    losses: Tensor,
) -> Iterator[float]:
    """Fill `losses` [rows, columns] with the loss at each position; yield the share done; restore the weights."""
    rows, columns = losses.shape
    parameters = list(net.parameters())
    try:
        for row, y in enumerate(torch.linspace(area[2], area[3], rows).tolist()):
            for column, x in enumerate(torch.linspace(area[0], area[1], columns).tolist()):
                for parameter, start, first, second in zip(parameters, middle, ways[0], ways[1], strict=True):
                    parameter.data = start + x * first + y * second
                losses[row, column] = F.cross_entropy(net(data.x), data.y)
            yield (row + 1) / rows
    finally:
        for parameter, start in zip(parameters, middle, strict=True):
            parameter.data = start.clone()


def result(knobs: Knobs, lands: list[Land], labels: Tensor) -> LabResult:
    reach = float(knobs["reach"])
    rows = [
        [
            land.side,
            f"{land.net.table.parameters:,}",
            percent(land.accuracy),
            f"{land.centre:.3g}",
            compact(math.exp(land.rise())),
            percent(land.roughness()),
        ]
        for land in lands
    ]
    figures: list[AnyFigure] = [
        *maps(lands, reach),
        Table(
            title="The nets and their surroundings",
            columns=["net", "parameters", "accuracy", "loss", "rim / loss", "false valleys"],
            rows=rows,
            note="rim: median loss on the map's rim. false valleys: places lower than their neighbours, away from the "
            "middle. Of the training's path, "
            + " and ".join(percent(land.held[1]) for land in lands)
            + f" lie in its own plane, {' and '.join(percent(land.held[0]) for land in lands)} in the random one.",
        ),
        section(lands, reach),
    ]
    # The trained weights are the bottom of their surroundings: nowhere on the map is it lower (but for a hair).
    tested = all(knows(land.accuracy, chance(labels)) for land in lands)
    lowest = [float(land.losses.min()) >= 0.9 * land.centre and land.rise() > 1.0 for land in lands]
    return LabResult(
        figures=figures,
        numbers={
            "nets": [land.name for land in lands],
            "accuracy": [round4(land.accuracy) for land in lands],
            "loss in the middle": [round4(land.centre) for land in lands],
            "lowest on the map": [round4(float(land.losses.min())) for land in lands],
            "rim / loss": [round4(math.exp(land.rise())) for land in lands],
            "false valleys": [round4(land.roughness()) for land in lands],
            "share of the path in the random plane": [round4(land.held[0]) for land in lands],
            "share of the path in its own plane": [round4(land.held[1]) for land in lands],
        },
        claim_holds=all(lowest) if tested and reach >= NEAR else None,
        sentence="; ".join(
            f"{land.name}: loss {compact(land.centre, 2)} in the middle, {compact(math.exp(land.rise()))} times that "
            f"on the rim, {percent(land.roughness())} false valleys"
            for land in lands
        )
        + ("." if tested else f".{NOT_LEARNED}"),
    )


def maps(lands: list[Land], reach: float) -> list[AnyFigure]:
    """log10 of the losses: above around each net, below along its path; neighbours in the same colours."""
    figures: list[AnyFigure] = []
    for attribute in ("losses", "way"):
        shown = [land for land in lands if getattr(land, attribute).isfinite().any()]
        heights = [getattr(land, attribute).clamp(min=1e-6).log10() for land in shown]
        finite = torch.cat([part[part.isfinite()] for part in heights]) if heights else torch.zeros(1)
        low, high = float(finite.min()), float(finite.max())
        for land, values in zip(shown, heights, strict=True):
            around = attribute == "losses"
            area = (-reach, reach, -reach, reach) if around else window(land.walked)
            figures.append(one_map(land, values, area, (low, high), around=around))
    return figures


def one_map(
    land: Land, values: Tensor, area: tuple[float, float, float, float], span: tuple[float, float], *, around: bool
) -> Heat:
    low, high = span
    path = torch.zeros(1, 2) if around else land.walked
    return Heat(
        title=f"{land.side.capitalize()} net: {'the loss around it' if around else 'its way through training'}",
        abreast=2,
        values=[[round4(value) for value in row] for row in values.tolist()],
        x_low=area[0],
        x_high=area[1],
        y_low=area[2],
        y_high=area[3],
        value_label="log10 loss",
        low=low,
        high=high,
        levels=[low + (high - low) * share for share in (0.2, 0.4, 0.6, 0.8)],
        paths=[
            Points(
                name="" if around else "training",
                x=[round4(value) for value in path[:, 0].tolist()],
                y=[round4(value) for value in path[:, 1].tolist()],
                joined=True,
            )
        ],
    )


def section(lands: list[Land], reach: float) -> Curves:
    """Draw the loss along the first direction alone."""
    curves = []
    for land in lands:
        middle = land.losses[land.losses.shape[0] // 2]
        steps = torch.linspace(-reach, reach, len(middle))
        curves.append(
            Curve(
                name=f"{land.side}: {land.name}",
                x=[round(value, 3) for value in steps.tolist()],
                y=[round4(value) for value in middle.tolist()],
            )
        )
    return Curves(
        title="A cut through the middle: loss along the first direction", x_label="step", log_y=True, curves=curves
    )
