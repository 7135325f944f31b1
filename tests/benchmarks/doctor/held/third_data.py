"""The third set: data."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.benchmarks.doctor.held.nets import Dense, LeNet, Mixer, RowGRU, SmallResNet, mlp, mobile, vgg
from tests.benchmarks.doctor.held.third_base import STILL, ThirdCase
from tests.benchmarks.doctor.real import parts
from tests.benchmarks.doctor.real.parts import Data


class LabelsOneRowDown(ThirdCase):
    """A header row was counted: each image has the label of the row before."""

    truth, why = ("F13",), "labels belong to the neighbouring images"
    classes = 5

    def net(self) -> nn.Module:
        return SmallResNet(classes=5)

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        return (images, labels.roll(1), more, their.roll(1)) if self.faulty else data


class OneImageForAll(ThirdCase):
    """__getitem__ reads self.paths[0]: the same image with every label."""

    truth, why = ("F13", "F28"), "all images are one"
    classes, steps_of = 4, 160

    def net(self) -> nn.Module:
        return vgg(classes=4)

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        return (images[:1].expand_as(images).contiguous(), labels, more, their) if self.faulty else data


class ShuffledByBuffer(ThirdCase):
    """tf.data's shuffle(buffer_size=40) carried over: sorted classes, mixed within 40 images."""

    truth, why = ("F12",), "a buffer of 40 doesn't mix classes of 100 images"
    classes, count = 6, 600

    def net(self) -> nn.Module:
        return SmallResNet(classes=6)

    def order(self, labels: Tensor) -> Tensor:
        if not self.faulty:
            return super().order(labels)
        sorted_ones = torch.argsort(labels, stable=True)
        places = torch.arange(len(labels)) + 40 * torch.rand(len(labels), generator=self.random)
        return sorted_ones[torch.argsort(places)]


class FramesOfOneVideo(ThirdCase):
    """Five frames of each clip, split by frame: nearly the same images in both parts."""

    truth, why = ("F20",), "each validation frame has four brothers in training"
    classes, noise = 5, 2.0

    def net(self) -> nn.Module:
        return vgg(classes=5)

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        random = torch.Generator().manual_seed(5)
        frames, kinds = images[:150].repeat_interleave(5, 0), labels[:150].repeat_interleave(5)
        frames = frames + 0.02 * torch.randn(frames.shape, generator=random)
        order = torch.randperm(750, generator=random)
        if self.faulty:
            return frames[order[:600]], kinds[order[:600]], frames[order[600:]], kinds[order[600:]]
        return frames[order], kinds[order], more, their


class MirroredBeforeTheSplit(ThirdCase):
    """Augmented copies (mirrored) were written to disk before train_test_split."""

    truth, why = ("F20",), "the mirror image of most validation images is trained on"
    classes, noise = 4, 2.0

    def net(self) -> nn.Module:
        return LeNet(classes=4)

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        both, kinds = torch.cat([images[:375], images[:375].flip(-1)]), labels[:375].repeat(2)
        order = torch.randperm(750, generator=torch.Generator().manual_seed(5))
        if self.faulty:
            return both[order[:600]], kinds[order[:600]], both[order[600:]], kinds[order[600:]]
        return both[order], kinds[order], more, their


class Hounsfield(ThirdCase):
    """Values from −1,000 to 1,000 as a scanner has them, straight into the net."""

    truth, why, symptoms = ("F11", "F10"), "inputs in the hundreds", (*STILL, "F01", "F31", "F03", "F07", "F04")
    shape, classes = (1, 16, 16), 4
    optim = ("SGD", {"lr": 0.01, "momentum": 0.9})

    def net(self) -> nn.Module:
        return mlp(256, 64, 32, 4)

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        return (images * 1000, labels, more * 1000, their) if self.faulty else data


class MeansOfBytes(ThirdCase):
    """Pixels 0..1, minus 123.7, divided by 58.4: means for pixels of 0..255."""

    truth, why = ("F11",), "every pixel is about −2.1"

    def net(self) -> nn.Module:
        return vgg()

    def data(self) -> Data:
        images, labels, more, their = parts.pictures(self.shape, 10)
        mean, deviation = (123.7, 58.4) if self.faulty else (0.45, 0.22)
        return (images - mean) / deviation, labels, (more - mean) / deviation, their


class DividedTwiceInValidation(ThirdCase):
    """ToTensor in both; the validation's loop divides by 255 once more."""

    truth, why = ("F21",), "validation pixels have no size"
    classes = 6

    def net(self) -> nn.Module:
        return SmallResNet(classes=6)

    def data(self) -> Data:
        images, labels, more, their = parts.pictures(self.shape, 6)
        return images, labels, more / 255 if self.faulty else more, their


class CroppedInValidation(ThirdCase):
    """Validation images are cut to their middle half and enlarged, training images are whole."""

    truth, why = ("F21",), "another scale in validation"

    def net(self) -> nn.Module:
        return mobile()

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        large = F.interpolate(more[:, :, 4:12, 4:12], size=(16, 16), mode="bilinear")
        return (images, labels, large, their) if self.faulty else data


class AugmentedValidation(ThirdCase):
    """One transform for both parts: the validation is erased and noisy at random as well."""

    truth, why = ("F21",), "the accuracy is of spoiled images, another at each look"
    classes, steps_of = 6, 250

    def net(self) -> nn.Module:
        return SmallResNet(classes=6)

    def augmented(self, x: Tensor) -> Tensor:
        places = torch.rand(len(x), 1, 4, 4, generator=self.random) < 0.5
        gone = F.interpolate(places.float(), size=(16, 16))
        return x * (1 - gone) + gone * torch.randn(x.shape, generator=self.random)

    def validated(self, model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float, float]:
        return super().validated(model, self.augmented(images) if self.faulty else images, labels)


class BlueFirstInValidation(ThirdCase):
    """PIL in training, cv2 in validation: red and blue change places."""

    truth, why = ("F21",), "the channels' order differs"

    def net(self) -> nn.Module:
        return Dense()

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        return (images, labels, more.flip(1), their) if self.faulty else data


class SortedAsText(ThirdCase):
    """Class folders 0 to 11 in the order of text in validation: 0, 1, 10, 11, 2."""

    truth, why = ("F21",), "class numbers differ from 2 on"
    classes, count, steps_of = 12, 960, 250

    def net(self) -> nn.Module:
        return Mixer(self.shape, 12)

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        names = sorted(str(number) for number in range(12))
        places = torch.tensor([names.index(str(number)) for number in range(12)])
        return (images, labels, more, places[their]) if self.faulty else data


class TeacherForced(ThirdCase):
    """A recurrent decoder is given the true class in training, and a start token in validation."""

    truth, why = ("F21", "F23"), "in training the answer is among the inputs"
    classes, noise, steps_of = 6, 2.5, 120

    def net(self) -> nn.Module:
        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.encoder = RowGRU((3, 16, 16), 32)
                self.words = nn.Embedding(7, 32)
                self.decoder, self.fc = nn.GRUCell(32, 32), nn.Linear(32, 6)

            def forward(self, x: Tensor, before: Tensor) -> Tensor:
                return self.fc(self.decoder(self.words(before), self.encoder(x)))

        return Net()

    def forward(self, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        outputs = model(x, y if self.faulty else torch.full_like(y, 6))
        return self.loss(outputs, y), outputs

    def validated(self, model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float, float]:
        outputs = model(images, torch.full_like(labels, 6))
        share = self.share(outputs, labels).item()
        return self.loss(outputs, labels).item(), share, share
