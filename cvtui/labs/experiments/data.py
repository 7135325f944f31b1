"""Data and nets for labs: the embedded sets as float tensors, net expressions as models with seeded weights."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import torch
from torch import Tensor, nn

from cvtui.calc import Size, trace
from cvtui.calc.net.parser import parse
from cvtui.engine.data.depth import unit_of
from cvtui.engine.data.images import Part
from cvtui.engine.data.loading import load
from cvtui.engine.data.toy_sets import toy
from cvtui.engine.nn.init import initialise
from cvtui.engine.nn.model import Net
from cvtui.errors import RequestError
from cvtui.labs.experiments.train import TensorSplit
from cvtui.recipe.choices.inits import INITS
from cvtui.recipe.choices.spec import parse_choice
from cvtui.recipe.recipe import Recipe


@lru_cache(maxsize=2)
def images(name: str, train: int = 100_000, validation: int = 100_000) -> TensorSplit:
    """Return the first images of a set, [n, C, H, W], mean 0 and std 1 in each channel (training's)."""
    data = load(Recipe(data=name))
    x, y = _floats(data.train, train)
    val_x, val_y = _floats(data.validation, validation)
    mean, std = x.mean((0, 2, 3), keepdim=True), x.std((0, 2, 3), keepdim=True)
    return TensorSplit(x=(x - mean) / std, y=y, val_x=(val_x - mean) / std, val_y=val_y, classes=int(y.max()) + 1)


def raw(name: str, count: int) -> torch.Tensor:
    """Return the first training images as they are, 0 to 1, [n, C, H, W]."""
    return _floats(load(Recipe(data=name)).train, count)[0]


def digits() -> TensorSplit:
    """1,437 training and 360 validation images [n, 1, 8, 8]."""
    return images("digits")


def _floats(part: Part, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    pixels, labels = part.part(0, count)
    return pixels.permute(0, 3, 1, 2).contiguous().float() / unit_of(pixels.dtype), labels


def points(name: str, count: int, seed: int, noise: float | None = None, classes: int | None = None) -> TensorSplit:
    """Return a toy set as points [n, 2]; a fifth as many more are for validation."""
    held = max(20, count // 5)
    x, y = toy(name, count + held, seed, noise, classes)
    x_all, y_all = torch.from_numpy(x), torch.from_numpy(y)
    return TensorSplit(
        x=x_all[:count], y=y_all[:count], val_x=x_all[count:], val_y=y_all[count:], classes=int(y_all.max()) + 1
    )


def build(expression: str, size: Size, classes: int, seed: int, init: str = "he", option: str = "--net") -> Net:
    """Build the net of an expression for inputs of `size` (H, W, C, or N flat), weights from `seed` alone.

    RequestError names `option` where the expression does not fit the size.
    """
    try:
        table = trace(parse(expression), size, classes)
    except RequestError as error:
        raise RequestError(
            f"{option}: {error.message}", source=error.source or expression, column=error.column
        ) from None
    last = table.rows[-1]
    if last.output not in ((classes,), (1, 1, classes)):
        raise RequestError(f"{option}: {expression!r} must end in {classes} outputs: end it in a bare 'fc'")
    with torch.random.fork_rng(devices=[]):
        net = Net(table)
    initialise(net, parse_choice(init, INITS, "init"), torch.Generator().manual_seed(seed))
    return net


def layer_outputs(net: Net, x: Tensor, names: Iterable[str]) -> dict[str, Tensor]:
    """Return the outputs of the layers named, in that order, for a batch that goes through the net once.

    As after training: by batch norms' running statistics and without dropout; the net's mode is left as it was.
    """
    kept: dict[str, Tensor] = {}
    wanted, training = list(names), net.training
    handles = []
    for name in wanted:

        def keep(_module: nn.Module, _inputs: object, output: Tensor, name: str = name) -> None:
            kept[name] = output.detach()

        handles.append(net.get_submodule(name).register_forward_hook(keep))
    try:
        net.eval()
        with torch.no_grad():
            net(x)
    finally:
        net.train(training)
        for handle in handles:
            handle.remove()
    return {name: kept[name] for name in wanted}
