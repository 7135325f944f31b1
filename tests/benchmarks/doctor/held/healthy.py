"""Runs that are right and unusual: losses by hand, rare heads, nets and optimisers."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer, lr_scheduler
from torch.optim.lr_scheduler import LRScheduler

from tests.benchmarks.doctor.held.case import Case
from tests.benchmarks.doctor.held.nets import (
    Dense,
    LeNet,
    Mixer,
    RowGRU,
    RowLSTM,
    SmallResNet,
    TinyViT,
    mlp,
    mobile,
    vgg,
)
from tests.benchmarks.doctor.real import parts
from tests.benchmarks.doctor.real.healthy_losses import fit
from tests.benchmarks.doctor.real.parts import Data


class MeanOverClassesToo(Case):
    """A cross-entropy by hand whose mean runs over classes as well: a tenth of the usual one."""

    def net(self) -> nn.Module:
        return SmallResNet()

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return -(F.one_hot(y, 10) * outputs.log_softmax(1)).mean()


class Ordinal(Case):
    """Five grades as four questions "more than k?" (ordinal regression)."""

    classes = 5
    tells_labels = True

    def net(self) -> nn.Module:
        return vgg(classes=4)

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(outputs, (y[:, None] > torch.arange(4)).float())

    def share(self, outputs: Tensor, labels: Tensor) -> Tensor:
        return ((outputs > 0).sum(1) == labels).float().mean()


class WeighedSeveralLabels(Case):
    """Three properties of an image with pos_weight."""

    classes, patterns = 3, 8
    tells_labels = False

    def net(self) -> nn.Module:
        return SmallResNet(classes=3)

    def bits(self, y: Tensor) -> Tensor:
        return torch.stack([(y >> place) & 1 for place in range(3)], 1).float()

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(outputs, self.bits(y), pos_weight=torch.tensor([2.0, 1.0, 3.0]))

    def share(self, outputs: Tensor, labels: Tensor) -> Tensor:
        return ((outputs > 0) == self.bits(labels).bool()).float().mean()


class SigmoidsOfSeveralLabels(WeighedSeveralLabels):
    """The same with sigmoids in the net and BCELoss."""

    def net(self) -> nn.Module:
        return nn.Sequential(vgg(classes=3), nn.Sigmoid())

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.binary_cross_entropy(outputs, self.bits(y))

    def share(self, outputs: Tensor, labels: Tensor) -> Tensor:
        return ((outputs > 0.5) == self.bits(labels).bool()).float().mean()


class MarginHead(Case):
    """Cosines with an additive margin, times 30 (ArcFace's kin): the loss begins far above ln C."""

    optim = ("SGD", {"lr": 0.02, "momentum": 0.9})

    def net(self) -> nn.Module:
        class Net(SmallResNet):
            def __init__(self) -> None:
                super().__init__()
                self.fc = nn.Linear(64, 10, bias=False)

            def forward(self, x: Tensor) -> Tensor:
                return 30 * F.linear(F.normalize(self.features(x)), F.normalize(self.fc.weight))

        return Net()

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(outputs - 30 * 0.2 * F.one_hot(y, 10), y)


class Prototypes(Case):
    """Minus the squared distances to learned prototypes as scores."""

    def net(self) -> nn.Module:
        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.body = nn.Sequential(*vgg()[:-1], nn.Linear(64, 16))
                self.prototypes = nn.Parameter(torch.randn(10, 16))

            def forward(self, x: Tensor) -> Tensor:
                return -torch.cdist(self.body(x), self.prototypes).pow(2)

        return Net()


class ContrastiveCodes(Case):
    """Supervised contrastive codes, no head at all."""

    tells_labels = False
    batch = 64
    classes = 5

    def net(self) -> nn.Module:
        return vgg(classes=16)

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        code = F.normalize(outputs)
        near = (code @ code.T / 0.2).fill_diagonal_(-1e4)
        same = (y[:, None] == y[None]).float().fill_diagonal_(0)
        return -((near.log_softmax(1) * same).sum(1) / same.sum(1).clamp_min(1)).mean()

    def share(self, outputs: Tensor, labels: Tensor) -> Tensor:
        near = (F.normalize(outputs) @ F.normalize(outputs).T).fill_diagonal_(-2)
        return (labels[near.argmax(1)] == labels).float().mean()


class RowsThroughLstm(Case):
    """An LSTM over rows, clipped at 1."""

    shape, classes, steps_of = (1, 16, 16), 6, 300
    optim = ("Adam", {"lr": 3e-3})

    def net(self) -> nn.Module:
        return RowLSTM(self.shape, 6)

    def cut(self, model: nn.Module) -> None:
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)


class RowsThroughGru(Case):
    """A two-layer bidirectional GRU, RMSprop."""

    optim = ("RMSprop", {"lr": 1e-3})

    def net(self) -> nn.Module:
        return RowGRU(self.shape)


class SmallVit(Case):
    """A transformer of own blocks, AdamW with warm-up and cosine."""

    optim = ("AdamW", {"lr": 2e-3, "weight_decay": 0.05})
    steps_of = 250

    def net(self) -> nn.Module:
        return TinyViT(self.shape)

    def schedule(self, optimizer: Optimizer) -> LRScheduler:
        return lr_scheduler.LambdaLR(
            optimizer, lambda step: min((step + 1) / 30, 0.5 + 0.5 * math.cos(math.pi * min(step / 250, 1)))
        )


class MixerNet(Case):
    """An MLP-Mixer with GELU."""

    def net(self) -> nn.Module:
        return Mixer(self.shape)


class DenseNet(Case):
    """A dense block with SGD and Nesterov."""

    optim = ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-4})

    def net(self) -> nn.Module:
        return Dense()


class Depthwise(Case):
    """Depthwise convolutions, SiLU, RMSprop with momentum."""

    optim = ("RMSprop", {"lr": 2e-3, "momentum": 0.9, "eps": 1e-3})

    def net(self) -> nn.Module:
        return mobile()


class SqueezeGates(Case):
    """Channel gates by sigmoids (squeeze and excitation)."""

    def net(self) -> nn.Module:
        class Gate(nn.Module):
            def __init__(self, width: int) -> None:
                super().__init__()
                self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, width // 4),
                                          nn.ReLU(), nn.Linear(width // 4, width), nn.Sigmoid())  # fmt: skip

            def forward(self, x: Tensor) -> Tensor:
                return x * self.gate(x)[:, :, None, None]

        return nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), Gate(32), nn.MaxPool2d(2),
                             nn.Conv2d(32, 32, 3), nn.ReLU(), Gate(32), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
                             nn.Linear(128, 10))  # fmt: skip


class HundredClasses(Case):
    """A hundred classes, twenty images each."""

    classes, count, batch, steps_of, noise = 100, 2000, 100, 200, 0.5

    def net(self) -> nn.Module:
        return SmallResNet(classes=100)


class TanhAndHinge(Case):
    """One output behind a tanh, hinge loss of −1 and +1."""

    classes, noise = 2, 2.0
    tells_labels = True

    def net(self) -> nn.Module:
        return nn.Sequential(LeNet(classes=1), nn.Tanh())

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.relu(1 - outputs[:, 0] * (2 * y - 1)).mean()

    def share(self, outputs: Tensor, labels: Tensor) -> Tensor:
        return ((outputs[:, 0] > 0).long() == labels).float().mean()


class ScaledLoss(Case):
    """The loss times 1,024 before backward, gradients divided before the step (as a scaler does)."""

    def net(self) -> nn.Module:
        return SmallResNet()

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        loss, outputs = self.forward(model, x, y)
        optimizer.zero_grad()
        (loss * 1024).backward()
        for one in model.parameters():
            assert one.grad is not None
            one.grad /= 1024
        optimizer.step()
        return loss.detach(), outputs.detach()


class ClippedByValue(Case):
    """clip_grad_value_ at 0.1."""

    optim = ("SGD", {"lr": 0.05, "momentum": 0.9})

    def net(self) -> nn.Module:
        return vgg()

    def cut(self, model: nn.Module) -> None:
        nn.utils.clip_grad_value_(model.parameters(), 0.1)


class DropPath(Case):
    """Residual branches left out at random in training (stochastic depth)."""

    def net(self) -> nn.Module:
        class Net(SmallResNet):
            def forward(self, x: Tensor) -> Tensor:
                x = F.relu(self.bn1(self.conv1(x)))
                for block in (self.layer1, self.layer2, self.layer3):
                    if block is self.layer1 and self.training and torch.rand(()) < 0.2:
                        continue
                    x = block(x)
                return self.fc(x.mean((2, 3)))

        return Net()


class WeightNormed(Case):
    """Weight norm on all linear layers."""

    def net(self) -> nn.Module:
        made = mlp(768, 128, 64, 10)
        for one in made:
            if isinstance(one, nn.Linear):
                nn.utils.parametrizations.weight_norm(one)
        return made


class Doubles(Case):
    """float64 throughout."""

    def net(self) -> nn.Module:
        return LeNet().double()

    def spoiled(self, data: Data) -> Data:
        return data[0].double(), data[1], data[2].double(), data[3]


class FullBatch(Case):
    """Gradient descent on all 300 images at once, at 0.3."""

    count, batch, steps_of = 300, 300, 150
    optim = ("SGD", {"lr": 0.3})

    def net(self) -> nn.Module:
        return mlp(768, 100, 10, between=nn.Tanh)


class TwoNets(Case):
    """The mean of the scores of two nets in one module."""

    def net(self) -> nn.Module:
        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.nets = nn.ModuleList([LeNet(), vgg()])

            def forward(self, x: Tensor) -> Tensor:
                return (self.nets[0](x) + self.nets[1](x)) / 2

        return Net()


class SoftTargets(Case):
    """KL divergence to softened labels."""

    def net(self) -> nn.Module:
        return SmallResNet()

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        wanted = 0.8 * F.one_hot(y, 10) + 0.02
        return F.kl_div(outputs.log_softmax(1), wanted, reduction="batchmean")


class PolyLoss(Case):
    """Cross-entropy plus 1 − p of the true class."""

    def net(self) -> nn.Module:
        return Dense()

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        p = outputs.softmax(1).gather(1, y[:, None])[:, 0]
        return (F.cross_entropy(outputs, y, reduction="none") + 1 - p).mean()


class TurnedByQuarters(Case):
    """Self-supervised: tell by how many quarters a picture is turned."""

    classes, patterns = 4, 3
    noise = 0.5
    tells_labels = False

    def net(self) -> nn.Module:
        return SmallResNet(classes=4)

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        for part, kinds in ((images, labels), (more, their)):
            kinds.copy_(torch.arange(len(kinds)) % 4)
            for index, one in enumerate(kinds.tolist()):
                part[index] = part[index].rot90(one, (1, 2))
        return images, labels, more, their

    def data(self) -> Data:
        images, labels, more, their = parts.pictures(self.shape, 3, count=self.count, noise=0.5)
        return self.spoiled((images.clone() - 0.45, labels.clone(), more.clone() - 0.45, their.clone()))


class LinearToZero(Case):
    """The rate falls along a line to exactly 0."""

    optim = ("SGD", {"lr": 0.1, "momentum": 0.9})

    def net(self) -> nn.Module:
        return SmallResNet()

    def schedule(self, optimizer: Optimizer) -> LRScheduler:
        return lr_scheduler.LinearLR(optimizer, 1.0, 0.0, self.program.steps)


class MildImbalance(Case):
    """Two classes, seven to three."""

    classes, noise = 2, 2.0

    def net(self) -> nn.Module:
        return vgg(classes=2)

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        kept = torch.cat([(labels == 0).nonzero()[:, 0], (labels == 1).nonzero()[:130, 0]])
        return images[kept], labels[kept], more, their


class ProbeOfARandomNet(Case):
    """A linear probe of a pretrained net under no_grad: only the head is trained, on purpose."""

    classes = 5
    optim = ("Adam", {"lr": 1e-2})

    def net(self) -> nn.Module:
        class Net(LeNet):
            def forward(self, x: Tensor) -> Tensor:
                with torch.no_grad():
                    found = self.features(x)
                return self.head(found)

        made = Net(classes=5)
        images, labels, _, _ = self.data()
        fit(made, images, labels, 40)
        for name, one in made.named_parameters():
            one.requires_grad = name.startswith("fc")
        made.fc3 = nn.Linear(48, 5)
        return made

    def trained(self, model: nn.Module) -> list[Any]:
        return [one for one in model.parameters() if one.requires_grad]


class FlippedPictures(Case):
    """Mirrored at random, where the classes are no mirror images."""

    steps_of = 300

    def net(self) -> nn.Module:
        return SmallResNet()

    def augmented(self, x: Tensor) -> Tensor:
        turned = torch.rand(len(x), generator=self.random) < 0.5
        return torch.where(turned[:, None, None, None], x.flip(-1), x)


class CroppedAndFlipped(Case):
    """Padded by two, cropped, mirrored, a small piece erased."""

    steps_of = 300

    def net(self) -> nn.Module:
        return mobile()

    def augmented(self, x: Tensor) -> Tensor:
        padded = F.pad(x, (2, 2, 2, 2), mode="reflect")
        made = []
        for one in padded:
            top, left = torch.randint(0, 5, (2,), generator=self.random).tolist()
            piece = one[:, top : top + 16, left : left + 16].clone()
            if torch.rand((), generator=self.random) < 0.5:
                piece = piece.flip(-1)
            piece[:, 4:8, 4:8] = 0
            made.append(piece)
        return torch.stack(made)


class PictureByPicture(Case):
    """Each image standardised by itself, instance norm in the net."""

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        flat = [(one - one.mean((1, 2, 3), True)) / one.std((1, 2, 3), keepdim=True) for one in (images, more)]
        return flat[0], labels, flat[1], their

    def net(self) -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 24, 3, padding=1), nn.InstanceNorm2d(24, affine=True), nn.ReLU(),
                             nn.MaxPool2d(2), nn.Conv2d(24, 32, 3), nn.InstanceNorm2d(32, affine=True), nn.ReLU(),
                             nn.Flatten(), nn.Linear(32 * 36, 10))  # fmt: skip


class LargeFullyConnected(Case):
    """A wide net at a small rate with SGD 0.9 and weight decay 1e-2."""

    optim = ("SGD", {"lr": 0.01, "momentum": 0.9, "weight_decay": 1e-2})

    def net(self) -> nn.Module:
        return mlp(768, 512, 256, 10)


class FineTunedGently(Case):
    """A net that knows other patterns, Adam 1e-4, its batch norms in eval mode."""

    classes = 5
    optim = ("Adam", {"lr": 3e-4})

    def net(self) -> nn.Module:
        images, labels, _, _ = parts.pictures(self.shape, 8)
        made = SmallResNet(classes=8)
        fit(made, images - 0.45, labels, 80)
        made.fc = nn.Linear(64, 5)
        return made

    def before_epoch(self, model: nn.Module) -> None:
        model.train()
        for one in model.modules():
            if isinstance(one, nn.BatchNorm2d):
                one.eval()
