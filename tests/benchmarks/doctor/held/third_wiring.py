"""The third set: graphs, modes and optimizers."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from tests.benchmarks.doctor.held.nets import Dense, LeNet, SmallResNet, mlp, vgg
from tests.benchmarks.doctor.held.third_base import STILL, ThirdCase
from tests.benchmarks.doctor.real.parts import Data


class HeadReplacedLater(ThirdCase):
    """Adam gets model.parameters(), then the head is replaced: everything is trained but the new head."""

    truth, why = ("F26",), "the optimizer holds the old head"
    classes = 5

    def net(self) -> nn.Module:
        return SmallResNet(classes=10)

    def optimizer(self, model: nn.Module) -> Optimizer:
        if not self.faulty:
            model.fc = nn.Linear(64, 5)
        made = super().optimizer(model)
        if self.faulty:
            model.fc = nn.Linear(64, 5)
        return made


class OneOfTwoStepped(ThirdCase):
    """One optimizer for the body, one for the head, both zeroed; only the head's is stepped."""

    truth, why = ("F26", "F44"), "the body is never updated"
    optim = ("SGD", {"lr": 0.05, "momentum": 0.9})

    def net(self) -> nn.Module:
        return vgg()

    def trained(self, model: nn.Module) -> list[Any]:
        return list(model.get_submodule("13").parameters())

    def optimizer(self, model: nn.Module) -> Optimizer:
        head = {id(one) for one in self.trained(model)}
        self.body = torch.optim.SGD([one for one in model.parameters() if id(one) not in head], 0.05, 0.9)
        return super().optimizer(model)

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        loss, outputs = self.forward(model, x, y)
        self.body.zero_grad()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if not self.faulty:
            self.body.step()
        return loss.detach(), outputs.detach()


class ZeroedOnceAnEpoch(ThirdCase):
    """optimizer.zero_grad() stands before the loop over batches, Adam."""

    truth, why = ("F25",), "gradients add up over an epoch"
    optim = ("Adam", {"lr": 1e-3})
    classes, count = 6, 960

    def net(self) -> nn.Module:
        return LeNet(classes=6)

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        loss, outputs = self.forward(model, x, y)
        if not self.faulty or self.steps % 30 == 0:
            optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach(), outputs.detach()


class HardThreshold(ThirdCase):
    """x = (x > 0).float() between body and head: a comparison has no gradient."""

    truth, why = ("F26",), "no gradient reaches the convolutions"

    def net(self) -> nn.Module:
        faulty = self.faulty

        class Net(LeNet):
            def forward(self, x: Tensor) -> Tensor:
                found = self.features(x) - 0.2
                return self.head((found > 0).float() if faulty else found)

        return Net()


class FrozenAndRandom(ThirdCase):
    """The freezing loop of a fine-tuning tutorial, on a net without pretrained weights (weights=None)."""

    truth, why = ("F26",), "the frozen body is random"

    def net(self) -> nn.Module:
        made = SmallResNet()
        if self.faulty:
            for name, one in made.named_parameters():
                one.requires_grad = name.startswith("fc")
        return made


class BodyLeftInEval(ThirdCase):
    """model.train(), then model.layer1 to layer3.eval(), of a net that is trained from nothing."""

    truth, why = ("F46",), "its batch norms normalise by mean 0 and variance 1"
    optim = ("SGD", {"lr": 0.05, "momentum": 0.9})

    def net(self) -> nn.Module:
        return SmallResNet()

    def before_epoch(self, model: nn.Module) -> None:
        model.train()
        if self.faulty:
            for name in ("layer1", "layer2", "layer3"):
                model.get_submodule(name).eval()


class NoEvalWithNorms(ThirdCase):
    """No eval() in validation: batch norm counts the validation images."""

    truth, why = ("F23", "F47"), "the batch norms are in training mode in validation"

    def net(self) -> nn.Module:
        return Dense()

    def before_validation(self, model: nn.Module) -> None:
        if not self.faulty:
            model.eval()


class DropoutAsItComes(ThirdCase):
    """F.dropout(x, 0.4) without training=self.training."""

    truth, why = ("F47",), "its default is training=True"
    classes = 7

    def net(self) -> nn.Module:
        faulty = self.faulty

        class Net(LeNet):
            def __init__(self) -> None:
                super().__init__(classes=7)

            def head(self, x: Tensor) -> Tensor:
                x = F.relu(self.fc2(F.relu(self.fc1(x))))
                return self.fc3(F.dropout(x, 0.4) if faulty else F.dropout(x, 0.4, self.training))

        return Net()


class MomentumOfKeras(ThirdCase):
    """BatchNorm2d(momentum=0.99) in batches of eight, carried over from Keras."""

    truth, why = ("F23",), "there momentum is what is kept, here what is new: the statistics are the last batch's"
    batch, steps_of = 8, 250

    def net(self) -> nn.Module:
        made = SmallResNet()
        if self.faulty:
            for one in made.modules():
                if isinstance(one, nn.BatchNorm2d):
                    one.momentum, one.eps = 0.99, 1e-3
        return made


class NormOfOneImage(ThirdCase):
    """Batch norm with batches of one, as a tutorial for detection has it."""

    truth, why = ("F22",), "each image is normalised by itself in training, by all in evaluation"
    classes, noise, batch, steps_of = 4, 0.5, 1, 400
    optim = ("Adam", {"lr": 3e-4})

    def net(self) -> nn.Module:
        return Dense(classes=4) if self.faulty else LeNet(classes=4)


class ViewForPermute(ThirdCase):
    """Images N x H x W x C, and x.view(-1, 3, 16, 16) in forward."""

    truth, why = ("F58",), "view gives names to axes and moves nothing: channels and places are mixed"

    def net(self) -> nn.Module:
        faulty = self.faulty

        class Net(SmallResNet):
            def forward(self, x: Tensor) -> Tensor:
                return super().forward(x.view(-1, 3, 16, 16) if faulty else x.permute(0, 3, 1, 2))

        return Net()

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        return images.permute(0, 2, 3, 1).contiguous(), labels, more.permute(0, 2, 3, 1).contiguous(), their


class ClippedBeforeUnscale(ThirdCase):
    """The loss times 1,024, gradients clipped at 1, then divided by 1,024: scaler.unscale_ is missing."""

    truth, why = ("F33",), "what is clipped is 1,024 times as long"
    optim = ("SGD", {"lr": 0.05, "momentum": 0.9})

    def net(self) -> nn.Module:
        return SmallResNet()

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        loss, outputs = self.forward(model, x, y)
        optimizer.zero_grad()
        (1024 * loss).backward()
        if self.faulty:
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for one in model.parameters():
            assert one.grad is not None
            one.grad /= 1024
        if not self.faulty:
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.detach(), outputs.detach()


class SlowAverage(ThirdCase):
    """Validation by averaged weights with a decay of 0.9998, in a run of 200 steps."""

    truth, why, symptoms = ("F21", "F23"), "the averaged net is still the initial one", STILL

    def net(self) -> nn.Module:
        made = mlp(768, 96, 10)
        self.average = copy.deepcopy(made)
        return made

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        result = super().update(model, optimizer, x, y)
        with torch.no_grad():
            for mean, one in zip(self.average.parameters(), model.parameters(), strict=True):
                mean.lerp_(one, 2e-4 if self.faulty else 0.1)
        return result

    def validated(self, model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float, float]:  # noqa: ARG002
        return super().validated(self.average, images, labels)
