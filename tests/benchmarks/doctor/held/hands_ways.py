"""Healthy runs in other hands' style: losses, nets and data."""

from __future__ import annotations

import itertools
import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, parametrize

from tests.benchmarks.doctor.held.hands_base import HandsCase, OwnLoop, encoder, pretrained, share, updated
from tests.benchmarks.doctor.held.nets import mlp
from tests.benchmarks.doctor.real import parts
from tests.benchmarks.doctor.real.parts import Data

# ---------------------------------------------------------------------- losses


class LogOfSoftmax(HandsCase):
    """Softmax in the model, and -log(p + 1e-8) of the true class by hand."""

    def net(self) -> nn.Module:
        return nn.Sequential(encoder(), nn.Linear(64, 6), nn.Softmax(dim=-1))

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return -torch.log(outputs[torch.arange(len(y)), y] + 1e-8).mean()


class EachAgainstAll(HandsCase):
    """Exclusive classes by binary cross-entropy of one-hot rows, as some recipes have it on purpose."""

    def net(self) -> nn.Module:
        return nn.Sequential(encoder(), nn.Linear(64, 6))

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(outputs, F.one_hot(y, 6).float())


class RareByFocus(HandsCase):
    """A sigmoid focal loss (alpha 0.25, gamma 2) and a last bias of -log(99): every class begins as rare."""

    steps_of = 200
    optim = ("SGD", {"lr": 0.1, "momentum": 0.9})

    def net(self) -> nn.Module:
        head = nn.Linear(64, 6)
        nn.init.normal_(head.weight, std=0.01)
        nn.init.constant_(head.bias, -math.log(99))
        return nn.Sequential(encoder(), head)

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        wanted = F.one_hot(y, 6).to(outputs)
        p = outputs.sigmoid()
        each = F.binary_cross_entropy_with_logits(outputs, wanted, reduction="none")
        hard = (1 - (p * wanted + (1 - p) * (1 - wanted))) ** 2
        return ((0.25 * wanted + 0.75 * (1 - wanted)) * hard * each).sum() / len(y)


class SmoothedByHand(HandsCase):
    """Label smoothing written out, 0.1 on the true class's log-probability, with gradients cut at 1."""

    def net(self) -> nn.Module:
        return nn.Sequential(encoder(), nn.Dropout(0.3), nn.Linear(64, 6))

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        logs = F.log_softmax(outputs, dim=-1)
        true = -logs.gather(dim=-1, index=y.unsqueeze(1)).squeeze(1)
        return (0.9 * true + 0.1 * -logs.mean(dim=-1)).mean()

    def cut(self, model: nn.Module) -> None:
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)


class MixedOrCut(OwnLoop):
    """MixUp or CutMix by a coin, smoothed soft rows, a cross-entropy of rows written by hand."""

    steps_of = 240

    def net(self) -> nn.Module:
        return nn.Sequential(encoder(), nn.Linear(64, 6))

    def step(self, model: Any, optimizer: Any, x: Tensor, y: Tensor) -> Tensor:
        rows = F.one_hot(y, 6) * 0.9 + 0.1 / 6
        lam = float(torch.distributions.Beta(0.8, 0.8).sample())
        if torch.rand(()) < 0.5:
            x, lam = lam * x + (1 - lam) * x.flip(0), lam
        else:
            side = round(16 * math.sqrt(1 - lam))
            top, left = torch.randint(0, 17 - side, (2,)).tolist()
            x = x.clone()
            x[:, :, top : top + side, left : left + side] = x.flip(0)[:, :, top : top + side, left : left + side]
            lam = 1 - side * side / 256
        rows = lam * rows + (1 - lam) * rows.flip(0)
        return updated(optimizer, torch.sum(-rows * F.log_softmax(model(x), dim=-1), dim=-1).mean())


class OneInAHundred(OwnLoop):
    """99 : 1, one logit, pos_weight of 99; told is the mean of both classes' shares."""

    steps_of = 240

    def data(self) -> Data:
        return parts.rare()

    def net(self) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(512, 1)
        )

    def step(self, model: Any, optimizer: Any, x: Tensor, y: Tensor) -> Tensor:
        weigh = nn.BCEWithLogitsLoss(pos_weight=torch.tensor([99.0]))
        return updated(optimizer, weigh(model(x), y.float().unsqueeze(1)))

    def rated(self, model: Any, images: Tensor, labels: Tensor) -> float:
        right = (model(images)[:, 0] > 0) == labels.bool()
        return (right[labels == 0].float().mean() + right[labels == 1].float().mean()).item() / 2


class PenalisedSlope(OwnLoop):
    """Double backward: the squared slope of the loss over the image is part of the loss."""

    def net(self) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(3, 24, 3, 2, 1), nn.SiLU(), nn.Conv2d(24, 48, 3, 2, 1), nn.SiLU(), nn.Flatten(),
            nn.Linear(768, 64), nn.SiLU(), nn.Linear(64, 6),
        )  # fmt: skip

    def step(self, model: Any, optimizer: Any, x: Tensor, y: Tensor) -> Tensor:
        x = x.clone().requires_grad_(True)
        cost = F.cross_entropy(model(x), y)
        (slope,) = torch.autograd.grad(cost, x, create_graph=True)
        return updated(optimizer, cost + 0.5 * len(x) * slope.pow(2).sum((1, 2, 3)).mean())


class HintsOfATeacher(OwnLoop):
    """A student learns a teacher's middle features by squared error, its answers by KL at 4, the labels a little."""

    def net(self) -> nn.Module:
        teacher = pretrained(self, 6).eval().requires_grad_(False)
        student = nn.ModuleDict({
            "body": nn.Sequential(nn.Conv2d(3, 12, 3, 2, 1), nn.ReLU(), nn.Conv2d(12, 16, 3, 2, 1), nn.ReLU(),
                                  nn.Flatten()),
            "match": nn.Linear(256, 64), "head": nn.Linear(256, 6),
        })  # fmt: skip
        self.teacher = teacher
        return student

    def step(self, model: Any, optimizer: Any, x: Tensor, y: Tensor) -> Tensor:
        with torch.no_grad():
            hint = self.teacher[:-1](x)
            soft = (self.teacher[-1](hint) / 4).softmax(-1)
        found = model["body"](x)
        scores = model["head"](found)
        kl = nn.KLDivLoss(reduction="batchmean")((scores / 4).log_softmax(-1), soft) * 16
        return updated(optimizer, F.mse_loss(model["match"](found), hint) + 0.9 * kl + 0.1 * F.cross_entropy(scores, y))

    def rated(self, model: Any, images: Tensor, labels: Tensor) -> float:
        return share(model["head"](model["body"](images)), labels)


class AtThreeDepths(OwnLoop):
    """Deep supervision: a head at each of three depths while it trains, the last one alone afterwards."""

    def net(self) -> nn.Module:
        class Deep(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                widths = (3, 24, 32, 48)
                self.stages = nn.ModuleList(
                    nn.Sequential(nn.Conv2d(a, b, 3, 2, 1), nn.BatchNorm2d(b), nn.PReLU())
                    for a, b in itertools.pairwise(widths)
                )
                self.heads = nn.ModuleList(nn.Linear(width, 6) for width in widths[1:])

            def forward(self, x: Tensor) -> Any:
                said = []
                for stage, head in zip(self.stages, self.heads, strict=True):
                    x = stage(x)
                    said.append(head(x.mean((-2, -1))))
                return said if self.training else said[-1]

        return Deep()

    def step(self, model: Any, optimizer: Any, x: Tensor, y: Tensor) -> Tensor:
        losses = [F.cross_entropy(one, y) for one in model(x)]
        return updated(optimizer, 0.3 * losses[0] + 0.6 * losses[1] + losses[2])


# ---------------------------------------------------------------------- nets


class FrozenBody(nn.Module):
    """A body that nobody trains, whose norms stay in evaluation whatever train() says."""

    def __init__(self, body: nn.Module, classes: int) -> None:
        super().__init__()
        self.body, self.fc = body, nn.Linear(64, classes)
        for one in self.body.parameters():
            one.requires_grad = False

    def train(self, mode: bool = True) -> FrozenBody:
        super().train(mode)
        self.body.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.body(x))


class HeadOfAFrozenBody(HandsCase):
    """A frozen, pretrained body whose batch norms stay in evaluation; a new head at 1e-2."""

    optim = ("Adam", {"lr": 1e-2})

    def net(self) -> nn.Module:
        return FrozenBody(pretrained(self, 6)[:-1], 6)


class Factor(nn.Module):
    """W + B A * 2, where B begins at 0."""

    def __init__(self, weight: Tensor, rank: int = 4) -> None:
        super().__init__()
        rows, columns = weight.flatten(1).shape
        self.a = nn.Parameter(torch.randn(rank, columns) / math.sqrt(columns))
        self.b = nn.Parameter(torch.zeros(rows, rank))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + 2.0 * (self.b @ self.a).view_as(weight)


class AdaptersByParametrization(HandsCase):
    """Low-rank adapters put on all weights of a pretrained net by torch's parametrize; nothing else is trained."""

    optim = ("AdamW", {"lr": 5e-3})

    def net(self) -> nn.Module:
        made = pretrained(self, 6, 60)
        made.requires_grad_(False)
        for layer in made.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                parametrize.register_parametrization(layer, "weight", Factor(layer.weight))
        return made


class FakeQuantised(HandsCase):
    """Quantisation-aware: weights and activations are rounded to eight bits in the forward pass, gradients pass."""

    def net(self) -> nn.Module:
        class Rounded(nn.Module):
            def forward(self, x: Tensor) -> Tensor:
                scale = float(x.detach().abs().amax().clamp_min(1e-6)) / 127
                return torch.fake_quantize_per_tensor_affine(x, scale, 0, -128, 127)

        made = nn.Sequential(
            nn.Conv2d(3, 24, 3, 2, 1), nn.ReLU(), Rounded(), nn.Conv2d(24, 48, 3, 2, 1), nn.ReLU(), Rounded(),
            nn.Flatten(), nn.Linear(768, 6),
        )  # fmt: skip
        for layer in made:
            if isinstance(layer, nn.Conv2d | nn.Linear):
                parametrize.register_parametrization(layer, "weight", Rounded())
        return made


class SpectralNormed(HandsCase):
    """Spectral norm on all layers: no layer stretches, scores are scaled by ten."""

    steps_of = 200

    def net(self) -> nn.Module:
        normed = parametrizations.spectral_norm

        class Scaled(nn.Module):
            def forward(self, x: Tensor) -> Tensor:
                return 10 * x

        return nn.Sequential(
            normed(nn.Conv2d(3, 24, 3, 2, 1)), nn.LeakyReLU(0.1), normed(nn.Conv2d(24, 48, 3, 2, 1)),
            nn.LeakyReLU(0.1), nn.Flatten(), normed(nn.Linear(768, 6)), Scaled(),
        )  # fmt: skip


class StandardisedWeights(HandsCase):
    """Convolutions that standardise their weights, group norm, batches of two, eight of them a step."""

    batch, steps_of = 2, 800
    optim = ("SGD", {"lr": 0.05, "momentum": 0.9})

    def net(self) -> nn.Module:
        class Standardised(nn.Conv2d):
            def forward(self, x: Tensor) -> Tensor:
                w = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
                w = w / (w.std((1, 2, 3), keepdim=True) + 1e-5)
                return F.conv2d(x, w / math.sqrt(w[0].numel()), self.bias, self.stride, self.padding)

        return nn.Sequential(
            Standardised(3, 16, 3, 2, 1), nn.GroupNorm(4, 16), nn.ReLU(), Standardised(16, 32, 3, 2, 1),
            nn.GroupNorm(4, 32), nn.ReLU(), nn.Flatten(), nn.Linear(512, 6),
        )  # fmt: skip

    def update(self, model: nn.Module, optimizer: Any, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        loss, outputs = self.forward(model, x, y)
        (loss / 8).backward()
        if self.steps % 8 == 7:
            optimizer.step()
            optimizer.zero_grad()
        return loss.detach(), outputs.detach()


# ---------------------------------------------------------------------- data


class SpiralByWaves(HandsCase):
    """Points of a plane through sines and cosines of fixed random frequencies, a small SiLU net."""

    classes, steps_of = 3, 300
    optim = ("AdamW", {"lr": 3e-3})

    def data(self) -> Data:
        return parts.points()

    def net(self) -> nn.Module:
        class Waves(nn.Module):
            rates: Tensor

            def __init__(self) -> None:
                super().__init__()
                self.register_buffer("rates", 2 * torch.randn(2, 32))

            def forward(self, x: Tensor) -> Tensor:
                angles = x.flatten(1) @ self.rates
                return torch.cat([angles.sin(), angles.cos()], -1)

        return nn.Sequential(Waves(), mlp(64, 64, 64, 3, between=nn.SiLU))


class GreyTextures(HandsCase):
    """Grey stripes of little contrast, as photographed: no normalisation but a batch norm at the front."""

    classes, steps_of = 4, 240
    optim = ("Adam", {"lr": 3e-3})

    def data(self) -> Data:
        return parts.textures()

    def net(self) -> nn.Module:
        return nn.Sequential(
            nn.BatchNorm2d(1, affine=False), nn.Conv2d(1, 16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(32, 4),
        )  # fmt: skip
