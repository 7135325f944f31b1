"""Equivariance: does a feature map move with its picture? φ(Tx) against Tφ(x), layer by layer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from cvtui.calc import Flatten, GlobalPool, Linear, Size
from cvtui.draw.figures import AnyFigure, Curve, Curves, Table
from cvtui.engine.nn.model import Net
from cvtui.errors import RequestError
from cvtui.labs.experiments.data import build, images
from cvtui.labs.experiments.train import TensorSplit, train
from cvtui.labs.experiments.transforms import canvas, cut, outputs_of, shift_error, warp_error
from cvtui.labs.report import Knobs, LabResult, Report, round4
from cvtui.text import compact

SIDE = 24
ANGLES = (5.0, 10.0, 20.0, 45.0, 90.0)
SCALES = (1.05, 1.1, 1.25, 1.5)
EXACT = 1e-5
NO_PLACE = " Some map has no place away from the border, so the claim was not tested."


@dataclass
class Subject:
    """One net that is looked at, trained or not."""

    kind: str
    """fc, conv, or conv + pool."""
    net: Net
    trained: bool
    maps: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    """Its layers that are maps (H, W, C); an fc layer of H·W·C units counts as one."""
    strides: dict[str, int] = field(default_factory=dict)
    margins: dict[str, int] = field(default_factory=dict)
    """Places at each edge that see the padding."""

    @property
    def name(self) -> str:
        return f"{self.kind}, {'trained' if self.trained else 'untrained'}"


def run(knobs: Knobs, report: Report) -> LabResult:
    seed, steps = int(knobs["seed"]), int(knobs["steps"])
    subjects = list(make_subjects(knobs, seed))
    if steps:
        data = small_shapes()
        trained = [subject for subject in make_subjects(knobs, seed)]
        for number, subject in enumerate(trained):
            subject.trained = True
            optimizer = torch.optim.Adam(subject.net.parameters(), lr=2e-3)
            for step in train(subject.net, data, optimizer, steps=steps, batch=64, seed=seed):
                report(0.8 * (number + step.number / steps) / len(trained), f"training {subject.kind}")
        subjects += trained
    wide = canvas(SIDE, int(knobs["pictures"]), seed)
    measured: dict[str, dict[str, dict[str, list[float]]]] = {}
    for number, subject in enumerate(subjects):
        report(0.8 + 0.2 * number / len(subjects), f"measuring {subject.name}")
        measured[subject.name] = measure(subject, wide, int(knobs["shifts"]))
    return result(knobs, subjects, measured, wide)


def make_subjects(knobs: Knobs, seed: int) -> Iterator[Subject]:
    size: Size = (SIDE, SIDE, 1)
    for kind, expression in (
        ("fc", f"fc{SIDE * SIDE * 2}-relu-fc"),
        ("conv", str(knobs["net"])),
        ("conv + pool", str(knobs["pooled"])),
    ):
        option = "--pooled" if kind == "conv + pool" else "--net"
        subject = Subject(kind, build(expression, size, 10, seed, option=option), False)
        for row in subject.net.table.rows:
            if kind == "fc":
                if row.output == (SIDE * SIDE * 2,):
                    subject.maps[row.name] = (SIDE, SIDE, 2)
                    subject.strides[row.name], subject.margins[row.name] = 1, 2
                continue
            if isinstance(row.node, Linear | Flatten | GlobalPool) or len(row.output) == 1 or not row.receptive_field:
                break
            field_ = row.receptive_field
            stride = max(1, field_.stride[1])
            height, width, channels = row.output
            # Places whose field reaches outside of the picture; on both sides the larger of the two counts.
            before = math.ceil(max(0, -field_.offset[1]) / stride)
            after = math.ceil(max(0, field_.offset[1] + (width - 1) * stride + field_.size[1] - SIDE) / stride)
            subject.maps[row.name] = (height, width, channels)
            subject.strides[row.name], subject.margins[row.name] = stride, max(before, after)
        if not subject.maps:
            raise RequestError(f"{option}: {expression!r} has no conv whose map could move with the picture")
        yield subject


def small_shapes() -> TensorSplit:
    """Return the generated shapes, grey, 24x24: 1,500 to train on."""
    data = images("shapes", 1500, 300)

    def shrink(x: Tensor) -> Tensor:
        grey = F.interpolate(x.mean(1, keepdim=True), size=(SIDE, SIDE), mode="bilinear", antialias=True)
        return (grey - grey.mean()) / grey.std()

    return TensorSplit(x=shrink(data.x), y=data.y, val_x=shrink(data.val_x), val_y=data.val_y, classes=data.classes)


def measure(subject: Subject, wide: Tensor, shifts: int) -> dict[str, dict[str, list[float]]]:
    """Layer -> kind of move -> errors: `shift` (1 … shifts), `border` (the same, at the border), `angle`, `scale`."""
    still = outputs_of(subject.net, cut(wide), subject.maps)
    found: dict[str, dict[str, list[float]]] = {
        name: {"shift": [], "border": [], "angle": [], "scale": []} for name in still
    }
    for shift in range(1, shifts + 1):
        moved = outputs_of(subject.net, cut(wide, shift=shift), subject.maps)
        for name in still:
            stride, margin = subject.strides[name], subject.margins[name]
            found[name]["shift"].append(shift_error(still[name], moved[name], shift, stride, margin))
            found[name]["border"].append(shift_error(still[name], moved[name], shift, stride, margin, border=True))
    for angle in ANGLES:
        moved = outputs_of(subject.net, cut(wide, angle=angle), subject.maps)
        for name in still:
            found[name]["angle"].append(warp_error(still[name], moved[name], angle, 1.0, subject.margins[name]))
    for scale in SCALES:
        moved = outputs_of(subject.net, cut(wide, scale=scale), subject.maps)
        for name in still:
            found[name]["scale"].append(warp_error(still[name], moved[name], 0.0, scale, subject.margins[name]))
    return found


def own_error(wide: Tensor) -> tuple[list[float], list[float]]:
    """Measure the error of interpolation alone: a map that follows every turn and scale, ReLU of each pixel."""
    still = cut(wide).relu()
    angles = [warp_error(still, cut(wide, angle=angle).relu(), angle, 1.0, 1) for angle in ANGLES]
    return angles, [warp_error(still, cut(wide, scale=scale).relu(), 0.0, scale, 1) for scale in SCALES]


def result(
    knobs: Knobs, subjects: list[Subject], measured: dict[str, dict[str, dict[str, list[float]]]], wide: Tensor
) -> LabResult:
    own_angle, own_scale = own_error(wide)
    last = {subject.name: list(subject.maps)[-1] for subject in subjects if subject.maps}
    shifts = [float(shift) for shift in range(1, int(knobs["shifts"]) + 1)]
    some_trained = any(subject.trained for subject in subjects)
    shown = {subject.name for subject in subjects if subject.trained == some_trained}  # no room for both
    at_last = {name: measured[name][layer] for name, layer in last.items() if name in shown}
    figures: list[AnyFigure] = [
        layer_table(subjects, measured),
        _last_maps(at_last, "shift", "Shift by pixels (away from the border)", shifts),
        _last_maps(at_last, "angle", "Rotation by degrees", list(ANGLES), own_angle),
        _last_maps(at_last, "scale", "Scaling", list(SCALES), own_scale),
    ]
    conv = [subject for subject in subjects if subject.kind == "conv"]
    worst_conv = _most(measured[s.name][layer]["shift"] for s in conv for layer in s.maps)
    best_fc = _least(measured[s.name][layer]["shift"] for s in subjects if s.kind == "fc" for layer in s.maps)
    turned = _least([measured[s.name][last[s.name]]["angle"][-1]] for s in conv)
    scaled = _least([measured[s.name][last[s.name]]["scale"][-1]] for s in conv)
    numbers: dict[str, object] = {"shifts": shifts, "angles": list(ANGLES), "scales": list(SCALES)}
    for name, layers in measured.items():
        for layer, errors in layers.items():
            numbers[f"{name}: {layer}"] = {kind: [round4(value) for value in values] for kind, values in errors.items()}
    numbers["pixel by pixel"] = {"angle": [round4(v) for v in own_angle], "scale": [round4(v) for v in own_scale]}
    holds = worst_conv < EXACT and best_fc > 0.1 and turned > 0.1 and scaled > 0.1
    seen = all(map(math.isfinite, (worst_conv, best_fc, turned, scaled)))
    return LabResult(
        figures=figures,
        numbers=numbers,
        claim_holds=holds if seen else None,
        sentence=f"Shifts: conv is off by {f'at most {_short(worst_conv)}' if worst_conv else 'nothing'} inside the "
        f"border, fc by at least {_short(best_fc)}. Conv is off by {_short(turned)} after a turn by 90°, by "
        f"{_short(scaled)} magnified by {SCALES[-1]:g}." + ("" if seen else NO_PLACE),
    )


def _last_maps(
    errors: dict[str, dict[str, list[float]]], kind: str, title: str, x: list[float], own: list[float] | None = None
) -> Curves:
    """Draw the errors of each net's last map; own: those of interpolation alone."""
    floor = 1e-8 if kind == "shift" else 1e-3  # a log axis has no place for the exact zeros

    def drawn(values: list[float]) -> list[float | None]:
        return [round4(max(value, floor)) for value in values]

    curves = [Curve(name=name, x=x, y=drawn(found[kind])) for name, found in errors.items()]
    if own is not None:
        curves.append(Curve(name="pixel by pixel", x=x, y=drawn(own), dim=True))
    return Curves(
        title=f"{title}: error of each net's last map",
        log_y=True,
        whole_x=kind == "shift",
        curves=curves,
        note=f"An error of 0 is drawn at {compact(floor)}: a log axis has no 0." if kind == "shift" else "",
    )


def _most(values: Iterator[list[float]]) -> float:
    return max((value for part in values for value in part if math.isfinite(value)), default=math.nan)


def _least(values: Iterator[list[float]]) -> float:
    return min((value for part in values for value in part if math.isfinite(value)), default=math.nan)


def layer_table(subjects: list[Subject], measured: dict[str, dict[str, dict[str, list[float]]]]) -> Table:
    rows = []
    some_trained = any(subject.trained for subject in subjects)
    for subject in subjects:
        if subject.trained != some_trained:  # there is no room for both; the numbers have them
            continue
        for layer, errors in measured[subject.name].items():
            rows.append(
                [
                    f"{subject.name}: {layer}",
                    _short(errors["shift"][0]),
                    _short(errors["border"][0]),
                    _short(errors["shift"][1]) if len(errors["shift"]) > 1 else "–",
                    _short(errors["angle"][0]),
                    _short(errors["angle"][-1]),
                    _short(errors["scale"][1]),
                ]
            )
    return Table(
        title="‖φ(Tx) − Tφ(x)‖ / ‖φ(x)‖: shifts (1, 1 at the border, 2), turns, magnifying",
        note="0: the map moves with the picture, exactly; 1 and more: it is another map altogether.",
        columns=["net: layer", "shift 1", "border", "shift 2", "5°", "90°", "x1.1"],
        rows=rows,
    )


def _short(value: float) -> str:
    if not math.isfinite(value):
        return "–"
    return "0" if value == 0 else compact(value, 1) if value < 1e-3 else f"{value:.2f}"
