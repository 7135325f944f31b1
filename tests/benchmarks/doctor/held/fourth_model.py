"""The fourth set: how models are wired."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.benchmarks.doctor.held.fourth_base import FourthCase, Strided, normed
from tests.benchmarks.doctor.held.nets import SmallResNet
from tests.benchmarks.doctor.real import parts
from tests.benchmarks.doctor.real.healthy_losses import fit


class OneBlockFourTimes(FourthCase):
    """nn.Sequential(*[block] * 4): one block, four times."""

    truth, why = ("F65",), "four layers share their weights"

    def net(self) -> nn.Module:
        def block() -> nn.Module:
            return nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.ReLU())

        blocks = [block()] * 4 if self.faulty else [block() for _ in range(4)]
        return nn.Sequential(nn.Conv2d(3, 16, 2, 2), nn.ReLU(), *blocks, nn.AdaptiveAvgPool2d(2), nn.Flatten(),
                             nn.Linear(64, 6))  # fmt: skip


class HeadUnderAnotherName(FourthCase):
    """model.classifier = nn.Linear(64, 5) for a net whose last layer is called fc."""

    truth, why = ("F26", "F27"), "the new layer is never called, the old one answers with ten classes"
    classes = 5

    def net(self) -> nn.Module:
        made = SmallResNet()
        images, labels, _, _ = parts.pictures(self.shape, 10)
        fit(made, 2 * (images - 0.45), labels, 40)
        setattr(made, "classifier" if self.faulty else "fc", nn.Linear(64, 5))
        return made


class OutFeaturesAssigned(FourthCase):
    """model.fc.out_features = 4: an attribute, no layer."""

    truth, why = ("F27",), "the layer still has ten outputs"
    classes = 4

    def net(self) -> nn.Module:
        made = SmallResNet()
        if self.faulty:
            made.fc.out_features = 4
        else:
            made.fc = nn.Linear(64, 4)
        return made


class MadeAtTheFirstCall(FourthCase):
    """forward makes its linear layer when it knows the size: after the optimizer was made."""

    truth, why = ("F26", "F45"), "the optimizer does not hold the last layer"

    def net(self) -> nn.Module:
        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.body = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 8, 3, 2, 1), nn.ReLU())
                self.fc: nn.Module | None = None

            def forward(self, x: Tensor) -> Tensor:
                x = self.body(x).flatten(1)
                if self.fc is None:
                    self.fc = nn.Linear(x.shape[1], 6)
                return self.fc(x)

        made = Net()
        if not self.faulty:
            made(torch.zeros(1, 3, 16, 16))
        return made


class PlainTensorHead(FourthCase):
    """self.weight = torch.randn(…, requires_grad=True): no nn.Parameter."""

    truth, why = ("F45", "F26"), "the model does not hold its last layer"

    def net(self) -> nn.Module:
        faulty = self.faulty

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.body = nn.Sequential(nn.Conv2d(3, 12, 5, 3), nn.ReLU(), nn.Flatten())
                weight = 0.1 * torch.randn(192, 6)
                self.weight = weight.requires_grad_() if faulty else nn.Parameter(weight)

            def forward(self, x: Tensor) -> Tensor:
                return self.body(x) @ self.weight

        return Net()


class TanhScores(FourthCase):
    """The last layer is followed by a tanh, the loss is a cross-entropy: no score leaves −1..1."""

    truth, why = ("F42", "F40"), "with scores in −1..1 no class can have more than 0.6"

    def net(self) -> nn.Module:
        return nn.Sequential(Strided(), *([nn.Tanh()] if self.faulty else []))


class CosinesWithoutScale(FourthCase):
    """Cosines between features and class vectors straight into the cross-entropy."""

    truth, why = ("F42", "F40"), "with scores in −1..1 no class can have more than 0.6"

    def net(self) -> nn.Module:
        scale = 1.0 if self.faulty else 16.0

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.body = normed(48)
                self.codes = nn.Parameter(torch.randn(6, 48))

            def forward(self, x: Tensor) -> Tensor:
                cosines = F.linear(F.normalize(self.body(x)), F.normalize(self.codes))
                return cosines if scale == 1 else scale * cosines

        return Net()


class HiddenStateKept(FourthCase):
    """self.hidden of a GRU goes on from batch to batch, detached: an image is read behind others."""

    truth, why = ("F63", "F57"), "the answer depends on the batch before"

    def net(self) -> nn.Module:
        faulty = self.faulty

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.gru, self.fc = nn.GRU(48, 48, batch_first=True), nn.Linear(48, 6)
                self.hidden: Tensor | None = None

            def forward(self, x: Tensor) -> Tensor:
                before = self.hidden if faulty else None
                if before is not None and before.shape[1] != len(x):
                    before = None
                states, last = self.gru(x.permute(0, 2, 1, 3).flatten(2), before)
                self.hidden = last.detach()
                return self.fc(states[:, -1])

        return Net()


class OwnBatchNorm(FourthCase):
    """A batch norm of one's own that keeps no means: evaluation takes those of the batch as well."""

    truth, why = ("F57", "F23"), "an image's answer depends on the images beside it"

    def net(self) -> nn.Module:
        class Norm(nn.Module):
            def forward(self, x: Tensor) -> Tensor:
                return (x - x.mean((0, 2, 3), True)) / (x.var((0, 2, 3), keepdim=True) + 1e-5).sqrt()

        norms: Any = (Norm(), Norm()) if self.faulty else (nn.BatchNorm2d(16), nn.BatchNorm2d(24))
        return nn.Sequential(nn.Conv2d(3, 16, 3, 2), norms[0], nn.ReLU(), nn.Conv2d(16, 24, 3, 2), norms[1], nn.ReLU(),
                             nn.Flatten(), nn.Linear(216, 6))  # fmt: skip


class AuxiliaryOnly(FourthCase):
    """out, aux = model(x), and the loss is that of aux twice."""

    truth, why = ("F26",), "the last layer gets no gradient"

    def net(self) -> nn.Module:
        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.low = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU())
                self.high = nn.Sequential(nn.Conv2d(16, 24, 3, 2, 1), nn.ReLU())
                self.aux, self.out = nn.Linear(1024, 6), nn.Linear(384, 6)

            def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
                low = self.low(x)
                return self.out(self.high(low).flatten(1)), self.aux(low.flatten(1))

        return Net()

    def forward(self, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        out, aux = model(x)
        return F.cross_entropy(aux if self.faulty else out, y) + 0.4 * F.cross_entropy(aux, y), out

    def validated(self, model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float, float]:
        out, _ = model(images)
        share = self.share(out, labels).item()
        return F.cross_entropy(out, labels).item(), share, share


class SoftmaxWithoutDim(FourthCase):
    """F.softmax(weights) without dim: of N x T x T it takes dimension 0."""

    truth, why = ("F48", "F57"), "the weights of an image depend on the other images"

    def net(self) -> nn.Module:
        dim = None if self.faulty else -1

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.patch, self.mix = nn.Conv2d(3, 32, 4, 4), nn.Linear(32, 64)
                self.values, self.norm, self.fc = nn.Linear(32, 32), nn.LayerNorm(32), nn.Linear(32, 6)

            def forward(self, x: Tensor) -> Tensor:
                x = self.patch(x).flatten(2).transpose(1, 2)
                query, key = self.mix(x).chunk(2, -1)
                weights = F.softmax(torch.bmm(query, key.transpose(1, 2)) / 32**0.5, dim=dim)
                return self.fc(self.norm(x + torch.bmm(weights, self.values(x))).mean(1))

        return Net()


class MaskTurnedRound(FourthCase):
    """key_padding_mask is True where tokens are to be looked at: for MultiheadAttention that means the contrary."""

    truth, why = ("F03",), "a softmax over nothing is NaN"

    def net(self) -> nn.Module:
        faulty = self.faulty

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.patch = nn.Conv2d(3, 32, 4, 4)
                self.attention = nn.MultiheadAttention(32, 4, batch_first=True)
                self.fc = nn.Linear(32, 6)

            def forward(self, x: Tensor) -> Tensor:
                x = self.patch(x).flatten(2).transpose(1, 2)
                mask = torch.full(x.shape[:2], faulty)
                found, _ = self.attention(x, x, x, key_padding_mask=mask, need_weights=False)
                return self.fc((x + found).mean(1))

        return Net()
