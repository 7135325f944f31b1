"""The seventh set: images, what is done to them, and what they are mixed with."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.benchmarks.doctor.held.fifth_base import small_cnn
from tests.benchmarks.doctor.held.nets import Dense, LeNet, vgg
from tests.benchmarks.doctor.held.seventh_base import PRACTICE, PractisedCase, TokenNet
from tests.benchmarks.doctor.real import parts
from tests.benchmarks.doctor.real.parts import Data


class PlacesOfTheBatch(PractisedCase):
    """A vision transformer whose places are a vector an image of the batch: randn(batch, 1, width)."""

    truth, why = ("F57",), "what is added depends on where in the batch an image is; places in it have none"
    source = "pytorch/examples issue 1178"
    batch, noise = 40, 1.4

    def net(self) -> nn.Module:
        return TokenNet(6, (40, 1)) if self.faulty else TokenNet(6, (1, 16))

    def validated(self, model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float, float]:
        outputs = torch.cat([model(x) for x in images.split(40)])
        right = self.share(outputs, labels).item()
        return F.cross_entropy(outputs, labels).item(), right, right


class RangeOfTheBatch(PractisedCase):
    """(x − x.min()) / (x.max() − x.min()) in forward, over the whole batch; images of very different exposure."""

    truth, why = ("F57",), "an image is scaled by the darkest and lightest pixel of its neighbours"
    source = "openvinotoolkit/model_preparation_algorithm pull request 34"

    def net(self) -> nn.Module:
        faulty = self.faulty

        class Scaled(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.body = small_cnn()

            def forward(self, x: Tensor) -> Tensor:
                over = None if faulty else (1, 2, 3)
                low, high = (x.min(), x.max()) if over is None else (x.amin(over, True), x.amax(over, True))
                return self.body(4 * (x - low) / (high - low) - 2)

        return Scaled()

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        light = torch.rand(len(labels) + len(their), 1, 1, 1, generator=torch.Generator().manual_seed(6)) * 6
        return images * light[: len(labels)].exp(), labels, more * light[len(labels) :].exp(), their


class SixteenBitsClipped(PractisedCase):
    """Pictures of 16 bits through convert("RGB"): all that is above 255 becomes 255, nearly every pixel."""

    truth, why = ("F28", "F11"), "the pictures are white"
    source = "1Konny/BEGAN-pytorch issue 3, python-pillow/Pillow issue 1108"

    def net(self) -> nn.Module:
        return LeNet(classes=6)

    def data(self) -> Data:
        images, labels, more, their = parts.pictures(self.shape, 6, count=480)

        def read(one: Tensor) -> Tensor:
            wide = (one * 65535).floor()
            return ((wide.clamp(0, 255) / 255 if self.faulty else wide / 65535) - 0.45) * 2

        return read(images), labels, read(more), their


class SaturationOverflows(PractisedCase):
    """The augmentation makes colours stronger in bytes, without a clip: 260 is 4."""

    truth, why = ("F28", "F51", "F21"), "light pixels wrap round to black, in training alone"
    source = "tensorpack/tensorpack issue 614"
    noise, steps_of = 1.4, 180

    def net(self) -> nn.Module:
        return Dense(classes=6)

    def augmented(self, x: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            return x
        force = 1 + torch.rand(len(x), 1, 1, 1, generator=self.random) * 1.6
        stronger = ((x / 2 + 0.45) * 255 * force).floor()
        stronger = stronger % 256 if self.faulty else stronger.clamp(0, 255)
        return 2 * (stronger / 255 - 0.45)


class MixedTheOtherWay(PractisedCase):
    """MixUp: lam of the first image and 1 − lam of the second, and the losses with lam the other way round."""

    truth, why = ("F13", "F14", "F51"), "the label counts for the image that is hardly there"
    source = f"{PRACTICE}: lam and 1 − lam change places in the loss"
    steps_of = 210

    def net(self) -> nn.Module:
        return vgg(classes=6)

    def forward(self, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        first = 1 - 0.5 * torch.rand((), generator=self.random).pow(2)
        order = torch.randperm(len(x), generator=self.random)
        outputs = model(first * x + (1 - first) * x[order])
        share = 1 - first if self.faulty else first
        return share * F.cross_entropy(outputs, y) + (1 - share) * F.cross_entropy(outputs, y[order]), outputs
