"""What the healthy runs in other hands' style share: a loop of their own each, and few words told to the watch."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.utils.data import DataLoader, TensorDataset

from tests.benchmarks.doctor.held.case import Case
from tests.benchmarks.doctor.real.healthy_losses import fit


class HandsCase(Case, abstract=True):
    """A healthy run, written as one of many people would."""

    batch_of = "hands"
    count, steps_of, classes = 480, 150, 6

    def epochs(self, *tensors: Tensor, batch: int = 0) -> Iterator[Iterator[Any]]:
        """Yield an epoch's batches after the other, as long as there are steps."""
        loader = DataLoader(
            TensorDataset(*tensors), batch or self.program.batch, shuffle=True, drop_last=True, generator=self.random
        )
        left = self.program.steps
        while left > 0:
            yield itertools.islice(loader, left)
            left -= len(loader)


class OwnLoop(HandsCase, abstract=True):
    """Its loop tells the loss alone; a subclass says what a step is."""

    tells_labels = False

    def step(self, model: Any, optimizer: Any, x: Tensor, y: Tensor) -> Tensor:
        raise NotImplementedError

    def rated(self, model: Any, images: Tensor, labels: Tensor) -> float:
        """Return what its owner calls the accuracy of the validation."""
        return share(model(images), labels)

    def whole(self, model: nn.Module, optimizer: Optimizer, run: Any) -> float:
        images, labels, more, their = self.data()
        rated = 0.0
        for batches in self.epochs(images, labels):
            model.train()
            for x, y in batches:
                run.step(loss=self.step(model, optimizer, x, y))
            model.eval()
            with torch.no_grad():
                rated = self.rated(model, more, their)
            run.epoch(val_accuracy=rated)
        return rated


def share(outputs: Tensor, labels: Tensor) -> float:
    return (outputs.argmax(1) == labels).float().mean().item()


def updated(optimizer: Any, loss: Tensor, cut: Callable[[], Any] | None = None) -> Tensor:
    """Zero, backward, step: what most steps end with."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    if cut is not None:
        cut()
    optimizer.step()
    return loss.detach()


def encoder(width: int = 24, out: int = 64, norm: Callable[[int], nn.Module] = nn.BatchNorm2d) -> nn.Sequential:
    """Three strided convolutions with norms, a mean over places, `out` features; 3x16x16 in."""
    return nn.Sequential(
        nn.Conv2d(3, width, 3, 1, 1, bias=False), norm(width), nn.ReLU(),
        nn.Conv2d(width, 2 * width, 3, 2, 1, bias=False), norm(2 * width), nn.ReLU(),
        nn.Conv2d(2 * width, out, 3, 2, 1, bias=False), norm(out), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    )  # fmt: skip


def pretrained(case: Case, classes: int, steps: int = 80) -> nn.Sequential:
    """Return an encoder with a head that knows this case's images."""
    images, labels, _, _ = case.data()
    made = nn.Sequential(*encoder(), nn.Linear(64, classes))
    fit(made, images, labels, min(steps, case.program.steps))
    return made


class Spread(nn.Module):
    """Features on the unit sphere."""

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(x)
