"""A second set, written with the first one and looked at by no rule."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer, lr_scheduler
from torch.optim.lr_scheduler import LRScheduler

from tests.benchmarks.doctor.held.case import Case
from tests.benchmarks.doctor.held.nets import Dense, LeNet, Mixer, RowGRU, SmallResNet, TinyViT, mlp, mobile, vgg
from tests.benchmarks.doctor.real.parts import Data

STILL = ("F02", "F36", "F37", "F19", "F18")


class _Second(Case):
    batch_of = "second"


class SoftmaxAtTheEnd(_Second):
    """A Sequential with group norm that ends in nn.Softmax(dim=1), under F.cross_entropy."""

    truth, why = ("F15", "F40"), "softmax twice"
    classes = 3

    def net(self) -> nn.Module:
        layers = [nn.Conv2d(3, 24, 3, 2), nn.GroupNorm(4, 24), nn.ELU(), nn.Conv2d(24, 32, 3), nn.GroupNorm(4, 32),
                  nn.ELU(), nn.Flatten(), nn.Linear(32 * 25, 3)]  # fmt: skip
        return nn.Sequential(*layers, nn.Softmax(dim=1)) if self.faulty else nn.Sequential(*layers)


class ClampedScores(_Second):
    """BCELoss of raw scores, clamped into 0..1 because it complained."""

    truth, why = ("F40",), "a clamp has no gradient outside of 0..1; a sigmoid belongs there"
    classes, noise = 2, 2.0

    def net(self) -> nn.Module:
        return LeNet(classes=1)

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        score = outputs[:, 0]
        p = score.clamp(0, 1) if self.faulty else score.sigmoid()
        return F.binary_cross_entropy(p, y.float())

    def share(self, outputs: Tensor, labels: Tensor) -> Tensor:
        return ((outputs[:, 0] > (0.5 if self.faulty else 0)).long() == labels).float().mean()


class OneOutputSoftmax(_Second):
    """F.softmax(self.fc(x), dim=1) with one output, BCELoss."""

    truth, why = ("F38",), "a softmax over one entry is 1"
    classes, noise, steps_of = 2, 2.0, 120

    def net(self) -> nn.Module:
        faulty = self.faulty

        class Net(SmallResNet):
            def forward(self, x: Tensor) -> Tensor:
                score = super().forward(x)
                return F.softmax(score, 1) if faulty else torch.sigmoid(score)

        return Net(classes=1)

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.binary_cross_entropy(outputs, y[:, None].float())


class TenSigmoidsOneHot(_Second):
    """Sigmoids and BCELoss against one-hot rows."""

    truth, why = ("F39",), "classes that exclude each other, each by itself"

    def net(self) -> nn.Module:
        made = mobile()
        return nn.Sequential(made, nn.Sigmoid()) if self.faulty else made

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        if self.faulty:
            return F.binary_cross_entropy(outputs, F.one_hot(y, 10).float())
        return F.cross_entropy(outputs, y)


class HuberOfNumbers(_Second):
    """nn.SmoothL1Loss of the class number."""

    truth, why = ("F43", "F41"), "a loss for quantities"
    classes = 6

    def net(self) -> nn.Module:
        return RowGRU(self.shape, 1 if self.faulty else 6)

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.smooth_l1_loss(outputs[:, 0], y.float()) if self.faulty else F.cross_entropy(outputs, y)

    def share(self, outputs: Tensor, labels: Tensor) -> Tensor:
        said = outputs[:, 0].round().long() if self.faulty else outputs.argmax(1)
        return (said == labels).float().mean()


class WarmUpByWholeNumbers(_Second):
    """The warm-up's factor is step // 1000: 0 for the whole run."""

    truth, why = ("F02", "F44", "F32"), "the rate is 0"
    symptoms = ("F36", "F37", "F19", "F26")

    def net(self) -> nn.Module:
        return SmallResNet()

    def schedule(self, optimizer: Optimizer) -> LRScheduler:
        return lr_scheduler.LambdaLR(optimizer, lambda step: step // 1000 if self.faulty else 1.0)


class PolynomialOverEpochs(_Second):
    """(1 − step / total) ** 0.9, the total in epochs, the step in batches."""

    truth, why, symptoms = ("F32",), "after twelve steps the rate is 0", STILL
    optim = ("SGD", {"lr": 0.05, "momentum": 0.9})

    def net(self) -> nn.Module:
        return vgg()

    def schedule(self, optimizer: Optimizer) -> LRScheduler:
        total = 12 if self.faulty else self.program.steps
        return lr_scheduler.LambdaLR(optimizer, lambda step: max(1 - step / total, 0) ** 0.9)


class AdamDecayOfOne(_Second):
    """Adam with weight_decay=1."""

    truth, why, symptoms = ("F29",), "the decay is most of each gradient", STILL
    faulty_optim, optim = ("Adam", {"lr": 3e-3, "weight_decay": 1.0}), ("Adam", {"lr": 3e-3})

    def net(self) -> nn.Module:
        return LeNet()


class OtherMeanInValidation(_Second):
    """Normalize with a mean and deviation in validation only."""

    truth, why, symptoms = ("F21",), "other inputs in validation", STILL

    def net(self) -> nn.Module:
        return TinyViT(self.shape)

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        return (images, labels, (more - 2.0) / 0.25, their) if self.faulty else data


class ValidatedOnTraining(_Second):
    """The validation loader is made of the training set."""

    truth, why, symptoms = ("F20",), "both loaders read one folder", STILL
    classes = 5

    def net(self) -> nn.Module:
        return Mixer(self.shape, 5)

    def spoiled(self, data: Data) -> Data:
        images, labels = data[:2]
        return (images, labels, images[:150], labels[:150]) if self.faulty else data


class BrokenPixels(_Second):
    """One image holds NaN, from a division in preprocessing."""

    truth, why, symptoms = ("F28", "F03"), "NaN among the pixels", STILL
    classes = 4

    def net(self) -> nn.Module:
        return SmallResNet(classes=4)

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        images = images.clone()
        if self.faulty:
            images[321, 0, 3, 3] = float("nan")
        return images, labels, more, their


class AddedUpBranches(_Second):
    """Ten residual branches without a norm, each three times as strong as its input."""

    truth, why, symptoms = ("F07", "F03", "F10", "F01"), "the signal grows threefold a branch", (*STILL, "F31")
    optim = ("SGD", {"lr": 0.02})
    steps_of = 150

    def net(self) -> nn.Module:
        gain = 3.0 if self.faulty else 0.1

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.stem = nn.Conv2d(3, 16, 3, 2, 1)
                self.branches = nn.ModuleList([nn.Conv2d(16, 16, 3, padding=1) for _ in range(10)])
                self.fc = nn.Linear(16 * 16, 10)

            def forward(self, x: Tensor) -> Tensor:
                x = self.stem(x)
                for one in self.branches:
                    x = x + gain * F.relu(one(x))
                return self.fc(F.adaptive_avg_pool2d(x, 4).flatten(1))

        return Net()


class ZeroWeights(_Second):
    """nn.init.zeros_ for weights and biases of all layers."""

    truth, why, symptoms = ("F08",), "nothing tells one unit from another", STILL

    def net(self) -> nn.Module:
        made = LeNet()
        if self.faulty:
            for one in made.parameters():
                nn.init.zeros_(one)
        return made


class DropoutOfScores(_Second):
    """F.dropout(self.fc3(x), 0.5, self.training) in forward."""

    truth, why, symptoms = ("F42",), "half of the scores are 0 in training", STILL
    steps_of = 250

    def net(self) -> nn.Module:
        faulty = self.faulty

        class Net(LeNet):
            def forward(self, x: Tensor) -> Tensor:
                scores = super().forward(x)
                return F.dropout(scores, 0.5, self.training) if faulty else scores

        return Net()


class ValuesForIndices(_Second):
    """pred, _ = outputs.max(1): the values, not the indices."""

    truth, why, symptoms = ("F49",), "scores are compared with class numbers", STILL
    classes, steps_of = 5, 120

    def net(self) -> nn.Module:
        return SmallResNet(classes=5)

    def share(self, outputs: Tensor, labels: Tensor) -> Tensor:
        values, indices = outputs.max(1)
        return ((values.round().long() if self.faulty else indices) == labels).float().mean()


class NormOfThree(_Second):
    """Batch norm over batches of three."""

    truth, why, symptoms = ("F22",), "statistics of three images", STILL
    batch, classes, steps_of = 3, 4, 300
    optim = ("Adam", {"lr": 3e-4})

    def net(self) -> nn.Module:
        return mobile(classes=4) if self.faulty else vgg(classes=4)


class SumReduction(_Second):
    """CrossEntropyLoss(reduction="sum") under SGD."""

    truth, why, symptoms = ("F16", "F01", "F31"), "a sum over the batch", (*STILL, "F04", "F07")
    batch = 50
    optim = ("SGD", {"lr": 0.03, "momentum": 0.9})
    classes = 9

    def net(self) -> nn.Module:
        return vgg(classes=9)

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(outputs, y, reduction="sum" if self.faulty else "mean")


class BranchesInADict(_Second):
    """Convolutions of three sizes in a dict, their outputs side by side."""

    truth, why, symptoms = ("F45",), "a dict hides its modules", STILL

    def net(self) -> nn.Module:
        faulty = self.faulty

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                sizes = {"one": nn.Conv2d(3, 12, 1), "three": nn.Conv2d(3, 12, 3, padding=1),
                         "five": nn.Conv2d(3, 12, 5, padding=2)}  # fmt: skip
                self.sizes: Any = sizes if faulty else nn.ModuleDict(sizes)
                self.conv = nn.Conv2d(36, 32, 3, 2)
                self.fc = nn.Linear(32 * 49, 10)

            def forward(self, x: Tensor) -> Tensor:
                x = torch.cat([F.relu(one(x)) for one in self.sizes.values()], 1)
                return self.fc(F.relu(self.conv(x)).flatten(1))

        return Net()


class EvalFromTheStart(_Second):
    """model.eval() left over from inference: batch norm with the statistics 0 and 1, dropout off."""

    truth, why, symptoms = ("F46",), "never in training mode", STILL

    def net(self) -> nn.Module:
        return Dense()

    def before_epoch(self, model: nn.Module) -> None:
        model.train(not self.faulty)


class AdamAtAHalf(_Second):
    """Adam at 0.5."""

    truth, why, symptoms = ("F01", "F31", "F30"), "five hundred times the usual rate", (*STILL, "F04", "F07")
    faulty_optim = ("Adam", {"lr": 0.5})
    classes = 4

    def net(self) -> nn.Module:
        return LeNet(classes=4)


class NinetyOfAHundred(_Second):
    """Five classes, nine images of ten are of the first."""

    truth, why, symptoms = ("F24",), "the other classes are rare", STILL
    classes, count, steps_of = 5, 2000, 150

    def net(self) -> nn.Module:
        return mobile(classes=5)

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        if not self.faulty:
            return data
        kept = torch.cat([(labels == one).nonzero()[: 400 if one == 0 else 11, 0] for one in range(5)])
        return images[kept], labels[kept], more, their


class OtherOptimizerZeroed(_Second):
    """zero_grad() of the first optimizer, step() of the second."""

    truth, why, symptoms = ("F25",), "the gradients of the stepped one add up", (*STILL, "F01", "F07")
    optim = ("SGD", {"lr": 0.02, "momentum": 0.9})

    def net(self) -> nn.Module:
        return vgg()

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        loss, outputs = self.forward(model, x, y)
        if not hasattr(self, "old"):
            self.old = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
        (self.old if self.faulty else optimizer).zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach(), outputs.detach()


class DataInForward(_Second):
    """x = self.layer2(x).data in forward."""

    truth, why, symptoms = ("F26",), ".data cuts the graph", STILL

    def net(self) -> nn.Module:
        faulty = self.faulty

        class Net(SmallResNet):
            def features(self, x: Tensor) -> Tensor:
                x = self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x)))))
                x = x.data if faulty else x
                return self.layer3(x).mean((2, 3))

        return Net()


class OnlyBiases(_Second):
    """A group of parameters by name: only the biases come into the optimizer."""

    truth, why, symptoms = ("F26",), "weights are in no group", STILL
    optim = ("SGD", {"lr": 0.05, "momentum": 0.9})

    def net(self) -> nn.Module:
        return vgg()

    def trained(self, model: nn.Module) -> list[Any]:
        return [one for name, one in model.named_parameters() if not self.faulty or name.endswith("bias")]


class MirroredLetters(_Second):
    """RandomHorizontalFlip for pairs of classes that are mirror images."""

    truth, why, symptoms = ("F51",), "b becomes d", (*STILL, "F13", "F14")
    classes, shape, noise = 4, (1, 16, 16), 0.6

    def data(self) -> Data:
        from tests.benchmarks.doctor.real import parts

        images, labels, more, their = parts.pictures(self.shape, 4, noise=0.6, mirrored=True)
        return images - 0.45, labels, more - 0.45, their

    def net(self) -> nn.Module:
        return SmallResNet(1, 4)

    def augmented(self, x: Tensor) -> Tensor:
        turned = torch.rand(len(x), generator=self.random) < (0.5 if self.faulty else 0)
        return torch.where(turned[:, None, None, None], x.flip(-1), x)


# ---------------------------------------------------------------------- healthy


class LayerNormsOnly(_Second):
    """Layer norm before each activation."""

    def net(self) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.LayerNorm(768), nn.Linear(768, 128), nn.LayerNorm(128), nn.GELU(),
                             nn.Linear(128, 64), nn.LayerNorm(64), nn.GELU(), nn.Linear(64, 10))  # fmt: skip


class RpropFullBatch(_Second):
    """Rprop over all 200 images."""

    count, batch, steps_of = 200, 200, 100
    optim = ("Rprop", {"lr": 1e-3})
    classes = 4

    def net(self) -> nn.Module:
        return mlp(768, 32, 4, between=nn.Tanh)


class SixtyImages(_Second):
    """Three classes, sixty images."""

    count, classes, batch, steps_of = 60, 3, 20, 90
    noise = 0.5

    def net(self) -> nn.Module:
        return vgg(classes=3)


class ScaledCosines(_Second):
    """Cosines by a learned temperature that begins at 14 (as in CLIP)."""

    def net(self) -> nn.Module:
        class Net(SmallResNet):
            def __init__(self) -> None:
                super().__init__()
                self.words = nn.Parameter(torch.randn(10, 64))
                self.scale = nn.Parameter(torch.tensor(2.66))
                self.fc = nn.Identity()  # type: ignore[assignment]

            def forward(self, x: Tensor) -> Tensor:
                return self.scale.exp() * F.normalize(self.features(x)) @ F.normalize(self.words).T

        return Net()


class WithL1(_Second):
    """Cross-entropy plus an L1 penalty: the loss begins above that of a guess."""

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        outputs = model(x)
        penalty = sum((one.abs().sum() for one in model.parameters()), torch.zeros(()))
        loss = F.cross_entropy(outputs, y) + 1e-4 * penalty
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach(), outputs.detach()

    def net(self) -> nn.Module:
        return vgg()


class MeanOfProbabilities(_Second):
    """Two heads; the log of the mean of their softmaxes under nll_loss."""

    def net(self) -> nn.Module:
        class Net(LeNet):
            def __init__(self) -> None:
                super().__init__()
                self.other = nn.Linear(self.flat, 10)

            def forward(self, x: Tensor) -> Tensor:
                found = self.features(x)
                return ((self.head(found).softmax(1) + self.other(found).softmax(1)) / 2).log()

        return Net()

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.nll_loss(outputs, y)


class SquaredHinge(_Second):
    """One against all, squared hinge."""

    def net(self) -> nn.Module:
        return SmallResNet()

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.relu(1 - outputs * (2 * F.one_hot(y, 10) - 1)).pow(2).mean()


class NadamDepthwise(_Second):
    """NAdam, batch 128."""

    batch, steps_of, count = 128, 120, 1200
    optim = ("NAdam", {"lr": 2e-3})

    def net(self) -> nn.Module:
        return mobile()


class PositiveActivations(_Second):
    """Softplus in place of ReLU, AdamW with decay 0.1."""

    optim = ("AdamW", {"lr": 1e-3, "weight_decay": 0.1})

    def net(self) -> nn.Module:
        return mlp(768, 128, 64, 10, between=nn.Softplus)


class NoValidationAtAll(_Second):
    """Thirty steps an epoch, the loss of the last batch told as validation."""

    classes, count, steps_of = 6, 960, 120

    def net(self) -> nn.Module:
        return RowGRU(self.shape, 6)
