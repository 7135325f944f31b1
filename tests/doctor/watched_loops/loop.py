"""The sound loop, with README's lines alone, that all others change in one place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam

import cvtui
from cvtui.doctor import Diagnosis, examine
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from tests.doctor.test_second_reader import untrue

CLASSES = 4
Batch = tuple[Tensor, Tensor]


def clouds(count: int = 160, seed: int = 0, spread: float = 0.4) -> Batch:
    """Clouds of 12 numbers, one a class, far apart."""
    random = torch.Generator().manual_seed(seed)
    centres = torch.randn(CLASSES, 12, generator=torch.Generator().manual_seed(99))
    labels = torch.arange(count) % CLASSES
    return centres[labels] + spread * torch.randn(count, 12, generator=random), labels


class Loop:
    """A loop under cvtui.watch with README's lines alone; each test overrides what it does wrong."""

    outputs = CLASSES
    epochs = 2
    steps = 10
    tells = True

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.model = self.net()
        self.optimizer = self.optimizer_of(self.model)
        self.train, self.validation = clouds(), clouds(60, seed=5)

    def net(self) -> nn.Module:
        return nn.Sequential(nn.Linear(12, 24), nn.ReLU(), nn.Linear(24, self.outputs))

    def optimizer_of(self, model: nn.Module) -> torch.optim.Optimizer:
        return Adam(model.parameters(), lr=3e-3)

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(outputs, y)

    def right(self, outputs: Tensor, y: Tensor) -> Tensor:
        return (outputs.argmax(1) == y).float().mean()

    def update(self, loss: Tensor, step: int) -> None:  # noqa: ARG002  some update at some steps only
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def batches(self, epoch: int) -> Iterator[Batch]:
        x, y = self.train
        order = torch.randperm(len(y), generator=torch.Generator().manual_seed(epoch))
        for index in order.split(16):
            yield x[index], y[index]

    def answers(self, x: Tensor) -> Tensor:
        found: Tensor = self.model(x)
        return found

    def evaluated(self) -> float:
        x, y = self.validation
        self.model.eval()
        with torch.no_grad():
            share = self.right(self.answers(x), y).item()
        self.model.train()
        return share

    def run(self, base: Path) -> dict[str, Diagnosis]:
        with cvtui.watch(self.model, self.optimizer, runs=base, name="run") as run:
            step = 0
            for epoch in range(self.epochs):
                for x, y in self.batches(epoch):
                    outputs = self.answers(x)
                    loss = self.loss(outputs, y)
                    self.update(loss, step)
                    step += 1
                    run.step(loss=loss, accuracy=self.right(outputs, y))
                run.epoch(val_accuracy=self.evaluated())
        history = History(run.folder)
        history.poll()
        assert untrue(RunFolder(base / "run")) == []
        return {one.id: one for one in examine(history) if one.severity != "note"}


class Sound(Loop):
    pass
