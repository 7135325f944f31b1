"""The fourth set: losses, optimizers, rates and schedules."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer, lr_scheduler
from torch.optim.lr_scheduler import LRScheduler

from tests.benchmarks.doctor.held.fourth_base import (
    STILL,
    Branches,
    ByHand,
    Fixup,
    FourthCase,
    OneLogit,
    Strided,
    normed,
    patches,
)
from tests.benchmarks.doctor.real import parts
from tests.benchmarks.doctor.real.healthy_losses import fit
from tests.benchmarks.doctor.real.parts import Data

TOO_FAST = ("F01", "F31", "F30")
LOW = ("F36", "F37", "F19")

# ---------------------------------------------------------------------- losses


class BroadcastByHand(OneLogit):
    """A binary cross-entropy by hand of outputs N x 1 and labels N: each output with each label."""

    truth, why = ("F62",), "N x 1 and N make N x N: every output is pulled to the mean of the labels"

    def net(self) -> nn.Module:
        return Strided(1)

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        p = torch.sigmoid(outputs if self.faulty else outputs.squeeze(1))
        y = y.float()
        return -(y * torch.log(p + 1e-7) + (1 - y) * torch.log(1 - p + 1e-7)).mean()


class BroadcastSquares(OneLogit):
    """F.mse_loss of outputs N x 1 and targets −1 and 1 of size N: a warning, and N x N differences."""

    truth, why, symptoms = ("F62",), "every output is pulled to the mean of the targets", (*STILL, "F43")

    def net(self) -> nn.Module:
        return normed(1)

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        wanted = 2.0 * y - 1
        return F.mse_loss(outputs if self.faulty else outputs[:, 0], wanted)


class SmoothedAway(FourthCase):
    """label_smoothing=0.9, meant as what is left for the true class."""

    truth, why = ("F67",), "nine tenths of each label are spread over all classes"

    def net(self) -> nn.Module:
        return Branches()

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(outputs, y, label_smoothing=0.9 if self.faulty else 0.1)


class WeightOfAllNegatives(OneLogit):
    """pos_weight is the number of negatives, not their number over that of positives."""

    truth, why = ("F59", "F24"), "a positive counts as much as 320 negatives: everything is called positive"
    noise = 2.0

    def net(self) -> nn.Module:
        return Strided(1)

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        kept = torch.cat([(labels == 0).nonzero()[:, 0], (labels == 1).nonzero()[:120, 0]])
        return images[kept], labels[kept], more, their

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        weight = torch.tensor(240.0 if self.faulty else 2.0)
        return F.binary_cross_entropy_with_logits(outputs[:, 0], y.float(), pos_weight=weight)


class DivergenceTurnedRound(FourthCase):
    """F.kl_div(target, log_probabilities): the two arguments are in each other's place."""

    truth, why = ("F40", "F03"), "the logarithm of a negative number is NaN"

    def net(self) -> nn.Module:
        return patches()

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        wanted = 0.9 * F.one_hot(y, 6).float() + 0.1 / 6
        pair = (wanted, outputs.log_softmax(1)) if self.faulty else (outputs.log_softmax(1), wanted)
        return F.kl_div(*pair, reduction="batchmean")


# ---------------------------------------------------------------------- optimizers


class Maximised(FourthCase):
    """SGD(maximize=True), from a program whose objective was a reward."""

    truth, why = ("F17",), "the loss is made larger"
    faulty_optim = ("SGD", {"lr": 0.02, "momentum": 0.9, "maximize": True})
    optim = ("SGD", {"lr": 0.02, "momentum": 0.9})
    symptoms = (*STILL, "F01", "F31", "F03", "F07")

    def net(self) -> nn.Module:
        return ByHand()


class Descent(Optimizer):
    """Gradient descent, written by hand."""

    def __init__(self, params: Iterable[Tensor], lr: float, sign: float) -> None:
        super().__init__(params, {"lr": lr, "sign": sign})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:  # noqa: ARG002  the signature of the base class
        for group in self.param_groups:
            for one in group["params"]:
                if one.grad is not None:
                    one.add_(group["sign"] * group["lr"] * one.grad)


class OwnUpdateWithPlus(FourthCase):
    """An optimizer of one's own adds the gradient where it should be taken off."""

    truth, why = ("F17",), "the weights go uphill"
    symptoms = (*STILL, "F01", "F31", "F03", "F07")

    def net(self) -> nn.Module:
        return Fixup()

    def optimizer(self, model: nn.Module) -> Optimizer:
        self.scheduler = None
        return Descent(model.parameters(), 0.1, 1.0 if self.faulty else -1.0)


class BetasSwapped(FourthCase):
    """Adam(betas=(0.999, 0.9))."""

    truth, why = ("F68", *TOO_FAST), "a gradient is remembered for a thousand steps, its size for ten"
    faulty_optim = ("Adam", {"lr": 2e-3, "betas": (0.999, 0.9)})
    optim = ("Adam", {"lr": 2e-3, "betas": (0.9, 0.999)})

    def net(self) -> nn.Module:
        return Strided()


class AnewInEachStep(FourthCase):
    """optimizer = Adam(…) stands in the training step: each step's is a new one."""

    truth, why = ("F44", "F68"), "the one that was made before the loop is never stepped, and no mean is ever kept"

    def net(self) -> nn.Module:
        return Branches()

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        if self.faulty:
            optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        return super().update(model, optimizer, x, y)


class GroupRatesSwapped(FourthCase):
    """Two groups for fine-tuning, and their rates are swapped: 0.5 for the pretrained body, 1e-4 for the new head."""

    truth, why = (*TOO_FAST, "F02"), "the body forgets, the head hardly moves"
    symptoms = (*STILL, "F04", "F07")

    def net(self) -> nn.Module:
        images, labels, _, _ = parts.pictures(self.shape, 8)
        made = Strided(8)
        fit(made, 2 * (images - 0.45), labels, 60)
        made.out = nn.Linear(128, 6)
        return made

    def optimizer(self, model: nn.Module) -> Optimizer:
        self.scheduler = None
        head = [*model.get_submodule("out").parameters()]
        body = [one for name, one in model.named_parameters() if not name.startswith("out")]
        slow, fast = (1e-4, 0.5) if self.faulty else (0.05, 5e-3)
        return torch.optim.SGD([{"params": body, "lr": fast}, {"params": head, "lr": slow}], momentum=0.9)


class RateTimesWorld(FourthCase):
    """lr = 0.05 * world_size of 64, on one device."""

    truth, why = TOO_FAST, "64 times what fits"
    faulty_optim, optim = ("SGD", {"lr": 3.2, "momentum": 0.9}), ("SGD", {"lr": 0.05, "momentum": 0.9})
    symptoms = (*STILL, "F04", "F07")

    def net(self) -> nn.Module:
        return normed()


# ---------------------------------------------------------------------- schedules


class CosineByBatch(FourthCase):
    """CosineAnnealingLR(T_max=9 epochs), stepped in each batch: the rate goes up and down every 18 batches."""

    truth, why = ("F32",), "a schedule for epochs is stepped by batches"
    optim = ("SGD", {"lr": 0.05, "momentum": 0.9})

    def net(self) -> nn.Module:
        return normed()

    def schedule(self, optimizer: Optimizer) -> LRScheduler:
        return lr_scheduler.CosineAnnealingLR(optimizer, 9 if self.faulty else 135)


class NeverSteppedWarmup(FourthCase):
    """A warm-up by LambdaLR is made, and scheduler.step() is missing: the rate stays at its first, 1/500."""

    truth, why, symptoms = ("F02", "F32", "F30"), "the rate never rises", LOW
    optim = ("SGD", {"lr": 0.05, "momentum": 0.9})

    def net(self) -> nn.Module:
        return Fixup()

    def schedule(self, optimizer: Optimizer) -> LRScheduler | None:
        warm = 500 if self.faulty else 20
        made = lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / warm))
        return None if self.faulty else made


class PlateauOfTheWrongSign(FourthCase):
    """ReduceLROnPlateau(mode="max") is given the validation loss: it lowers the rate because the loss falls."""

    truth, why = ("F32",), "each fall of the loss counts as no progress"
    optim = ("SGD", {"lr": 0.02, "momentum": 0.9})
    steps_of, noise = 225, 2.0

    def net(self) -> nn.Module:
        return Strided()

    def optimizer(self, model: nn.Module) -> Optimizer:
        made = super().optimizer(model)
        self.plateau = lr_scheduler.ReduceLROnPlateau(made, mode="max" if self.faulty else "min", patience=1)
        return made

    def validated(self, model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float, float]:
        found = super().validated(model, images, labels)
        self.plateau.step(found[0])
        return found
