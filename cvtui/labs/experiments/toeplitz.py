"""Convolution as a matrix, applied to a real picture beside the convolution; what each costs."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from cvtui.calc.matrix import FilterSpec, build
from cvtui.draw.figures import AnyFigure, Curve, Curves, Image, Matrix, Picture, Table
from cvtui.errors import RequestError
from cvtui.labs.experiments.data import raw
from cvtui.labs.experiments.dense import conv_matrix, output_side
from cvtui.labs.report import Knobs, LabResult, Report, round4
from cvtui.text import binary_size, compact, counted, percent

FILTERS = {
    "edge": [[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]],
    "blur": [[1 / 16, 2 / 16, 1 / 16], [2 / 16, 4 / 16, 2 / 16], [1 / 16, 2 / 16, 1 / 16]],
    "sharpen": [[0.0, -1.0, 0.0], [-1.0, 5.0, -1.0], [0.0, -1.0, 0.0]],
}
CALCULATED = 16
"""Pictures up to this side are multiplied with the calculator's matrix (`cvtui matrix`)."""
SIDES = (8, 12, 16, 24, 32, 48)
"""Pictures on which the cost is measured; the matrix of 48x48 has 5.3 million entries."""


def run(knobs: Knobs, report: Report) -> LabResult:
    picture = the_picture(str(knobs["picture"]), int(knobs["side"]), int(knobs["seed"]))
    kernel = the_filter(str(knobs["filter"]), int(knobs["size"]), int(knobs["seed"]))
    if knobs["flip"]:
        kernel = kernel.flip(0, 1)
    stride, padding = int(knobs["stride"]), int(knobs["padding"])
    side, size = picture.shape[0], kernel.shape[0]
    if output_side(side, size, stride, padding) < 1:
        raise RequestError(
            f"--size: a {size}x{size} filter does not fit the {side}x{side} picture with padding {padding}"
        )
    report(0.1, "building the matrix")
    matrix, connections = the_matrix(kernel, side, stride, padding)
    slid = F.conv2d(picture[None, None], kernel[None, None], stride=stride, padding=padding)[0, 0]
    product = (matrix @ picture.flatten()).reshape(slid.shape)
    costs = []
    for number, each in enumerate(SIDES):
        report(0.2 + 0.8 * number / len(SIDES), f"timing {each}x{each}")
        costs.append(cost(each, kernel, stride, padding))
    zeros = float((connections == 0).float().mean())
    return result(picture, kernel, matrix, zeros, slid, product, costs)


def the_matrix(kernel: Tensor, side: int, stride: int, padding: int) -> tuple[Tensor, Tensor]:
    """(T, parameter of each place from 1, 0 for none): the calculator's own for small pictures.

    Pure Python takes seconds where a matrix has millions of entries; larger ones are built by `conv_matrix`.
    """
    if side > CALCULATED:
        return conv_matrix(kernel[None, None], side, side, stride=stride, padding=padding)
    weights = tuple(kernel.flatten().tolist())
    shape = (kernel.shape[0], kernel.shape[1])
    spec = FilterSpec(weights, shape, (side, side), stride=stride, padding=padding, correlate=True)
    built = build(spec)
    groups = torch.tensor([[cell[0] + 1 if cell else 0 for cell in row] for row in built.entries])
    return torch.tensor([[float(number) for number in row] for row in built.numbers()]), groups


def the_picture(name: str, side: int, seed: int) -> Tensor:
    """[side, side], 0 to 1: a digit or a shape (grey), scaled to that side."""
    image = raw(name, 200)[seed % 200].mean(0)
    if image.shape[0] == side:
        return image
    return F.interpolate(image[None, None], size=(side, side), mode="bilinear", align_corners=False)[0, 0]


def the_filter(name: str, size: int, seed: int) -> Tensor:
    if name != "random":
        return torch.tensor(FILTERS[name])
    return torch.randn(size, size, generator=torch.Generator().manual_seed(seed))


def result(
    picture: Tensor,
    kernel: Tensor,
    matrix: Tensor,
    zeros: float,
    slid: Tensor,
    product: Tensor,
    costs: list[dict[str, float]],
) -> LabResult:
    worst = float((slid - product).abs().max())
    return LabResult(
        figures=[*picture_figures(picture, kernel, slid, product), *cost_figures(costs)],
        numbers={
            "largest difference": round4(worst),
            "matrix": list(matrix.shape),
            "share of zeros": round4(zeros),
            "parameters": kernel.numel(),
            "rank": int(torch.linalg.matrix_rank(matrix)) if matrix.numel() <= 300_000 else None,
            "sides": list(SIDES),
            "matrix bytes": [int(entry["matrix bytes"]) for entry in costs],
            "matrix seconds": [round4(entry["matrix seconds"]) for entry in costs],
            "sliding seconds": [round4(entry["sliding seconds"]) for entry in costs],
        },
        claim_holds=worst <= 1e-5 * max(1.0, float(slid.abs().max())) if zeros > 0.5 else None,  # "nearly all zeros"
        sentence=f"The matrix ({matrix.shape[0]} x {matrix.shape[1]}, {percent(zeros)} zeros, "
        f"{counted(kernel.numel(), 'parameter')}) and the sliding filter differ by "
        f"{f'at most {compact(worst, 2)}' if worst else 'nothing'}.",
    )


def picture_figures(picture: Tensor, kernel: Tensor, slid: Tensor, product: Tensor) -> list[AnyFigure]:
    small = conv_matrix(kernel[None, None], kernel.shape[0] + 2, kernel.shape[0] + 2)
    return [
        Image(
            title="One picture, one filter, two ways",
            pictures=[
                Picture(name="picture", pixels=grey(picture)),
                Picture(name="sliding", pixels=grey(slid)),
                Picture(name="matrix", pixels=grey(product)),
            ],
        ),
        line_matrix(picture, kernel),
        Matrix(
            title=f"In two dimensions, for a {kernel.shape[0] + 2}x{kernel.shape[0] + 2} picture: a row per "
            "output, a column per pixel; one colour or letter, one parameter",
            values=small[0].tolist(),
            groups=small[1].tolist(),
        ),
    ]


def line_matrix(picture: Tensor, kernel: Tensor) -> Matrix:
    """Draw the Toeplitz matrix of the filter's middle row, which slides over one row of the picture."""
    weights = kernel[kernel.shape[0] // 2]
    width = max(len(weights), min(8, picture.shape[1]))
    rows = width - len(weights) + 1
    values, groups = torch.zeros(rows, width), torch.zeros(rows, width, dtype=torch.int64)
    for row in range(rows):
        values[row, row : row + len(weights)] = weights
        groups[row, row : row + len(weights)] = torch.arange(1, len(weights) + 1)
    return Matrix(
        title=f"In one dimension: the filter's middle row over {width} pixels is a Toeplitz matrix",
        values=values.tolist(),
        groups=groups.tolist(),
    )


def cost_figures(costs: list[dict[str, float]]) -> list[AnyFigure]:
    sides = [float(side) for side in SIDES]
    return [
        Table(
            title="What each costs",
            columns=["picture", "matrix", "filter", "matrix time", "sliding time", "ratio"],
            rows=[
                [
                    f"{side}x{side}",
                    binary_size(entry["matrix bytes"]),
                    binary_size(entry["filter bytes"]),
                    f"{entry['matrix seconds'] * 1e6:.0f} µs",
                    f"{entry['sliding seconds'] * 1e6:.0f} µs",
                    f"{entry['matrix seconds'] / entry['sliding seconds']:.1f}",
                ]
                for side, entry in zip(SIDES, costs, strict=True)
            ],
        ),
        Curves(
            title="Time in microseconds against the picture's side",
            x_label="side",
            log_x=True,
            log_y=True,
            curves=[
                Curve(name="matrix", x=sides, y=[round4(entry["matrix seconds"] * 1e6) for entry in costs]),
                Curve(name="sliding", x=sides, y=[round4(entry["sliding seconds"] * 1e6) for entry in costs]),
            ],
        ),
    ]


def grey(values: Tensor) -> list[list[int]]:
    """0xRRGGBB from the lowest (black) to the highest value (white)."""
    low, high = float(values.min()), float(values.max())
    levels = ((values - low) / (high - low + 1e-12) * 255).round().long()
    return [[int(level) * 0x010101 for level in row] for row in levels.tolist()]


def cost(side: int, kernel: Tensor, stride: int, padding: int) -> dict[str, float]:
    """Bytes and seconds of both ways on a side x side picture."""
    if output_side(side, kernel.shape[0], stride, padding) < 1:
        side = kernel.shape[0]
    picture = torch.rand(side, side, generator=torch.Generator().manual_seed(0))
    matrix, _ = conv_matrix(kernel[None, None], side, side, stride=stride, padding=padding)
    flat, image, filters = picture.flatten(), picture[None, None], kernel[None, None]
    return {
        "matrix bytes": float(matrix.nbytes),
        "filter bytes": float(kernel.nbytes),
        "matrix seconds": best_time(lambda: torch.mv(matrix, flat)),
        "sliding seconds": best_time(lambda: F.conv2d(image, filters, stride=stride, padding=padding)),
    }


def best_time(work: Callable[[], object], seconds: float = 0.1) -> float:
    """Return the shortest of many runs within `seconds`: the cost when nothing else disturbs it."""
    work()
    best, until = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < until:
        begin = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - begin)
    return best
