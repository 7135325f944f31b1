"""The seventh set: heads, losses, first weights."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from tests.benchmarks.doctor.held.fourth_base import Branches, OneLogit, Strided, normed
from tests.benchmarks.doctor.held.nets import Dense, LeNet, SmallResNet, mobile, vgg
from tests.benchmarks.doctor.held.seventh_base import (
    PRACTICE,
    STILL,
    TOO_FAST,
    Cosines,
    Embedder,
    PractisedCase,
    soft_cross_entropy,
)  # fmt: skip
from tests.benchmarks.doctor.real.healthy_losses import fit
from tests.benchmarks.doctor.real.parts import Data


class CentresOutsideOfTheModel(PractisedCase):
    """An angular margin's class vectors are in the loss's module; the optimizer has the model's weights alone."""

    truth, why = ("F45", "F26"), "the vectors of the classes stay random"
    source = "ronghuaiyang/arcface-pytorch issue 93 (a comment: is the loss's module trained?)"
    noise = 2.0

    def net(self) -> nn.Module:
        self.head = Cosines(32, 6)
        return Embedder()

    def trained(self, model: nn.Module) -> list[Any]:
        return [*model.parameters(), *(() if self.faulty else self.head.parameters())]

    def forward(self, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        found = model(x)
        return F.cross_entropy(self.head(found, y), y), self.head(found)

    def validated(self, model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float, float]:
        outputs = self.head(model(images))
        right = self.share(outputs, labels).item()
        return F.cross_entropy(outputs, labels).item(), right, right


class LargestOfTheArray(PractisedCase):
    """A softmax by hand takes off the largest score of the whole batch, not of the row: 0/0 in rows far below."""

    truth, why = ("F03", "F40"), "a row whose scores are all far below the batch's largest: its exponentials are 0"
    source = "manassharma07/crysx_nn issue 7"
    optim = ("Adam", {"lr": 2e-3})

    def data(self) -> Data:
        images, labels, more, their = super().data()
        images, more = images.clone(), more.clone()
        images[37::60] *= 30
        more[37::60] *= 30
        return images, labels, more, their

    def net(self) -> nn.Module:
        return Strided()

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        top = outputs.max() if self.faulty else outputs.max(1, keepdim=True).values
        powers = (outputs - top).exp()
        shares = powers / powers.sum(1, keepdim=True)
        return -shares.gather(1, y[:, None]).clamp_min(1e-9).log().mean()


class _Triplets(PractisedCase, abstract=True):
    """Triplets within a batch; an image's answer is the class of its nearest neighbour in the training set."""

    margin: ClassVar[float] = 0.5

    def net(self) -> nn.Module:
        return Embedder()

    def each(self, found: Tensor, y: Tensor) -> Tensor:
        """Return the loss of all triplets of the batch."""
        apart = (found[:, None] - found).pow(2).sum(-1)
        same = y[:, None] == y
        near = same & ~torch.eye(len(y), dtype=torch.bool)
        anchors, others = near.nonzero(as_tuple=True)
        gaps = apart[anchors, others][:, None] - apart[anchors] + self.margin
        return gaps[~same[anchors]].clamp_min(0)

    def whole(self, model: nn.Module, optimizer: Optimizer, run: Any) -> float:
        images, labels, more, their = self.data()
        accuracy = 0.0
        for _ in range(self.steps_of // 15):
            model.train()
            for index in torch.randperm(480, generator=self.random).split(32):
                y = labels[index]
                loss = self.mean(self.each(self.seen(model(images[index])), y))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                run.step(loss=loss.detach())
                if not loss.isfinite():
                    return accuracy
            model.eval()
            with torch.no_grad():
                known, asked = self.seen(model(images)), self.seen(model(more))
                said = labels[torch.cdist(asked, known).argmin(1)]
                accuracy = (said == their).float().mean().item()
            run.epoch(val_accuracy=accuracy)
        return accuracy

    def seen(self, found: Tensor) -> Tensor:
        return F.normalize(found)

    def mean(self, losses: Tensor) -> Tensor:
        return losses.mean()


class TripletsThatAreLeft(_Triplets):
    """The mean is over the triplets whose loss is above 0: when there are none it is 0/0."""

    truth, why = ("F03",), "nothing is left to be averaged: not a number"
    source = "KevinMusgrave/pytorch-metric-learning issue 107"
    noise, steps_of = 0.3, 300

    def mean(self, losses: Tensor) -> Tensor:
        left = losses[losses > 0]
        return left.mean() if self.faulty else left.sum() / max(1, len(left))


class CollapsedToTheMargin(_Triplets):
    """The hardest triplets, no normalisation, a high rate: all embeddings fall together, and the loss is the margin."""

    truth, why = TOO_FAST, "a smaller rate: the embeddings collapsed into one point"
    source = "omoindrot/tensorflow-triplet-loss issues 6 and 37"
    symptoms = (*STILL, "F04", "F07", "F05")
    optim, faulty_optim = ("Adam", {"lr": 1e-3}), ("Adam", {"lr": 0.1})

    def net(self) -> nn.Module:
        return vgg(classes=16)

    def seen(self, found: Tensor) -> Tensor:
        return found

    def each(self, found: Tensor, y: Tensor) -> Tensor:
        apart = (found[:, None] - found).pow(2).sum(-1).clamp_min(1e-12).sqrt()
        same = y[:, None] == y
        far, near = (apart * same).amax(1), (apart + 1e6 * same).amin(1)
        return (far - near + self.margin).clamp_min(0)


class NegativeWeight(OneLogit):
    """The weight of the positives is (counted ones − all) / ones: below 0."""

    batch_of = "seventh"
    truth, why = ("F17", "F59"), "the loss of each image of class 1 is turned round"
    source = "automl/Auto-PyTorch pull request 263"

    def net(self) -> nn.Module:
        return normed(1)

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        ones = y.sum().clamp_min(1)
        weight = (len(y) - ones) / ones
        return F.binary_cross_entropy_with_logits(
            outputs[:, 0], y.float(), pos_weight=-weight if self.faulty else weight
        )


class SquashedForCrossEntropy(PractisedCase):
    """torch.sigmoid of the scores of the classes, then nn.CrossEntropyLoss: the loss never gets near 0."""

    truth, why = ("F40", "F42", "F15"), "cross-entropy takes raw scores; those of sigmoids are never 1 apart"
    source = "eriklindernoren/PyTorch-YOLOv3 issue 108"

    def net(self) -> nn.Module:
        return Dense(classes=6)

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(outputs.sigmoid() if self.faulty else outputs, y)


class FocalOfZeros(PractisedCase):
    """A focal loss whose weights, where none are given, are zeros_like for ones_like."""

    truth, why = ("F59", "F44", "F26"), "each image's loss is multiplied by 0"
    source = "bonlime/pytorch-tools issue 81"
    noise = 1.4

    def net(self) -> nn.Module:
        return LeNet(classes=6)

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        each = F.cross_entropy(outputs, y, reduction="none")
        weights = torch.zeros_like(each) if self.faulty else torch.ones_like(each)
        return (weights * (1 - (-each).exp()).pow(2) * each).mean()


class FocalOfSoftmax(PractisedCase):
    """The net ends in a softmax, and the focal loss begins with a log-softmax."""

    truth, why = ("F15", "F40"), "a softmax of probabilities"
    source = f"{PRACTICE}: a focal loss put in place of a loss that took probabilities"

    def net(self) -> nn.Module:
        made = mobile(classes=6)
        return made.append(nn.Softmax(1)) if self.faulty else made

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        logs = F.log_softmax(outputs, 1).gather(1, y[:, None])[:, 0]
        return -((1 - logs.exp()).pow(2) * logs).mean()


class StudentsProbabilities(PractisedCase):
    """Distillation: F.kl_div(F.softmax(student), F.softmax(teacher)), no labels."""

    truth, why = ("F40",), "kl_div takes log-probabilities first"
    source = "microsoft/ProDA issues 20 and 43"
    symptoms = (*STILL, "F17")

    def net(self) -> nn.Module:
        images, labels, _, _ = self.data()
        self.teacher = SmallResNet(classes=6)
        fit(self.teacher, images, labels, 60)
        self.teacher.eval()
        return Strided()

    def forward(self, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        outputs = model(x)
        with torch.no_grad():
            wanted = (self.teacher(x) / 2).softmax(1)
        student = (outputs / 2).softmax(1) if self.faulty else (outputs / 2).log_softmax(1)
        return F.kl_div(student, wanted, reduction="batchmean"), outputs


class EachNormAtZero(PractisedCase):
    """The weight of every batch norm begins at 0, not only that of the last one of a residual branch."""

    truth, why = ("F08", "F04"), "all maps are 0, and no layer below gets a gradient"
    source = f"{PRACTICE}: zero_init_residual written for all norms"

    def net(self) -> nn.Module:
        made = normed()
        if self.faulty:
            for layer in made:
                if isinstance(layer, nn.BatchNorm2d):
                    nn.init.zeros_(layer.weight)
        return made


class HeadOfAHundred(PractisedCase):
    """A model from a library as it comes, for a hundred classes; the set has six."""

    truth, why = ("F27",), "num_classes was not given"
    source = f"{PRACTICE}: create_model without num_classes"

    def net(self) -> nn.Module:
        return Branches(100 if self.faulty else 6)


class ZeroAtFirst(PractisedCase):
    """An angular margin: the accuracy, counted with the margin, is 0 for the first epochs, and rises."""

    source = "heshuting555/AICITY2020_DMT_VehicleReID issue 3"
    steps_of, noise = 240, 1.4

    def net(self) -> nn.Module:
        class Marked(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.body, self.head = Embedder(), Cosines(32, 6, 16, 0.5)

            def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
                return self.head(self.body(x), labels)

        return Marked()

    def forward(self, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        outputs = model(x, y)
        return F.cross_entropy(outputs, y), outputs


class SquaredMapsCut(PractisedCase):
    """A last convolution of one map a class, a ReLU, the mean over places: as SqueezeNet has it."""

    source = f"{PRACTICE}: torchvision's SqueezeNet, fine-tuned"

    def net(self) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(3, 32, 3, 2, 1), nn.ReLU(), nn.Conv2d(32, 48, 3, 2, 1), nn.ReLU(), nn.Conv2d(48, 64, 3, 1, 1),
            nn.ReLU(), nn.Dropout(0.3), nn.Conv2d(64, 6, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        )  # fmt: skip


class SoftRowsOfATeacher(PractisedCase):
    """Distillation by a cross-entropy of soft rows: the teacher's softmax, the student's scores."""

    source = "mit-han-lab/once-for-all issue 5 (asked about, and right)"

    def net(self) -> nn.Module:
        images, labels, _, _ = self.data()
        self.teacher = SmallResNet(classes=6)
        fit(self.teacher, images, labels, 60)
        self.teacher.eval()
        return Strided()

    def forward(self, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        outputs = model(x)
        with torch.no_grad():
            wanted = self.teacher(x).softmax(1)
        return F.cross_entropy(outputs, y) + soft_cross_entropy(outputs, wanted), outputs
