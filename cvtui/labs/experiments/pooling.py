"""Pooling on a picture small enough to read: the windows in colours, and what each kind leaves of them."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from cvtui.draw.figures import AnyFigure, Matrix, Table
from cvtui.errors import RequestError
from cvtui.labs.report import Knobs, LabResult, Report, round4

LECTURE = ((1, 1, 2, 4), (5, 6, 7, 8), (3, 2, 1, 0), (1, 2, 3, 4))
"""The lecture's 4x4 map, of which a 2x2 maximum with stride 2 leaves 6 8 / 3 4."""


def the_picture(side: int, seed: int) -> Tensor:
    """[side, side] of whole numbers 0 to 9; the lecture's at side 4."""
    if side == 4:
        return torch.tensor(LECTURE, dtype=torch.float32)
    return torch.randint(0, 10, (side, side), generator=torch.Generator().manual_seed(seed)).float()


def pooled(picture: Tensor, kind: str, window: int, stride: int) -> Tensor:
    """Pool with PyTorch, whole windows and those that hang over the edge (ceil mode)."""
    x = picture[None, None]
    if kind == "max":
        return F.max_pool2d(x, window, stride, ceil_mode=True)[0, 0]
    divisor = 1 if kind == "sum" else None
    return F.avg_pool2d(x, window, stride, ceil_mode=True, divisor_override=divisor)[0, 0]


def by_hand(picture: Tensor, kind: str, window: int, stride: int) -> Tensor:
    """Pool by slices alone."""
    takes: dict[str, Callable[[Tensor], Tensor]] = {"max": Tensor.amax, "average": Tensor.mean, "sum": Tensor.sum}
    take = takes[kind]
    side = -(-(picture.shape[0] - window) // stride) + 1
    if (side - 1) * stride >= picture.shape[0]:  # a window that would begin beyond the edge
        side -= 1
    rows = [
        [take(picture[r * stride : r * stride + window, c * stride : c * stride + window]) for c in range(side)]
        for r in range(side)
    ]
    return torch.stack([torch.stack(row) for row in rows])


def run(knobs: Knobs, report: Report) -> LabResult:
    side, window, stride = int(knobs["side"]), int(knobs["window"]), int(knobs["stride"])
    if window > side:
        raise RequestError(f"--window: {window} is not allowed; allowed: 1 to {side}, the picture's side")
    picture = the_picture(side, int(knobs["seed"]))
    report(0.5, "pooling")
    results = {kind: pooled(picture, kind, window, stride) for kind in ("max", "average", "sum")}
    same = all(torch.allclose(found, by_hand(picture, kind, window, stride)) for kind, found in results.items())
    out = results["max"].shape[0]
    halved = out == math.ceil(side / 2)
    numbers: dict[str, object] = {
        kind: [[round4(value) for value in row] for row in found.tolist()] for kind, found in results.items()
    }
    maxima = " / ".join(" ".join(f"{value:g}" for value in row) for row in results["max"].tolist())
    return LabResult(
        figures=figures(picture, results, window, stride),
        numbers={**numbers, "numbers before": side * side, "numbers after": out * out, "parameters": 0},
        claim_holds=(same and halved) if (window, stride) == (2, 2) else None,
        sentence=f"{side}x{side} becomes {out}x{out} without a parameter; maxima: {maxima}.",
    )


def figures(picture: Tensor, results: dict[str, Tensor], window: int, stride: int) -> list[AnyFigure]:
    side, out = picture.shape[0], results["max"].shape[0]
    shown: list[AnyFigure] = [
        Matrix(
            title=f"The {side}x{side} input, windows of {window}x{window}",
            values=picture.tolist(),
            groups=[[window_of(r, c, window, stride, out) for c in range(side)] for r in range(side)],
            abreast=2,
        )
    ]
    for kind, found in results.items():
        shown.append(
            Matrix(
                title=f"{kind.capitalize()} of each window",
                values=found.tolist(),
                groups=[[r * out + c + 1 for c in range(out)] for r in range(out)],
                abreast=2,
            )
        )
    before, after = side * side, out * out
    rows = [[kind, f"{before}", f"{after}", "0"] for kind in results]
    shown.append(Table(title="What it costs", columns=["pooling", "numbers in", "out", "parameters"], rows=rows))
    return shown


def window_of(row: int, column: int, window: int, stride: int, out: int) -> int:
    """Return the number, from 1, of the first window that has a cell; 0 where the stride steps over it."""
    first = [max(0, -(-(place - window + 1) // stride)) for place in (row, column)]
    if any(number >= out or number * stride > place for number, place in zip(first, (row, column), strict=True)):
        return 0
    return first[0] * out + first[1] + 1
