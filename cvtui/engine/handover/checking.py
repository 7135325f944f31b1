"""Check of an exported model: its outputs beside PyTorch's on the same images."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from cvtui.engine.nn.model import layers_by_name

TOLERANCE = 1e-4
"""Largest difference allowed, of logits beyond 1 relative to the largest."""

Run = Callable[[Tensor], Tensor]
"""The exported model: images -> its output."""


class Refused(Exception):
    """An export that is not the model; nothing is left of it. The message is one line."""


class Agreement(NamedTuple):
    """How far an export is from PyTorch."""

    images: int
    difference: float
    """The largest, absolute."""


def compare(model: nn.Module, run: Run, images: Tensor, differs: Callable[[], str] = str) -> Agreement:
    """Compare outputs on the first image alone and on the others at once. Refused where they differ.

    differs: called then, names the layer.
    """
    with torch.no_grad():
        wanted = torch.cat([model(part) for part in _parts(images)])
        if not wanted.isfinite().all():
            raise Refused("the model gives values that are not finite: there is nothing to hand over")
        given = torch.cat([run(part) for part in _parts(images)])
    if given.shape != wanted.shape:
        raise Refused(f"its output has the shape {tuple(given.shape)}, PyTorch's {tuple(wanted.shape)}{differs()}")
    worst = difference(wanted, given)
    if not worst <= tolerance(wanted):
        raise Refused(f"its output is {worst:.2g} from PyTorch's (allowed: {tolerance(wanted):.2g}){differs()}")
    return Agreement(len(images), worst)


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


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """Give a name beside `path` to write to; it becomes `path` when all went well, else nothing is left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield beside
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
