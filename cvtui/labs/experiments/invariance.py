"""Pooling and small shifts: how many values change before and after it, and what becomes of a class's probability."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from cvtui.doctor.curves import knows
from cvtui.draw.figures import AnyFigure, Bar, Bars, Curve, Curves, Table
from cvtui.engine.nn.model import Net
from cvtui.labs.experiments.data import build, digits
from cvtui.labs.experiments.train import NOT_LEARNED, TensorSplit, chance, evaluate, predict, train
from cvtui.labs.experiments.transforms import sample
from cvtui.labs.report import Knobs, LabResult, Report, round4
from cvtui.text import percent

BOOK = torch.tensor([0.1, 1.0, 0.2, 0.1])
"""The detector stage of the book's figure (Goodfellow, Bengio and Courville 2016, figure 9.8) …"""
BOOK_SHIFTED = torch.tensor([0.3, 0.1, 1.0, 0.2])
"""… and the same shifted right by one."""
SIDE = 16
ANGLES = tuple(float(angle) for angle in range(-45, 50, 9))
SMALL = 1e-3
"""A value has changed when it moves by more than this share of the largest."""

POOLS: dict[str, Callable[[Tensor, int, int], Tensor]] = {
    "none": lambda x, _size, _stride: x,
    "max": lambda x, size, stride: F.max_pool1d(x, size, stride),
    "average": lambda x, size, stride: F.avg_pool1d(x, size, stride),
    "sum": lambda x, size, stride: size * F.avg_pool1d(x, size, stride),
}


def run(knobs: Knobs, report: Report) -> LabResult:
    seed, steps = int(knobs["seed"]), int(knobs["steps"])
    report(0.0, "pooling")
    detected = detector(int(knobs["rows"]), 200, seed)
    size, stride = int(knobs["window"]), int(knobs["stride"])
    shifts = list(range(1, int(knobs["shifts"]) + 1))
    changed = {
        name: [share_changed(detected, pool, size, stride, shift) for shift in shifts] for name, pool in POOLS.items()
    }
    moved = {
        name: [relative_change(detected, pool, size, stride, shift) for shift in shifts] for name, pool in POOLS.items()
    }
    nets = make_nets(seed)
    data = padded_digits()
    for number, (name, net) in enumerate(nets.items()):
        optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
        for step in train(net, data, optimizer, steps=steps, batch=64, seed=seed):
            report(0.1 + 0.8 * (number + step.number / steps) / len(nets), f"training {name}")
    report(0.9, "shifting")
    pixels = list(range(-4, 5))
    by_shift = {
        name: [probability(net, shifted(data.val_x, pixel), data.val_y) for pixel in pixels]
        for name, net in nets.items()
    }
    by_angle = {
        name: [probability(net, sample(data.val_x, SIDE, angle, 1.0), data.val_y) for angle in ANGLES]
        for name, net in nets.items()
    }
    accuracies = {name: evaluate(net, data.val_x, data.val_y)[1] for name, net in nets.items()}
    tested = all(knows(accuracy, chance(data.val_y)) for accuracy in accuracies.values())
    return result(shifts, changed, moved, pixels, by_shift, by_angle, accuracies, tested)


def book_pool(values: Tensor) -> Tensor:
    """Max over three neighbours, stride 1, as the book draws it: at the edges over two."""
    return F.max_pool1d(values[None, None], 3, 1, 1)[0, 0]


def detector(rows: int, width: int, seed: int) -> Tensor:
    """[rows, 1, width]: what a detector layer gives: a random conv and ReLU over smooth noise."""
    maker = torch.Generator().manual_seed(seed)
    noise = torch.randn(rows, 1, width + 8, generator=maker)
    kernel = torch.randn(1, 1, 5, generator=maker)
    return F.conv1d(F.conv1d(noise, torch.ones(1, 1, 3) / 3), kernel).relu()[..., :width]


def share_changed(
    detected: Tensor, pool: Callable[[Tensor, int, int], Tensor], size: int, stride: int, shift: int
) -> float:
    """Return the share of positive values (before or after) that differ after everything moved by `shift`."""
    before, after = both(detected, pool, size, stride, shift)
    alive = (before > 0) | (after > 0)
    differs = (before - after).abs() > SMALL * float(detected.max())
    return float(differs[alive].float().mean())


def relative_change(
    detected: Tensor, pool: Callable[[Tensor, int, int], Tensor], size: int, stride: int, shift: int
) -> float:
    """‖after − before‖ / ‖before‖."""
    before, after = both(detected, pool, size, stride, shift)
    return float((after - before).norm() / before.norm())


def both(
    detected: Tensor, pool: Callable[[Tensor, int, int], Tensor], size: int, stride: int, shift: int
) -> tuple[Tensor, Tensor]:
    """Pooled values of the row, and of the row moved right by `shift`, where real values come in from the left."""
    return pool(detected[..., shift:], size, stride), pool(detected[..., : detected.shape[-1] - shift], size, stride)


def make_nets(seed: int) -> dict[str, Net]:
    expressions = {
        "fc": "fc128-relu-fc",
        "conv, no pooling": "conv8-relu-conv16s2-relu-conv16s2-relu-fc",
        "conv, max": "conv8-relu-pool-conv16-relu-pool-conv16-relu-fc",
        "conv, average": "conv8-relu-avgpool-conv16-relu-avgpool-conv16-relu-fc",
        "conv, max + global": "conv8-relu-pool-conv16-relu-pool-conv16-relu-gap-fc",
    }
    return {name: build(text, (SIDE, SIDE, 1), 10, seed) for name, text in expressions.items()}


def padded_digits() -> TensorSplit:
    """Digits in the middle of 16x16, so that they can be shifted by four without leaving it."""
    data = digits()
    low = float(data.x.min())
    return TensorSplit(
        x=F.pad(data.x, (4, 4, 4, 4), value=low),
        y=data.y,
        val_x=F.pad(data.val_x, (4, 4, 4, 4), value=low),
        val_y=data.val_y,
        classes=10,
    )


def shifted(x: Tensor, pixels: int) -> Tensor:
    """To the right; the background comes in."""
    background = float(x.min())
    out = torch.full_like(x, background)
    if pixels >= 0:
        out[..., pixels:] = x[..., : x.shape[-1] - pixels]
    else:
        out[..., :pixels] = x[..., -pixels:]
    return out


def probability(net: Net, x: Tensor, y: Tensor) -> float:
    """Return the mean probability of the true class."""
    return float(predict(net, x).softmax(1)[torch.arange(len(y)), y].mean())


def result(
    shifts: list[int],
    changed: dict[str, list[float]],
    moved: dict[str, list[float]],
    pixels: list[int],
    by_shift: dict[str, list[float]],
    by_angle: dict[str, list[float]],
    accuracies: dict[str, float],
    tested: bool,
) -> LabResult:
    book = [book_pool(row) for row in (BOOK, BOOK_SHIFTED)]
    before_book, after_book = int((BOOK != BOOK_SHIFTED).sum()), int((book[0] != book[1]).sum())
    one = pixels.index(1)
    keeps = {name: (values[one] + values[pixels.index(-1)]) / 2 for name, values in by_shift.items()}
    holds = after_book == 2 and before_book == 4 and changed["max"][0] < 0.75 * changed["none"][0]
    holds = holds and keeps["conv, max"] > keeps["fc"] + 0.1
    return LabResult(
        figures=[
            book_figure(book, before_book, after_book),
            *change_figures(shifts, changed, moved),
            *probability_figures(pixels, by_shift, by_angle),
        ],
        numbers={
            "book: detectors changed": before_book,
            "book: pooled changed": after_book,
            "share changed": {name: [round4(v) for v in values] for name, values in changed.items()},
            "relative change": {name: [round4(v) for v in values] for name, values in moved.items()},
            "pixels": pixels,
            "probability by shift": {name: [round4(v) for v in values] for name, values in by_shift.items()},
            "angles": list(ANGLES),
            "probability by angle": {name: [round4(v) for v in values] for name, values in by_angle.items()},
            "accuracy": {name: round4(value) for name, value in accuracies.items()},
        },
        claim_holds=holds if tested else None,
        sentence=f"A shift by one changes {percent(changed['none'][0], 0)} of the detectors and "
        f"{percent(changed['max'][0], 0)} of the maxima. Shifted by a pixel, a digit's true class has "
        f"the probability {keeps['fc']:.2f} in the fc net, "
        f"{keeps['conv, max']:.2f} with max pooling." + ("" if tested else NOT_LEARNED),
    )


def book_figure(book: list[Tensor], before: int, after: int) -> AnyFigure:
    return Table(
        title="The book's figure: detectors, and the maximum of three neighbours",
        columns=["", *(f"unit {number}" for number in range(1, 5)), "changed"],
        rows=[
            ["max pooled", *_values(book[0]), ""],
            ["detectors", *_values(BOOK), ""],
            ["max pooled, shifted", *_values(book[1]), f"{after} of 4"],
            ["detectors, shifted", *_values(BOOK_SHIFTED), f"{before} of 4"],
        ],
    )


def change_figures(
    shifts: list[int], changed: dict[str, list[float]], moved: dict[str, list[float]]
) -> list[AnyFigure]:
    x = [float(shift) for shift in shifts]
    return [
        Bars(
            title="Measured: values that change when the input moves by one",
            bars=[Bar(name=name, value=shares[0], text=percent(shares[0], 0)) for name, shares in changed.items()],
            note="Of values above 0, by more than a thousandth of the largest. A sum or an average changes with each "
            "of its inputs: it changes less far, not less often.",
        ),
        Curves(
            title="How far they change: ‖after − before‖ / ‖before‖ over the shift",
            x_label="shift",
            whole_x=True,
            curves=[Curve(name=name, x=x, y=[round4(v) for v in values]) for name, values in moved.items()],
        ),
    ]


def probability_figures(
    pixels: list[int], by_shift: dict[str, list[float]], by_angle: dict[str, list[float]]
) -> list[AnyFigure]:
    return [
        Curves(
            title="Probability of the true class when a digit is shifted",
            x_label="pixels",
            whole_x=True,
            curves=[
                Curve(name=name, x=[float(pixel) for pixel in pixels], y=[round4(v) for v in values])
                for name, values in by_shift.items()
            ],
        ),
        Curves(
            title="… and when it is turned",
            x_label="degrees",
            curves=[
                Curve(name=name, x=list(ANGLES), y=[round4(v) for v in values]) for name, values in by_angle.items()
            ],
        ),
    ]


def _values(row: Tensor) -> list[str]:
    return [f"{value:.1f}" for value in row.tolist()]
