"""The small plain loop that labs train with: data in memory, batches cut by index, the same order for everyone.

Labs compare: the same first weights and the same batches for each competitor, so that only the thing that is turned
makes the difference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cvtui.engine.data.images import Images
from cvtui.engine.runtime.seeds import NOISE, stream_seed
from cvtui.engine.train.step import PlainStep, training_step
from cvtui.runlog.axes import Smoother


@dataclass(frozen=True, kw_only=True)
class TensorSplit:
    """Images (or points) as float tensors [n, …] with their classes [n]."""

    x: Tensor
    y: Tensor
    val_x: Tensor
    val_y: Tensor
    classes: int

    def head(self, train: int, validation: int) -> TensorSplit:
        """Return the first `train` training and `validation` validation images only."""
        return TensorSplit(
            x=self.x[:train],
            y=self.y[:train],
            val_x=self.val_x[:validation],
            val_y=self.val_y[:validation],
            classes=self.classes,
        )


def seeded(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    """Build a module whose first weights depend on `seed` alone; the global random state stays."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def noise(seed: int, number: int = 0) -> torch.Generator:
    """Make random numbers that are not those of the weights of the same seed: an input like a filter fits it."""
    return torch.Generator().manual_seed(stream_seed(seed, NOISE, number))


def he(model: nn.Module, seed: int) -> nn.Module:
    """Weights ~ N(0, 2/Din), biases 0 (He 2015), from `seed` alone. The last layer, whose outputs are logits: 1/Din."""
    generator = torch.Generator().manual_seed(seed)
    layers = [module for module in model.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    for layer in layers:
        gain = 1.0 if layer is layers[-1] else 2.0
        with torch.no_grad():
            layer.weight.normal_(0.0, math.sqrt(gain / layer.weight[0].numel()), generator=generator)
            if layer.bias is not None:
                layer.bias.zero_()
    return model


def problem(seed: int) -> nn.Module:
    """Build the net of the labs lr, schedule and batch: an MLP 64-64-10 with tanh, He's init."""
    return he(nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 10)), seed)


def batches(count: int, size: int, seed: int) -> Iterator[Tensor]:
    """Yield indices of batches for ever, in a new order each epoch; an epoch's last may be smaller."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield from torch.split(torch.randperm(count, generator=generator), size)


@dataclass(frozen=True, kw_only=True)
class Step:
    number: int
    """From 0."""
    loss: float
    """Of the batch, before the update."""


def train(
    model: nn.Module,
    data: TensorSplit,
    optimizer: torch.optim.Optimizer,
    *,
    steps: int,
    batch: int,
    seed: int,
    lr_at: Callable[[int], float] | None = None,
) -> Iterator[Step]:
    """Sample a batch, forward, backward, update; yields after each step, so that the caller may look, report or stop.

    lr_at: the rate of each step, where it changes.
    """
    order = batches(len(data.x), batch, seed)
    state = PlainStep(model, F.cross_entropy, optimizer)
    for number in range(steps):
        picked = next(order)
        if lr_at is not None:
            for group in optimizer.param_groups:
                group["lr"] = lr_at(number)
        loss, _ = training_step(state, Images(data.x[picked], data.y[picked]))
        yield Step(number=number, loss=loss.item())


@torch.no_grad()
def predict(model: nn.Module, x: Tensor) -> Tensor:
    """Return the outputs, in eval mode; the model's mode is left as it was."""
    training = model.training
    model.eval()
    outputs = torch.cat([model(part) for part in torch.split(x, 1024)])
    model.train(training)
    return outputs


def evaluate(model: nn.Module, x: Tensor, y: Tensor) -> tuple[float, float]:
    """(mean loss, share that is right)."""
    outputs = predict(model, x)
    return float(F.cross_entropy(outputs, y)), float((outputs.argmax(1) == y).float().mean())


def chance(y: Tensor) -> float:
    """Return the accuracy of always answering with the most frequent class."""
    return float(torch.bincount(y).max()) / max(len(y), 1)


def guess(y: Tensor) -> float:
    """Loss of a guess by the classes' frequencies, in nats."""
    shares = torch.bincount(y).double() / max(len(y), 1)
    return float(-(shares * shares.clamp(min=1e-12).log()).sum())


NOT_LEARNED = " Nothing was learnt with these knobs, so the claim was not tested."


def parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def smooth(values: list[float], beta: float = 0.9) -> list[float]:
    """Exponential moving average with bias correction; NaN where a value is not finite."""
    smoother = Smoother(beta)
    smoother.extend(np.asarray(values, np.float64))
    return [float(value) for value in smoother.values]


def thin(values: list[float], most: int = 200) -> tuple[list[float], list[float]]:
    """(places from 0, values), at most `most` of them and the last among them: a figure has no room for more."""
    every = -(-len(values) // most)
    places = sorted({*range(0, len(values), max(1, every)), len(values) - 1} - {-1})
    return [float(place) for place in places], [values[place] for place in places]
