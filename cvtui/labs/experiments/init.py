"""Activation statistics: what becomes of a signal, and of a gradient, on its way through freshly initialised layers.

The lecture's experiment: x ~ N(0, 1), then h = f(W h) over and over, W ~ N(0, std²) with the std of the scheme.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from cvtui.engine.nn.inits.fans import he_std, xavier_std
from cvtui.errors import RequestError
from cvtui.labs.experiments.init_figures import ACTIVATIONS, Variant, figures
from cvtui.labs.report import Knobs, LabResult, Report, round4
from cvtui.text import compact, counted

LECTURE = (
    ("tanh", "normal-0.01"),
    ("tanh", "normal-0.05"),
    ("tanh", "xavier"),
    ("relu", "xavier"),
    ("relu", "he"),
)
"""Pairs of the lecture's pages."""
EXPECTED = {
    ("tanh", "normal-0.01"): (0.49, 0.29, 0.18, 0.11, 0.07, 0.05),
    ("tanh", "normal-0.05"): (0.87, 0.85, 0.85, 0.85, 0.85, 0.85),
    ("tanh", "xavier"): (0.63, 0.49, 0.41, 0.36, 0.32, 0.29),
    ("relu", "xavier"): (0.58, 0.41, 0.28, 0.20, 0.14, 0.10),
    ("relu", "he"): (0.82, 0.82, 0.82, 0.82, 0.82, 0.82),
}
"""Std of the first six layers of 4096, of the lecture's own run."""
TOLERANCE = 0.02
CONV_SIDE = 16
BLOCKED = 0.05
"""A unit whose local gradient is smaller passes next to nothing."""


def weight_std(scheme: str, fan_in: int) -> float:
    """Return the scheme's standard deviation for `fan_in` = Din inputs of a unit (F²·C of a conv)."""
    match scheme:
        case "xavier":
            return xavier_std(fan_in)
        case "he":
            return he_std(fan_in)
        case _:
            return float(scheme.removeprefix("normal-"))


def scatter(layer: int, width: int) -> float:
    """Return two standard deviations of a std behind so many layers of so many random units, as a share of it.

    ReLU's squares have a variance of 5 times their squared mean, so the mean of `width` of them is off by sqrt(5/width)
    in each layer, and a std by half of that; of 4,096 units 9 % after six layers, of 64 channels 68 %.
    """
    return math.sqrt(5 * layer / width)


class Stack:
    """The stack's weights, made anew from the seed whenever they are needed: 100 layers of 4096 would fill 6.7 GB."""

    def __init__(self, kind: str, width: int, depth: int, seed: int) -> None:
        self.kind, self.width, self.depth, self.seed = kind, width, depth, seed
        self.fan_in = 9 * width if kind == "conv" else width

    def weights(self, layer: int) -> Tensor:
        """Of unit variance: [width, width], or [width, width, 3, 3]."""
        maker = torch.Generator().manual_seed((self.seed + 1) * 1009 + layer)
        shape = (self.width, self.width, 3, 3) if self.kind == "conv" else (self.width, self.width)
        return torch.randn(shape, generator=maker)

    def inputs(self, batch: int) -> Tensor:
        maker = torch.Generator().manual_seed(self.seed)
        shape = (batch, self.width, CONV_SIDE, CONV_SIDE) if self.kind == "conv" else (batch, self.width)
        return torch.randn(shape, generator=maker)

    def forward(self, weights: Tensor, values: Tensor) -> Tensor:
        if self.kind == "fc":
            return F.linear(values, weights)
        # Wrapped round, so that units at the border have as many inputs as the others.
        return F.conv2d(F.pad(values, (1, 1, 1, 1), mode="circular"), weights)

    def weight_gradient(self, weights: Tensor, values: Tensor, at_sum: Tensor) -> float:
        """Return the root mean square of the gradient of a layer's weights."""
        if self.kind == "fc":  # |DᵀH|² = <DDᵀ, HHᵀ>: batch x batch in place of 4,096 x 4,096
            square = float(((at_sum @ at_sum.T).double() * (values @ values.T).double()).sum())
            return math.sqrt(max(0.0, square) / weights.numel())
        with torch.enable_grad():
            asked = weights.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(self.forward(asked, values.detach()), asked, at_sum)
        return float(gradient.square().mean().sqrt())


def run(knobs: Knobs, report: Report) -> LabResult:
    if knobs["net"]:
        from cvtui.labs.experiments.init_net import run_net

        return run_net(knobs, report)
    pairs = chosen_pairs(str(knobs["activation"]), str(knobs["scheme"]).split(","))
    width = int(knobs["width"])
    if knobs["layer"] == "conv":
        if width == 4096:  # the default is the fc stack's
            width = 64
        if width > 256:
            raise RequestError(f"--width: {width} is not allowed for conv; allowed: 2 to 256 channels")
    layers = Stack(str(knobs["layer"]), width, int(knobs["depth"]), int(knobs["seed"]))
    ways = [Variant(*pair) for pair in pairs]
    inputs = layers.inputs(int(knobs["batch"]))
    for way in ways:
        way.outputs.append(inputs)
    with torch.no_grad():
        for share in forward(layers, ways):
            report(0.6 * share, "forward", lambda: figures(ways))
        for share in backward(layers, ways):
            report(0.6 + 0.4 * share, "backward", lambda: figures(ways))
    return result(knobs, width, ways)


def chosen_pairs(activation: str, schemes: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of activation and scheme. RequestError where none is left."""
    if activation != "lecture":
        return [(activation, scheme) for scheme in schemes]
    pairs = [pair for pair in LECTURE if pair[1] in schemes]
    if not pairs:
        raise RequestError("--scheme: the lecture has no page for it; choose an --activation too")
    return pairs


def forward(layers: Stack, ways: Sequence[Variant]) -> Iterator[float]:
    """Send the inputs through all layers; yield the share that is done."""
    for layer in range(layers.depth):
        weights = layers.weights(layer)
        for way in ways:
            summed = layers.forward(weights, way.outputs[-1]) * weight_std(way.scheme, layers.fan_in)
            output = ACTIVATIONS[way.activation](summed)
            way.before.append(summed)
            way.outputs.append(output)
            way.means.append(float(output.mean()))
            way.stds.append(float(output.std()))
            yield (layer + 1) / layers.depth


def backward(layers: Stack, ways: Sequence[Variant]) -> Iterator[float]:
    """Send a gradient of unit size back from the last layer; yield the share that is done."""
    arriving = [torch.randn(way.outputs[-1].shape, generator=torch.Generator().manual_seed(7)) for way in ways]
    for layer in reversed(range(layers.depth)):
        weights = layers.weights(layer)
        for number, way in enumerate(ways):
            way.gradients.append(float(arriving[number].square().mean().sqrt()))
            with torch.enable_grad():
                before = way.before[layer].requires_grad_()
                (at_sum,) = torch.autograd.grad(ACTIVATIONS[way.activation](before), before, arriving[number])
                way.blocked.append(float((at_sum.abs() < BLOCKED * arriving[number].abs()).float().mean()))
                values = way.outputs[layer].detach().requires_grad_()
                (back,) = torch.autograd.grad(layers.forward(weights, values), values, at_sum)
            way.of_weights.append(layers.weight_gradient(weights, way.outputs[layer], at_sum))
            arriving[number] = back * weight_std(way.scheme, layers.fan_in)
            yield (layers.depth - layer) / layers.depth


def result(knobs: Knobs, width: int, ways: Sequence[Variant]) -> LabResult:
    numbers: dict[str, object] = {}
    for way in ways:
        numbers[f"std {way.name}"] = [round4(value) for value in way.stds]
        numbers[f"mean {way.name}"] = [round4(value) for value in way.means]
        if way.activation == "tanh":
            numbers[f"saturated {way.name}"] = [
                round4(float((output.abs() > 0.97).float().mean())) for output in way.outputs[1:]
            ]
        numbers[f"blocked {way.name}"] = [round4(value) for value in reversed(way.blocked)]
        numbers[f"gradient {way.name}"] = [round4(value) for value in reversed(way.gradients)]
        numbers[f"weight gradient {way.name}"] = [round4(value) for value in reversed(way.of_weights)]
    judged = [way for way in ways if (way.activation, way.scheme) in EXPECTED]
    # The lecture's numbers for the fixed stds belong to 4096 inputs a unit; those of xavier and he to any Din.
    comparable = [
        way for way in judged if not way.scheme.startswith("normal") or (knobs["layer"] == "fc" and width == 4096)
    ]
    apart = [
        (abs(std - expected), TOLERANCE + expected * scatter(layer, width))
        for way in comparable
        for layer, (std, expected) in enumerate(
            zip(way.stds, EXPECTED[way.activation, way.scheme], strict=False), start=1
        )
    ]
    worst = max((far for far, _ in apart), default=None)
    conv = knobs["layer"] == "conv"
    deep = int(knobs["depth"]) > 2  # before, the smallest weights kill no signal
    every = set(LECTURE) <= {(way.activation, way.scheme) for way in judged}  # it compares them
    enough = every and deep and scatter(6, width) < 0.7 and (conv or width * int(knobs["batch"]) >= 16_000)
    holds = all(far <= allowed for far, allowed in apart) if apart and enough else None
    if worst is not None:
        numbers["furthest from the lecture"] = round4(worst)
    ends = "; ".join(f"{way.words}: {compact(way.stds[-1], 2)}" for way in ways)
    near = f". At most {worst:.3f} from the lecture's numbers" if worst is not None else ""
    if apart and deep and not every:
        near += "; the claim compares schemes: without --scheme and --activation all of the lecture's are judged"
    return LabResult(
        figures=figures(ways),
        numbers=numbers,
        claim_holds=holds,
        sentence=f"Std of the activations after {counted(int(knobs['depth']), 'layer')}: {ends}{near}.",
    )
