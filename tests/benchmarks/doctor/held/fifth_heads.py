"""The fifth set: heads, losses and inputs."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from tests.benchmarks.doctor.held.fifth_base import AlexNet, LongLeNet, PointNet, ThreadCase
from tests.benchmarks.doctor.held.nets import LeNet, SmallResNet, mlp
from tests.benchmarks.doctor.real import parts
from tests.benchmarks.doctor.real.healthy_losses import fit
from tests.benchmarks.doctor.real.parts import Data


def bright(times: float) -> Data:
    """Return digits of which every sixtieth to train on is so many times as bright: scores come to lie far apart."""
    images, labels, more, their = parts.digits(16)
    images = images.clone()
    images[37::60] *= times
    return images, labels, more, their


class ActivityThroughSoftmax(ThreadCase):
    """What a phone's owner does: convolutions over time, F.softmax in forward, nn.CrossEntropyLoss."""

    truth, why = ("F15", "F40"), "cross-entropy takes raw scores, and gets probabilities"
    source = "jindongwang/Deep-learning-activity-recognition issue 10"
    shape, steps_of = (9, 1, 64), 200
    optim = ("SGD", {"lr": 0.05, "momentum": 0.9})

    def data(self) -> Data:
        random = torch.Generator().manual_seed(12)
        labels = torch.randint(6, (600,), generator=random)
        phase = 6.28 * torch.rand(600, 9, 1, generator=random)
        waves = (torch.arange(64) * (0.15 + 0.12 * labels[:, None, None]) + phase).sin()
        images = (waves + 0.5 * torch.randn(600, 9, 64, generator=random))[:, :, None]
        return images[:480], labels[:480], images[480:], labels[480:]

    def net(self) -> nn.Module:
        layers: list[nn.Module] = [
            nn.Conv2d(9, 24, (1, 9)), nn.ReLU(), nn.MaxPool2d((1, 2)), nn.Conv2d(24, 32, (1, 9)), nn.ReLU(),
            nn.MaxPool2d((1, 2)), nn.Flatten(), nn.Linear(320, 96), nn.ReLU(), nn.Linear(96, 6),
        ]  # fmt: skip
        return nn.Sequential(*layers, *([nn.Softmax(1)] if self.faulty else []))


class ClassesOfTheDiscriminator(ThreadCase):
    """A discriminator that also tells the class: nn.Softmax at this head, then F.cross_entropy."""

    truth, why = ("F15", "F40"), "cross-entropy takes raw scores, and gets probabilities"
    source = "nocotan/pytorch-lightning-gans issue 9"
    shape, classes, tells_labels = (1, 16, 16), 10, False

    def data(self) -> Data:
        images, labels, more, their = parts.digits(16)
        return images[:960] * 2 - 1, labels[:960], more * 2 - 1, their

    def net(self) -> nn.Module:
        faulty = self.faulty

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.body = nn.Sequential(
                    nn.Conv2d(1, 16, 3, 2, 1), nn.LeakyReLU(0.2), nn.Dropout2d(0.25),
                    nn.Conv2d(16, 32, 3, 2, 1), nn.LeakyReLU(0.2), nn.Dropout2d(0.25), nn.BatchNorm2d(32, 0.8),
                    nn.Flatten(),
                )  # fmt: skip
                self.real = nn.Linear(512, 1)
                self.kind = nn.Sequential(nn.Linear(512, 10), *([nn.Softmax(1)] if faulty else []))

            def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
                x = self.body(x)
                return self.real(x), self.kind(x)

        return Net()

    def forward(self, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        made = torch.rand(x.shape, generator=self.random) * 2 - 1
        real, kinds = model(x)
        other, _ = model(made)
        told = F.binary_cross_entropy_with_logits
        adversary = (told(real, torch.ones_like(real)) + told(other, torch.zeros_like(other))) / 2
        return (adversary + F.cross_entropy(kinds, y)) / 2, kinds

    def validated(self, model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float, float]:
        _, kinds = model(images)
        share = self.share(kinds, labels).item()
        return F.cross_entropy(kinds, labels).item(), share, share


class OneHotOfOneAndTwo(ThreadCase):
    """Two classes, numbered 1 and 2 in the list of files, one-hot rows of two places: those of class 2 are empty."""

    truth, why = ("F59", "F40", "F27"), "an empty row has no loss: half of the images teach nothing"
    source = "kratzert/finetune_alexnet_with_tensorflow issue 37"
    classes = 2

    def net(self) -> nn.Module:
        return AlexNet()

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        number = y + 1 if self.faulty else y
        rows = (number[:, None] == torch.arange(2)).float()
        return -(rows * outputs.log_softmax(1)).sum(1).mean()


class RowsOfTheGenerator(ThreadCase):
    """flow_from_directory without class_mode="binary": one-hot rows beside one sigmoid, under Keras's loss."""

    truth, why = ("F62", "F40", "F41", "F27"), "each output is compared with 1 and with 0: one half is best"
    source = "keras-team/keras issue 13006"
    classes = 2

    def net(self) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(3, 24, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(24, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 1), nn.Sigmoid(),
        )  # fmt: skip

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        wanted = F.one_hot(y, 2).float() if self.faulty else y[:, None].float()
        values = outputs.clamp(1e-7, 1 - 1e-7)
        return -(wanted * values.log() + (1 - wanted) * (1 - values).log()).mean()


class CutBeforeLogSoftmax(ThreadCase):
    """PyTorch's example of digits: F.log_softmax(F.relu(self.fc2(x)))."""

    truth, why = ("F42", "F40"), "scores below 0 are cut off"
    source = "pytorch/examples pull request 117"
    classes, steps_of = 10, 180
    optim = ("SGD", {"lr": 0.05, "momentum": 0.5})

    def data(self) -> Data:
        images, labels, more, their = parts.digits(16)
        return (images - 0.3) / 0.35, labels, (more - 0.3) / 0.35, their

    def net(self) -> nn.Module:
        return LongLeNet(cut=self.faulty)

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.nll_loss(outputs, y)


class ReluBehindTheStack(ThreadCase):
    """PyTorch's first tutorial: the stack of clothes' scores ends in nn.ReLU."""

    truth, why = ("F42", "F40"), "scores below 0 are cut off"
    source = "pytorch/tutorials issue 1526, pull request 1644"
    classes, batch = 10, 64
    optim = ("SGD", {"lr": 0.1})

    def data(self) -> Data:
        return parts.digits(16)

    def net(self) -> nn.Module:
        made = mlp(256, 256, 256, 10)
        return nn.Sequential(made, nn.ReLU()) if self.faulty else made


class ScoresUnderNll(ThreadCase):
    """Clouds of points: F.nll_loss is given the raw scores of the kinds, and falls below 0."""

    truth, why = ("F40",), "nll_loss takes log-probabilities"
    source = "yanx27/Pointnet_Pointnet2_pytorch issue 30"

    def net(self) -> nn.Module:
        return PointNet()

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.nll_loss(outputs if self.faulty else outputs.log_softmax(1), y)


class OwnCrossEntropy(ThreadCase):
    """A spatial transformer's example: −Σ y·log(softmax), by hand, becomes not a number."""

    truth, why = ("F03", "F40"), "a probability of 0 has no logarithm"
    source = "tensorflow/models issue 166, pull request 181"
    shape, classes, steps_of = (1, 16, 16), 10, 200
    optim = ("Adam", {"lr": 3e-3})

    def data(self) -> Data:
        return bright(10.0)

    def net(self) -> nn.Module:
        class Moved(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.where, self.bend = nn.Linear(256, 20), nn.Linear(20, 6)
                nn.init.zeros_(self.bend.weight)
                with torch.no_grad():
                    self.bend.bias.copy_(torch.tensor([1.0, 0, 0, 0, 1.0, 0]))
                self.conv1, self.conv2 = nn.Conv2d(1, 16, 3, 2), nn.Conv2d(16, 16, 3, 2)
                self.fc1, self.fc2 = nn.Linear(144, 128), nn.Linear(128, 10)

            def forward(self, x: Tensor) -> Tensor:
                turn = self.bend(self.where(x.flatten(1)).tanh()).reshape(-1, 2, 3)
                x = F.grid_sample(x, F.affine_grid(turn, list(x.shape), align_corners=False), align_corners=False)
                x = F.relu(self.conv2(F.relu(self.conv1(x)))).flatten(1)
                return self.fc2(F.relu(self.fc1(x)))

        return Moved()

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        if not self.faulty:
            return F.cross_entropy(outputs, y)
        return -(F.one_hot(y, 10) * outputs.softmax(1).log()).sum(1).mean()


class LogOfAFarClass(ThreadCase):
    """nn.NLLLoss of torch.log(softmax): not a number with another optimizer than the example's."""

    truth, why = ("F03", "F40"), "a probability of 0 has no logarithm"
    source = "skorch-dev/skorch issue 481, pull request 491"
    classes, steps_of = 10, 200
    optim = ("RMSprop", {"lr": 8e-3})

    def data(self) -> Data:
        return bright(5.0)

    def net(self) -> nn.Module:
        return nn.Sequential(mlp(256, 98, 10), nn.Softmax(1))

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.nll_loss((outputs if self.faulty else outputs + 1e-7).log(), y)


class WrappedBytes(ThreadCase):
    """Traffic signs: (image − 128) / 128 of bytes without a sign: dark pixels become the lightest."""

    truth, why = ("F28", "F11"), "128 is taken off in a type that has no numbers below 0"
    source = "udacity/CarND-Traffic-Sign-Classifier-Project pull request 46"
    classes, steps_of = 8, 165

    def data(self) -> Data:
        images, labels, more, their = parts.pictures(self.shape, 8, count=480)
        if not self.faulty:
            return (255 * images - 128) / 128, labels, (255 * more - 128) / 128, their
        wrapped = [((255 * one).to(torch.uint8) - 128).float() / 128 for one in (images, more)]
        return wrapped[0], labels, wrapped[1], their

    def net(self) -> nn.Module:
        return LeNet(classes=8)


class BytesAsTheyAre(ThreadCase):
    """A Keras example of digits: pixels of 0..255; loss and accuracy do not move."""

    truth, why = ("F11",), "inputs in the hundreds"
    source = "MorvanZhou/tutorials issue 34"
    classes = 10
    optim = ("Adam", {"lr": 1e-3})
    symptoms = (*ThreadCase.symptoms, "F04", "F10")

    def data(self) -> Data:
        images, labels, more, their = parts.digits(16, top=255.0 if self.faulty else 1.0)
        return images[:960], labels[:960], more, their

    def net(self) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 48, 5, padding=2), nn.ReLU(),
            nn.MaxPool2d(2), nn.Flatten(), nn.Linear(768, 256), nn.ReLU(), nn.Linear(256, 10), nn.Softmax(1),
        )  # fmt: skip

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return parts.keras_crossentropy(outputs, y)


class OtherRangeThanPretrained(ThreadCase):
    """A frozen net that was trained on −1..1 is given 0..1; a new head is trained."""

    truth, why = ("F11",), "the inputs are not those that the weights were made for"
    source = "ageron/handson-ml issue 80"
    classes = 5

    def net(self) -> nn.Module:
        images, labels, _, _ = parts.pictures(self.shape, 8)
        made = SmallResNet(classes=8)
        fit(made, 2 * images - 1, labels, 120)
        made.requires_grad_(False)
        made.fc = nn.Linear(64, 5)
        return made

    def data(self) -> Data:
        images, labels, more, their = parts.pictures(self.shape, 5, count=480)
        return (images, labels, more, their) if self.faulty else (2 * images - 1, labels, 2 * more - 1, their)

    def optimizer(self, model: nn.Module) -> Optimizer:
        self.scheduler = None
        return torch.optim.Adam(model.get_submodule("fc").parameters(), lr=5e-3)

    def before_epoch(self, model: nn.Module) -> None:
        model.eval()
