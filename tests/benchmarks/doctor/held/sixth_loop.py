"""The sixth set: loops, optimizers, modes and how answers are counted."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from tests.benchmarks.doctor.held.fifth_base import small_cnn
from tests.benchmarks.doctor.held.nets import LeNet, SmallResNet, mlp, mobile, vgg
from tests.benchmarks.doctor.held.sixth_base import (
    LIST_OF_NETS,
    RECIPE,
    AskedCase,
    DigitCase,
    KerasCase,
    OneLogitCase,
)  # fmt: skip
from tests.benchmarks.doctor.real.healthy_losses import fit


class MovingMeansOfKeras(KerasCase):
    """A residual net on few batches, momentum 0.99 of its batch norms: all right in training, a guess in evaluation."""

    truth, why = ("F23",), "the moving means have hardly left 0 and 1 after few updates"
    source = "Stack Overflow, copied at newbe.dev resnet-100-accuracy-during-training-but-33-prediction-accuracy"
    classes, count, batch, steps_of, noise = 3, 48, 16, 60, 0.7
    symptoms: ClassVar[tuple[str, ...]] = ("F18", "F21")

    def net(self) -> nn.Module:
        made = SmallResNet(classes=3)
        for layer in made.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.momentum = 0.01 if self.faulty else 0.1
        return nn.Sequential(made, nn.Softmax(1))


class ModelMadeAgain(DigitCase):
    """A course's notebook: the model is made once more behind the optimizer: right in a tenth."""

    truth, why = ("F26", "F44"), "the optimizer has the parameters of the model before"
    source = "blog.gitcode.com 3ec123ad43da921deff784fd702ca18b (FashionMNISTModelV2 of a course)"
    optim = ("SGD", {"lr": 0.1})
    steps_of = 180

    def net(self) -> nn.Module:
        def made() -> nn.Sequential:
            return nn.Sequential(
                nn.Conv2d(1, 10, 3, padding=1), nn.ReLU(), nn.Conv2d(10, 10, 3, padding=1), nn.ReLU(),
                nn.MaxPool2d(2), nn.Conv2d(10, 10, 3, padding=1), nn.ReLU(), nn.Conv2d(10, 10, 3, padding=1),
                nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(160, 10),
            )  # fmt: skip

        self.before = made()
        return made()

    def optimizer(self, model: nn.Module) -> Optimizer:
        self.scheduler = None
        if self.faulty:
            return torch.optim.SGD(self.before.parameters(), lr=0.1)
        return torch.optim.Adam(model.parameters(), lr=5e-3)


class BatchByTheDataset(OneLogitCase):
    """correct / x.shape[0], where x are all training images, and correct those of the last batch."""

    truth, why = ("F49",), "right answers of a batch are divided by the size of the set"
    source = "Stack Overflow, retold at kouhan.cn article 00050761"

    def net(self) -> nn.Module:
        return mlp(768, 64, 1)

    def share(self, outputs: Tensor, labels: Tensor) -> Tensor:
        right = ((outputs.reshape(-1) > 0).long() == labels).float()
        return right.sum() / self.count if self.faulty and torch.is_grad_enabled() else right.mean()


class ThousandthUnderSquares(DigitCase):
    """784-800-10 with sigmoids, a mean squared error, SGD at 0.001: each image gets the mean answer."""

    truth, why = ("F02", "F06", "F30"), "steps of a rate of 0.001 move nothing (by arithmetic; the page is cut off)"
    source = "Stack Overflow, copied at whosebug.com question 6116914"
    symptoms = ("F36", "F37", "F19", "F18")
    optim, faulty_optim = ("Adam", {"lr": 5e-3}), ("SGD", {"lr": 0.001})
    steps_of, batch = 300, 32

    def net(self) -> nn.Module:
        return mlp(256, 200, 10, between=nn.Sigmoid).append(nn.Sigmoid())

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.mse_loss(outputs, F.one_hot(y, 10).float())


class TooFastInTheEnd(OneLogitCase):
    """Right in 99 %, then suddenly one half for each image: binary cross-entropy, SGD."""

    truth, why = ("F01", "F31", "F30"), "the rate is too high: a tenth of it"
    source = "datascience.stackexchange 28481"
    symptoms = (*AskedCase.symptoms, "F04", "F07")
    optim, faulty_optim = ("SGD", {"lr": 0.02, "momentum": 0.9}), ("SGD", {"lr": 0.6, "momentum": 0.9})

    def net(self) -> nn.Module:
        return vgg(classes=1)


class ZeroedBeforeTheStep(AskedCase):
    """loss.backward(), optimizer.zero_grad(), optimizer.step(): the loss stays as it is."""

    truth, why = ("F44", "F26"), "the gradients are thrown away before they are used"
    source = f"{RECIPE}; a common order of lines in questions"

    def net(self) -> nn.Module:
        return LeNet(classes=6)

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        if not self.faulty:
            return super().update(model, optimizer, x, y)
        loss, outputs = self.forward(model, x, y)
        loss.backward()
        optimizer.zero_grad()
        optimizer.step()
        return loss.detach(), outputs.detach()


class LossMadeAnew(OneLogitCase):
    """Rounded answers under the loss; requires_grad_() makes its error message go away."""

    truth, why = ("F26", "F44"), "the loss has lost the graph: no weight gets a gradient"
    source = f"{LIST_OF_NETS}; a common way round an error message in questions"

    def net(self) -> nn.Module:
        return small_cnn(1)

    def forward(self, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        outputs = model(x)
        if not self.faulty:
            return self.loss(outputs, y), outputs
        answers = (outputs[:, 0] > 0).float()
        return F.mse_loss(answers, y.float()).requires_grad_(), outputs


class DetachedBetween(AskedCase):
    """Maps go through .data (or numpy) on their way to the head: the convolutions are not trained."""

    truth, why = ("F26",), "no gradient reaches the layers before"
    source = f"{LIST_OF_NETS}; a common leftover of PyTorch 0.3"
    noise = 1.6

    def net(self) -> nn.Module:
        faulty = self.faulty

        class Cut(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.body = nn.Sequential(
                    nn.Conv2d(3, 16, 3, 2), nn.ReLU(), nn.Conv2d(16, 24, 3, 2), nn.ReLU(), nn.Flatten()
                )
                self.head = nn.Sequential(nn.Linear(216, 48), nn.ReLU(), nn.Linear(48, 6))

            def forward(self, x: Tensor) -> Tensor:
                x = self.body(x)
                return self.head(x.data if faulty else x)

        return Cut()


class HeadBehindTheOptimizer(AskedCase):
    """A pretrained net; the optimizer is made, then model.fc is replaced by one for the new classes."""

    truth, why = ("F26",), "the optimizer has the head of before"
    source = "fine-tuning questions: model.fc replaced behind the optimizer"
    optim = ("Adam", {"lr": 3e-4})

    def net(self) -> nn.Module:
        images, labels, _, _ = self.data()
        made = SmallResNet(classes=8)
        fit(made, images, labels, 60)
        self.old = made.fc
        made.fc = nn.Linear(64, 6)
        return made

    def optimizer(self, model: nn.Module) -> Optimizer:
        self.scheduler = None
        held = [one for name, one in model.named_parameters() if not name.startswith("fc.")]
        head = self.old if self.faulty else model.get_submodule("fc")
        return torch.optim.Adam([*held, *head.parameters()], lr=1e-3)


class PlateauInTheInnerLoop(AskedCase):
    """ReduceLROnPlateau(patience=2), stepped with the loss of each batch."""

    truth, why = ("F32", "F02"), "a noisy batch is no plateau: the rate is a thousandth after an epoch"
    source = "forum questions: scheduler.step(loss) in the loop over batches"
    symptoms: ClassVar[tuple[str, ...]] = ("F36", "F37", "F19", "F18")

    def net(self) -> nn.Module:
        return mobile(classes=6)

    def optimizer(self, model: nn.Module) -> Optimizer:
        self.scheduler = None
        made = torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.9)
        self.plateau = ReduceLROnPlateau(made, patience=2)
        return made

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        loss, outputs = super().update(model, optimizer, x, y)
        if self.faulty:
            self.plateau.step(loss)
        return loss, outputs

    def validated(self, model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float, float]:
        loss, right, true = super().validated(model, images, labels)
        if not self.faulty:
            self.plateau.step(loss)
        return loss, right, true


class DropoutInTheTest(AskedCase):
    """F.dropout(x, 0.4) in forward, without self.training."""

    truth, why = ("F47",), "dropout is alive in the test as well"
    source = LIST_OF_NETS
    noise = 1.4

    def net(self) -> nn.Module:
        faulty = self.faulty

        class Dropped(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.conv1, self.conv2 = nn.Conv2d(3, 16, 3, 2), nn.Conv2d(16, 24, 3, 2)
                self.fc1, self.fc2 = nn.Linear(216, 64), nn.Linear(64, 6)

            def forward(self, x: Tensor) -> Tensor:
                x = F.elu(self.conv2(F.elu(self.conv1(x)))).flatten(1)
                return self.fc2(F.dropout(F.elu(self.fc1(x)), 0.4, training=faulty or self.training))

        return Dropped()


class HalfOfAScore(OneLogitCase):
    """nn.BCEWithLogitsLoss; the accuracy counts (outputs > 0.5) of the raw scores."""

    truth, why = ("F49",), "a raw score is above 0 for class 1: the sigmoid is missing before the threshold"
    source = "forum questions: a threshold of 0.5 on logits"
    noise, steps_of = 2.2, 165

    def net(self) -> nn.Module:
        return LeNet(classes=1)

    def share(self, outputs: Tensor, labels: Tensor) -> Tensor:
        return ((outputs.reshape(-1) > (0.5 if self.faulty else 0)).long() == labels).float().mean()


class AnswersOfTwoSizes(AskedCase):
    """(predicted == labels).sum() / len(labels) with answers of N x 1 and labels of N: above 1."""

    truth, why = ("F49",), "each answer is compared with each label"
    source = "forum questions: max(1, keepdim=True)[1] == target"

    def net(self) -> nn.Module:
        return small_cnn()

    def share(self, outputs: Tensor, labels: Tensor) -> Tensor:
        said = outputs.max(1, keepdim=True)[1]
        return (said == labels).sum() / len(labels) if self.faulty else (said[:, 0] == labels).float().mean()
