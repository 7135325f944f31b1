"""The sixth set: heads, losses and first weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.benchmarks.doctor.held.nets import vgg
from tests.benchmarks.doctor.held.sixth_base import (
    LIST_OF_NETS,
    AskedCase,
    DigitCase,
    KerasBinary,
    KerasCase,
    LongDense,
    keras_cnn,
)  # fmt: skip
from tests.benchmarks.doctor.real import parts
from tests.benchmarks.doctor.real.healthy_losses import fit
from tests.benchmarks.doctor.real.parts import Data


class PneumoniaThroughRelu(KerasCase):
    """X-rays over a frozen, pretrained VGG: Dense(2, relu) under categorical_crossentropy; later not a number."""

    truth, why = ("F42", "F40"), "the probabilities are a ReLU's outputs (by arithmetic; the page shows no answer)"
    source = "Stack Overflow, copied at dev59.com ALLma4cB1Zd3GeqPZl6h"
    classes = 2
    optim = ("Adam", {"lr": 1e-3})

    def net(self) -> nn.Module:
        images, labels, _, _ = parts.pictures(self.shape, 8)
        made = vgg(classes=8)
        fit(made, 2 * (images - 0.45), labels, 60)
        body = made[:-3].requires_grad_(False)
        return nn.Sequential(body, nn.Linear(512, 2), nn.ReLU() if self.faulty else nn.Softmax(1))


class OneSigmoidForThree(KerasBinary):
    """Three kinds of pictures, Dense(1, sigmoid), binary_crossentropy, RMSprop."""

    truth, why = ("F41", "F27"), "three classes need three outputs, a softmax, categorical_crossentropy"
    source = "Stack Overflow, copied at newbedev.com cnn-with-keras-accuracy-not-improving"
    classes = 3
    optim = ("RMSprop", {"lr": 1e-3})

    def net(self) -> nn.Module:
        return keras_cnn(1, nn.Sigmoid(), drop=0.2) if self.faulty else keras_cnn(3, nn.Softmax(1), drop=0.2)

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return super().loss(outputs, y) if self.faulty else parts.keras_crossentropy(outputs, y)


class OneSigmoidForDigits(DigitCase):
    """Digits as bytes, 64 hidden units, Dense(1, sigmoid), binary_crossentropy: a loss of −55, right in 11 %."""

    truth, why = ("F41", "F27", "F40"), "ten classes need ten outputs and a softmax"
    source = "datascience.stackexchange 38604"

    def net(self) -> nn.Module:
        head = [nn.Linear(64, 1), nn.Sigmoid()] if self.faulty else [nn.Linear(64, 10), nn.Softmax(1)]
        return nn.Sequential(nn.Flatten(), nn.Linear(256, 64), nn.ReLU(), *head)

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        return (images * 255, labels, more * 255, their) if self.faulty else data

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return parts.keras_binary(outputs, y) if self.faulty else parts.keras_crossentropy(outputs, y)


class SeriesThroughOneSoftmax(KerasBinary):
    """Convolutions over ten steps, batch norm, leaky ReLU, dropout; Dense(1), softmax: always 1."""

    truth, why = ("F38",), "a softmax over one neuron is 1"
    source = "Stack Overflow, copied at geek-questions.imtqy.com 1270335"
    shape = (4, 1, 16)

    def net(self) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(4, 16, (1, 4)), nn.BatchNorm2d(16), nn.LeakyReLU(0.3), nn.Dropout(0.2),
            nn.Conv2d(16, 8, (1, 4)), nn.BatchNorm2d(8), nn.LeakyReLU(0.3), nn.Flatten(),
            nn.Linear(80, 64), nn.BatchNorm1d(64), nn.LeakyReLU(0.3), nn.Linear(64, 1),
            nn.Softmax(1) if self.faulty else nn.Sigmoid(),
        )  # fmt: skip

    def data(self) -> Data:
        random = torch.Generator().manual_seed(21)
        labels = torch.randint(2, (600,), generator=random)
        slope = (2 * labels - 1)[:, None, None] * torch.linspace(-1, 1, 16)
        images = (slope + 0.8 * torch.randn(600, 4, 16, generator=random))[:, :, None]
        return images[:480], labels[:480], images[480:], labels[480:]


class ThreeDenseAndOneSoftmax(KerasBinary):
    """VGG16's maps, their mean, three wide dense layers, Dense(1, softmax): one class is predicted."""

    truth, why = ("F38",), "one output through a softmax is 1"
    source = "Stack Overflow, copied at pullrequest.ru 13403374"

    def net(self) -> nn.Module:
        last = nn.Softmax(1) if self.faulty else nn.Sigmoid()
        return nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(),
            nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 1), last,
        )  # fmt: skip


class OneSoftmaxUnderCategories(KerasCase):
    """Two classes, Dense(1, softmax) under categorical_crossentropy with one-hot rows of one place."""

    truth, why = ("F38", "F27", "F41"), "it can only choose class 0: two outputs, or a sigmoid"
    source = "Stack Overflow, copied at boohere.com 80265"
    classes = 2

    def net(self) -> nn.Module:
        return keras_cnn(1 if self.faulty else 2, nn.Softmax(1))

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        if not self.faulty:
            return super().loss(outputs, y)
        shares = (outputs / outputs.sum(1, keepdim=True)).clamp(1e-7, 1 - 1e-7)
        return -(y[:, None].float() * shares.log()).sum(1).mean()


class TwoMapsThroughSoftmax(AskedCase):
    """Convolutions to the end, two maps of one place, F.softmax, nn.CrossEntropyLoss."""

    truth, why = ("F15", "F40"), "both losses take raw scores: the softmax is to go"
    source = "discuss.pytorch.org 58703"
    classes, noise, steps_of = 2, 2.0, 200

    def net(self) -> nn.Module:
        faulty = self.faulty

        class Maps(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.conv1, self.conv2 = nn.Conv2d(3, 20, 5), nn.Conv2d(20, 32, 3)
                self.norm1, self.norm2 = nn.BatchNorm2d(20), nn.BatchNorm2d(32)
                self.conv3, self.conv4 = nn.Conv2d(32, 64, 2), nn.Conv2d(64, 2, 1)

            def forward(self, x: Tensor) -> Tensor:
                x = F.max_pool2d(self.norm1(self.conv1(x)), 2)
                x = F.max_pool2d(self.norm2(self.conv2(x)), 2)
                x = self.conv4(F.relu(self.conv3(x))).flatten(1)
                return F.softmax(x, 1) if faulty else x

        return Maps()


class SevenSigmoids(KerasCase):
    """Spectrograms, maps beside each other, Dense(7, sigmoid) under categorical_crossentropy: it breaks down."""

    truth, why = ("F39", "F40"), "classes exclude each other: a softmax"
    source = "52zhanxing.com ask 1097940"
    shape, classes, noise = (1, 16, 16), 7, 1.4

    def net(self) -> nn.Module:
        return nn.Sequential(LongDense(7), nn.Sigmoid() if self.faulty else nn.Softmax(1))


class BinaryAccuracyOfMany(KerasCase):
    """More than two kinds, softmax, binary_crossentropy; metrics=["accuracy"] becomes that of each output."""

    truth, why = ("F49",), "Keras takes binary_accuracy with this loss: categorical_accuracy is meant"
    source = "ai.stackexchange 11311"
    classes, steps_of = 8, 165

    def net(self) -> nn.Module:
        return keras_cnn(8, nn.Softmax(1))

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return parts.keras_binary(outputs, y) if self.faulty else super().loss(outputs, y)

    def share(self, outputs: Tensor, labels: Tensor) -> Tensor:
        if not self.faulty:
            return super().share(outputs, labels)
        return ((outputs > 0.5) == (F.one_hot(labels, 8) > 0)).float().mean()


class AllZeroAndSoftmaxInside(DigitCase):
    """Digits by two layers whose weights are tf.zeros, a softmax between them: it never learns."""

    truth, why = ("F08",), "all weights begin at 0 and get no gradient"
    source = "Stack Overflow, copied at pullrequest.ru 11818227"
    optim = ("SGD", {"lr": 0.5})
    steps_of = 240

    def net(self) -> nn.Module:
        between = nn.Softmax(1) if self.faulty else nn.Sigmoid()
        made = nn.Sequential(nn.Flatten(), nn.Linear(256, 24), between, nn.Linear(24, 10), nn.Softmax(1))
        if self.faulty:
            for weights in made.parameters():
                nn.init.zeros_(weights)
        return made

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return parts.negative_log(outputs, y)


class DeviationOfOne(DigitCase):
    """Digits by two convolutions: tf.truncated_normal as it is, with ReLU: right in 10 to 20 %."""

    truth, why = ("F10",), "a deviation of 1; with 0.1 it is as accurate as expected"
    source = "e-com-net.com 1281957349447188480"
    symptoms = (*AskedCase.symptoms, "F01", "F07", "F31")

    def net(self) -> nn.Module:
        made = nn.Sequential(
            nn.Conv2d(1, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 32, 5, padding=2), nn.ReLU(),
            nn.MaxPool2d(2), nn.Flatten(), nn.Linear(512, 128), nn.ReLU(), nn.Linear(128, 10),
        )  # fmt: skip
        for layer in made:
            if isinstance(layer, nn.Conv2d | nn.Linear) and layer.bias is not None:
                nn.init.trunc_normal_(layer.weight, 0, 1.0 if self.faulty else 0.05, -2, 2)
                nn.init.constant_(layer.bias, 0.1)
        return made


class LogOfThePrediction(DigitCase):
    """A deeper net of digits, −Σ y·log(p) of its softmax: after a while the loss is no number."""

    truth, why = ("F03", "F40"), "the logarithm of a probability that is 0: clip it"
    source = "e-com-net.com 1279723410531827712, runxinzhi.com mengxiangtiankongfenwailan 10844898"
    steps_of = 200
    optim = ("Adam", {"lr": 3e-3})

    def data(self) -> Data:
        images, labels, more, their = parts.digits(16)
        images, more = images.clone(), more.clone()
        images[29::50] *= 9.0
        more[29::50] *= 9.0
        return images[:960], labels[:960], more, their

    def net(self) -> nn.Module:
        return nn.Sequential(
            nn.Flatten(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 96), nn.ReLU(), nn.Linear(96, 64), nn.ReLU(),
            nn.Linear(64, 10), nn.Softmax(1),
        )  # fmt: skip

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        shares = outputs if self.faulty else outputs.clamp(1e-10, 1)
        return -(F.one_hot(y, 10) * shares.log()).sum(1).mean()


class TargetsWithoutAColumn(AskedCase):
    """Outputs of N x 1 and targets of N under nn.L1Loss, which TensorFlow's copy has as N x 1."""

    truth, why = ("F62",), "each output is compared with each target"
    source = "pytorch/pytorch issue 63546 (a regression there: two classes, −1 and 1, here)"
    classes, steps_of = 2, 180
    optim = ("SGD", {"lr": 0.02, "momentum": 0.9})

    def net(self) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(768, 100), nn.ReLU(), nn.Linear(100, 100), nn.ReLU(),
                             nn.Linear(100, 1))  # fmt: skip

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        wanted = 2 * y.float() - 1
        return F.l1_loss(outputs, wanted if self.faulty else wanted[:, None])

    def share(self, outputs: Tensor, labels: Tensor) -> Tensor:
        return ((outputs[:, 0] > 0).long() == labels).float().mean()

    def validated(self, model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float, float]:
        outputs = model(images)
        share = self.share(outputs, labels).item()
        return self.loss(outputs, labels).item(), share, share


class ConvolutionsAlone(KerasCase):
    """Convolutions, pools by stride and dense layers without any activation between them."""

    truth, why = ("F35",), "no activation between the layers: all are one linear layer"
    source = "keras-team/keras issue 1597 (a comment of 2018: a convolution without one)"
    noise = 1.6

    def net(self) -> nn.Module:
        def between() -> nn.Module:
            return nn.Identity() if self.faulty else nn.ReLU()

        return nn.Sequential(
            nn.Conv2d(3, 24, 3, 2), between(), nn.Conv2d(24, 32, 3, 2), between(), nn.Flatten(),
            nn.Linear(288, 64), between(), nn.Linear(64, 6), nn.Softmax(1),
        )  # fmt: skip


class NumberOfTheClass(DigitCase):
    """Digits by one linear output and nn.MSELoss to the digit; the answer is rounded."""

    truth, why = ("F43", "F41"), "a digit is no quantity: the wrong loss for the task"
    source = LIST_OF_NETS
    steps_of = 180

    def net(self) -> nn.Module:
        return keras_cnn(1 if self.faulty else 10, channels=1)

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.mse_loss(outputs[:, 0], y.float()) if self.faulty else F.cross_entropy(outputs, y)

    def share(self, outputs: Tensor, labels: Tensor) -> Tensor:
        said = outputs[:, 0].round().long() if self.faulty else outputs.argmax(1)
        return (said == labels).float().mean()


class SquaresOfAllWeights(AskedCase):
    """λ·Σ w² is added to the loss by hand, with λ = 0.1."""

    truth, why = ("F29",), "the regularisation outweighs the loss: the weights go to 0"
    source = LIST_OF_NETS

    def net(self) -> nn.Module:
        return vgg(classes=6)

    def forward(self, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        outputs = model(x)
        squares = torch.stack([weights.pow(2).sum() for weights in model.parameters()]).sum()
        return F.cross_entropy(outputs, y) + (0.1 if self.faulty else 1e-5) * squares, outputs
