"""The third set: runs that are right and unusual."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer, lr_scheduler
from torch.optim.lr_scheduler import LRScheduler

from tests.benchmarks.doctor.held.nets import LeNet, SmallResNet, TinyViT, mlp, mobile, vgg
from tests.benchmarks.doctor.held.third_base import ThirdCase
from tests.benchmarks.doctor.real import parts
from tests.benchmarks.doctor.real.healthy_losses import fit
from tests.benchmarks.doctor.real.parts import Data


class LogSoftmaxUnderCrossEntropy(ThirdCase):
    """nn.LogSoftmax before nn.CrossEntropyLoss: the second one changes nothing, to the last digits."""

    def net(self) -> nn.Module:
        return nn.Sequential(mobile(), nn.LogSoftmax(1))


class BytesBehindANorm(ThirdCase):
    """Pixels 0..255; the net begins with a batch norm."""

    def net(self) -> nn.Module:
        return nn.Sequential(nn.BatchNorm2d(3), *vgg())

    def data(self) -> Data:
        images, labels, more, their = parts.pictures(self.shape, 10, top=255)
        return images, labels, more, their


class ModelMakesItsLoss(ThirdCase):
    """forward(images, labels) returns a loss with label smoothing and the scores."""

    classes = 6

    def net(self) -> nn.Module:
        class Net(SmallResNet):
            def forward(self, x: Tensor, labels: Tensor | None = None) -> Any:
                scores = super().forward(x)
                return (F.cross_entropy(scores, labels, label_smoothing=0.1), scores) if labels is not None else scores

        return Net(classes=6)

    def forward(self, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        loss, scores = model(x, y)
        return loss, scores


class RestartsByBatch(ThirdCase):
    """CosineAnnealingWarmRestarts(T_0=25, T_mult=2), stepped in each batch as it is meant."""

    optim = ("SGD", {"lr": 0.05, "momentum": 0.9})

    def net(self) -> nn.Module:
        return SmallResNet()

    def schedule(self, optimizer: Optimizer) -> LRScheduler:
        return lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 25, 2)


class LookedAtTwice(ThirdCase):
    """Validation by the mean of an image and its mirror image (test-time augmentation)."""

    def net(self) -> nn.Module:
        return mobile()

    def augmented(self, x: Tensor) -> Tensor:
        turned = torch.rand(len(x), generator=self.random) < 0.5
        return torch.where(turned[:, None, None, None], x.flip(-1), x)

    def validated(self, model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float, float]:
        outputs = (model(images) + model(images.flip(-1))) / 2
        share = self.share(outputs, labels).item()
        return self.loss(outputs, labels).item(), share, share


class RatesByDepth(ThirdCase):
    """Fine-tuning with a rate for each depth, from 1e-5 to 1e-3, no decay of norms and biases."""

    classes, steps_of = 5, 250

    def net(self) -> nn.Module:
        images, labels, _, _ = parts.pictures(self.shape, 8)
        made = SmallResNet(classes=8)
        fit(made, 2 * (images - 0.45), labels, 100)
        made.fc = nn.Linear(64, 5)
        return made

    def optimizer(self, model: nn.Module) -> Optimizer:
        self.scheduler = None
        groups = []
        for name, one in model.named_parameters():
            depth = 3 if name.startswith("fc") else int(name[5]) - 1 if name.startswith("layer") else 0
            groups.append({"params": [one], "lr": 1e-5 * 4.64**depth * (1 if depth < 3 else 4),
                           "weight_decay": 0.05 if one.dim() > 1 else 0.0})  # fmt: skip
        groups[-1]["lr"] = groups[-2]["lr"] = 5e-3
        return torch.optim.AdamW(groups, lr=1e-3)


class TwoPassesAStep(ThirdCase):
    """Sharpness-aware minimisation: weights moved uphill, gradients there, weights back, step."""

    optim = ("SGD", {"lr": 0.05, "momentum": 0.9})
    classes = 6

    def net(self) -> nn.Module:
        return vgg(classes=6)

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        loss, outputs = self.forward(model, x, y)
        optimizer.zero_grad()
        loss.backward()
        weights = [one for one in model.parameters() if one.grad is not None]
        with torch.no_grad():
            norm = torch.cat([one.grad.flatten() for one in weights if one.grad is not None]).norm()
            moves = [0.05 * one.grad / (norm + 1e-12) for one in weights if one.grad is not None]
            for one, move in zip(weights, moves, strict=True):
                one.add_(move)
        optimizer.zero_grad()
        self.forward(model, x, y)[0].backward()
        with torch.no_grad():
            for one, move in zip(weights, moves, strict=True):
                one.sub_(move)
        optimizer.step()
        return loss.detach(), outputs.detach()


class DrawnEvenly(ThirdCase):
    """Three classes 20:4:1, drawn evenly by a weighted sampler, with replacement."""

    classes, count = 3, 1500

    def net(self) -> nn.Module:
        return LeNet(classes=3)

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        kept = torch.cat([(labels == one).nonzero()[:few, 0] for one, few in enumerate((400, 80, 40))])
        return images[kept], labels[kept], more, their

    def order(self, labels: Tensor) -> Tensor:
        weights = (1 / torch.bincount(labels))[labels]
        return torch.multinomial(weights, len(labels), True, generator=self.random)

    def augmented(self, x: Tensor) -> Tensor:
        return x + 0.1 * torch.randn(x.shape, generator=self.random)


class TwoViews(ThirdCase):
    """Two noisy views of each image in one batch, cross-entropy and agreement of the answers."""

    classes = 8

    def net(self) -> nn.Module:
        return SmallResNet(classes=8)

    def forward(self, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        views = torch.cat([x + 0.2 * torch.randn(x.shape, generator=self.random) for _ in range(2)])
        first, second = model(views).chunk(2)
        apart = F.kl_div(second.log_softmax(1), first.softmax(1).detach(), reduction="batchmean")
        return F.cross_entropy(first, y) + F.cross_entropy(second, y) + 0.5 * apart, first


class AlsoDraws(ThirdCase):
    """A net that also draws its input: squared error of pixels beside the cross-entropy."""

    classes = 5

    def net(self) -> nn.Module:
        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.down = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 24, 3, 2, 1), nn.ReLU())
                self.up = nn.Sequential(nn.ConvTranspose2d(24, 16, 2, 2), nn.ReLU(), nn.ConvTranspose2d(16, 3, 2, 2))
                self.fc = nn.Linear(24 * 16, 5)

            def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
                code = self.down(x)
                return self.fc(code.flatten(1)), self.up(code)

        return Net()

    def forward(self, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        scores, drawn = model(x)
        return F.cross_entropy(scores, y) + 2 * F.mse_loss(drawn, x), scores

    def validated(self, model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float, float]:
        loss, scores = self.forward(model, images, labels)
        share = self.share(scores, labels).item()
        return loss.item(), share, share


class MixedUp(ThirdCase):
    """MixUp with soft rows under cross-entropy."""

    steps_of = 250

    def net(self) -> nn.Module:
        return mobile()

    def forward(self, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        part = float(torch.rand((), generator=self.random)) * 0.4
        other = torch.randperm(len(x), generator=self.random)
        rows = F.one_hot(y, 10).float()
        outputs = model((1 - part) * x + part * x[other])
        return F.cross_entropy(outputs, (1 - part) * rows + part * rows[other]), outputs


class AnglesOfStripes(ThirdCase):
    """A real quantity as the target: how fast stripes turn, between 0 and 1, squared error, one output."""

    classes, tells_labels = 2, False
    shape = (1, 16, 16)

    def net(self) -> nn.Module:
        return vgg(1, 1)

    def data(self) -> Data:
        random = torch.Generator().manual_seed(6)
        wanted = torch.rand(750, generator=random)
        across = torch.arange(16.0)[None, None, :] * (0.3 + wanted[:, None, None])
        phase = 6.28 * torch.rand(750, 1, 1, generator=random)
        images = torch.sin(across + phase).expand(-1, 16, -1) + 0.3 * torch.randn(750, 16, 16, generator=random)
        return images[:600, None], wanted[:600], images[600:, None], wanted[600:]

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.mse_loss(outputs[:, 0], y)

    def share(self, outputs: Tensor, labels: Tensor) -> Tensor:
        return ((outputs[:, 0] - labels).abs() < 0.1).float().mean()

    def validated(self, model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float, float]:
        outputs = model(images)
        share = self.share(outputs, labels).item()
        return self.loss(outputs, labels).item(), share, share


class Lion(Optimizer):
    """The sign of a mean of gradients, with decoupled decay: an optimizer of one's own."""

    def __init__(self, params: Iterable[Tensor], lr: float) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:  # noqa: ARG002  the signature of the base class
        for group in self.param_groups:
            for one in group["params"]:
                if one.grad is None:
                    continue
                mean = self.state[one].setdefault("mean", torch.zeros_like(one))
                one.mul_(1 - group["lr"] * 0.1).add_((0.9 * mean + 0.1 * one.grad).sign(), alpha=-group["lr"])
                mean.mul_(0.99).add_(one.grad, alpha=0.01)
        return None


class OwnOptimizer(ThirdCase):
    """Lion, written in the script, at 3e-4."""

    def net(self) -> nn.Module:
        return TinyViT(self.shape)

    def optimizer(self, model: nn.Module) -> Optimizer:
        self.scheduler = None
        return Lion(model.parameters(), 3e-4)


class SumOverTheCount(ThirdCase):
    """Four batches of eight: each loss is a sum, divided by the 32 images of all four."""

    batch, steps_of = 8, 480
    optim = ("SGD", {"lr": 0.05, "momentum": 0.9})

    def net(self) -> nn.Module:
        return LeNet()

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        outputs = model(x)
        loss = F.cross_entropy(outputs, y, reduction="sum") / 32
        loss.backward()
        if (self.steps + 1) % 4 == 0:
            optimizer.step()
            optimizer.zero_grad()
        return 32 * loss.detach() / len(y), outputs.detach()


class Distilled(ThirdCase):
    """A small net learns from a large one: softened answers at temperature 4 and labels."""

    def net(self) -> nn.Module:
        images, labels, _, _ = self.data()
        self.teacher = SmallResNet()
        fit(self.teacher, images, labels, 120)
        self.teacher.eval().requires_grad_(False)
        return LeNet()

    def forward(self, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        outputs = model(x)
        with torch.no_grad():
            wanted = self.teacher(x)
        soft = F.kl_div((outputs / 4).log_softmax(1), (wanted / 4).softmax(1), reduction="batchmean") * 16
        return 0.7 * soft + 0.3 * F.cross_entropy(outputs, y), outputs


class ValidatedByAverage(ThirdCase):
    """Validation by averaged weights, decay 0.9; a cosine to zero."""

    def net(self) -> nn.Module:
        made = mlp(768, 96, 10)
        self.average = copy.deepcopy(made)
        return made

    def schedule(self, optimizer: Optimizer) -> LRScheduler:
        return lr_scheduler.LambdaLR(optimizer, lambda step: 0.5 + 0.5 * math.cos(math.pi * min(step / 200, 1)))

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        result = super().update(model, optimizer, x, y)
        with torch.no_grad():
            for mean, one in zip(self.average.parameters(), model.parameters(), strict=True):
                mean.lerp_(one, 0.1)
        return result

    def validated(self, model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float, float]:  # noqa: ARG002
        return super().validated(self.average, images, labels)


class EveryPlaceAVote(ThirdCase):
    """A fully convolutional net: each place has scores, its image's label, and permute before the loss."""

    classes = 4

    def net(self) -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 24, 3, 2, 1), nn.GELU(), nn.Conv2d(24, 32, 3, 2, 1), nn.GELU(),
                             nn.Conv2d(32, 4, 1))  # fmt: skip

    def forward(self, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        outputs = model(x)
        return F.cross_entropy(outputs, y[:, None, None].expand(-1, 4, 4)), outputs.mean((2, 3))

    def validated(self, model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float, float]:
        loss, outputs = self.forward(model, images, labels)
        share = self.share(outputs, labels).item()
        return loss.item(), share, share
