"""Training loops as people write them, each broken in one place, under `cvtui.watch`."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from tests.benchmarks.doctor.loop import Loop
from tests.benchmarks.doctor.nets import MODULES
from tests.benchmarks.doctor.sets import CLASSES, Data

# ---------------------------------------------------------------------- numbers and gradients


class NotFinite(Loop):
    """A mean over the images that a mask has left: after `strength` steps it leaves none, and 0 / 0 is the loss."""

    done = 0

    def loss_of(self, logits: Tensor, labels: Tensor) -> Tensor:
        self.done += 1
        mask = torch.full(labels.shape, float(self.done <= self.number))
        return (F.cross_entropy(logits, labels, reduction="none") * mask).sum() / mask.sum()


class DeadRelu(Loop):
    """Hidden biases far below 0."""

    def spoil_model(self, model: nn.Sequential) -> None:
        hidden = [layer for layer in model if isinstance(layer, nn.Conv2d | nn.Linear)][:-1]
        for layer in hidden:
            assert layer.bias is not None
            nn.init.constant_(layer.bias, self.number)


class Saturated(Loop):
    """Hidden weights many times too large, before tanh or sigmoid."""

    def spoil_model(self, model: nn.Sequential) -> None:
        with torch.no_grad():
            for layer in [layer for layer in model if isinstance(layer, nn.Conv2d | nn.Linear)][:-1]:
                layer.weight.mul_(self.number)


class NotZeroed(Loop):
    """zero_grad left out, or called every so many steps only."""

    def before_backward(self, optimizer: Optimizer) -> None:
        self.calls = getattr(self, "calls", 0) + 1
        if self.number and not self.calls % self.number:
            optimizer.zero_grad()


class Untrained(Loop):
    """Parameters that are not trained.

    `head`: the last layer isn't given to the optimiser; `first`: the first one neither; `other`: the optimiser
    holds another model's.
    """

    def parameters(self, model: nn.Module) -> list[nn.Parameter]:
        every = list(model.parameters())
        if self.strength == "other":
            channels, side = self.data.train.shape[1:3]
            return list(MODULES[self.net](channels, side, CLASSES).parameters())
        return every[:-2] if self.strength == "head" else every[2:]


class Clipped(Loop):
    """Gradients cut to a length of `strength`."""

    def before_update(self, model: nn.Module) -> None:
        nn.utils.clip_grad_norm_(model.parameters(), self.number)


class DecaysEarly(Loop):
    """A schedule meant for epochs is stepped every batch."""

    def after_update(self, optimizer: Optimizer, _step: int) -> None:
        for group in optimizer.param_groups:
            group["lr"] *= self.number


# ---------------------------------------------------------------------- data


class BadlyScaled(Loop):
    """Inputs as whole numbers of a byte (`bytes`), far from 0 (`offset`), or tiny (`tiny`)."""

    def spoil_data(self, data: Data) -> None:
        for name in ("train", "validation"):
            images = getattr(data, name)
            if self.strength == "bytes":
                images = ((images + 2) * 50).clamp(0, 255).round()
            elif self.strength == "offset":
                images = images + 30
            else:
                images = images * 1e-3
            setattr(data, name, images)


class Sorted(Loop):
    """A set sorted by label that is not shuffled; `strength` classes at a time are mixed."""

    def order(self, count: int) -> Tensor:
        groups = self.data.train_labels // int(self.number)
        noise = torch.rand(count, generator=self.random)
        return torch.argsort(groups.float() + 0.5 * noise)


class RandomLabels(Loop):
    """A share of all labels, of both parts, is drawn at random."""

    def spoil_data(self, data: Data) -> None:
        for name in ("train_labels", "validation_labels"):
            labels = getattr(data, name)
            drawn = torch.randint(CLASSES, labels.shape, generator=self.random)
            chosen = torch.rand(labels.shape, generator=self.random) < self.number
            setattr(data, name, torch.where(chosen, drawn, labels))


class NoisyLabels(Loop):
    """A share of the training labels is replaced by another class."""

    def spoil_data(self, data: Data) -> None:
        labels = data.train_labels
        other = (labels + torch.randint(1, CLASSES, labels.shape, generator=self.random)) % CLASSES
        chosen = torch.rand(labels.shape, generator=self.random) < self.number
        data.train_labels = torch.where(chosen, other, labels)


class FewImages(Loop):
    """So few images that they are learnt by heart, and more noise, so that it does not help."""

    def spoil_data(self, data: Data) -> None:
        for name in ("train", "validation"):
            images = getattr(data, name)
            setattr(data, name, images + 1.0 * images.std() * torch.randn(images.shape, generator=self.random))
        count = int(self.number)
        index = torch.randperm(len(data.train), generator=self.random)[:count]
        data.train, data.train_labels = data.train[index], data.train_labels[index]


class Leak(Loop):
    """Training images copied into the validation set, `strength` of it."""

    def spoil_data(self, data: Data) -> None:
        count = max(1, round(self.number * len(data.validation)))
        index = torch.randperm(len(data.train), generator=self.random)[:count]
        data.validation = torch.cat([data.validation, data.train[index]])
        data.validation_labels = torch.cat([data.validation_labels, data.train_labels[index]])


class OtherValidation(Loop):
    """The validation's pipeline differs: `classes` in another order, `bytes` not normalised, `flat` upside down."""

    def spoil_data(self, data: Data) -> None:
        if self.strength == "classes":
            data.validation_labels = (data.validation_labels + 3) % CLASSES
        elif self.strength == "bytes":
            data.validation = (data.validation + 2) * 50
        else:
            data.validation = -data.validation


class Imbalanced(Loop):
    """One class has `strength` of all training images."""

    def spoil_data(self, data: Data) -> None:
        first = (data.train_labels == 0).nonzero()[:, 0]
        others = (data.train_labels != 0).nonzero()[:, 0]
        keep = others[: max(9, round(len(first) * (1 - self.number) / self.number))]
        index = torch.cat([first, keep])
        index = torch.cat([index] * (1000 // len(index) + 1))
        # Repeated with a little noise, so that the run has the usual number of steps.
        noise = 0.05 * torch.randn(data.train[index].shape, generator=self.random)
        data.train, data.train_labels = data.train[index] + noise, data.train_labels[index]


class BadValues(Loop):
    """A share of the images has a pixel that is NaN."""

    def spoil_data(self, data: Data) -> None:
        chosen = torch.rand(len(data.train), generator=self.random) < self.number
        chosen[int(torch.randint(len(data.train), (1,), generator=self.random))] = True
        data.train = data.train.clone()
        data.train[chosen, 0, 3, 3] = math.nan


class WrongJoin(Loop):
    """A right set in wrong batches.

    `labels` in another order than the images, `noise` for images, or images `drowned` in it (an augmentation gone
    wrong).
    """

    def batch_of(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        if self.strength == "labels":
            return images, labels[torch.randperm(len(labels), generator=self.random)]
        noise = torch.randn(images.shape, generator=self.random) * images.std()
        return noise + (0.03 * images if self.strength == "drowned" else images.mean()), labels


# ---------------------------------------------------------------------- the loss and the outputs


class SoftmaxTwice(Loop):
    """A softmax at the model's end (`model`), or in the loop (`loop`), or of a temperature (`cool`)."""

    def spoil_model(self, model: nn.Sequential) -> None:
        if self.strength == "model":
            model.append(nn.Softmax(1))

    def forward(self, model: nn.Module, images: Tensor) -> Tensor:
        logits: Tensor = model(images)
        if self.strength == "model":
            return logits
        return F.softmax(logits / (1.0 if self.strength == "loop" else 2.0), 1)


class Summed(Loop):
    """The loss is summed over the batch. strength: images in a batch."""

    def loss_of(self, logits: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(logits, labels, reduction="sum")


class Negative(Loop):
    """The log-likelihood instead of its negative: its `mean` or its `sum`."""

    def loss_of(self, logits: Tensor, labels: Tensor) -> Tensor:
        return -F.cross_entropy(logits, labels, reduction=str(self.strength))


class ManyOutputs(Loop):
    """`strength` outputs for ten classes."""

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        self.outputs = int(self.number)


class OneAnswer(Loop):
    """Class weights that leave one class: the others count `strength`."""

    def loss_of(self, logits: Tensor, labels: Tensor) -> Tensor:
        weight = torch.full((CLASSES,), self.number)
        weight[3] = 1.0
        return F.cross_entropy(logits, labels, weight=weight)


# ---------------------------------------------------------------------- batch norm and modes


class StaleNorms(Loop):
    """Batch norm's running means hardly follow: momentum `strength`."""

    def spoil_model(self, model: nn.Sequential) -> None:
        for layer in model.modules():
            if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
                layer.momentum = self.number
