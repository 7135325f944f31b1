"""The loop that real programs run in: README's few lines of `cvtui.watch`, with or without data, labels and classes."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from cvtui.engine.watch import watch
from tests.benchmarks.doctor.real import parts
from tests.benchmarks.doctor.real.program import Program


def normal_weights(model: nn.Sequential) -> None:
    """Draw all weights from N(0, 1)."""
    for parameter in model.parameters():
        nn.init.normal_(parameter)


SPOILED: dict[str, Callable[[nn.Sequential], None]] = {"normal weights": normal_weights}
"""What is done to a net before it is trained."""


def right_share(outputs: Tensor, labels: Tensor) -> Tensor:
    """Return the accuracy as their owners count it: one output above one half is class 1."""
    said = outputs.argmax(1) if outputs.shape[1] > 1 else (outputs[:, 0] > 0.5).long()
    return (said == labels).float().mean()


def train(program: Program, runs: Path, name: str, told: bool = True) -> float:
    """Train into runs/name; returns the validation accuracy.

    told: cvtui.watch gets classes and data, run.step the labels; else README's lines alone.
    """
    torch.manual_seed(1)
    kind, arguments = program.data
    images, labels, more, their = getattr(parts, kind)(**arguments)
    model = parts.layers(program.net, tuple(images.shape[1:]))
    if program.spoil:
        SPOILED[program.spoil](model)
    for layer in model[: program.frozen]:
        layer.requires_grad_(False)
    optimizer_name, options = program.optimizer
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = getattr(torch.optim, optimizer_name)(trained, **options)
    loss_of = parts.LOSSES[program.loss]
    known = {
        "classes": [str(number) for number in range(program.classes)],
        "train": (images, labels),
        "validation": (more, their),
    }
    order = torch.Generator().manual_seed(2)
    with watch(model, optimizer, name=name, runs=runs, **(known if told else {})) as run:
        step = 0
        while step < program.steps:
            model.train()
            for index in torch.randperm(len(images), generator=order).split(program.batch):
                x, y = images[index], labels[index]
                outputs = model(x)
                loss = loss_of(outputs, y)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                step += 1
                share = right_share(outputs.detach(), y)
                run.step(loss=loss.detach(), accuracy=share, labels=y) if told else run.step(loss=loss, accuracy=share)
                if step == program.steps or not math.isfinite(loss.item()):
                    break
            model.eval()
            with torch.no_grad():
                outputs = model(more)
                accuracy = right_share(outputs, their).item()
                run.epoch(val_loss=loss_of(outputs, their).item(), val_accuracy=accuracy)
            if not math.isfinite(loss.item()):
                break
    return accuracy
