"""Heads, losses and labels that do not fit each other."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.benchmarks.doctor.held.case import Case
from tests.benchmarks.doctor.held.nets import LeNet, RowGRU, RowLSTM, SmallResNet, TinyViT, mlp, mobile, vgg
from tests.benchmarks.doctor.real.parts import Data


class _LogitAccuracy(Case):
    """One logit: above 0 is class 1."""

    classes = 2
    noise = 2.0

    def share(self, outputs: Tensor, labels: Tensor) -> Tensor:
        return ((outputs[:, 0] > 0).long() == labels).float().mean()


class SoftmaxInForward(Case):
    """A LeNet that ends in F.softmax, under nn.CrossEntropyLoss."""

    truth, why = ("F15", "F40"), "the loss takes the softmax of a softmax"
    optim = ("SGD", {"lr": 0.05, "momentum": 0.9})

    def net(self) -> nn.Module:
        faulty = self.faulty

        class Net(LeNet):
            def forward(self, x: Tensor) -> Tensor:
                scores = super().forward(x)
                return F.softmax(scores, dim=1) if faulty else scores

        return Net()


class SoftmaxOverTheBatch(Case):
    """An LSTM over rows whose log_softmax has dimension 0."""

    truth, why = ("F48",), "log_softmax along the batch"
    shape, classes = (1, 16, 16), 6

    def net(self) -> nn.Module:
        dim = 0 if self.faulty else 1

        class Net(RowLSTM):
            def forward(self, x: Tensor) -> Tensor:
                return F.log_softmax(super().forward(x), dim=dim)

        return Net(self.shape, 6)

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.nll_loss(outputs, y)


class NllOfLogits(Case):
    """A residual net with raw scores under nn.NLLLoss."""

    truth, why = ("F40",), "nll_loss of raw scores: it falls without bound"
    classes, steps_of = 7, 120

    def net(self) -> nn.Module:
        return SmallResNet(3, 7)

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.nll_loss(outputs if self.faulty else outputs.log_softmax(1), y)


class SigmoidsUnderCrossEntropy(Case):
    """A mobile net whose forward ends in torch.sigmoid, five classes, under cross-entropy."""

    truth, why = ("F39", "F40"), "sigmoids before a softmax cross-entropy"
    classes = 5

    def net(self) -> nn.Module:
        made = mobile(classes=5)
        return nn.Sequential(*made, nn.Sigmoid()) if self.faulty else made


class ReluOnTheScores(Case):
    """Own class: every layer is followed by F.relu, the last one too."""

    truth, why = ("F42", "F40"), "no score can be below 0"
    classes, steps_of = 12, 250

    def net(self) -> nn.Module:
        faulty = self.faulty

        class Net(LeNet):
            def forward(self, x: Tensor) -> Tensor:
                scores = super().forward(x)
                return F.relu(scores) if faulty else scores

        return Net(classes=12)


class SigmoidTwice(_LogitAccuracy):
    """A sigmoid in the model and binary_cross_entropy_with_logits outside."""

    truth, why = ("F40",), "the loss has a sigmoid of its own"
    steps_of = 150

    def net(self) -> nn.Module:
        made = vgg(classes=1)
        return nn.Sequential(*made, nn.Sigmoid()) if self.faulty else made

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(outputs.squeeze(1), y.float())


class LabelsOneAndTwo(_LogitAccuracy):
    """Labels 1 and 2 (as a CSV numbers them) under BCEWithLogits with one output."""

    truth, why = ("F41",), "labels are 1 and 2: the loss of class 2 falls below 0 without bound"
    tells_labels = True

    def net(self) -> nn.Module:
        return mlp(768, 64, 32, 1)

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        return (images, labels + 1, more, their + 1) if self.faulty else data

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(outputs[:, 0], y.float())


class LabelsPlusMinusOne(_LogitAccuracy):
    """Labels −1 and +1 under BCEWithLogits."""

    truth, why = ("F40", "F41"), "the target must lie in 0..1: with −1 the loss has no lower bound"
    tells_labels = False

    def net(self) -> nn.Module:
        return LeNet(classes=1)

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        wanted = 2 * y.float() - 1 if self.faulty else y.float()
        return F.binary_cross_entropy_with_logits(outputs[:, 0], wanted)


class SquaresOfClassNumbers(Case):
    """nn.MSELoss of one output and the class number, eight classes."""

    truth, why = ("F43", "F41"), "a class number is no quantity"
    classes = 8

    def net(self) -> nn.Module:
        return vgg(classes=1 if self.faulty else 8)

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.mse_loss(outputs.squeeze(1), y.float()) if self.faulty else F.cross_entropy(outputs, y)

    def share(self, outputs: Tensor, labels: Tensor) -> Tensor:
        said = outputs[:, 0].round().long() if self.faulty else outputs.argmax(1)
        return (said == labels).float().mean()


class AbsoluteErrorOfOneHot(Case):
    """nn.L1Loss of probabilities and one-hot labels."""

    truth, why = ("F43",), "an absolute error of probabilities has hardly a gradient for what is wrong"
    classes = 10

    def net(self) -> nn.Module:
        return SmallResNet()

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        if self.faulty:
            return nn.L1Loss()(outputs.softmax(1), F.one_hot(y, 10).float())
        return F.cross_entropy(outputs, y)


class MinusForgotten(Case):
    """A cross-entropy by hand without its minus."""

    truth, why = ("F17",), "mean log-probability is minimised: the right class is made unlikely"
    classes, steps_of = 4, 80

    def net(self) -> nn.Module:
        return TinyViT(self.shape, 4)

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        log = torch.log_softmax(outputs, 1)[torch.arange(len(y)), y].mean()
        return log if self.faulty else -log


class SummedByHand(Case):
    """A cross-entropy by hand, one-hot times log-probability, summed over all, under SGD."""

    truth, why = ("F16", "F01", "F31"), "a sum over 64 images: 64 times the gradient"
    batch, classes = 64, 10
    optim = ("SGD", {"lr": 0.05, "momentum": 0.9})

    def net(self) -> nn.Module:
        return LeNet()

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        total = -(F.one_hot(y, 10) * outputs.log_softmax(1)).sum()
        return total if self.faulty else total / len(y)


class DefaultHead(Case):
    """The 100 outputs of the net as it came, for three classes."""

    truth, why = ("F27",), "the last layer was not replaced"
    classes = 3

    def net(self) -> nn.Module:
        return SmallResNet(classes=100 if self.faulty else 3)


class OneMoreOutput(Case):
    """Labels from 1 on and one more output than classes, so that it runs."""

    truth, why = ("F27", "F41"), "class 0 never occurs"
    classes = 6

    def net(self) -> nn.Module:
        return RowGRU(self.shape, 7 if self.faulty else 6)

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(outputs, y + 1 if self.faulty else y)

    def share(self, outputs: Tensor, labels: Tensor) -> Tensor:
        return (outputs.argmax(1) == (labels + 1 if self.faulty else labels)).float().mean()

    tells_labels = True


class ArgmaxOfOneLogit(_LogitAccuracy):
    """One output under BCE, and an accuracy by argmax(1): it is always class 0."""

    truth, why = ("F49",), "argmax over one output is 0"
    steps_of = 120

    def net(self) -> nn.Module:
        return vgg(classes=1)

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(outputs[:, 0], y.float())

    def share(self, outputs: Tensor, labels: Tensor) -> Tensor:
        if self.faulty:
            return (outputs.argmax(1) == labels).float().mean()
        return super().share(outputs, labels)


class RightByLoaderLength(Case):
    """Right answers of a batch, divided by the number of batches."""

    truth, why = ("F49",), "the number of right answers is divided by len(loader)"
    classes, steps_of, batch = 5, 100, 50

    def net(self) -> nn.Module:
        return mobile(classes=5)

    def share(self, outputs: Tensor, labels: Tensor) -> Tensor:
        right = (outputs.argmax(1) == labels).float().sum()
        return right / 12 if self.faulty else right / len(labels)


class SoftmaxForSeveralLabels(Case):
    """Three properties of an image, each by itself: a softmax over them and BCELoss."""

    truth, why = ("F40", "F39", "F15"), "a softmax lets only one of the three be true"
    classes, patterns = 3, 8
    tells_labels = False

    def net(self) -> nn.Module:
        return nn.Sequential(vgg(classes=3), nn.Softmax(1) if self.faulty else nn.Sigmoid())

    def bits(self, y: Tensor) -> Tensor:
        return torch.stack([(y >> place) & 1 for place in range(3)], 1).float()

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.binary_cross_entropy(outputs, self.bits(y))

    def share(self, outputs: Tensor, labels: Tensor) -> Tensor:
        return ((outputs > 0.5) == self.bits(labels).bool()).float().mean()

    def validated(self, model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float, float]:
        outputs = model(images)
        share = self.share(outputs, labels).item()
        return self.loss(outputs, labels).item(), share, share


class LogOfZero(Case):
    """A cross-entropy by hand: torch.log of a softmax, with no epsilon, at a rate that makes it certain."""

    truth, why = ("F03",), "log(0) is −inf, and its gradient NaN"
    classes, steps_of = 4, 250
    noise = 0.5

    def net(self) -> nn.Module:
        return mlp(768, 256, 256, 4)

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        if self.faulty:
            p = F.softmax(outputs * 20, 1)
            return -(F.one_hot(y, 4) * torch.log(p)).sum(1).mean()
        return F.cross_entropy(outputs, y)
