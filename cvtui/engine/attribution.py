"""Attribution of a class to pixels by captum: Grad-CAM, integrated gradients, occlusion, saliency.

What captum does otherwise than one would think is seen to here: it leaves the net in training mode (batch-norm
statistics would move), keeps negative values of Grad-CAM and sums over channels, takes a transformer's tokens for
channels without an error, and fails on in-place activations inside a layer.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cvtui.engine.nn.model import layers_by_name
from cvtui.errors import RequestError, nearest
from cvtui.runlog.explanation import check_captum
from cvtui.text import error_line

IG_STEPS, IG_BATCH = 64, 16
PATCHES = 7
"""Occluded patches along the shorter side, about."""


class Attribution(NamedTuple):
    values: Tensor
    """H x W, float32; above 0 speaks for the class."""
    total: float
    """Sum of captum's values, before cutting and resizing."""
    layer: str
    note: str


class OutputGrid(NamedTuple):
    """How a layer's output lies on the image."""

    kind: str
    """`maps`: N x C x H x W, `last`: N x H x W x C, `tokens`: N x (prefix + H·W) x C."""
    height: int
    width: int
    prefix: int = 0


def grids(model: nn.Module, image: Tensor) -> dict[str, OutputGrid]:
    """Return the layers with a spatial output of more than one place, in order of computation."""
    found: dict[str, OutputGrid] = {}
    handles = []
    for name, module in layers_by_name(model).items():

        def seen(module: nn.Module, _inputs: Any, output: Any, name: str = name) -> None:
            grid = grid_of(module, output, image) if isinstance(output, Tensor) else None
            if grid is not None:
                found.setdefault(name, grid)

        handles.append(module.register_forward_hook(seen))
    try:
        with torch.no_grad():
            model(image)
    finally:
        for handle in handles:
            handle.remove()
    return found


def grid_of(module: nn.Module, output: Tensor, image: Tensor) -> OutputGrid | None:
    """Tell maps from channels-last from tokens, by the shape of the image; None for what has no places."""
    ratio = image.shape[-2] / image.shape[-1]
    if output.dim() == 4:
        last = isinstance(module, nn.Linear | nn.LayerNorm) or type(module).__name__.startswith("LayerNorm")
        last = last and not type(module).__name__.endswith("2d")
        _, one, two, three = output.shape
        first, final = _fits(two, three, ratio), _fits(one, two, ratio)
        if first and final:
            kind = "last" if last else "maps"
        elif first or final:
            kind = "maps" if first else "last"
        else:
            kind = "last" if last else "maps"
        height, width = (one, two) if kind == "last" else (two, three)
        return OutputGrid(kind, height, width) if height * width > 1 else None
    if output.dim() == 3:
        for prefix in range(6):
            height = round(math.sqrt((output.shape[1] - prefix) * ratio)) if output.shape[1] > prefix + 1 else 0
            if height and (output.shape[1] - prefix) % height == 0:
                width = (output.shape[1] - prefix) // height
                if _fits(height, width, ratio):
                    return OutputGrid("tokens", height, width, prefix)
    return None


def _fits(height: int, width: int, ratio: float) -> bool:
    """Return True if a grid has the image's shape, up to a border."""
    return abs(height - width * ratio) <= 1


class _Map(nn.Module):
    """The layer, with its output turned to N x C x H x W and back where Grad-CAM looks at it."""

    def __init__(self, layer: nn.Module, grid: OutputGrid) -> None:
        super().__init__()
        self.layer, self.grid, self.seen = layer, grid, nn.Identity()

    def forward(self, *inputs: Any, **more: Any) -> Tensor:
        output: Tensor = self.layer(*inputs, **more)
        grid = self.grid
        if grid.kind == "maps":
            return self.seen(output.clone())  # type: ignore[no-any-return]  # the next may write over it
        if grid.kind == "last":
            return self.seen(output.permute(0, 3, 1, 2).clone()).permute(0, 2, 3, 1)  # type: ignore[no-any-return]
        before, tokens = output[:, : grid.prefix], output[:, grid.prefix :]
        maps = tokens.transpose(1, 2).reshape(len(output), -1, grid.height, grid.width)
        return torch.cat([before, self.seen(maps).flatten(2).transpose(1, 2)], 1)


@contextmanager
def _mapped(model: nn.Module, name: str, grid: OutputGrid) -> Iterator[nn.Module]:
    """Put a _Map in the place of the layer; give what Grad-CAM looks at."""
    parent, _, last = name.rpartition(".")
    holder, layer = model.get_submodule(parent), model.get_submodule(name)
    wrapped = _Map(layer, grid)
    setattr(holder, last, wrapped)
    try:
        yield wrapped.seen
    finally:
        setattr(holder, last, layer)


@contextmanager
def _quiet(model: nn.Module) -> Iterator[None]:
    """Evaluate with no activation in place and captum's warnings about hooks unsaid; all is put back."""
    modes = [(module, module.training) for module in model.modules()]
    placed = [module for module in model.modules() if getattr(module, "inplace", False) is True]
    model.eval()
    for module in placed:
        module.inplace = False  # type: ignore[assignment]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for module in placed:
            module.inplace = True  # type: ignore[assignment]
        for module, mode in modes:
            module.training = mode


def attribute(model: nn.Module, image: Tensor, target: int, method: str, layer: str = "") -> Attribution:
    """Attribute the logit of class `target` to the pixels of one image (1 x C x H x W, preprocessed). RequestError."""
    check_captum()
    if layer and method in ("occlusion", "saliency"):
        raise RequestError(f"--layer: {method} looks at the image itself", hint="--method gradcam or ig takes a layer")
    with _quiet(model):
        there = grids(model, image)
        if layer and layer not in there:
            shown = ", ".join(list(there)[-12:]) or "none"
            raise RequestError(
                f"--layer: {layer!r} has no maps; those that have: {shown}{nearest(layer, tuple(there))}"
            )
        try:
            if method == "gradcam":
                return _gradcam(model, image, target, layer, there)
            return {"ig": _integrated, "occlusion": _occlusion, "saliency": _saliency}[method](
                model, image, target, layer
            )
        except RuntimeError as error:
            raise RequestError(f"{method}: {error_line(error)}") from error


def _gradcam(model: nn.Module, image: Tensor, target: int, layer: str, there: dict[str, OutputGrid]) -> Attribution:
    if not there:
        raise RequestError("gradcam: this net has no layer with maps", hint="--method saliency, ig or occlusion")
    names = [layer] if layer else _candidates(model, there)
    for name in names:
        raw = _cam(model, image, target, name, there[name])
        if bool((raw != 0).any()):
            break
    else:
        name = names[0]
        raw = _cam(model, image, target, name, there[name])
    cut = raw.clamp_min(0)
    grid = there[name]
    note = f"{grid.height}x{grid.width} places, made larger; negative ones are shown as 0"
    if not bool((raw != 0).any()):
        note = "zero everywhere: no gradient of the class reaches this layer, or its output is 0"
    elif not bool((cut > 0).any()):
        note = "no place speaks for the class: all are negative, and shown as 0"
    values = F.interpolate(cut[None, None], image.shape[-2:], mode="bilinear", align_corners=False)[0, 0]
    return Attribution(values, float(raw.sum()), name, note)


def _cam(model: nn.Module, image: Tensor, target: int, name: str, grid: OutputGrid) -> Tensor:
    from captum.attr import LayerGradCam

    with _mapped(model, name, grid) as seen, torch.enable_grad():
        raw: Tensor = LayerGradCam(model, seen).attribute(image.clone(), target=target)
    return raw.detach()[0, 0].float()


def _candidates(model: nn.Module, there: dict[str, OutputGrid]) -> list[str]:
    """Return the layers to try, the last convolution first; of a transformer its norms before its patches."""
    convs = [name for name in there if isinstance(model.get_submodule(name), nn.Conv2d)]
    if len(convs) < 2:
        norms = [name for name, grid in there.items() if grid.kind != "maps" and "norm" in name.rpartition(".")[2]]
        convs = convs + norms if norms else convs or list(there)
    return list(reversed(convs))


def _integrated(model: nn.Module, image: Tensor, target: int, layer: str) -> Attribution:
    from captum.attr import IntegratedGradients, LayerIntegratedGradients

    base = torch.zeros_like(image)
    with torch.no_grad():
        wanted = float(model(image)[0, target] - model(base)[0, target])
    how = {"target": target, "n_steps": IG_STEPS, "internal_batch_size": IG_BATCH}
    if not layer:
        given = IntegratedGradients(model).attribute(image.clone(), base, **how).detach()
    else:
        grid = grids(model, image)[layer]
        with _mapped(model, layer, grid) as seen:
            given = LayerIntegratedGradients(model, seen).attribute(image.clone(), base, **how).detach()
    total = float(given.sum())
    values = given[0].sum(0).float()
    if layer:
        values = F.interpolate(values[None, None], image.shape[-2:], mode="bilinear", align_corners=False)[0, 0]
    through = ", of which this layer's is the part that goes through it" if layer else ""
    note = f"sum {total:.4g}; the logit is {wanted:.4g} above that of the image of zeros after preprocessing{through}"
    return Attribution(values, total, layer, note)


def _occlusion(model: nn.Module, image: Tensor, target: int, _layer: str) -> Attribution:
    from captum.attr import Occlusion

    channels, height, width = image.shape[1:]
    side = max(1, min(height, width) // PATCHES)
    step = max(1, side // 2)
    given = Occlusion(model).attribute(
        image.clone(), sliding_window_shapes=(channels, side, side), strides=(channels, step, step), target=target,
        baselines=0, perturbations_per_eval=IG_BATCH,
    )  # fmt: skip
    values = given.detach()[0].mean(0).float()
    note = f"patches of {side}x{side}, {step} apart, hidden by the zero after preprocessing; the logit's mean loss"
    return Attribution(values, float(values.sum()), "", note)


def _saliency(model: nn.Module, image: Tensor, target: int, _layer: str) -> Attribution:
    from captum.attr import Saliency

    given = Saliency(model).attribute(image.clone().requires_grad_(), target=target, abs=True).detach()
    values = given[0].amax(0).float()
    return Attribution(values, float(given.sum()), "", "absolute gradient of the logit, the largest of the channels")
