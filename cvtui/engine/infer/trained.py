"""A trained model as it was validated: its net with weights in it, its preprocessing, and the images it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cvtui.calc import Table, trace
from cvtui.calc.module_table import ModuleTable
from cvtui.calc.net.parser import parse
from cvtui.engine.data.depth import Depth
from cvtui.engine.data.preprocess import Preprocess
from cvtui.engine.nn.memory_order import to_channels_last
from cvtui.engine.nn.model import Net, without_gradients
from cvtui.engine.nn.module_net import build_module
from cvtui.engine.observe.held_values import put_values
from cvtui.engine.observe.untouched import drawn_apart
from cvtui.engine.runtime.device import autocast, pick_device, set_threads
from cvtui.engine.train.validation_batch import batch_of_state, validation_batch
from cvtui.errors import RequestError
from cvtui.recipe.datasets.image_folder import several_of
from cvtui.recipe.net_target import is_target
from cvtui.recipe.recipe import Recipe


@dataclass(kw_only=True)
class TrainedModel:
    """A model that predicts; `logits` takes pixels as the run's validation images had them."""

    logits: Callable[[Tensor], Tensor]
    """Pixels N x H x W x C (uint8, uint16 or float32 by `unit`) -> N x classes, on the device."""
    classes: tuple[str, ...]
    size: tuple[int, ...]
    """(H, W, C) of an image, (features,) of a point."""
    unit: float
    """Value of white: 255 (uint8), 65535 (uint16) or 1 (float32)."""
    depth: Depth | None
    """Scale of files with more than 8 bits a value, where the training images had some."""
    batch_size: int
    checkpoint: str
    step: int = 0
    epoch: int = 0
    ema: bool = False
    temperature: float = 1.0
    """Probabilities are softmax(logits / temperature), or sigmoid."""
    yes_no: bool = False
    """It answers a yes or no for each class (loss bce): probabilities are sigmoids, each class by itself."""
    several: bool = False
    """Pictures are in any number of classes: those with a probability above 1/2."""
    notes: tuple[str, ...] = ()


def with_weights(
    recipe: Recipe,
    size: tuple[int, ...],
    classes: tuple[str, ...],
    weights: Mapping[str, Tensor],
    preprocess: Mapping[str, Any],
    device: str,
    source: str,
    state: Mapping[str, Any] | None = None,
) -> TrainedModel:
    """Build the recipe's net and put weights into it, in the order of memory in which it was validated. RequestError.

    device: another than the recipe's; without one that of the recipe where it is there, else the CPU. state: of the
    checkpoint that the weights are from, whose run had its number of images at once.
    """
    place, notes = _device(device, recipe.device)
    model, table = _net(recipe, size, classes)
    set_threads(recipe.threads, table.macs * recipe.batch_size)
    to_channels_last(model.to(place))
    try:
        extra = {name: value for name, value in model.state_dict().items() if name.endswith("_extra_state")}
        model.load_state_dict({**extra, **weights})  # (safetensors hold tensors alone)
        put_values(model, (state or {}).get("held", {}))
        pixels = Preprocess.of_state(preprocess, place)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        what = " ".join(str(error).split())[:200]
        raise RequestError(f"{source} does not fit the recipe's net: {what}") from None
    model.eval()

    def logits(images: Tensor) -> Tensor:
        with drawn_apart(model, recipe.seed), without_gradients(model), autocast(place, recipe.precision):
            found: Tensor = model(pixels(images.to(place)))
            return found

    count = len(classes), recipe.batch_size, place
    batch = validation_batch(table, *count) if state is None else batch_of_state(state, table, *count)
    return TrainedModel(
        logits=logits, classes=classes, size=size, unit=255.0, depth=None, checkpoint=source, notes=notes,
        batch_size=batch, yes_no=several_of(recipe),
    )  # fmt: skip


def _device(asked: str, recipes: str) -> tuple[torch.device, tuple[str, ...]]:
    if asked:
        return pick_device(asked), ()
    try:
        return pick_device(recipes), ()
    except RequestError:
        return torch.device("cpu"), (f"the run's device {recipes} is not available: the CPU is used",)


def _net(recipe: Recipe, size: tuple[int, ...], classes: tuple[str, ...]) -> tuple[nn.Module, Table | ModuleTable]:
    shape: Any = size
    if is_target(recipe.net):
        made = build_module(recipe.net, shape, len(classes), recipe.seed)
        return made.model, made.table
    table = trace(parse(recipe.net), shape, len(classes))
    return Net(table), table
