"""The eighth set: heads and losses that don't fit each other, as ports from Keras and TensorFlow have them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.benchmarks.doctor.held.eighth_base import (
    BY_ARITHMETIC,
    CLASSIC,
    BeginnersCase,
    OneShare,
    Shares,
    WrittenDigits,
    chollet,
    glorot,
    rounded_share,
)  # fmt: skip
from tests.benchmarks.doctor.held.nets import vgg
from tests.benchmarks.doctor.real import parts
from tests.benchmarks.doctor.real.parts import Data


class OneLayerUnderSquares(WrittenDigits):
    """Digits as bytes, one Dense(10) and nothing behind it, loss="mse": right in 16 %."""

    truth, why = ("F11", "F43", "F40"), "bytes, and no softmax under a loss of squares: scale them, a cross-entropy"
    source = "wandb.com classes, intro, class 2: from a perceptron of one digit to one of ten"
    steps_of = 240

    def net(self) -> nn.Module:
        return nn.Sequential(nn.Flatten(), glorot(nn.Linear(256, 10)))

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        return (images * 255, labels, more * 255, their) if self.faulty else data

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return parts.one_hot_squares(outputs, y) if self.faulty else F.cross_entropy(outputs, y)


class LettersOfSigmoids(BeginnersCase):
    """Letters of many kinds, a wide layer, Dense(12, sigmoid), binary_crossentropy, SGD: high accuracy, no answers."""

    truth, why = ("F39", "F40"), "categorical_crossentropy and softmax for classes that exclude each other"
    source = "Stack Overflow, copied at pullrequest.ru 9781727"
    shape, classes, noise = (1, 16, 16), 12, 1.4
    optim, faulty_optim = ("Adam", {"lr": 1e-3}), ("SGD", {"lr": 0.01})

    def net(self) -> nn.Module:
        last = nn.Sigmoid() if self.faulty else nn.Softmax(1)
        return glorot(nn.Sequential(
            nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
            nn.Linear(576, 200), nn.ReLU(), nn.Dropout(0.2), nn.Linear(200, 12), last,
        ))  # fmt: skip

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return parts.keras_binary(outputs, y) if self.faulty else parts.keras_crossentropy(outputs, y)


class OneScoreWithoutSigmoid(OneShare):
    """Cats and dogs, Dense(1) without an activation under binary_crossentropy: the loss jumps between 7 and 8."""

    truth, why = ("F40",), "the loss takes a probability: a sigmoid is missing"
    source = f"Stack Overflow, {CLASSIC}: the last activation of a binary net was left out"

    def net(self) -> nn.Module:
        return glorot(chollet(*([] if self.faulty else [nn.Sigmoid()]), drop=0.5))


class OneReluForTwo(OneShare):
    """X-rays of two kinds, every layer has activation="relu", also Dense(1): one half for good."""

    truth, why = ("F40", "F42"), "a ReLU's output is no probability: a sigmoid"
    source = f"Stack Overflow, {CLASSIC}: relu in the last layer under binary_crossentropy"
    shape, noise = (1, 20, 20), 1.4

    def net(self) -> nn.Module:
        return glorot(nn.Sequential(
            nn.Conv2d(1, 12, 5), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(12, 24, 3), nn.ReLU(), nn.AvgPool2d(2),
            nn.Flatten(), nn.Linear(216, 48), nn.ReLU(), nn.Linear(48, 1), nn.ReLU() if self.faulty else nn.Sigmoid(),
        ))  # fmt: skip


class OneTanhForTwo(OneShare):
    """Two kinds of pictures, Dense(1, tanh) under binary_crossentropy."""

    truth, why = ("F40", "F42"), "tanh lies in -1..1, and what is below 0 is cut off by the loss: a sigmoid"
    source = f"Stack Overflow, {CLASSIC}: tanh in the last layer under binary_crossentropy"
    optim = ("Adam", {"lr": 1e-3})

    def net(self) -> nn.Module:
        return glorot(nn.Sequential(
            nn.Conv2d(3, 16, 3, 2), nn.Tanh(), nn.Conv2d(16, 32, 3, 2), nn.Tanh(), nn.Flatten(),
            nn.Linear(288, 32), nn.Tanh(), nn.Linear(32, 1), nn.Tanh() if self.faulty else nn.Sigmoid(),
        ))  # fmt: skip


class SoftmaxInside(WrittenDigits):
    """Digits by dense layers, each with activation="softmax", the hidden ones too: it hardly learns."""

    truth, why = (
        ("F06", "L02"),
        "the outputs of a hidden softmax add up to 1: hardly any signal or gradient gets through",
    )
    source = "Stack Overflow, copied at pullrequest.ru 11818227 (a remark in its answer: no softmax between layers)"
    optim = ("SGD", {"lr": 0.1})
    steps_of = 240

    def net(self) -> nn.Module:
        def between() -> nn.Module:
            return nn.Softmax(1) if self.faulty else nn.ReLU()

        return glorot(nn.Sequential(
            nn.Flatten(), nn.Linear(256, 128), between(), nn.Linear(128, 64), between(), nn.Linear(64, 10),
            nn.Softmax(1),
        ))  # fmt: skip

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return parts.keras_crossentropy(outputs, y)


class ClassesFromOne(BeginnersCase):
    """Five classes, numbered from 1 by a tokenizer, Dense(5, softmax), sparse_categorical_crossentropy: NaN."""

    truth, why = ("F27", "F41", "F40", "F03"), "class 5 has no output (on a GPU TensorFlow's loss is NaN there)"
    source = "Stack Overflow, copied at pullrequest.ru 13662601 (there a text; with labels less 1 it learns)"
    classes = 5
    tells_labels = False

    def net(self) -> nn.Module:
        return glorot(chollet(nn.Softmax(1), outputs=5))

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        return (images, labels + 1, more, their + 1) if self.faulty else data

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        known = y < outputs.shape[1]
        costs = -outputs.clamp(1e-7, 1 - 1e-7).log().gather(1, (y * known)[:, None])[:, 0]
        return torch.where(known, costs, torch.nan).mean()


class OneAndTwoUnderSigmoid(OneShare):
    """The labels of two classes are 1 and 2 in the table, Dense(1, sigmoid): the loss falls below 0."""

    truth, why = ("F40", "F41", "F27"), "a binary cross-entropy wants 0 and 1: with 2 it falls without end"
    source = f"Stack Overflow, {CLASSIC}: a negative loss of binary_crossentropy"
    tells_labels = False

    def net(self) -> nn.Module:
        return glorot(chollet(nn.Sigmoid()))

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        return (images, labels + 1, more, their + 1) if self.faulty else data

    def share(self, outputs: Tensor, labels: Tensor) -> Tensor:
        return rounded_share(outputs, labels)


class OneLabelForTwoShares(BeginnersCase):
    """class_mode="binary", Dense(2, softmax), binary_crossentropy: 0.693 for good."""

    truth, why = ("F40", "F62", "F39", "F27"), "both shares are compared with the one label, and add up to 1"
    source = f"Stack Overflow, {CLASSIC}: Dense(2, softmax) with class_mode binary ({BY_ARITHMETIC})"
    classes = 2

    def net(self) -> nn.Module:
        return glorot(chollet(nn.Softmax(1), outputs=2))

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        wanted = y[:, None].float() if self.faulty else F.one_hot(y, 2).float()
        values = outputs.clamp(parts.EPSILON, 1 - parts.EPSILON)
        return -(wanted * values.log() + (1 - wanted) * (1 - values).log()).mean()


class SquaresOfShares(WrittenDigits):
    """Digits, four convolutions, softmax, loss="mean_squared_error", SGD at 0.01: 11 % after all epochs."""

    truth, why = (
        ("F43", "F02", "F06", "F30"),
        "squares of shares give tiny gradients: a cross-entropy, or a larger rate",
    )
    source = f"Stack Overflow, {CLASSIC}: mean_squared_error and softmax with SGD(0.01)"
    symptoms = ("F36", "F37", "F19", "F18")
    optim = ("SGD", {"lr": 0.05, "momentum": 0.9})
    faulty_optim = ("SGD", {"lr": 0.01})

    def net(self) -> nn.Module:
        return glorot(nn.Sequential(vgg(channels=1, classes=10), nn.Softmax(1)))

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return parts.one_hot_squares(outputs, y) if self.faulty else parts.keras_crossentropy(outputs, y)


class HingeOfZeroAndOne(OneShare):
    """Two classes of 0 and 1, Dense(1, sigmoid), loss="hinge": everything is called class 1."""

    truth, why = ("F40", "F43"), "a hinge wants labels of -1 and 1: images of class 0 cost 1 whatever is answered"
    source = f"Stack Overflow, {CLASSIC}: hinge with labels of 0 and 1 ({BY_ARITHMETIC})"

    def net(self) -> nn.Module:
        return glorot(chollet(nn.Sigmoid() if self.faulty else nn.Tanh()))

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        wanted = y.float() if self.faulty else 2 * y.float() - 1
        return (1 - wanted * outputs[:, 0]).clamp_min(0).mean()

    def share(self, outputs: Tensor, labels: Tensor) -> Tensor:
        return ((outputs[:, 0] > (0.5 if self.faulty else 0)).long() == labels).float().mean()

    def validated(self, model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float, float]:
        outputs = model(images)
        right = self.share(outputs, labels).item()
        return self.loss(outputs, labels).item(), right, right


class ScoresUnderKeras(Shares):
    """Eight kinds, batch norm, Dense(8) without softmax, sparse_categorical_crossentropy as it comes."""

    truth, why = ("F40",), "from_logits is False: the scores are taken for probabilities"
    source = f"Stack Overflow, {CLASSIC}: from_logits=True forgotten"
    classes, noise = 8, 1.2

    def net(self) -> nn.Module:
        return glorot(nn.Sequential(
            nn.Conv2d(3, 24, 3, bias=False), nn.BatchNorm2d(24), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(24, 32, 3, bias=False), nn.BatchNorm2d(32), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
            nn.Linear(128, 8), *([] if self.faulty else [nn.Softmax(1)]),
        ))  # fmt: skip

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        if not self.faulty:
            return super().loss(outputs, y)
        return -outputs.clamp(parts.EPSILON, 1 - parts.EPSILON).gather(1, y[:, None]).log().mean()


class DropoutBehindSoftmax(Shares):
    """Six kinds, Dense(6, softmax), then Dropout(0.5), and the model is compiled."""

    truth, why = ("F42",), "half of the shares are set to 0 behind the softmax"
    source = f"Stack Overflow, {CLASSIC}: the dropout stands behind the last layer"

    def net(self) -> nn.Module:
        return glorot(chollet(nn.Softmax(1), *([nn.Dropout(0.5)] if self.faulty else []), outputs=6))


class LargestOfOneScore(OneShare):
    """A PyTorch net with batch norm and one output; _, said = torch.max(outputs, 1): right in exactly half."""

    truth, why = ("F49",), "the largest of one output is number 0, whatever it is"
    source = f"Stack Overflow, copied at whosebug.com question 6339715 ({BY_ARITHMETIC}: the answer is cut off)"
    shape = (1, 16, 16)
    optim = ("SGD", {"lr": 0.05})

    def net(self) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, 16, 5), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3),
            nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128, 50), nn.BatchNorm1d(50),
            nn.ReLU(), nn.Linear(50, 1), nn.Sigmoid(),
        )  # fmt: skip

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.binary_cross_entropy(outputs[:, 0], y.float())

    def share(self, outputs: Tensor, labels: Tensor) -> Tensor:
        said = outputs.max(1)[1] if self.faulty else (outputs[:, 0] > 0.5).long()
        return (said == labels).float().mean()


class DistanceWithoutSigmoid(BeginnersCase):
    """Threes and sevens by a course's own loss, where(y == 1, 1 - p, p).mean(), of raw scores: below -100."""

    truth, why = ("F40", "F17"), "the loss wants numbers of 0..1: without a sigmoid it falls without end"
    source = "fast.ai's course, chapter 4 (its own step from the one to the other, and questions about it)"
    shape, classes = (1, 16, 16), 2
    optim = ("SGD", {"lr": 1.0})

    def net(self) -> nn.Module:
        made = nn.Sequential(nn.Flatten(), nn.Linear(256, 1))
        return made if self.faulty else made.append(nn.Sigmoid())

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return torch.where(y[:, None] == 1, 1 - outputs, outputs).mean()


class WithoutTheMinus(WrittenDigits):
    """A cross-entropy by hand in TensorFlow, reduce_mean(reduce_sum(y * log(p), 1)): the loss falls, and accuracy."""

    truth, why = ("F17",), "the minus is missing: the true class's probability is made small"
    source = "hacking-with-hamlet.com 2023-07-08 (the sign of the loss is upside down)"
    optim = ("SGD", {"lr": 0.05, "momentum": 0.9})

    def net(self) -> nn.Module:
        return nn.Sequential(chollet(outputs=10, channels=1), nn.Softmax(1))

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        each = (F.one_hot(y, 10) * outputs.clamp(1e-10, 1).log()).sum(1)
        return each.mean() if self.faulty else -each.mean()
