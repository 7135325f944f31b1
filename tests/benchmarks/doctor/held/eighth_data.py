"""The eighth set: images and labels that are not what they were meant to be, and too few of them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tests.benchmarks.doctor.held.eighth_base import (
    BY_ARITHMETIC,
    CLASSIC,
    BeginnersCase,
    OneShare,
    Shares,
    WrittenDigits,
    chollet,
    glorot,
)  # fmt: skip
from tests.benchmarks.doctor.held.nets import LeNet, SmallResNet
from tests.benchmarks.doctor.real import parts
from tests.benchmarks.doctor.real.parts import Data


class ReshapedMatFile(Shares):
    """House numbers from a .mat file of height x width x channels x images, reshaped to images x ...: 19 %."""

    truth, why = ("F13", "F58", "F28"), "reshape moves no axis: each image is a mixture of all images at a few places"
    source = f"Stack Overflow, {CLASSIC}: SVHN's X is to be transposed, not reshaped"

    def net(self) -> nn.Module:
        return glorot(chollet(nn.Softmax(1), outputs=6))

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data

        def read(one: Tensor) -> Tensor:
            file = one.permute(2, 3, 1, 0).contiguous()
            return file.reshape(len(one), 16, 16, 3).permute(0, 3, 1, 2).contiguous()

        return (read(images), labels, read(more), their) if self.faulty else data


class IntegerDivision(Shares):
    """x_train = x_train // 255 of bytes: the same loss in each epoch."""

    truth, why = ("F28", "F13", "F11"), "a division of whole numbers: every pixel below 255 is 0"
    source = f"Stack Overflow, {CLASSIC}: bytes divided as whole numbers (x /= 255 before astype)"

    def net(self) -> nn.Module:
        return glorot(chollet(nn.Softmax(1), outputs=6))

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data

        def read(one: Tensor) -> Tensor:
            bytes_ = (one * 254).floor()
            return (bytes_ / 255).floor() if self.faulty else bytes_ / 255

        return read(images), labels, read(more), their


class BorderPixelsScaled(WrittenDigits):
    """Each pixel is standardised by its own mean and deviation over the set; in the corners that is 0: loss is NaN."""

    truth, why = ("F28", "F03"), "0 / 0 in pixels that are the same in all images"
    source = f"Stack Overflow, {CLASSIC}: standardised by pixel, X / X.std(axis=0)"

    def net(self) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 10))

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        mean, deviation = images.mean(0), images.std(0)
        least = 0.0 if self.faulty else 0.1
        return (images - mean) / deviation.clamp_min(least), labels, (more - mean) / deviation.clamp_min(least), their


class IndexOfTheSplit(BeginnersCase):
    """train_test_split of a table; Dataset looks up labels[i] in a Series that kept the old index: 17 % in the test."""

    truth, why = ("F13",), "image i of the split gets the label of row i of the table"
    source = f"Stack Overflow, {CLASSIC}: reset_index after a split of pandas"
    steps_of = 165

    def net(self) -> nn.Module:
        return SmallResNet(classes=6)

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(8))
        return images[order], labels if self.faulty else labels[order], more, their


class FifteenImagesAClass(Shares):
    """Fifteen pictures of each class, a net with a wide layer: all right in training, two thirds in the test."""

    truth, why = ("F18",), "too few pictures for so many weights: it learns them by heart"
    source = "Stack Overflow, retold at openillumi.com 64013"
    symptoms = ("F02", "F36", "F37", "F19")
    classes, noise, count = 5, 4.0, 900

    def net(self) -> nn.Module:
        return glorot(nn.Sequential(
            nn.Conv2d(3, 24, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(24, 32, 3, padding=1), nn.ReLU(),
            nn.Flatten(), nn.Linear(2048, 128), nn.ReLU(), nn.Linear(128, 5), nn.Softmax(1),
        ))  # fmt: skip

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        if not self.faulty:
            return data
        kept = torch.cat([(labels == number).nonzero()[:15, 0] for number in range(5)])
        return images[kept], labels[kept], more, their


class MostAreHealthy(OneShare):
    """Scans, one in sixteen shows the illness: 94 % at once, and every scan is called healthy."""

    truth, why = ("F24",), "classes out of balance: weigh the loss (class_weight), or draw evenly"
    source = f"Stack Overflow, {CLASSIC}: always the class of the many, with Dense(1, sigmoid)"
    shape, noise, count = (1, 16, 16), 3.0, 1600
    optim = ("Adam", {"lr": 1e-3})

    def net(self) -> nn.Module:
        return glorot(chollet(nn.Sigmoid(), channels=1, drop=0.3))

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data

        def kept(numbers: Tensor) -> Tensor:
            ill = (numbers == 1).nonzero()[:, 0]
            return torch.cat([(numbers == 0).nonzero()[:, 0], ill[: len(ill) // 15]])

        first, second = kept(labels), kept(their)
        return images[first], labels[first], more[second], their[second]

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        values, wanted = outputs[:, 0].clamp(1e-7, 1 - 1e-7), y.float()
        each = -(wanted * values.log() + (1 - wanted) * (1 - values).log())
        return each.mean() if self.faulty else (each * torch.where(y == 1, 8.0, 0.53)).mean()


class NineWeights(OneShare):
    """White and black pictures, one filter of 1x1 with ReLU, Dense(1, sigmoid): right in half."""

    truth, why = ("F04", "L08", "F19"), "one ReLU whose weights add up to less than 0: it is 0 for white and for black"
    source = f"Stack Overflow, copied at whosebug.com question 3908455 ({BY_ARITHMETIC}: the answer is cut off)"
    batch = 8

    def data(self) -> Data:
        random = torch.Generator().manual_seed(4)
        labels = torch.randint(2, (600,), generator=random)
        shade = 0.97 * labels.float()[:, None, None, None] + 0.03 * torch.rand(600, 1, 16, 16, generator=random)
        shade = shade.expand(-1, 3, -1, -1).contiguous()
        return shade[:480], labels[:480], shade[480:], labels[480:]

    def net(self) -> nn.Module:
        width = 1 if self.faulty else 12
        first = nn.Conv2d(3, width, 1)
        made = nn.Sequential(first, nn.ReLU(), nn.MaxPool2d(8), nn.Flatten(), nn.Linear(4 * width, 1),
                             nn.Sigmoid())  # fmt: skip
        glorot(made)
        if self.faulty:
            with torch.no_grad():
                first.weight.copy_(torch.tensor([0.4, -0.9, -0.7]).reshape(1, 3, 1, 1))  # (as a draw may be)
        return made


class AccuracyInSteps(BeginnersCase):
    """113 images in the test: its accuracy stays the same for many epochs, as one image is a 113th."""

    source = "php.bkmy88.com 2038552 (a question: nothing is wrong)"
    classes, noise, count = 3, 2.0, 452

    def net(self) -> nn.Module:
        return LeNet(classes=3)


class LossLeftAtFullAccuracy(WrittenDigits):
    """Digits of softmax and squares: all are right after a few epochs, and the loss is not 0."""

    source = "coderoad.ru 54161352 (a question: nothing is wrong)"
    optim = ("Adam", {"lr": 3e-3})
    steps_of = 300

    def net(self) -> nn.Module:
        return nn.Sequential(chollet(outputs=10, channels=1), nn.Softmax(1))

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return parts.one_hot_squares(outputs, y)


class LongAfterItLearned(OneShare):
    """Cats and dogs by a course's net, dropout and mirrored pictures, trained on and on: nothing changes any more."""

    source = "datascience.stackexchange 93974 (a question: nothing is wrong)"
    steps_of, noise = 300, 1.6

    def net(self) -> nn.Module:
        return glorot(chollet(nn.Sigmoid(), drop=0.5))

    def augmented(self, x: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            return x
        turned = torch.rand(len(x), 1, 1, 1, generator=self.random) < 0.5
        return torch.where(turned, x.flip(-1), x)
