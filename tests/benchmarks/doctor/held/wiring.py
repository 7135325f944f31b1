"""Optimisers, graphs and modes that are wired wrongly."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer, lr_scheduler
from torch.optim.lr_scheduler import LRScheduler

from tests.benchmarks.doctor.held.case import Case
from tests.benchmarks.doctor.held.nets import (
    Block,
    Dense,
    LeNet,
    Mixer,
    RowLSTM,
    SmallResNet,
    TinyViT,
    mlp,
    mobile,
    vgg,
)


class ZeroGradForgotten(Case):
    """optimizer.zero_grad() is nowhere."""

    truth, why = ("F25",), "gradients add up over all steps"
    optim = ("SGD", {"lr": 0.02, "momentum": 0.9})
    classes = 4

    def net(self) -> nn.Module:
        return SmallResNet(classes=4)

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        loss, outputs = self.forward(model, x, y)
        if not self.faulty:
            optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach(), outputs.detach()


class ZeroGradBeforeStep(Case):
    """backward, zero_grad, step: in this order."""

    truth, why = ("F44", "F26"), "the gradients are deleted before they are used"

    def net(self) -> nn.Module:
        return LeNet()

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        loss, outputs = self.forward(model, x, y)
        if not self.faulty:
            optimizer.zero_grad()
        loss.backward()
        if self.faulty:
            optimizer.zero_grad()
        optimizer.step()
        return loss.detach(), outputs.detach()


class StepIndentedWrong(Case):
    """optimizer.step() stands behind the loop over batches, once an epoch."""

    truth, why = ("F44", "F50", "F25"), "one update an epoch: it stands outside of the loop over batches"
    optim = ("SGD", {"lr": 0.05, "momentum": 0.9})
    count = 640

    def net(self) -> nn.Module:
        return mobile()

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        loss, outputs = self.forward(model, x, y)
        optimizer.zero_grad()
        loss.backward()
        if not self.faulty or (self.steps + 1) % 20 == 0:
            optimizer.step()
        return loss.detach(), outputs.detach()


class DetachedFeatures(Case):
    """features.detach() before the head: a left-over of debugging."""

    truth, why = ("F26",), "no gradient reaches the convolutions"

    def net(self) -> nn.Module:
        faulty = self.faulty

        class Net(SmallResNet):
            def forward(self, x: Tensor) -> Tensor:
                found = self.features(x)
                return self.fc(found.detach() if faulty else found)

        return Net()


class NoGradBackbone(Case):
    """The backbone runs under torch.no_grad(), but is meant to be fine-tuned: it is in the optimizer."""

    truth, why = ("F26",), "no_grad around the backbone"

    def net(self) -> nn.Module:
        faulty = self.faulty

        class Net(LeNet):
            def forward(self, x: Tensor) -> Tensor:
                with torch.set_grad_enabled(not faulty and torch.is_grad_enabled()):
                    found = self.features(x)
                return self.head(found)

        return Net()


class NumpyInTheMiddle(Case):
    """Features go through numpy in forward and come back as a new tensor."""

    truth, why = ("F26",), "the graph is cut at numpy()"
    classes = 3

    def net(self) -> nn.Module:
        faulty = self.faulty

        class Net(LeNet):
            def forward(self, x: Tensor) -> Tensor:
                found = self.features(x)
                if faulty:
                    found = torch.from_numpy(found.detach().numpy().copy())
                return self.head(found)

        return Net(classes=3)


class LossWrappedAnew(Case):
    """loss = torch.tensor(loss.item(), requires_grad=True), as a forum says against the error message."""

    truth, why = ("F26", "F44"), "the new tensor has no graph: no weight gets a gradient"
    steps_of = 120

    def net(self) -> nn.Module:
        return TinyViT(self.shape)

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        loss, outputs = self.forward(model, x, y)
        optimizer.zero_grad()
        if self.faulty:
            loss = torch.tensor(loss.item(), requires_grad=True)
        loss.backward()
        optimizer.step()
        return loss.detach(), outputs.detach()


class OptimizerOfTheOldModel(Case):
    """The model is loaded anew after the optimizer was made."""

    truth, why = ("F26", "F44"), "the optimizer holds the parameters of another model"

    def net(self) -> nn.Module:
        return Mixer(self.shape)

    def trained(self, model: nn.Module) -> list[Any]:
        return list(copy.deepcopy(model).parameters()) if self.faulty else list(model.parameters())


class NewHeadNotInOptimizer(Case):
    """The head was replaced after the optimizer was made; the rest is frozen."""

    truth, why = ("F26", "F44"), "the optimizer holds the old head"
    classes = 5

    def net(self) -> nn.Module:
        made = SmallResNet(classes=10)
        made.requires_grad_(False)
        self.old = list(made.fc.parameters())
        made.fc = nn.Linear(64, 5)
        return made

    def trained(self, model: nn.Module) -> list[Any]:
        return self.old if self.faulty else list(model.get_submodule("fc").parameters())

    optim = ("Adam", {"lr": 3e-2})


class HeadOnlyByMistake(Case):
    """Adam gets model.fc.parameters() of a net that begins from nothing."""

    truth, why = ("F26",), "the body stays random: only fc is in the optimizer"

    def net(self) -> nn.Module:
        return SmallResNet()

    def trained(self, model: nn.Module) -> list[Any]:
        return list(model.get_submodule("fc").parameters()) if self.faulty else list(model.parameters())


class BlocksInAList(Case):
    """Residual blocks in a Python list of an own class."""

    truth, why = ("F45",), "a list hides its modules from parameters()"

    def net(self) -> nn.Module:
        faulty = self.faulty

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.stem = nn.Conv2d(3, 16, 3, padding=1)
                blocks = [Block(16, 16), Block(16, 32, 2), Block(32, 32)]
                self.blocks = blocks if faulty else nn.ModuleList(blocks)
                self.fc = nn.Linear(32, 10)

            def forward(self, x: Tensor) -> Tensor:
                x = self.stem(x)
                for block in self.blocks:
                    x = block(x)
                return self.fc(x.mean((2, 3)))

        return Net()


class LayerMadeInForward(Case):
    """nn.Linear is constructed in forward, so that its size fits."""

    truth, why = ("F45",), "the layer is new and random at each call"

    def net(self) -> nn.Module:
        faulty = self.faulty

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.conv = nn.Conv2d(3, 16, 3)
                self.inner = nn.Linear(16 * 49, 64)
                self.fc = nn.Linear(64, 10)

            def forward(self, x: Tensor) -> Tensor:
                x = F.max_pool2d(F.relu(self.conv(x)), 2).flatten(1)
                inner = nn.Linear(x.shape[1], 64) if faulty else self.inner
                return self.fc(F.relu(inner(x)))

        return Net()


class EvalForGood(Case):
    """model.eval() behind the first validation, and never train() again."""

    truth, why = ("F46",), "from the second epoch on it trains in eval mode"
    classes = 6

    def net(self) -> nn.Module:
        return SmallResNet(classes=6)

    def before_epoch(self, model: nn.Module) -> None:
        if not self.faulty or not self.steps:
            model.train()


class ValidatedInTrainMode(Case):
    """No eval() in validation, with a dropout of a half as a layer."""

    truth, why = ("F47", "F23"), "dropout is alive in validation"

    def net(self) -> nn.Module:
        made = vgg()
        return nn.Sequential(*made[:-1], nn.Dropout(0.5), made[-1])

    def before_validation(self, model: nn.Module) -> None:
        if not self.faulty:
            model.eval()


class FrozenMomentum(Case):
    """BatchNorm2d(momentum=0.001), carried over from a library where momentum means the opposite."""

    truth, why = ("F23",), "the running statistics lag: evaluation is of another net"
    steps_of = 150

    def net(self) -> nn.Module:
        made = SmallResNet()
        if self.faulty:
            for one in made.modules():
                if isinstance(one, nn.BatchNorm2d):
                    one.momentum = 0.001
        return made


class ExponentialByBatch(Case):
    """ExponentialLR(0.9), meant for epochs, stepped in each batch."""

    truth, why = ("F32",), "after 44 steps a hundredth is left"
    optim = ("SGD", {"lr": 0.05, "momentum": 0.9})

    def net(self) -> nn.Module:
        return Dense()

    def schedule(self, optimizer: Optimizer) -> LRScheduler | None:
        made = lr_scheduler.ExponentialLR(optimizer, 0.9)
        if self.faulty:
            return made
        self.by_epoch = made
        return None

    def before_validation(self, model: nn.Module) -> None:
        if not self.faulty:
            self.by_epoch.step()
        super().before_validation(model)


class LambdaGivesTheRate(Case):
    """LambdaLR whose function returns the rate, not a factor: 1e-3 times 1e-3."""

    truth, why = ("F02", "F32"), "the function's value is multiplied by the rate: 1e-6 is left"
    symptoms = ("F36", "F37", "F19")

    def net(self) -> nn.Module:
        return LeNet()

    def schedule(self, optimizer: Optimizer) -> LRScheduler:
        return lr_scheduler.LambdaLR(optimizer, lambda _: 1e-3 if self.faulty else 1.0)


class EightNotDivided(Case):
    """Gradients of eight batches add up, the loss is not divided by eight."""

    truth, why = ("F50",), "eight mean losses are added"
    optim = ("SGD", {"lr": 0.05, "momentum": 0.9})
    batch, steps_of = 8, 600

    def net(self) -> nn.Module:
        return vgg()

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        loss, outputs = self.forward(model, x, y)
        (loss if self.faulty else loss / 8).backward()
        if (self.steps + 1) % 8 == 0:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return loss.detach(), outputs.detach()


class ClippedToNothing(Case):
    """clip_grad_norm_(…, 1e-3) under SGD."""

    truth, why = ("F33",), "every gradient is cut to a thousandth"
    optim = ("SGD", {"lr": 0.05, "momentum": 0.9})

    def net(self) -> nn.Module:
        return SmallResNet()

    def cut(self, model: nn.Module) -> None:
        nn.utils.clip_grad_norm_(model.parameters(), 1e-3 if self.faulty else 5.0)


class RowsAcrossTheBatch(Case):
    """nn.LSTM without batch_first: it runs over the images of the batch, not over the rows."""

    truth, why = ("F57",), "an image's answer depends on the images before it in the batch"
    shape, classes = (1, 16, 16), 4

    def net(self) -> nn.Module:
        return RowLSTM(self.shape, 4, batch_first=not self.faulty)


class ScoresOfTheOtherNet(Case):
    """Two nets with one name: the loss is of the first, the optimizer and the watch of its copy."""

    truth, why = ("F26", "F44"), "the watched net gets no gradient"

    def net(self) -> nn.Module:
        self.first = mlp(768, 64, 10)
        return copy.deepcopy(self.first) if self.faulty else self.first

    def forward(self, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        outputs = self.first(x)
        if self.faulty:
            model(x)
        return self.loss(outputs, y), outputs
