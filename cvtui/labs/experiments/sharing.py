"""Sparse connections and shared parameters, as a picture in one dimension: what sees what, measured by gradients."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from cvtui.draw.figures import AnyFigure, Curve, Curves, Link, Links, Table
from cvtui.errors import RequestError
from cvtui.labs.report import Knobs, LabResult, Report
from cvtui.text import counted


def run(knobs: Knobs, report: Report) -> LabResult:
    width, size, depth = int(knobs["width"]), int(knobs["filter"]), int(knobs["depth"])
    unit = int(knobs["unit"]) if knobs["unit"] >= 0 else width // 2
    if unit >= width:
        raise RequestError(f"--unit: {unit} is not allowed; allowed: -1 to {width - 1}, the layer's units")
    generator = torch.Generator().manual_seed(int(knobs["seed"]))
    convs = [torch.rand(size, generator=generator) + 0.5 for _ in range(depth)]
    dense = [torch.rand(width, width, generator=generator) + 0.5 for _ in range(depth)]
    seen, touched, seen_dense = [], [], []
    for layers in range(1, depth + 1):
        report(layers / depth, "gradients")
        seen.append(sees(lambda x, n=layers: conv_stack(x, convs[:n]), width))
        touched.append(seen[-1].T)
        seen_dense.append(sees(lambda x, n=layers: dense_stack(x, dense[:n]), width))
    return result(width, size, depth, unit, seen, seen_dense)


def conv_stack(x: Tensor, kernels: list[Tensor]) -> Tensor:
    """1-D convs that keep the width, no activation between (their weights are positive: nothing cancels)."""
    for kernel in kernels:
        left = (len(kernel) - 1) // 2
        x = F.conv1d(F.pad(x[None, None], (left, len(kernel) - 1 - left)), kernel[None, None])[0, 0]
    return x


def dense_stack(x: Tensor, weights: list[Tensor]) -> Tensor:
    for weight in weights:
        x = weight @ x
    return x


def sees(net: object, width: int) -> Tensor:
    """Return [outputs, inputs] booleans: True where the gradient of output by input is not 0."""
    jacobian = torch.autograd.functional.jacobian(net, torch.ones(width))  # type: ignore[no-untyped-call]
    found: Tensor = jacobian != 0
    return found


def result(width: int, size: int, depth: int, unit: int, seen: list[Tensor], seen_dense: list[Tensor]) -> LabResult:
    fields = [int(found[unit].sum()) for found in seen]
    touched = [int(found[:, unit].sum()) for found in seen]
    left = (size - 1) // 2
    expected = []
    for layers in range(1, depth + 1):
        low, high = unit - left * layers, unit + (size - 1 - left) * layers
        expected.append(min(width - 1, high) - max(0, low) + 1)
    edges = int(seen[0].sum())
    rows = [
        ["connections of a layer", f"{edges:,}", f"{width * width:,}"],
        ["parameters of a layer", f"{size}", f"{width * width:,}"],
        ["inputs that one unit sees", f"{fields[0]}", f"{int(seen_dense[0][unit].sum())}"],
        [f"… through {counted(depth, 'layer')}", f"{fields[-1]}", f"{int(seen_dense[-1][unit].sum())}"],
        ["outputs that one input touches", f"{touched[0]}", f"{int(seen_dense[0][:, unit].sum())}"],
    ]
    figures: list[AnyFigure] = [
        picture(width, size, depth, unit, down=True, title=f"What unit {unit} of the last layer sees"),
        picture(width, size, depth, unit, down=False, title=f"What input {unit} touches"),
        shared(width, size),
        dense_picture(width, unit),
        Table(title="Counted by gradients that are not 0", columns=["", "conv", "fc"], rows=rows),
        Curves(
            title="Inputs that one unit sees",
            x_label="layers",
            whole_x=True,
            curves=[
                Curve(name="conv", x=[float(n + 1) for n in range(depth)], y=[float(field) for field in fields]),
                Curve(name="fc", x=[float(n + 1) for n in range(depth)], y=[float(width)] * depth),
            ],
        ),
    ]
    if depth == 1:
        figures.pop()
    holds = fields == expected and all(bool(found.all()) for found in seen_dense)
    return LabResult(
        figures=figures,
        numbers={
            "receptive field": fields,
            "outputs touched": touched,
            "connections conv": edges,
            "connections fc": width * width,
            "parameters conv": size,
            "parameters fc": width * width,
        },
        claim_holds=holds if edges < width * width else None,  # a filter as wide as the row is sparse in nothing
        sentence=f"A unit sees {counted(fields[0], 'input')}, through {counted(depth, 'layer')} {fields[-1]} (fc: all "
        f"{width} at once), with {counted(size, 'shared parameter')} a layer where fc has {width * width:,}.",
    )


def links_of(width: int, size: int, layer: int) -> list[tuple[int, int, int, int]]:
    """(layer, source, target, tap from 1) of a conv layer's connections."""
    left = (size - 1) // 2
    return [
        (layer, target + tap - left, target, tap + 1)
        for target in range(width)
        for tap in range(size)
        if 0 <= target + tap - left < width
    ]


def picture(width: int, size: int, depth: int, unit: int, *, down: bool, title: str) -> Links:
    """Draw the stack with everything lit that reaches (down) or is reached from (up) one unit."""
    edges = [edge for layer in range(depth) for edge in links_of(width, size, layer)]
    lit: list[set[int]] = [set() for _ in range(depth + 1)]
    lit[depth if down else 0] = {unit}
    links = []
    for layer in reversed(range(depth)) if down else range(depth):
        for _, source, target, tap in (edge for edge in edges if edge[0] == layer):
            on = target in lit[layer + 1] if down else source in lit[layer]
            if on:
                lit[layer if down else layer + 1].add(source if down else target)
                links.append(Link(layer, source, target, tap, True))
    return Links(
        title=title,
        sizes=[width] * (depth + 1),
        links=links,
        lit=[sorted(units) for units in lit],
        names=["input", *(f"conv{layer + 1}" for layer in range(depth))],
        abreast=2 if width <= 13 else 1,
    )


def shared(width: int, size: int) -> Links:
    return Links(
        title=f"Shared: {counted(size, 'parameter')}",
        sizes=[width, width],
        links=[Link(layer, source, target, tap) for layer, source, target, tap in links_of(width, size, 0)],
        names=["input", "conv1"],
        abreast=2 if width <= 13 else 1,
    )


def dense_picture(width: int, unit: int) -> Links:
    links = [Link(0, source, target, 0, target == unit) for target in range(width) for source in range(width)]
    return Links(
        title=f"fc: {width * width:,} parameters, none shared",
        sizes=[width, width],
        links=links,
        lit=[list(range(width)), [unit]],
        names=["input", "fc1"],
        abreast=2 if width <= 13 else 1,
    )
