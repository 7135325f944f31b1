"""Gradient check: backward's gradients against numeric ones, layer by layer.

Numeric: (L(w + h) − L(w − h)) / 2h, an entry at a time. Backward: PyTorch's chain rule. Both in double precision, since
in float32 rounding drowns the difference (drawn below against h).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cvtui.calc import Activation, Row, Size
from cvtui.calc.table import size_text
from cvtui.draw.figures import AnyFigure, Curve, Curves, Table
from cvtui.engine.nn.model import Net
from cvtui.errors import RequestError
from cvtui.labs.experiments.data import build, images
from cvtui.labs.experiments.train import batches
from cvtui.labs.report import Knobs, LabResult, Report, round4
from cvtui.text import compact, counted

AGREE = 1e-5
"""Relative error up to which two gradients in double precision agree (1e-7 is usual; tiny gradients cost more)."""
SENSIBLE = (1e-7, 1e-4)
"""Steps h with which the numeric gradient of a small net in double precision can be trusted."""
KINK_STEP, KINK = 1e-6, 1e-3
"""Slopes to both sides of a point, so far from it, that differ by more than this share: there is a kink."""
RATE = 0.1
"""Of the one step of SGD that is shown."""
STEPS = tuple(10.0**-power for power in range(1, 13))


@dataclass(frozen=True, kw_only=True)
class GradientCheck:
    """One tensor's gradient, looked at in some of its entries."""

    layer: str
    what: str
    """output, weight or bias."""
    shape: tuple[int, ...]
    backward: Tensor
    numeric: Tensor
    rounding: float
    """Gradients up to this size can't be told from 0: 100 times the loss's last bit over h."""
    kinks: Tensor
    """Entries where ReLU or a maximum bends: backward takes one side's slope, the numeric gradient the mean of both."""

    @property
    def largest(self) -> int:
        """The entry whose numeric gradient is the largest."""
        return int(self.numeric.abs().argmax())

    @property
    def errors(self) -> Tensor:
        """Relative errors abs(b − n) / max(abs(b), abs(n)), each entry at least 1e-4 of the largest; 0 at kinks.

        Entries that are 0 but for rounding count as equal: a bias before a batch norm has no gradient at all.
        """
        size = torch.maximum(self.backward.abs(), self.numeric.abs())
        floor = 1e-4 * float(size.max()) + 1e-300
        errors = (self.backward - self.numeric).abs() / size.clamp(min=floor)
        return torch.where((size > self.rounding) & ~self.kinks, errors, torch.zeros_like(errors))

    @property
    def error(self) -> float:
        """The largest."""
        return float(self.errors.max())


def run(knobs: Knobs, report: Report) -> LabResult:
    data = images("digits")
    size: Size = (8, 8, 1)
    net = build(str(knobs["net"]), size, 10, int(knobs["seed"])).double()
    plant = str(knobs["bug"])
    for module in net.modules():
        if isinstance(module, nn.Dropout):  # each pass would drop other units
            module.eval()
    picked = next(batches(len(data.x), int(knobs["batch"]), int(knobs["seed"])))
    x, y = data.x[picked].double(), data.y[picked]
    entries, h = int(knobs["entries"]), float(knobs["h"])
    handles = plant_bug(net, plant)
    checked: list[GradientCheck] = []
    try:
        gradients = backward(net, x, y)
        tensors = list(everything(net))
        for number, (row, what) in enumerate(tensors):
            report(0.8 * number / len(tensors), f"{row.name} {what}", lambda: [table(checked)])
            checked.append(compare(net, x, y, row, what, gradients[row.name, what], entries, h, int(knobs["seed"])))
        curves = error_over_h(net, x, y, gradients, report)
    finally:
        for handle in handles:
            handle.remove()
    return result(checked, [one_step(net, x, y, gradients, len(data.x)), table(checked), curves], plant, h)


def result(checked: list[GradientCheck], figures: list[AnyFigure], plant: str, h: float) -> LabResult:
    errors = {f"{entry.layer} {entry.what}": round4(entry.error) for entry in checked}
    worst = max(checked, key=lambda entry: entry.error)
    wrong = [entry for entry in checked if entry.error > AGREE]
    kinks = sum(int(entry.kinks.sum()) for entry in checked)
    sensible = SENSIBLE[0] <= h <= SENSIBLE[1]
    if wrong and plant == "none" and not sensible:
        words = f"{len(wrong)} of {len(checked)} gradients differ: with h = {h:g} it is the numeric one that is off."
    elif wrong:
        # Backward runs from the last layer to the first: the last layer that is wrong is the first that went wrong.
        words = (
            f"{len(wrong)} of {len(checked)} gradients {'is' if len(wrong) == 1 else 'are'} wrong, from "
            f"{wrong[-1].layer} on down "
            f"(worst {compact(worst.error, 2)} at {worst.layer} {worst.what})."
        )
    else:
        words = f"All {len(checked)} gradients agree; the largest relative error is {compact(worst.error, 2)}."
    if kinks:
        words += f" Left out where ReLU or a maximum has a kink: {kinks}."
    if plant != "none":
        words += f" (A bug was planted: {plant}.)" if wrong else f" The planted bug ({plant}) shows in none of them."
    return LabResult(
        figures=figures,
        numbers={"relative errors": errors, "largest": round4(worst.error), "wrong": [entry.layer for entry in wrong]},
        claim_holds=not wrong if plant == "none" and (sensible or not wrong) else None,
        sentence=words,
    )


def plant_bug(net: Net, kind: str) -> list[torch.utils.hooks.RemovableHandle]:
    """Inject a wrong formula into the backward pass of the first layer that can have it."""
    handles: list[torch.utils.hooks.RemovableHandle] = []
    for row in net.table.rows:
        module: nn.Module = net.get_submodule(row.name)
        if kind == "activation" and isinstance(row.node, Activation):

            def pass_on(_module: nn.Module, _inputs: object, arriving: object) -> tuple[Tensor, ...]:
                assert isinstance(arriving, tuple)
                return arriving  # as if the slope of the activation were 1 everywhere

            handles.append(module.register_full_backward_hook(pass_on))
            break
        if kind == "bias" and getattr(module, "bias", None) is not None:
            bias = module.bias
            assert isinstance(bias, Tensor)
            handles.append(bias.register_hook(lambda gradient: gradient / 2))  # type: ignore[no-untyped-call]
            break
    if not handles and kind != "none":
        raise RequestError(f"--bug: {kind} is not allowed; the net has no {kind}")
    return handles


def everything(net: Net) -> Iterator[tuple[Row, str]]:
    """(layer, what) of each gradient there is, from the first layer to the last."""
    for row in net.table.rows:
        module = net.get_submodule(row.name)
        if getattr(module, "weight", None) is not None:
            yield row, "weight"
        if getattr(module, "bias", None) is not None:
            yield row, "bias"
        yield row, "output"


def backward(net: Net, x: Tensor, y: Tensor) -> dict[tuple[str, str], Tensor]:
    """All gradients by one backward pass, those of the layers' outputs included."""
    outputs: dict[str, Tensor] = {}
    handles = []
    for row in net.table.rows:

        def keep(_module: nn.Module, _inputs: object, output: Tensor, name: str = row.name) -> None:
            output.retain_grad()
            outputs[name] = output

        handles.append(net.get_submodule(row.name).register_forward_hook(keep))
    try:
        net.zero_grad()
        F.cross_entropy(net(x), y).backward()  # type: ignore[no-untyped-call]
    finally:
        for handle in handles:
            handle.remove()
    found: dict[tuple[str, str], Tensor] = {}
    for row, what in everything(net):
        tensor = outputs[row.name] if what == "output" else getattr(net.get_submodule(row.name), what)
        assert tensor.grad is not None
        found[row.name, what] = tensor.grad.clone()
    return found


def compare(
    net: Net, x: Tensor, y: Tensor, row: Row, what: str, gradient: Tensor, entries: int, h: float, seed: int
) -> GradientCheck:
    """Compare the numeric gradient at up to `entries` positions of one tensor with backward's."""
    picked = torch.randperm(gradient.numel(), generator=torch.Generator().manual_seed(seed))[:entries]

    def loss(place: int, by: float) -> float:
        nudge = torch.zeros_like(gradient)
        nudge.view(-1)[place] = by
        if what == "output":
            return nudged_output(net, x, y, row.name, nudge)
        return nudged_parameter(net, x, y, getattr(net.get_submodule(row.name), what), nudge)

    def bends(place: int) -> bool:
        down, here, up = (loss(place, by) for by in (-KINK_STEP, 0.0, KINK_STEP))
        left, right = here - down, up - here
        return abs(right - left) > KINK * max(abs(left), abs(right))

    found = GradientCheck(
        layer=row.name,
        what=what,
        shape=tuple(gradient.shape),
        backward=gradient.flatten()[picked],
        numeric=torch.tensor(
            [(loss(place, h) - loss(place, -h)) / (2 * h) for place in picked.tolist()], dtype=torch.float64
        ),
        rounding=100 * torch.finfo(torch.float64).eps / h,
        kinks=torch.zeros(len(picked), dtype=torch.bool),
    )
    if gradient.dtype == torch.float64:  # rounding hides every kink from float32
        for number in torch.flatten(torch.nonzero(found.errors > AGREE)).tolist():
            found.kinks[number] = bends(int(picked[number]))
    return found


@torch.no_grad()
def nudged_parameter(net: Net, x: Tensor, y: Tensor, parameter: Tensor, nudge: Tensor) -> float:
    """Return the loss as a function of what is added to a parameter, which is restored exactly."""
    before = parameter.detach().clone()
    parameter.add_(nudge)
    loss = float(F.cross_entropy(net(x), y))
    parameter.copy_(before)
    return loss


@torch.no_grad()
def nudged_output(net: Net, x: Tensor, y: Tensor, layer: str, nudge: Tensor) -> float:
    """Return the loss as a function of what is added to a layer's output."""
    handle = net.get_submodule(layer).register_forward_hook(lambda _module, _inputs, output: output + nudge)
    try:
        return float(F.cross_entropy(net(x), y))
    finally:
        handle.remove()


def error_over_h(net: Net, x: Tensor, y: Tensor, gradients: dict[tuple[str, str], Tensor], report: Report) -> Curves:
    """Relative error of the first weight gradient for each h: truncation falls with h², rounding grows with 1/h."""
    row, what = next((row, what) for row, what in everything(net) if what == "weight")
    gradient = gradients[row.name, what]
    curves = []
    single = type(net)(net.table)
    single.load_state_dict(net.state_dict())
    runs: list[tuple[str, Net, Callable[[Tensor], Tensor]]] = [
        ("double", net, Tensor.double),
        ("float32", single.float(), Tensor.float),
    ]
    for number, (name, model, cast) in enumerate(runs):
        errors = []
        for place, h in enumerate(STEPS):
            report(0.8 + 0.2 * (number + place / len(STEPS)) / 2, f"h = {h:g} in {name}")
            errors.append(compare(model, cast(x), y, row, what, cast(gradient), 8, h, 0))
        curves.append(Curve(name=name, x=list(STEPS), y=[round4(max(entry.error, 1e-16)) for entry in errors]))
    return Curves(
        title=f"Relative error of {row.name}'s weight gradient against the step h",
        x_label="h",
        log_x=True,
        log_y=True,
        curves=curves,
    )


def one_step(net: Net, x: Tensor, y: Tensor, gradients: dict[tuple[str, str], Tensor], images: int) -> Table:
    """Take one step of SGD by backward's gradients, in the lecture's four parts; the weights are put back."""
    own = {key: gradient for key, gradient in gradients.items() if key[1] != "output"}
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with torch.no_grad():
        first = float(F.cross_entropy(net(x), y))
        for (layer, what), gradient in own.items():
            getattr(net.get_submodule(layer), what).sub_(RATE * gradient)
        second = float(F.cross_entropy(net(x), y))
    net.load_state_dict(before)
    numbers = sum(gradient.numel() for gradient in own.values())
    length = float(torch.cat([gradient.flatten() for gradient in own.values()]).norm())
    return Table(
        title="One iteration of mini-batch SGD",
        columns=["part", "here"],
        rows=[
            ["sample", f"{counted(len(x), 'image')} of {images:,}, at random"],
            ["forward", f"the net's outputs, and their loss: {first:.4g}"],
            ["backward", f"{counted(numbers, 'gradient')} in one pass; together of length {length:.3g}"],
            ["update", f"w − {RATE:g} · gradient for each weight; then the loss is {second:.4g}"],
        ],
    )


def table(checked: list[GradientCheck]) -> AnyFigure:
    rows = [
        [
            f"{entry.layer} {entry.what}",
            size_text(entry.shape),
            f"{float(entry.backward[entry.largest]):+.6f}",
            f"{float(entry.numeric[entry.largest]):+.6f}",
            compact(entry.error, 2),
            "agree" if entry.error <= AGREE else "WRONG",
        ]
        for entry in checked
    ]
    return Table(
        title="Backward's gradients beside numeric ones: each tensor's largest entry, and its largest error",
        columns=["gradient of", "shape", "backward", "numeric", "error", ""],
        rows=rows,
    )
