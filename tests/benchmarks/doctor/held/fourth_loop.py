"""The fourth set: the order of a loop, precision, checkpoints, and what is counted."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.utils.data import DataLoader, TensorDataset

from tests.benchmarks.doctor.held.fourth_base import (
    STILL,
    Branches,
    ByHand,
    Fixup,
    FourthCase,
    Strided,
    normed,
    patches,
    score,
)
from tests.benchmarks.doctor.held.nets import mlp
from tests.benchmarks.doctor.real import parts
from tests.benchmarks.doctor.real.healthy_losses import fit
from tests.benchmarks.doctor.real.parts import Data


class LossesAddedUp(FourthCase):
    """total = total + loss in each batch, and one backward and one step behind the loop: an update an epoch."""

    truth, why = ("F44", "F50"), "nine updates in all, by the sum of fifteen losses"
    optim = ("SGD", {"lr": 0.05, "momentum": 0.9})

    def net(self) -> nn.Module:
        return Fixup()

    def whole(self, model: nn.Module, optimizer: Optimizer, run: Any) -> float:
        images, labels, more, their = self.data()
        loader = DataLoader(TensorDataset(images, labels), 32, shuffle=True, generator=self.random)
        accuracy = 0.0
        for _ in range(9):
            model.train()
            total = torch.zeros(())
            for x, y in loader:
                outputs = model(x)
                loss = F.cross_entropy(outputs, y)
                if self.faulty:
                    total = total + loss
                else:
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                run.step(loss=loss.detach(), accuracy=(outputs.argmax(1) == y).float().mean())
            if self.faulty:
                optimizer.zero_grad()
                total.backward()
                optimizer.step()
            val_loss, accuracy = score(model, more, their)
            run.epoch(val_loss=val_loss, val_accuracy=accuracy)
        return accuracy


class SeedInTheLoop(FourthCase):
    """torch.manual_seed(0) in the training step, "for reproducibility": the same dropout each time."""

    truth, why = ("F64",), "the same units are dropped in each step"

    def net(self) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(768, 96), nn.ReLU(), nn.Dropout(0.5), nn.Linear(96, 48), nn.ReLU(),
                             nn.Dropout(0.5), nn.Linear(48, 6))  # fmt: skip

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        if self.faulty:
            torch.manual_seed(0)
        return super().update(model, optimizer, x, y)


class AttackLeftOver(FourthCase):
    """Adversarial training: the attack's backward() leaves its gradients of the weights behind."""

    truth, why = ("F25", "F50"), "each update adds the gradients of the attack's pass"

    def net(self) -> nn.Module:
        return Strided()

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        optimizer.zero_grad()
        images = x.clone().requires_grad_(True)
        F.cross_entropy(model(images), y).backward()
        assert images.grad is not None
        attacked = (x + 0.1 * images.grad.sign()).detach()
        if not self.faulty:
            optimizer.zero_grad()
        outputs = model(attacked)
        loss = F.cross_entropy(outputs, y)
        loss.backward()
        optimizer.step()
        return loss.detach(), outputs.detach()


class LoadedInEachEpoch(FourthCase):
    """The lines that load a checkpoint stand inside the loop over epochs."""

    truth, why = ("F66",), "each epoch begins with the weights of the first"

    def net(self) -> nn.Module:
        made = Branches()
        self.checkpoint = copy.deepcopy(made.state_dict())
        return made

    def before_epoch(self, model: nn.Module) -> None:
        if self.faulty or not self.steps:
            model.load_state_dict(self.checkpoint)
        model.train()


class ValidatesInsideTheEpoch(FourthCase):
    """Every 25 batches the loop evaluates, and goes on in eval mode."""

    truth, why = ("F46",), "after the first look it trains in evaluation mode"

    def net(self) -> nn.Module:
        return Branches()

    def whole(self, model: nn.Module, optimizer: Optimizer, run: Any) -> float:
        images, labels, more, their = self.data()
        model.train()
        step, accuracy = 0, 0.0
        while step < 150:
            index = torch.randint(480, (32,), generator=self.random)
            outputs = model(images[index])
            loss = F.cross_entropy(outputs, labels[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            run.step(loss=loss, accuracy=(outputs.argmax(1) == labels[index]).float().mean())
            if step % 25 == 0:
                val_loss, accuracy = score(model, more, their)
                run.epoch(val_loss=val_loss, val_accuracy=accuracy)
                model.train(not self.faulty)
        return accuracy


# ---------------------------------------------------------------------- precision, checkpoints


class ScaledNowhere(FourthCase):
    """scaler.scale(loss) is called and its result dropped: the step divides the gradients by 65,536 all the same."""

    truth, why, symptoms = ("F02", "F30", "F69"), "the gradients are divided by 65,536", ("F36", "F37", "F19")
    optim = ("SGD", {"lr": 0.05, "momentum": 0.9})

    def net(self) -> nn.Module:
        return normed()

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        if not hasattr(self, "scaler"):
            self.scaler = torch.amp.GradScaler("cpu")
        loss, outputs = self.forward(model, x, y)
        optimizer.zero_grad()
        scaled = self.scaler.scale(loss)
        (loss if self.faulty else scaled).backward()
        self.scaler.step(optimizer)
        self.scaler.update()
        return loss.detach(), outputs.detach()


class HalfByAdam(FourthCase):
    """model.half() and Adam: its eps of 1e-8 is 0 in float16."""

    truth, why = ("F03",), "0 / 0 in the first update"

    def net(self) -> nn.Module:
        made = mlp(768, 48, 6)
        return made.half() if self.faulty else made

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        return (images.half(), labels, more.half(), their) if self.faulty else data


class PrefixedWeights(FourthCase):
    """load_state_dict(…, strict=False) of names that begin with "module.": nothing is loaded, then Adam at 1e-5."""

    truth, why, symptoms = ("F02",), "a rate for fine-tuning, and a random net", ("F36", "F37", "F19")
    optim = ("Adam", {"lr": 1e-5})
    faulty_optim = ("Adam", {"lr": 1e-5})

    def net(self) -> nn.Module:
        images, labels, _, _ = parts.pictures(self.shape, 6)
        before, made = Strided(), Strided()
        fit(before, 2 * (images - 0.45), labels, 100)
        prefix = "module." if self.faulty else ""
        made.load_state_dict({prefix + name: one for name, one in before.state_dict().items()}, strict=False)
        return made


class AfterTheRangeTest(FourthCase):
    """A search for the rate was run to its end, and its weights are trained on."""

    truth, why = ("F10", "F07"), "the search ends where the loss explodes"
    symptoms = (*STILL, "F04", "F01", "F31", "F05")

    def net(self) -> nn.Module:
        made = Strided()
        images, labels, _, _ = self.data()
        before = copy.deepcopy(made.state_dict())
        optimizer, lowest = torch.optim.SGD(made.parameters(), 1e-4, 0.9), math.inf
        for number in range(200):
            optimizer.param_groups[0]["lr"] = 1e-4 * 1.15**number
            index = torch.randint(480, (32,), generator=self.random)
            loss = F.cross_entropy(made(images[index]), labels[index])
            lowest = min(lowest, loss.item())
            if not loss.item() < 20 * lowest:
                break
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        made.zero_grad()
        if not self.faulty:
            made.load_state_dict(before)
        return made


class AverageWithoutBuffers(FourthCase):
    """Averaged weights are evaluated: the mean is of parameters, its batch norms never learn their means."""

    truth, why, symptoms = ("F23", "F21"), "the averaged net normalises by mean 0 and variance 1", STILL
    steps_of = 180

    def net(self) -> nn.Module:
        made = normed()
        self.average = copy.deepcopy(made)
        return made

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        result = super().update(model, optimizer, x, y)
        with torch.no_grad():
            for mean, one in zip(self.average.parameters(), model.parameters(), strict=True):
                mean.lerp_(one, 0.1)
            if not self.faulty:
                for kept, buffer in zip(self.average.buffers(), model.buffers(), strict=True):
                    kept.copy_(buffer)
        return result

    def validated(self, model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float, float]:  # noqa: ARG002
        return super().validated(self.average.eval(), images, labels)


# ---------------------------------------------------------------------- what is counted


class TopFiveForOne(FourthCase):
    """The accuracy that is told is that of the five best guesses."""

    truth, why = ("F49",), "topk(5) in place of the largest"
    classes = 12

    def net(self) -> nn.Module:
        return patches(12)

    def share(self, outputs: Tensor, labels: Tensor) -> Tensor:
        if not self.faulty:
            return super().share(outputs, labels)
        return (outputs.topk(5, 1).indices == labels[:, None]).any(1).float().mean()


class EachWithEach(FourthCase):
    """(predictions == labels.unsqueeze(1)).mean(): each answer is compared with each label."""

    truth, why = ("F49",), "N and N x 1 make N x N"

    def net(self) -> nn.Module:
        return ByHand()

    def share(self, outputs: Tensor, labels: Tensor) -> Tensor:
        wanted = labels.unsqueeze(1) if self.faulty else labels
        return (outputs.argmax(1) == wanted).float().mean()


class LabelsOfTraining(FourthCase):
    """The validation loop compares with `y`, the labels of training's last batch."""

    truth, why = ("F49", "F21"), "the answers are compared with labels of other images"

    def net(self) -> nn.Module:
        return normed()

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        self.y = y
        return super().update(model, optimizer, x, y)

    def validated(self, model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float, float]:
        loss, right, true = super().validated(model, images, labels)
        if not self.faulty:
            return loss, right, true
        batches = images.split(len(self.y))
        told = [(model(x).argmax(1) == self.y[: len(x)]).float().mean().item() for x in batches]
        return loss, sum(told) / len(told), true


class ValidationLossSummed(FourthCase):
    """val_loss += loss.item() over the batches, and never divided by their number."""

    truth, why = ("F70",), "the validation loss is the sum of twelve means"

    def net(self) -> nn.Module:
        return Branches()

    def validated(self, model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float, float]:
        loss, right, true = super().validated(model, images, labels)
        return 12 * loss if self.faulty else loss, right, true
