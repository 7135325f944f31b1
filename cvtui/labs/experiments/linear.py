"""Linear separability: what one layer can cut out of a plane, and how hidden layers bend it until a line is enough."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from cvtui.calc import Activation
from cvtui.doctor.curves import knows
from cvtui.draw.figures import AnyFigure, Bar, Bars, Heat, Points
from cvtui.engine.nn.model import Net
from cvtui.errors import RequestError
from cvtui.labs.experiments.data import build, layer_outputs, points
from cvtui.labs.experiments.train import NOT_LEARNED, TensorSplit, chance, evaluate, predict, train
from cvtui.labs.report import Knobs, LabResult, Report, round4
from cvtui.text import percent

REACH = 1.6
"""The plane is drawn from −1.6 to 1.6."""
COLUMNS, ROWS = 39, 22
SEPARABLE = 0.97
"""A line that gets so many right separates the classes; the rest is noise."""


def run(knobs: Knobs, report: Report) -> LabResult:
    classes = int(knobs["classes"]) or None
    try:
        data = points(str(knobs["data"]), int(knobs["points"]), int(knobs["seed"]), None, classes)
    except RequestError as error:
        raise RequestError(f"--classes: {error.message}") from None
    seed, steps = int(knobs["seed"]), int(knobs["steps"])
    single = build("fc", (2,), data.classes, seed)
    mlp = build(str(knobs["net"]), (2,), data.classes, seed)
    for place, (model, words) in enumerate(((single, "the single layer"), (mlp, "the MLP"))):
        optimizer = torch.optim.Adam(model.parameters(), lr=float(knobs["lr"]))
        for step in train(model, data, optimizer, steps=steps, batch=64, seed=seed):
            share = (place + (step.number + 1) / steps) / 2
            report(0.9 * share, f"training {words}", lambda: regions(single, mlp, data))
    report(0.9, "fitting lines")
    outputs = hidden(mlp, data.x)
    fitted, weight = fit_line(data.x, data.y, data.classes)
    fits = [("the plane", best_line(data.x, data.y) if data.classes == 2 else fitted, weight)]
    for number, (name, values) in enumerate(outputs):
        report(0.9 + 0.1 * number / len(outputs), "fitting lines")
        fits.append((name, *fit_line(values, data.y, data.classes)))
    return result(knobs, data, single, mlp, outputs, fits)


def result(
    knobs: Knobs,
    data: TensorSplit,
    single: Net,
    mlp: Net,
    outputs: Sequence[tuple[str, Tensor]],
    fits: Sequence[tuple[str, float, Tensor]],
) -> LabResult:
    one, many = evaluate(single, data.val_x, data.val_y)[1], evaluate(mlp, data.val_x, data.val_y)[1]
    on_plane, at_last, two = fits[0][1], fits[-1][1], data.classes == 2
    figures: list[AnyFigure] = [*regions(single, mlp, data)]
    figures += [
        view(values, data.y, weight, f"{name}: {'a line gets' if two else 'lines get'} {percent(accuracy)}")
        for (name, values), (_, accuracy, weight) in zip(outputs, fits[1:], strict=True)
    ]
    figures.append(
        Bars(
            title="Training points that a line gets right: in the plane the best of all lines, behind each layer "
            "softmax regression"
            if two
            else "Training points that softmax regression gets right, in the plane and behind each layer",
            bars=[Bar(name=name, value=accuracy, text=percent(accuracy)) for name, accuracy, _ in fits],
        )
    )
    tested = knows(one if on_plane >= SEPARABLE else many, chance(data.val_y))
    if on_plane >= SEPARABLE:
        holds = one >= SEPARABLE - 0.03
        words = (
            f"{'A line separates' if two else 'Lines separate'} {knobs['data']} ({percent(on_plane)} of the training "
            f"points). The single layer gets {percent(one)} of new ones right."
        )
    else:
        holds = one <= on_plane + 0.06 and many >= one + 0.05 and at_last >= SEPARABLE
        best = "The best of all lines" if two else "Softmax regression"
        words = (
            f"{best} gets {percent(on_plane)} of the training points of {knobs['data']} right. Of new points the "
            f"trained single layer gets {percent(one)} right, the MLP {percent(many)}. {_where(fits)}."
        )
    return LabResult(
        figures=figures,
        numbers={
            "accuracy on new points, single layer": round4(one),
            "accuracy on new points, MLP": round4(many),
            "layers": [name for name, _, _ in fits],
            "fitted line": [round4(accuracy) for _, accuracy, _ in fits],
            "separable at": _separable_at(fits),
        },
        claim_holds=holds if tested else None,
        sentence=words + ("" if tested else NOT_LEARNED),
    )


def _separable_at(fits: Sequence[tuple[str, float, Tensor]]) -> str | None:
    """Return the first place where lines separate the points."""
    return next((name for name, accuracy, _ in fits if accuracy >= SEPARABLE), None)


def _where(fits: Sequence[tuple[str, float, Tensor]]) -> str:
    """Say which layer makes the points separable."""
    first, (last, at_last, _) = _separable_at(fits), fits[-1]
    where = f"They become separable at {first}" if first else "No layer makes them separable"
    return where + (f", but are no longer at {last} ({percent(at_last)})" if first and at_last < SEPARABLE else "")


def hidden(net: Net, x: Tensor) -> list[tuple[str, Tensor]]:
    """(name, outputs [n, units]) of each activation layer; of each layer but the last where there are none."""
    rows = net.table.rows
    wanted = [row.name for row in rows if isinstance(row.node, Activation)] or [row.name for row in rows[:-1]]
    return [(name, output.flatten(1)) for name, output in layer_outputs(net, x, wanted).items()]


def best_line(x: Tensor, y: Tensor) -> float:
    """Return the share of two classes' points that the best of all lines gets right: 720 directions, every threshold.

    Of XOR's four clouds it has three on the right side, where training ends near half: the loss counts distances.
    """
    angle = torch.arange(720) * (math.pi / 720)
    order = (x @ torch.stack([angle.cos(), angle.sin()])).argsort(0)
    sign = (2 * y - 1)[order]
    more = torch.cat([torch.zeros(1, 720, dtype=sign.dtype), sign.cumsum(0)])  # of class 1 than of class 0, so far
    ones = int(y.sum())
    return max(ones - int(more.min()), len(y) - ones + int(more.max())) / len(y)


def fit_line(values: Tensor, y: Tensor, classes: int) -> tuple[float, Tensor]:
    """(share right, weights [classes, units]) of the best linear classifier of these values (softmax, by L-BFGS)."""
    values = values.double()
    values = (values - values.mean(0)) / (values.std(0) + 1e-6)
    weight = torch.zeros(classes, values.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(values @ weight.T + bias, y) + 1e-5 * weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    right = ((values @ weight.T + bias).argmax(1) == y).double().mean()
    return float(right), weight.detach()


# ------------------------------------------------------------------ pictures


def regions(single: Net, mlp: Net, data: TensorSplit) -> list[AnyFigure]:
    """Draw the plane as either net divides it, with the points on it."""
    return [region(net, data, name) for net, name in ((single, "A single layer"), (mlp, "Hidden layers"))]


def region(net: Net, data: TensorSplit, name: str) -> Heat:
    x, y = torch.linspace(-REACH, REACH, COLUMNS), torch.linspace(-REACH, REACH, ROWS)
    plane = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).reshape(-1, 2)
    outputs = predict(net, plane)
    two = data.classes == 2
    shown = outputs.softmax(1)[:, 1] if two else outputs.argmax(1).float()
    right = evaluate(net, data.x, data.y)[1]
    return Heat(
        title=f"{name}, training: {percent(right)}",
        abreast=2,
        values=[[round(value, 3) for value in row] for row in shown.reshape(ROWS, COLUMNS).tolist()],
        x_low=-REACH,
        x_high=REACH,
        y_low=-REACH,
        y_high=REACH,
        low=0.0,
        high=1.0,
        colours="two" if two else "classes",
        levels=[0.5] if two else [],  # the border, also where both classes are nearly as likely everywhere
        points=scatter(data.x, data.y, data.classes),
    )


def scatter(values: Tensor, y: Tensor, classes: int) -> list[Points]:
    """At most 300 points, a group a class."""
    groups = []
    for number in range(classes):
        mine = values[y == number][: 300 // classes]
        groups.append(
            Points(
                name="",
                x=[round4(value) for value in mine[:, 0].tolist()],
                y=[round4(value) for value in mine[:, 1].tolist()],
            )
        )
    return groups


def view(values: Tensor, y: Tensor, weight: Tensor, title: str) -> Heat:
    """Draw a layer's outputs in two directions: across the line that separates best, and the widest along it.

    With three classes and more: the two directions in which the linear classifier tells most.
    """
    values = values.double()
    values = (values - values.mean(0)) / (values.std(0) + 1e-6)
    directions = torch.linalg.svd(weight - weight.mean(0), full_matrices=False)[2]
    across = directions[0]
    if len(weight) > 2:
        along = directions[1]
    else:
        rest = values - torch.outer(values @ across, across)
        along = torch.linalg.svd(rest - rest.mean(0), full_matrices=False)[2][0]
    flat = torch.stack([values @ across, values @ along], 1)
    low, high = flat.min(0).values, flat.max(0).values
    margin = (high - low) * 0.05 + 1e-6
    return Heat(
        title=title,
        abreast=2,
        x_low=float(low[0] - margin[0]),
        x_high=float(high[0] + margin[0]),
        y_low=float(low[1] - margin[1]),
        y_high=float(high[1] + margin[1]),
        points=scatter(flat, y, int(y.max()) + 1),
    )
