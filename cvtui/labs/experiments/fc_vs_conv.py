"""Fully connected against convolutional: parameters, connections, accuracy, time; and the fc layer that is a conv."""

from __future__ import annotations

import time

import torch
from torch import Tensor, nn

from cvtui.calc import Conv, Size
from cvtui.doctor.curves import knows
from cvtui.draw.figures import AnyFigure, Bar, Bars, Curve, Curves, Matrix, Table
from cvtui.engine.nn.model import Net
from cvtui.errors import RequestError
from cvtui.labs.experiments.data import build, images
from cvtui.labs.experiments.dense import conv_matrix
from cvtui.labs.experiments.train import NOT_LEARNED, TensorSplit, chance, evaluate, smooth, thin, train
from cvtui.labs.report import Knobs, LabResult, Report, round4
from cvtui.text import compact, counted, percent

WIDTHS = (8, 16, 32, 64, 128, 256, 512)
"""Hidden units of the MLPs that are tried for the CNN's accuracy."""
COLUMNS = ("parameters", "connections", "accuracy", "seconds")


class Rival:
    """One net, its training and its results."""

    def __init__(self, name: str, expression: str, size: Size, classes: int, seed: int, option: str) -> None:
        self.name, self.expression = name, expression
        self.net: Net = build(expression, size, classes, seed, option=option)
        self.losses: list[float] = []
        self.seconds = 0.0
        self.accuracy = 0.0

    @property
    def parameters(self) -> int:
        return self.net.table.parameters

    @property
    def connections(self) -> int:
        """Pairs of an input and an output that a weight joins, over all layers of one image."""
        return sum(row.connections for row in self.net.table.rows)


def run(knobs: Knobs, report: Report) -> LabResult:
    seed = int(knobs["seed"])
    data = images(str(knobs["data"]), int(knobs["images"]))
    size: Size = (data.x.shape[2], data.x.shape[3], data.x.shape[1])
    cnn = Rival("CNN", str(knobs["net"]), size, data.classes, seed, "--net")
    if not any(isinstance(row.node, Conv) for row in cnn.net.table.rows):
        raise RequestError(f"--net: {knobs['net']!r} has no conv to compare with")
    rivals = [cnn]
    fit(cnn, data, knobs, report, 0.0, 0.4, rivals)
    if knobs["match"] == "parameters":
        width = matching_width(cnn.parameters, size, data.classes)
        rivals.append(
            Rival(f"MLP of {counted(width, 'unit')}", f"fc{width}-relu-fc", size, data.classes, seed, "--net")
        )
        fit(rivals[-1], data, knobs, report, 0.4, 0.95, rivals)
    else:
        for number, width in enumerate(WIDTHS):
            rivals.append(
                Rival(f"MLP of {counted(width, 'unit')}", f"fc{width}-relu-fc", size, data.classes, seed, "--net")
            )
            low = 0.4 + 0.55 * number / len(WIDTHS)
            fit(rivals[-1], data, knobs, report, low, low + 0.55 / len(WIDTHS), rivals)
            if rivals[-1].accuracy >= cnn.accuracy:
                break
    report(0.95, "the fc that is a conv")
    return result(knobs, rivals, superset(cnn.net, data), data.val_y)


def matching_width(parameters: int, size: Size, classes: int) -> int:
    """Hidden units of the MLP with one hidden layer whose number of parameters is the nearest."""
    inputs = 1
    for side in size:
        inputs *= side
    return max(1, round((parameters - classes) / (inputs + 1 + classes)))


def fit(
    rival: Rival,
    data: TensorSplit,
    knobs: Knobs,
    report: Report,
    low: float,
    high: float,
    rivals: list[Rival],
) -> None:
    """Trains with Adam for the asked number of epochs; the time is that of the steps alone."""
    per_epoch = -(-len(data.x) // 64)
    steps = int(knobs["epochs"]) * per_epoch
    optimizer = torch.optim.Adam(rival.net.parameters(), lr=float(knobs["lr"]))
    begin = time.perf_counter()
    for step in train(rival.net, data, optimizer, steps=steps, batch=64, seed=int(knobs["seed"])):
        rival.losses.append(step.loss)
        rival.seconds += time.perf_counter() - begin
        report(
            low + (high - low) * step.number / steps,
            f"training the {rival.name}",
            lambda: [loss_figure(rivals)],
        )
        begin = time.perf_counter()
    rival.accuracy = evaluate(rival.net, data.val_x, data.val_y)[1]


def superset(net: Net, data: TensorSplit) -> dict[str, float]:
    """Write the first trained conv as a fully connected layer; measure how far the two outputs differ."""
    row = next(row for row in net.table.rows if isinstance(row.node, Conv))
    conv = net.get_submodule(row.name)
    assert isinstance(conv, nn.Conv2d)
    stride, padding = conv.stride, conv.padding
    plain = conv.groups == 1 and conv.dilation == (1, 1) and stride[0] == stride[1] and not isinstance(padding, str)
    if not plain or isinstance(padding, str) or padding[0] != padding[1]:
        return {}
    side = min(12, data.x.shape[-1])  # a corner is enough, and of 32x32 the fc would have 50 million weights
    corner = data.val_x[:64, :, :side, :side]
    matrix, groups = conv_matrix(conv.weight.detach(), side, side, stride=stride[0], padding=padding[0])
    fc = nn.Linear(matrix.shape[1], matrix.shape[0])
    with torch.no_grad():
        fc.weight.copy_(matrix)
        if conv.bias is not None:
            fc.bias.copy_(conv.bias.repeat_interleave(matrix.shape[0] // len(conv.bias)))
        else:
            fc.bias.zero_()
        by_conv, by_fc = conv(corner).flatten(1), fc(corner.flatten(1))
    return {
        "difference": float((by_conv - by_fc).abs().max()),
        "largest output": float(by_conv.abs().max()),
        "zeros": float((groups == 0).float().mean()),
        "fc weights": matrix.numel(),
        "conv weights": conv.weight.numel(),
        "side": side,
    }


def result(knobs: Knobs, rivals: list[Rival], same: dict[str, float], labels: Tensor) -> LabResult:
    cnn, mlp = rivals[0], rivals[-1]
    rows = [
        [
            rival.name,
            f"{rival.parameters:,}",
            f"{rival.connections:,}",
            percent(rival.accuracy),
            f"{rival.seconds:.1f} s",
        ]
        for rival in rivals
    ]
    figures: list[AnyFigure] = [
        Table(title=f"On {knobs['data']}", columns=["net", *COLUMNS], rows=rows),
        Bars(
            title="Parameters (on a log scale)",
            log=True,
            bars=[
                Bar(name=rival.name, value=float(rival.parameters), text=f"{rival.parameters:,}") for rival in rivals
            ],
        ),
        loss_figure(rivals),
        filter_matrix(cnn.net),
    ]
    tested = knows(cnn.accuracy, chance(labels))
    exact = same.get("difference", 0.0) <= 1e-5 * max(1.0, same.get("largest output", 1.0))
    words, holds = comparison(cnn, mlp, knobs["match"] == "parameters")
    if same:
        words += (
            f" The fc layer that equals conv1 on {same['side']:.0f}x{same['side']:.0f} pixels has "
            f"{same['fc weights']:,.0f} weights, {percent(same['zeros'])} of them 0 and the others "
            f"{same['conv weights']:,.0f} numbers over and over; the outputs differ by "
            f"{_tiny(same['difference'])}."
        )
    return LabResult(
        figures=figures,
        numbers={
            "nets": [rival.expression for rival in rivals],
            "parameters": [rival.parameters for rival in rivals],
            "connections": [rival.connections for rival in rivals],
            "accuracy": [round4(rival.accuracy) for rival in rivals],
            "seconds": [round4(rival.seconds) for rival in rivals],
            **{f"superset: {name}": value if isinstance(value, int) else round4(value) for name, value in same.items()},
        },
        claim_holds=exact and holds if tested else None,
        sentence=words + ("" if tested else NOT_LEARNED),
    )


def _tiny(difference: float) -> str:
    return f"at most {compact(difference, 1)}" if difference else "nothing"


def comparison(cnn: Rival, mlp: Rival, same_size: bool) -> tuple[str, bool]:
    """Return what the two have shown, and whether that is the claim. same_size: of as many parameters."""
    if same_size:
        words = (
            f"With about as many parameters ({cnn.parameters:,} and {mlp.parameters:,}) the CNN gets "
            f"{percent(cnn.accuracy)} right, the MLP {percent(mlp.accuracy)}."
        )
        return words, cnn.accuracy > mlp.accuracy
    times, reached = mlp.parameters / cnn.parameters, mlp.accuracy >= cnn.accuracy
    if reached:
        words = f"For the CNN's {percent(cnn.accuracy)} an MLP needs {times:.1f} times the parameters."
    else:
        words = (
            f"No MLP, up to {times:.0f} times the parameters, reaches the CNN's {percent(cnn.accuracy)} (the last: "
            f"{percent(mlp.accuracy)})."
        )
    return words, mlp.parameters > cnn.parameters or not reached


def loss_figure(rivals: list[Rival]) -> AnyFigure:
    curves = []
    for rival in rivals:
        places, shown = thin(smooth(rival.losses), 150)
        curves.append(Curve(name=rival.name, x=places, y=[round4(value) for value in shown]))
    return Curves(title="Training loss", x_label="step", log_y=True, curves=curves)


def filter_matrix(net: Net) -> Matrix:
    """Return the first trained filter as the weights of a fully connected layer on a small picture."""
    row = next(row for row in net.table.rows if isinstance(row.node, Conv))
    weight: Tensor = net.get_submodule(row.name).weight.detach()  # type: ignore[operator]
    kernel = weight[:1, :1]
    side = max(kernel.shape[2:]) + 2
    matrix, groups = conv_matrix((kernel * 10).round() / 10, side, side)
    return Matrix(
        title=f"FC is a superset: the fc weights that equal conv1's first filter on a {side}x{side} picture",
        values=matrix.tolist(),
        groups=groups.tolist(),
        rows="an output unit",
        columns="a pixel",
    )
