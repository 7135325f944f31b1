"""Loops with a fault, as they were found in other people's programs."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.optim.lr_scheduler import StepLR

from tests.benchmarks.doctor.real.loops import Loop

# ---------------------------------------------------------------------- the optimizer


class NeverStepped(Loop):
    """Leave out `optimizer.step()`."""

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        loss, outputs = self.forward(model, x, y)
        optimizer.zero_grad()
        loss.backward()
        return loss.detach(), outputs.detach()


class NotZeroed(Loop):
    """Leave out `zero_grad()`."""

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        loss, outputs = self.forward(model, x, y)
        loss.backward()
        optimizer.step()
        return loss.detach(), outputs.detach()


class OldWeights(Loop):
    """Give the optimizer the weights of the net before its layers were replaced."""

    def trained(self, model: nn.Module) -> list[Any]:
        return list(copy.deepcopy(model).parameters())


class HeadLeftOut(Loop):
    """Give the optimizer all weights but the last layer's."""

    def trained(self, model: nn.Module) -> list[Any]:
        return list(model.parameters())[:-2]


class Undivided(Loop):
    """Accumulate the gradients of four batches, without dividing the losses by four."""

    batches, divisor = 4, 1

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        loss, outputs = self.forward(model, x, y)
        (loss / self.divisor).backward()
        if (self.steps + 1) % self.batches == 0:
            optimizer.step()
            optimizer.zero_grad()
        return loss.detach(), outputs.detach()


class Accumulated(Undivided):
    """Accumulate the mean gradient of four batches."""

    divisor = 4


class OneAutocast(Loop):
    """Enter autocast once an epoch, around the loop over its batches."""

    def before_epoch(self, model: nn.Module) -> None:
        super().before_epoch(model)
        self._cast = torch.autocast("cpu", torch.bfloat16)
        self._cast.__enter__()

    def before_validation(self, model: nn.Module) -> None:
        self._cast.__exit__(None, None, None)
        super().before_validation(model)


class CastByStep(Loop):
    """Enter autocast in each step, around the forward pass and the loss."""

    def forward(self, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast("cpu", torch.bfloat16):
            return super().forward(model, x, y)


class ScheduledByBatch(Loop):
    """Step a schedule meant for epochs (a tenth every seven) at every batch."""

    def optimizer(self, model: nn.Module) -> Optimizer:
        made = super().optimizer(model)
        self.schedule = StepLR(made, step_size=7, gamma=0.1)
        return made

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        result = super().update(model, optimizer, x, y)
        self.schedule.step()
        return result


class ScheduledByEpoch(ScheduledByBatch):
    """Step it once an epoch."""

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return Loop.update(self, model, optimizer, x, y)

    def before_validation(self, model: nn.Module) -> None:
        self.schedule.step()
        super().before_validation(model)


# ---------------------------------------------------------------------- modes


class TrainedOnce(Loop):
    """Call `model.train()` before the first epoch only: from the second on it trains in eval mode."""

    def before_epoch(self, model: nn.Module) -> None:
        if not self.steps:
            model.train()


class NeverEval(Loop):
    """Evaluate without `model.eval()`."""

    def before_validation(self, model: nn.Module) -> None:
        pass


# ---------------------------------------------------------------------- data


class Sorted(Loop):
    """Draw the images class by class, as they lie in their folders."""

    def order(self, labels: Tensor) -> Tensor:
        return torch.argsort(labels, stable=True)


class Mirrored(Loop):
    """Mirror half of the images at random."""

    def augmented(self, x: Tensor) -> Tensor:
        turned = torch.rand(len(x), generator=self.random) < 0.5
        return torch.where(turned[:, None, None, None], x.flip(-1), x)


class CutSmall(Loop):
    """Keep a random piece of two fifths of each side, upside down at times, and change brightness and contrast."""

    def augmented(self, x: Tensor) -> Tensor:
        side = x.shape[-1]
        part = max(side * 2 // 5, 1)
        pieces = []
        for one in x:
            top, left = torch.randint(side - part + 1, (2,), generator=self.random).tolist()
            piece = one[:, top : top + part, left : left + part]
            turned = piece.flip(-2) if torch.rand(1, generator=self.random) < 0.5 else piece
            light, contrast = (0.5 + torch.rand(2, generator=self.random)).tolist()
            pieces.append((turned * light - turned.mean()) * contrast + turned.mean())
        return F.interpolate(torch.stack(pieces), size=(side, side), mode="bilinear")


# ---------------------------------------------------------------------- accuracy


class CountedByBatches(Loop):
    """Divide the right answers of a batch by the number of batches."""

    def share(self, outputs: Tensor, labels: Tensor) -> Tensor:
        batches = max(600 // self.program.batch, 1)
        return super().share(outputs, labels) * len(labels) / batches


class CountedByDataset(Loop):
    """Divide the right answers of a batch by the number of all images."""

    def share(self, outputs: Tensor, labels: Tensor) -> Tensor:
        return super().share(outputs, labels) * len(labels) / 600


class CountedByOutput(Loop):
    """Compare each output with its place of the one-hot label: C − 1 of C are right with no net at all."""

    def share(self, outputs: Tensor, labels: Tensor) -> Tensor:
        wanted = F.one_hot(labels, outputs.shape[1]).bool()
        return ((outputs.softmax(1) > 0.5) == wanted).float().mean()


class CountedOverTheBatch(Loop):
    """Take the softmax over the batch before the largest class is looked for."""

    def share(self, outputs: Tensor, labels: Tensor) -> Tensor:
        return super().share(outputs.softmax(0), labels)


FAULTY: dict[str, type[Loop]] = {
    "never stepped": NeverStepped,
    "not zeroed": NotZeroed,
    "old weights": OldWeights,
    "head left out": HeadLeftOut,
    "accumulated, not divided": Undivided,
    "accumulated": Accumulated,
    "one autocast": OneAutocast,
    "autocast by step": CastByStep,
    "schedule by batch": ScheduledByBatch,
    "schedule by epoch": ScheduledByEpoch,
    "train() once": TrainedOnce,
    "never eval()": NeverEval,
    "sorted": Sorted,
    "mirrored": Mirrored,
    "cut small": CutSmall,
    "accuracy by batches": CountedByBatches,
    "accuracy by the dataset": CountedByDataset,
    "accuracy by output": CountedByOutput,
    "accuracy over the batch": CountedOverTheBatch,
}
