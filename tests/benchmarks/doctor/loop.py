"""A training loop as people write them, under `cvtui.watch`, without a fault."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD, Adam, AdamW, Optimizer

from cvtui.engine.custom_loop.watched_run import WatchedRun
from cvtui.engine.watch import watch
from tests.benchmarks.doctor.nets import MODULES
from tests.benchmarks.doctor.sets import CLASSES, SETS, Data


class Loop:
    """A loop without a fault. What it is made of are methods; a fault replaces one of them.

    strength: what the fault makes of it, a number or a word.
    """

    outputs = CLASSES

    def __init__(
        self,
        net: str,
        data: str,
        seed: int,
        strength: float | str = 0.0,
        *,
        steps: int = 230,
        batch: int = 64,
        optimizer: str = "momentum",
        lr: float = 0.05,
        weight_decay: float = 0.0,
    ) -> None:
        self.net, self.seed, self.strength = net, seed, strength
        self.steps, self.batch, self.kind, self.lr, self.weight_decay = steps, batch, optimizer, lr, weight_decay
        self.random = torch.Generator().manual_seed(1000 + seed)
        self.data = SETS[data](seed)

    @property
    def number(self) -> float:
        assert isinstance(self.strength, int | float)
        return self.strength

    # ------------------------------------------------------------------ what a fault replaces

    def spoil_data(self, data: Data) -> None:
        """Before anything else."""

    def spoil_model(self, model: nn.Sequential) -> None:
        """Once it is built."""

    def parameters(self, model: nn.Module) -> list[nn.Parameter]:
        return list(model.parameters())

    def order(self, count: int) -> Tensor:
        return torch.randperm(count, generator=self.random)

    def forward(self, model: nn.Module, images: Tensor) -> Tensor:
        logits: Tensor = model(images)
        return logits

    def batch_of(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        return images, labels

    def loss_of(self, logits: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(logits, labels)

    def told(self, labels: Tensor) -> Tensor | None:
        """Return the labels that `run.step` is told."""
        return labels

    def before_backward(self, optimizer: Optimizer) -> None:
        optimizer.zero_grad()

    def before_update(self, model: nn.Module) -> None:
        """Between backward and step."""

    def after_update(self, optimizer: Optimizer, step: int) -> None:
        """Where a schedule would step."""

    def validation_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(logits, labels)

    def training_mode(self, model: nn.Module) -> None:
        model.train()

    def validation_mode(self, model: nn.Module) -> None:
        model.eval()

    def validation(self) -> tuple[Tensor, Tensor]:
        return self.data.validation, self.data.validation_labels

    # ------------------------------------------------------------------ the loop

    def run(self, runs: Path, name: str) -> None:
        """Train into the run folder runs/name."""
        torch.manual_seed(self.seed)
        data = self.data
        self.spoil_data(data)
        channels, side = data.train.shape[1:3]
        model = MODULES[self.net](channels, side, self.outputs)
        self.spoil_model(model)
        optimizer = self._optimizer(self.parameters(model))
        per_epoch = -(-len(data.train) // self.batch)
        with watch(
            model,
            optimizer,
            name=name,
            every=10,
            runs=runs,
            total_steps=self.steps,
            steps_per_epoch=per_epoch,
            classes=[str(number) for number in range(CLASSES)],
            train=(data.train, data.train_labels),
            validation=self.validation(),
        ) as run:
            self._train(model, optimizer, run)

    def _optimizer(self, parameters: list[nn.Parameter]) -> Optimizer:
        if self.kind in ("sgd", "momentum"):
            rho = 0.9 if self.kind == "momentum" else 0.0
            return SGD(parameters, self.lr, momentum=rho, weight_decay=self.weight_decay)
        kind = Adam if self.kind == "adam" else AdamW
        return kind(parameters, self.lr, weight_decay=self.weight_decay)

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        data = self.data
        order = self.order(len(data.train))
        for start in range(0, len(order), self.batch):
            index = order[start : start + self.batch]
            yield self.batch_of(data.train[index], data.train_labels[index])

    def _train(self, model: nn.Module, optimizer: Optimizer, run: WatchedRun) -> None:
        step = 0
        while step < self.steps:
            self.training_mode(model)
            for images, labels in self._batches():
                logits = self.forward(model, images)
                loss = self.loss_of(logits, labels)
                self.before_backward(optimizer)
                loss.backward()
                self.before_update(model)
                optimizer.step()
                step += 1
                self.after_update(optimizer, step)
                right = (logits.detach().argmax(1) == labels).float().mean()
                run.step(loss=loss.detach(), accuracy=right, labels=self.told(labels))
                if step >= self.steps or not math.isfinite(loss.item()):
                    break
            self._validate(model, run)
            if not math.isfinite(loss.item()):
                break

    @torch.no_grad()
    def _validate(self, model: nn.Module, run: WatchedRun) -> None:
        self.validation_mode(model)
        images, labels = self.validation()
        logits = self.forward(model, images)
        accuracy = (logits.argmax(1) == labels).float().mean().item()
        run.epoch(val_loss=self.validation_loss(logits, labels).item(), val_accuracy=accuracy)
