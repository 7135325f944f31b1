"""The third set: rates, schedules, weights and nets."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer, lr_scheduler
from torch.optim.lr_scheduler import LRScheduler

from tests.benchmarks.doctor.held.nets import LeNet, SmallResNet, TinyViT, mobile, vgg
from tests.benchmarks.doctor.held.third_base import STILL, ThirdCase
from tests.benchmarks.doctor.real import parts
from tests.benchmarks.doctor.real.healthy_losses import fit

TOO_FAST = ("F01", "F31", "F30")
LOW = ("F36", "F37", "F19")


class RateOfAdamForSgd(ThirdCase):
    """optim.SGD(lr=1e-4) without momentum, the rate that Adam had."""

    truth, why, symptoms = ("F02", "F30"), "a hundredth of what SGD needs here", LOW
    faulty_optim, optim = ("SGD", {"lr": 1e-4}), ("SGD", {"lr": 0.05, "momentum": 0.9})

    def net(self) -> nn.Module:
        return vgg()


class OneCycleByEpoch(ThirdCase):
    """OneCycleLR for epochs times batches, stepped once an epoch: it never leaves the low beginning."""

    truth, why, symptoms = ("F02", "F30"), "the rate stays near max_lr / 25 / 25", LOW
    optim = ("SGD", {"lr": 0.01, "momentum": 0.9})

    def net(self) -> nn.Module:
        return LeNet()

    def optimizer(self, model: nn.Module) -> Optimizer:
        made = super().optimizer(model)
        self.cycle = lr_scheduler.OneCycleLR(made, 0.05, total_steps=210, div_factor=300)
        return made

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        result = super().update(model, optimizer, x, y)
        if not self.faulty:
            self.cycle.step()
        return result

    def before_validation(self, model: nn.Module) -> None:
        super().before_validation(model)
        if self.faulty:
            self.cycle.step()


class WarmupNeverEnds(ThirdCase):
    """num_warmup_steps=10000 of another script, 200 steps in all."""

    truth, why, symptoms = ("F02", "F31"), "at the end two hundredths of the rate are reached", LOW
    optim = ("AdamW", {"lr": 1e-3})

    def net(self) -> nn.Module:
        return TinyViT(self.shape)

    def schedule(self, optimizer: Optimizer) -> LRScheduler:
        warm = 10_000 if self.faulty else 20
        return lr_scheduler.LambdaLR(optimizer, lambda step: min((step + 1) / warm, 1.0))


class StepByBatch(ThirdCase):
    """StepLR(step_size=7, gamma=0.1), the transfer tutorial's, stepped in each batch."""

    truth, why = ("F32",), "after 14 batches a hundredth is left"
    optim = ("SGD", {"lr": 0.02, "momentum": 0.9})

    def net(self) -> nn.Module:
        return SmallResNet()

    def schedule(self, optimizer: Optimizer) -> LRScheduler | None:
        return lr_scheduler.StepLR(optimizer, 7, 0.1) if self.faulty else None


class PlateauByBatch(ThirdCase):
    """ReduceLROnPlateau(patience=2) given the loss of each batch."""

    truth, why = ("F32",), "the loss of batches goes up and down: the rate falls every few steps"
    optim = ("Adam", {"lr": 2e-3})

    def net(self) -> nn.Module:
        return mobile()

    def optimizer(self, model: nn.Module) -> Optimizer:
        made = super().optimizer(model)
        self.plateau = lr_scheduler.ReduceLROnPlateau(made, factor=0.1, patience=2)
        return made

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        loss, outputs = super().update(model, optimizer, x, y)
        if self.faulty:
            self.plateau.step(loss.item())
        return loss, outputs


class EpsilonOfOne(ThirdCase):
    """Adam(eps=1.0) at 1e-3, from a configuration of Inception's RMSprop."""

    truth, why, symptoms = (
        ("F02",),
        "the gradient is not divided by its size any more: a thousandth of it is taken",
        LOW,
    )
    faulty_optim, optim = ("Adam", {"lr": 1e-3, "eps": 1.0}), ("Adam", {"lr": 1e-3})

    def net(self) -> nn.Module:
        return LeNet()


class FineTuneForgets(ThirdCase):
    """A pretrained net, all of it fine-tuned by AdamW at 0.05 in place of 5e-4."""

    truth, why, symptoms = TOO_FAST, "a hundred times the usual rate: what it knew is gone", (*STILL, "F04", "F07")
    faulty_optim, optim = ("AdamW", {"lr": 0.05}), ("AdamW", {"lr": 5e-4})
    classes = 5

    def net(self) -> nn.Module:
        images, labels, _, _ = parts.pictures(self.shape, 8)
        made = vgg(classes=8)
        fit(made, 2 * (images - 0.45), labels, 80)
        made[-1] = nn.Linear(64, 5)
        return made


class MomentumNearOne(ThirdCase):
    """SGD at 0.1 with momentum 0.99."""

    truth, why, symptoms = (*TOO_FAST, "F07"), "a gradient is taken a hundred times in the end: as a rate of 10", STILL
    faulty_optim = ("SGD", {"lr": 0.1, "momentum": 0.99})
    optim = ("SGD", {"lr": 0.01, "momentum": 0.9})

    def net(self) -> nn.Module:
        return vgg()


class NormBehindWithoutWarmup(ThirdCase):
    """A transformer of six layers with the norm behind (as it comes), AdamW at 0.01 from the first step on."""

    truth, why, symptoms = TOO_FAST, "post-norm needs a warm-up, and a smaller rate", STILL
    faulty_optim, optim = ("AdamW", {"lr": 1e-2}), ("AdamW", {"lr": 5e-4})
    classes, steps_of = 5, 160

    def net(self) -> nn.Module:
        layer = nn.TransformerEncoderLayer(32, 4, 64, 0.0, batch_first=True)

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.patch = nn.Conv2d(3, 32, 4, 4)
                self.place = nn.Parameter(0.02 * torch.randn(1, 16, 32))
                self.encoder = nn.TransformerEncoder(layer, 6, enable_nested_tensor=False)
                self.fc = nn.Linear(32, 5)

            def forward(self, x: Tensor) -> Tensor:
                x = self.patch(x).flatten(2).transpose(1, 2) + self.place
                return self.fc(self.encoder(x).mean(1))

        return Net()

    def schedule(self, optimizer: Optimizer) -> LRScheduler:
        return lr_scheduler.LambdaLR(optimizer, lambda step: 1.0 if self.faulty else min((step + 1) / 30, 1.0))


class DecayOfAdamWForSgd(ThirdCase):
    """weight_decay=0.3 as a ViT's AdamW has it, on every parameter, under SGD at 0.1."""

    truth, why = ("F29",), "the decay takes a thirtieth of each weight at each step"
    faulty_optim = ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.3})
    optim = ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4})

    def net(self) -> nn.Module:
        return SmallResNet()


class SquaresByHand(ThirdCase):
    """0.1 times the sum of the squares of all weights, added to the loss by hand."""

    truth, why = ("F29",), "the penalty is larger than the loss: the weights go to zero"
    optim = ("Adam", {"lr": 2e-3})

    def net(self) -> nn.Module:
        return vgg()

    def forward(self, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        loss, outputs = super().forward(model, x, y)
        squares = sum((one.pow(2).sum() for one in model.parameters()), torch.zeros(()))
        return loss + (0.1 if self.faulty else 1e-5) * squares, outputs


class ClippedByTinyValue(ThirdCase):
    """clip_grad_value_(…, 1e-5) under SGD."""

    truth, why = ("F33",), "every entry of every gradient is cut to 1e-5"
    optim = ("SGD", {"lr": 0.05, "momentum": 0.9})

    def net(self) -> nn.Module:
        return LeNet()

    def cut(self, model: nn.Module) -> None:
        nn.utils.clip_grad_value_(model.parameters(), 1e-5 if self.faulty else 1.0)


# ---------------------------------------------------------------------- weights and nets


class UniformAsItComes(ThirdCase):
    """nn.init.uniform_(weight): its bounds are 0 and 1."""

    truth, why, symptoms = ("F10", "F07"), "all weights are positive and large", (*STILL, "F01", "F31", "F03")

    def net(self) -> nn.Module:
        made = vgg()
        if self.faulty:
            for one in made.modules():
                if isinstance(one, nn.Linear | nn.Conv2d):
                    nn.init.uniform_(one.weight)
        return made


class TruncatedAtTwo(ThirdCase):
    """trunc_normal_(std=2.0) in a transformer, for 0.02."""

    truth, why, symptoms = ("F10", "F07"), "a hundred times the usual deviation", (*STILL, "F01", "F31")
    classes = 5

    def net(self) -> nn.Module:
        made = TinyViT(self.shape, 5)
        if self.faulty:
            for one in made.modules():
                if isinstance(one, nn.Linear):
                    nn.init.trunc_normal_(one.weight, std=2.0)
        return made


class ThousandthsInDepth(ThirdCase):
    """normal_(weight, 0, 0.001) in a plain net of eight convolutions."""

    truth, why = ("L02", "F06", "F10"), "the signal loses most of its size at each layer"
    optim = ("SGD", {"lr": 0.05, "momentum": 0.9})

    def net(self) -> nn.Module:
        convs: list[nn.Module] = [nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU()]
        for _ in range(7):
            convs += [nn.Conv2d(16, 16, 3, padding=1), nn.ReLU()]
        made = nn.Sequential(*convs, nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(256, 10))
        for one in made.modules():
            if isinstance(one, nn.Linear | nn.Conv2d):
                if self.faulty:
                    nn.init.normal_(one.weight, 0, 0.001)
                else:
                    nn.init.kaiming_normal_(one.weight, nonlinearity="relu")
        return made


class NoReluBetweenConvs(ThirdCase):
    """An own class whose forward forgot F.relu between its convolutions."""

    truth, why = ("F35",), "three convolutions in a row are one"
    classes = 8

    def net(self) -> nn.Module:
        faulty = self.faulty

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.a, self.b = nn.Conv2d(3, 16, 3), nn.Conv2d(16, 24, 3)
                self.c, self.fc = nn.Conv2d(24, 24, 3), nn.Linear(24 * 25, 8)

            def forward(self, x: Tensor) -> Tensor:
                x = self.c(self.b(self.a(x))) if faulty else F.relu(self.c(F.relu(self.b(F.relu(self.a(x))))))
                return self.fc(F.avg_pool2d(x, 2).flatten(1))

        return Net()
