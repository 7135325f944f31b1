"""The seventh set: loops, what is trained, rates and how answers are counted."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, MultiStepLR, OneCycleLR
from torch.utils.checkpoint import checkpoint

from tests.benchmarks.doctor.held.fifth_base import small_cnn
from tests.benchmarks.doctor.held.fourth_base import Strided, normed, patches, score
from tests.benchmarks.doctor.held.nets import Block, Dense, LeNet, SmallResNet, mobile, vgg
from tests.benchmarks.doctor.held.seventh_base import PRACTICE, STILL, TOO_FAST, PractisedCase
from tests.benchmarks.doctor.real.healthy_losses import fit


class CheckpointedFromTheFirst(PractisedCase):
    """The first blocks run under torch.utils.checkpoint to save memory: their inputs, images, want no gradient."""

    truth, why = ("F26",), "a reentrant checkpoint gives its layers no gradient where no input wants one"
    source = "pytorch/pytorch issue 42812, Lyken17/pytorch-memonger issue 4"
    noise = 1.6

    def net(self) -> nn.Module:
        faulty = self.faulty

        class Saved(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU())
                self.block = nn.Sequential(nn.Conv2d(32, 32, 3, 2, 1), nn.ReLU())
                self.fc = nn.Linear(128, 6)

            def forward(self, x: Tensor) -> Tensor:
                x = checkpoint(self.stem, x, use_reentrant=faulty)
                return self.fc(self.block(x).flatten(1))

        return Saved()


class OneModelForAllFolds(PractisedCase):
    """Four folds; the model is made once, before the loop over them: each fold's validation is better than the last."""

    truth, why = ("F20",), "from the second fold on the validation images are those it was trained on"
    source = "antmarakis/Machine-Learning issue 3, deepchem/deepchem issue 926"
    noise = 2.4

    def net(self) -> nn.Module:
        return normed()

    def whole(self, model: nn.Module, optimizer: Optimizer, run: Any) -> float:
        images, labels, _, _ = self.data()
        begin = {name: value.clone() for name, value in model.state_dict().items()}
        accuracy = 0.0
        for fold in range(4 if self.faulty else 1):
            if not self.faulty:
                model.load_state_dict(begin)
            held = torch.arange(len(labels)) % 4 == fold
            kept = (~held).nonzero()[:, 0]
            for _ in range(4 if self.faulty else 12):
                model.train()
                for index in kept[torch.randperm(len(kept), generator=self.random)].split(32):
                    outputs = model(images[index])
                    loss = F.cross_entropy(outputs, labels[index])
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                    run.step(loss=loss.detach(), accuracy=(outputs.argmax(1) == labels[index]).float().mean())
                val_loss, accuracy = score(model, images[held], labels[held])
                run.epoch(val_loss=val_loss, val_accuracy=accuracy)
        return accuracy


class StepsInValidation(PractisedCase):
    """The loop of the validation was copied from training's: backward and step are in it as well."""

    truth, why = ("F20", "F46"), "it is trained on the validation images"
    source = "SKrisanski/FSCT issue 12"
    noise = 2.0

    def net(self) -> nn.Module:
        return normed()

    def optimizer(self, model: nn.Module) -> Optimizer:
        self.kept = super().optimizer(model)
        return self.kept

    def validated(self, model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float, float]:
        cost = right = 0.0
        for x, y in zip(images.split(32), labels.split(32), strict=True):
            with torch.set_grad_enabled(self.faulty):
                self.kept.zero_grad()
                outputs = model(x)
                loss = F.cross_entropy(outputs, y)
                if self.faulty:
                    loss.backward()
                    self.kept.step()
            cost += loss.item() * len(y)
            right += (outputs.argmax(1) == y).float().sum().item()
        return cost / len(labels), right / len(labels), right / len(labels)


class ZeroedWhileItAccumulates(PractisedCase):
    """Batches of 8, a step each eight of them; zero_grad() stands outside of the if, in each of them."""

    truth, why = ("F44", "F50", "F25"), "the gradients of seven batches of eight are thrown away"
    source = "gaozhihan/PreDiff issue 32 and pull request 33, huggingface/accelerate issue 1299"
    batch, steps_of, noise = 8, 320, 1.6
    optim = ("Adam", {"lr": 4e-3})

    def net(self) -> nn.Module:
        return patches()

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        loss, outputs = self.forward(model, x, y)
        if self.faulty or self.steps % 8 == 0:
            optimizer.zero_grad()
        (loss / 8).backward()
        if self.steps % 8 == 7:
            optimizer.step()
        return loss.detach(), outputs.detach()


class AccumulatesPastTheEpoch(PractisedCase):
    """A step each 16 batches, zero_grad() at the head of the epoch, 15 batches in it: there is never a step."""

    truth, why = ("F44",), "the counter never gets to 16 before the gradients are zeroed"
    source = f"{PRACTICE}: enumerate() in the loop over batches, a small set"

    def net(self) -> nn.Module:
        return small_cnn()

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        place, each = self.steps % 15, 16 if self.faulty else 1
        if place == 0:
            optimizer.zero_grad()
        loss, outputs = self.forward(model, x, y)
        (loss / each).backward()
        if (place + 1) % each == 0:
            optimizer.step()
            optimizer.zero_grad()
        return loss.detach(), outputs.detach()


class FreezeMisspelt(PractisedCase):
    """param.require_grad = False for each weight of a pretrained body; a rate that a new head alone can stand."""

    truth, why = TOO_FAST, "the attribute is requires_grad: nothing is frozen, and the body is undone by the rate"
    source = "udacity/deep-learning-v2-pytorch issue 12, SvenBecker/vscode-pytorch issue 8"
    symptoms = (*STILL, "F04", "F07")
    optim = ("SGD", {"lr": 0.4, "momentum": 0.9})
    classes = 5

    def net(self) -> nn.Module:
        images, labels, _, _ = self.data()
        made = vgg(classes=5)
        fit(made, images, labels, 60)
        for one in made[:-1].parameters():
            setattr(one, "require_grad" if self.faulty else "requires_grad", False)
        made[-1] = nn.Linear(64, 5)
        return made


class StepOfTheEpoch(PractisedCase):
    """A MultiStepLR that is stepped wrongly, by the number of the epoch: the rate is cut after each epoch."""

    truth, why = ("F32",), "the rate is a tenth after the first epoch, a hundredth after the second"
    source = "cherubicXN/hawp issue 3"
    optim = ("SGD", {"lr": 0.05, "momentum": 0.9})
    noise = 2.0

    def net(self) -> nn.Module:
        return Dense(classes=6)

    def schedule(self, optimizer: Optimizer) -> LRScheduler | None:
        places = [15, 30, 45] if self.faulty else [105, 125]
        return MultiStepLR(optimizer, places, 0.1)


class ResumedAtTheFirstRate(PractisedCase):
    """A run is resumed from its 160th step; weights come back, the schedule's place doesn't: the first rate again."""

    truth, why = TOO_FAST, "resumed at the first rate, with no warm-up, where the schedule had a hundredth of it"
    source = "D-X-Y/NAS-Bench-201 issue 19 (from a rate of 0.1), JDAI-CV/fast-reid issue 131"
    symptoms = (*STILL, "F04", "F07", "F06")
    optim, faulty_optim = ("SGD", {"lr": 0.003, "momentum": 0.9}), ("SGD", {"lr": 0.3, "momentum": 0.9})

    def net(self) -> nn.Module:
        images, labels, _, _ = self.data()
        made = LeNet(classes=6)
        fit(made, images, labels, 160)
        return made


class CycleMadeAnew(PractisedCase):
    """OneCycleLR is made inside of the loop over epochs, for all epochs: the rate stays in its warm-up."""

    truth, why = ("F02", "F32"), "each epoch begins the warm-up again, at a 25th of the rate"
    source = f"{PRACTICE}: a scheduler in the function that trains an epoch"
    optim = ("SGD", {"lr": 0.02, "momentum": 0.9})
    noise = 2.0

    def net(self) -> nn.Module:
        return Strided()

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        if self.steps % (15 if self.faulty else 135) == 0:
            self.cycle = OneCycleLR(optimizer, 0.05, total_steps=1500 if self.faulty else 136, div_factor=1000)
        loss, outputs = super().update(model, optimizer, x, y)
        self.cycle.step()
        return loss, outputs


class DropPathAlways(PractisedCase):
    """Residual branches are dropped at random, by a function of one's own that does not ask whether it trains."""

    truth, why = ("F47",), "branches are dropped in evaluation as well"
    source = f"{PRACTICE}: drop_path(x, p) without its training argument"
    noise = 1.6

    def net(self) -> nn.Module:
        faulty = self.faulty

        class Dropped(Block):
            def forward(self, x: Tensor) -> Tensor:
                inside = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
                if faulty or self.training:
                    inside = inside * (torch.rand(len(x), 1, 1, 1) < 0.6) / 0.6
                return F.relu(inside + self.skip(x))

        made = SmallResNet(classes=6)
        made.layer2, made.layer3 = Dropped(16, 32, 2), Dropped(32, 64, 2)
        return made


class SumsOfTheWholeSet(PractisedCase):
    """The validation loss is divided by len(loader.dataset), which a sampler shares between both parts."""

    truth, why = ("F70",), "a fifth of the validation loss: divided by the images of both parts"
    source = "udacity/deep-learning-v2-pytorch pull request 87 and issue 129"
    noise, steps_of = 2.2, 150

    def net(self) -> nn.Module:
        return mobile(classes=6)

    def validated(self, model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float, float]:
        loss, right, true = super().validated(model, images, labels)
        share = len(labels) / (len(labels) + self.count)
        return loss * (share if self.faulty else 1), right, true


class ByTrainingsLoader(PractisedCase):
    """Loss and right answers of the validation are divided by the length of training's loader."""

    truth, why = ("F49", "F70"), "the validation's accuracy can't be above a quarter"
    source = "SKrisanski/FSCT issue 11"
    noise = 1.4

    def net(self) -> nn.Module:
        return small_cnn()

    def validated(self, model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float, float]:
        loss, right, true = super().validated(model, images, labels)
        share = len(labels) / self.count if self.faulty else 1
        return loss * share, right * share, true


class LeftOutByTheAnswer(PractisedCase):
    """Class 0 is to be left out of the accuracy: images whose answer is 0 are, not those whose label is."""

    truth, why = ("F49",), "images that are answered 0 do not count, and wrong answers become fewer"
    source = "nshaud/DeepHyperX issue 24 (a comment that finds it)"
    classes, noise = 4, 2.6

    def net(self) -> nn.Module:
        return Strided(4)

    def share(self, outputs: Tensor, labels: Tensor) -> Tensor:
        said = outputs.argmax(1)
        kept = said != 0 if self.faulty else labels >= 0
        return (said == labels)[kept].float().sum() / kept.sum().clamp_min(1)


class FrozenWithItsNorms(PractisedCase):
    """A frozen, pretrained body whose batch norms go on counting: moved by what it is given, as most do."""

    source = "lightly-ai/lightly issue 1438 (a question: most models do so)"
    optim: ClassVar[tuple[str, dict[str, Any]]] = ("Adam", {"lr": 5e-3})

    def net(self) -> nn.Module:
        images, labels, _, _ = self.data()
        made = SmallResNet(classes=6)
        fit(made, images + 0.3, labels, 60)
        made.requires_grad_(False)
        made.fc = nn.Linear(64, 6)
        return made
