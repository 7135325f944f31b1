"""Check of an exported model: its outputs beside PyTorch's on the same images."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from cvtui.engine.nn.model import layers_by_name
from cvtui.text import error_line

TOLERANCE = 1e-4
"""Largest difference allowed, of logits beyond 1 relative to the largest."""

ROUNDINGS = 64
"""On a hard picture the output may be this many times as far as a change in the last bits of its pixels moves it."""

Run = Callable[[Tensor], Tensor]
"""The exported model: images -> its output."""


class Refused(Exception):
    """An export that is not the model; nothing is left of it. The message is one line."""


class Agreement(NamedTuple):
    """How far an export is from PyTorch."""

    images: int
    difference: float
    """The largest, absolute, on the images."""
    note: str = ""
    """What whoever uses the file should know of it."""


Differs = Callable[[Tensor], str]
"""Called with images on which the outputs differ; names the layer."""


def compare(model: nn.Module, run: Run, images: Tensor, differs: Differs | None = None) -> Agreement:
    """Compare outputs on the first image alone, on the others at once, on hard pictures. Refused where they differ."""
    layer: Differs = differs or (lambda _: "")
    with torch.no_grad():
        wanted = _wanted(model, images)
        try:
            given = torch.cat([run(part.clone()) for part in _parts(images)])
        except Exception as error:  # PyTorch's and onnxruntime's have no kind in common
            raise Refused(f"what was written does not run: {error_line(error)}") from error
    if given.shape != wanted.shape:
        raise Refused(f"its output has the shape {tuple(given.shape)}, PyTorch's {tuple(wanted.shape)}{layer(images)}")
    worst = difference(wanted, given)
    if not worst <= tolerance(wanted):
        raise Refused(f"its output is {worst:.2g} from PyTorch's (allowed: {tolerance(wanted):.2g}){layer(images)}")
    for name, picture in hard_pictures(images).items():
        _compare_hard(model, run, name, picture, layer)
    return Agreement(len(images), worst)


def _wanted(model: nn.Module, images: Tensor) -> Tensor:
    """Return the model's own output. Refused where it has none, or another one each time."""
    try:
        wanted = torch.cat([model(part.clone()) for part in _parts(images)])
        again = model(images[:1].clone())
    except Exception as error:  # a stranger's code
        raise Refused(f"the net does not run without gradients: {error_line(error)}") from error
    if not wanted.isfinite().all():
        raise Refused("the model gives values that are not finite: there is nothing to hand over")
    if not difference(wanted[:1], again) <= tolerance(wanted):
        raise Refused(
            "the net gives another answer to the same image each time (it draws random numbers or counts in evaluation "
            "mode too): no file can be compared with it"
        )
    return wanted


def hard_pictures(images: Tensor) -> dict[str, Tensor]:
    """Return by name one picture each on which forms part that agree on others: no spread, zeros, large values."""
    one, kind = images[:1], images.dtype
    if kind.is_floating_point:
        middle, large = 0.5, one * 10
    else:
        most, values = torch.iinfo(kind).max, one.to(torch.float64)
        middle, large = most // 2 + 1, torch.where(values > values.mean(), float(most), 0.0).to(kind)
    return {
        "a picture of zeros": torch.zeros_like(one),
        "a flat picture": torch.full_like(one, middle),
        "a picture with large values": large,
    }


def _compare_hard(model: nn.Module, run: Run, name: str, picture: Tensor, layer: Differs) -> None:
    """Compare the outputs on one picture where PyTorch's is finite. Refused beyond what rounding explains."""
    with torch.no_grad():
        wanted = model(picture.clone())
        if not wanted.isfinite().all():
            return
        worst, allowed = difference(wanted, run(picture.clone())), tolerance(wanted)
        if worst <= allowed:
            return
        allowed += ROUNDINGS * difference(wanted, model(_nudged(picture)))
    if not worst <= allowed:
        raise Refused(f"on {name} its output is {worst:.2g} from PyTorch's (allowed: {allowed:.2g}){layer(picture)}")


def _nudged(picture: Tensor) -> Tensor:
    """Change each value by about its last bits, up or down."""
    x = picture.to(torch.float32)
    signs = torch.randint(0, 2, x.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return x + signs * (2.0**-22 * max(1.0, float(x.abs().max())))


def _parts(images: Tensor) -> list[Tensor]:
    return [images[:1], images[1:]] if len(images) > 1 else [images]


def difference(wanted: Tensor, given: Tensor) -> float:
    """Return the largest absolute difference; NaN where there is one in `given`."""
    return float((wanted.double() - given.double()).abs().max()) if wanted.numel() else 0.0


def tolerance(wanted: Tensor) -> float:
    return TOLERANCE * max(1.0, float(wanted.abs().max()) if wanted.numel() else 0.0)


class LayerOutputs(nn.Module):
    """The model with the first output of every layer beside its own."""

    def __init__(self, whole: nn.Module, model: nn.Module) -> None:
        super().__init__()
        self.whole = whole
        self._seen: dict[str, Tensor] = {}
        for name, layer in layers_by_name(model).items():
            layer.register_forward_hook(self._keeper(name))
        self.names: list[str] = []

    def _keeper(self, name: str) -> Callable[[nn.Module, object, object], None]:
        def keep(_layer: nn.Module, _inputs: object, output: object) -> None:
            if isinstance(output, Tensor) and output.is_floating_point():
                self._seen.setdefault(name, output.clone())

        return keep

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        self._seen = {}
        output = self.whole(x)
        self.names = [*self._seen, "output"]
        return (*self._seen.values(), output)
