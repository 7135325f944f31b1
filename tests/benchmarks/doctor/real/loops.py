"""The loop that real programs run in: README's few lines of `cvtui.watch`, with or without data, labels and classes."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from cvtui.engine.watch import watch
from tests.benchmarks.doctor.real import parts, spoils
from tests.benchmarks.doctor.real.parts import Data
from tests.benchmarks.doctor.real.program import Program


def right_share(outputs: Tensor, labels: Tensor) -> Tensor:
    """Return the accuracy as their owners count it: one output above one half is class 1."""
    said = outputs.argmax(1) if outputs.shape[1] > 1 else (outputs[:, 0] > 0.5).long()
    return (said == labels).float().mean()


class Loop:
    """The plain loop; what a program does otherwise is overridden."""

    tells_labels = True
    """The labels that it trains on are class numbers, one an image: they can be given to `cvtui.watch`."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.random = torch.Generator().manual_seed(3)
        self.steps = 0

    # ------------------------------------------------------------------ before it

    def data(self) -> Data:
        kind, arguments = self.program.data
        data: Data = getattr(parts, kind)(**arguments)
        return spoils.DATA[self.program.spoil](data) if self.program.spoil in spoils.DATA else data

    def model(self, shape: tuple[int, ...]) -> nn.Module:
        layers = parts.layers(self.program.net, shape)
        for layer in layers[: self.program.frozen]:
            layer.requires_grad_(False)
        return spoils.NETS[self.program.spoil](layers) if self.program.spoil in spoils.NETS else layers

    def trained(self, model: nn.Module) -> list[Any]:
        """Return what the optimizer gets."""
        return [parameter for parameter in model.parameters() if parameter.requires_grad]

    def optimizer(self, model: nn.Module) -> Optimizer:
        name, options = self.program.optimizer
        made: Optimizer = getattr(torch.optim, name)(self.trained(model), **options)
        return made

    # ------------------------------------------------------------------ in it

    whole: Any = None
    """(model, optimizer, run) → validation accuracy: a loop that is not this one at all; it tells no labels."""
    text = ""
    """A whole program (`held/ninth_base.py`): `run` runs it, and nothing else of this class is used."""

    def run(self) -> float:
        """Run the text; return the validation accuracy."""
        raise NotImplementedError

    def before_epoch(self, model: nn.Module) -> None:
        model.train()

    def order(self, labels: Tensor) -> Tensor:
        return torch.randperm(len(labels), generator=self.random)

    def augmented(self, x: Tensor) -> Tensor:
        return x

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return parts.LOSSES[self.program.loss](outputs, y)

    def forward(self, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss and the outputs whose accuracy is told."""
        outputs = model(self.augmented(x))
        return self.loss(outputs, y), outputs

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        loss, outputs = self.forward(model, x, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach(), outputs.detach()

    def share(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Return the accuracy that the owner counts."""
        return right_share(outputs, labels)

    # ------------------------------------------------------------------ behind it

    def before_validation(self, model: nn.Module) -> None:
        model.eval()

    def validated(self, model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float, float]:
        """Return the validation loss, the accuracy that the owner counts, and the true one."""
        outputs = model(images)
        true = right_share(outputs, labels).item()
        return self.loss(outputs, labels).item(), self.share(outputs, labels).item(), true


def train(loop: Loop, runs: Path, name: str, told: bool = True) -> float:
    """Train into runs/name; returns the validation accuracy.

    told: cvtui.watch gets classes and data, run.step the labels; else README's lines alone.
    """
    if loop.text:
        return train_as_script(loop, runs, name)
    torch.manual_seed(1)
    program = loop.program
    data = images, labels, more, their = loop.data()
    model = loop.model(tuple(images.shape[1:]))
    optimizer = loop.optimizer(model)
    classes = [str(number) for number in range(program.classes)]
    told = told and loop.tells_labels
    known: dict[str, Any] = {"classes": classes, "train": data[:2], "validation": data[2:]} if told else {}
    accuracy = 0.0
    with watch(model, optimizer, name=name, runs=runs, **known) as run:
        if loop.whole is not None:
            return float(loop.whole(model, optimizer, run))
        while loop.steps < program.steps:
            loop.before_epoch(model)
            for index in loop.order(labels).split(program.batch):
                y = labels[index]
                loss, outputs = loop.update(model, optimizer, images[index], y)
                loop.steps += 1
                share = loop.share(outputs, y)
                if told:
                    run.step(loss=loss, accuracy=share, labels=y)
                else:
                    run.step(loss=loss, accuracy=share)
                if loop.steps == program.steps or not math.isfinite(loss.item()):
                    break
            loop.before_validation(model)
            with torch.no_grad():
                val_loss, counted, accuracy = loop.validated(model, more, their)
            run.epoch(val_loss=val_loss, val_accuracy=counted)
            if not math.isfinite(loss.item()):
                break
    return accuracy


def train_as_script(loop: Loop, runs: Path, name: str) -> float:
    """Train as a script without a word of cvtui, under what `cvtui run` puts on; return the validation accuracy."""
    from cvtui.engine.run_script.options import Options
    from cvtui.engine.run_script.watcher import Watcher

    watcher = Watcher(Options(name=name, runs=str(runs)), os.getcwd())
    try:
        return plain(loop)
    finally:
        watcher.end(None)


class Untold:
    """What a loop tells its run, told to nobody."""

    def step(self, **_: Any) -> None:
        pass

    def epoch(self, **_: Any) -> None:
        pass


def plain(loop: Loop) -> float:
    """Train without a word of cvtui; returns the validation accuracy."""
    if loop.text:
        return loop.run()
    torch.manual_seed(1)
    program = loop.program
    images, labels, more, their = loop.data()
    model = loop.model(tuple(images.shape[1:]))
    optimizer = loop.optimizer(model)
    accuracy = 0.0
    if loop.whole is not None:
        return float(loop.whole(model, optimizer, Untold()))
    while loop.steps < program.steps:
        loop.before_epoch(model)
        for index in loop.order(labels).split(program.batch):
            loss, _ = loop.update(model, optimizer, images[index], labels[index])
            loop.steps += 1
            if loop.steps == program.steps or not math.isfinite(loss.item()):
                break
        loop.before_validation(model)
        with torch.no_grad():
            _, _, accuracy = loop.validated(model, more, their)
        if not math.isfinite(loss.item()):
            break
    return accuracy
