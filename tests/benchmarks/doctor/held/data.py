"""Data, rates, weights and nets that do not fit."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.benchmarks.doctor.held.case import Case
from tests.benchmarks.doctor.held.nets import LeNet, Mixer, RowGRU, SmallResNet, TinyViT, mlp, mobile, vgg
from tests.benchmarks.doctor.real import parts
from tests.benchmarks.doctor.real.parts import Data

STILL = ("F02", "F36", "F37", "F19", "F18")


class ShuffledApart(Case):
    """Images were shuffled, their labels stayed (random.shuffle of one list)."""

    truth, why, symptoms = ("F13",), "labels belong to other images", STILL

    def net(self) -> nn.Module:
        return SmallResNet()

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(2))
        return (images, labels[order], more, their) if self.faulty else data


class ShuffledInBothParts(Case):
    """The table of labels is sorted otherwise than the folder, in training and validation."""

    truth, why, symptoms = ("F13",), "labels belong to other images in both parts", STILL
    classes, count, steps_of, batch = 20, 1000, 300, 64

    def net(self) -> nn.Module:
        return mobile(classes=20)

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        random = torch.Generator().manual_seed(2)
        if self.faulty:
            return images, labels[torch.randperm(len(labels), generator=random)], more, their[
                torch.randperm(len(their), generator=random)
            ]  # fmt: skip
        return data


class NoisyHalf(Case):
    """Four labels of ten are wrong in training, the validation set is clean."""

    truth, why, symptoms = ("F14",), "labels collected from a search engine", STILL
    classes, steps_of = 5, 250

    def net(self) -> nn.Module:
        return vgg(classes=5)

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        random = torch.Generator().manual_seed(2)
        wrong = torch.rand(len(labels), generator=random) < 0.45
        drawn = torch.randint(5, labels.shape, generator=random)
        return (images, torch.where(wrong, drawn, labels), more, their) if self.faulty else data


class OtherClassOrder(Case):
    """Class numbers from os.listdir: another order in training and validation."""

    truth, why, symptoms = ("F21",), "the validation's numbers are of other classes", STILL
    classes = 6

    def net(self) -> nn.Module:
        return Mixer(self.shape, 6)

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        order = torch.tensor([3, 0, 5, 1, 2, 4])
        return (images, labels, more, order[their]) if self.faulty else data


class LabelsOffByOne(Case):
    """Validation labels count from 1 where training's count from 0 (the last wraps)."""

    truth, why, symptoms = ("F21",), "off by one in validation", STILL
    classes, steps_of = 10, 150

    def net(self) -> nn.Module:
        return RowGRU(self.shape)

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        return (images, labels, more, (their + 1) % 10) if self.faulty else data


class ReshapedInValidation(Case):
    """Height x width x channels: permuted in training, reshaped in validation."""

    truth, why, symptoms = ("F21",), "reshape mixes channels and places", STILL

    def net(self) -> nn.Module:
        return LeNet()

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        return (images, labels, more.permute(0, 2, 3, 1).reshape(more.shape), their) if self.faulty else data


class BytesInValidation(Case):
    """ToTensor in training only: validation pixels are 0..255."""

    truth, why, symptoms = ("F21",), "255 times as large in validation", STILL

    def net(self) -> nn.Module:
        return SmallResNet()

    def data(self) -> Data:
        images, labels, more, their = parts.pictures(self.shape, 10)
        return images, labels, more * 255 if self.faulty else more, their


class BytesUnderSgd(Case):
    """Pixels 0..255 into a net without batch norm, under SGD."""

    truth, why, symptoms = ("F11", "F03", "F10"), "inputs in the hundreds", (*STILL, "F04", "F01")
    optim = ("SGD", {"lr": 0.01, "momentum": 0.9})
    steps_of = 120

    def net(self) -> nn.Module:
        return vgg()

    def data(self) -> Data:
        images, labels, more, their = parts.pictures(self.shape, 10)
        top = 255 if self.faulty else 1
        return (images - (0 if self.faulty else 0.45)) * top, labels, (more - (0 if self.faulty else 0.45)) * top, their


class DividedTwice(Case):
    """ToTensor, then / 255 once more: pixels below 0.004."""

    truth, why, symptoms = ("F11",), "inputs have no size", (*STILL, "F06", "L02")

    def net(self) -> nn.Module:
        return mlp(768, 128, 64, 10)

    def data(self) -> Data:
        images, labels, more, their = parts.pictures(self.shape, 10)
        scale = 255 if self.faulty else 1
        return images / scale, labels, more / scale, their


class ConstantImageStandardised(Case):
    """Each image is standardised by itself; one is black: 0 / 0."""

    truth, why, symptoms = ("F28", "F03"), "a picture without contrast becomes NaN", STILL

    def net(self) -> nn.Module:
        return LeNet(classes=4)

    classes = 4

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        images = images.clone()
        images[100] = 0
        epsilon = 0 if self.faulty else 1e-6
        flat = [(one - one.mean((1, 2, 3), True)) / (one.std((1, 2, 3), keepdim=True) + epsilon)
                for one in (images, more)]  # fmt: skip
        return flat[0], labels, flat[1], their


class SortedFolder(Case):
    """DataLoader without shuffle over a folder a class."""

    truth, why, symptoms = ("F12",), "class by class", STILL
    classes = 8

    def net(self) -> nn.Module:
        return SmallResNet(classes=8)

    def order(self, labels: Tensor) -> Tensor:
        return torch.argsort(labels, stable=True) if self.faulty else super().order(labels)


class SplitAfterCopies(Case):
    """Rare images were copied before the split: copies lie in both parts."""

    truth, why, symptoms = ("F20",), "copies on both sides", STILL
    classes = 4

    def net(self) -> nn.Module:
        return vgg(classes=4)

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        if self.faulty:
            more, their = torch.cat([more[:80], images[:70]]), torch.cat([their[:80], labels[:70]])
        return images, labels, more, their


class NineteenToOne(Case):
    """Two classes, one image in twenty is of the second."""

    truth, why, symptoms = ("F24",), "the second class is an eighteenth", STILL
    classes, noise, count, steps_of = 2, 2.5, 1200, 150

    def net(self) -> nn.Module:
        return LeNet(classes=2)

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        if not self.faulty:
            return data
        kept = torch.cat([(labels == 0).nonzero()[:, 0], (labels == 1).nonzero()[:30, 0]])
        return images[kept], labels[kept], more, their


class TurnedDigits(Case):
    """RandomRotation(180) of digits: six and nine."""

    truth, why, symptoms = ("F51",), "a six upside down is a nine", STILL
    classes, shape = 2, (1, 16, 16)

    def net(self) -> nn.Module:
        return vgg(1, 2)

    def data(self) -> Data:
        images, labels, more, their = parts.digits(16)
        kept, still = (labels == 6) | (labels == 9), (their == 6) | (their == 9)
        return images[kept], (labels[kept] == 9).long(), more[still], (their[still] == 9).long()

    def augmented(self, x: Tensor) -> Tensor:
        if not self.faulty:
            return x
        turned = torch.rand(len(x), generator=self.random) < 0.5
        return torch.where(turned[:, None, None, None], x.flip((-1, -2)), x)


class ErasedTooMuch(Case):
    """RandomErasing of nine tenths of the image."""

    truth, why, symptoms = ("F51",), "what the class is told by is erased", STILL
    steps_of = 250

    def net(self) -> nn.Module:
        return SmallResNet()

    def augmented(self, x: Tensor) -> Tensor:
        if not self.faulty:
            return x
        x = x.clone()
        for one in x:
            top, left = torch.randint(0, 14, (2,), generator=self.random).tolist()
            kept = one[:, top : top + 3, left : left + 3].clone()
            one[:] = 0
            one[:, top : top + 3, left : left + 3] = kept
        return x


class TinyRate(Case):
    """Adam at 1e-6 from nothing."""

    truth, why, symptoms = ("F02",), "a rate for fine-tuning", ("F36", "F37", "F19")
    faulty_optim = ("Adam", {"lr": 1e-6})

    def net(self) -> nn.Module:
        return vgg()


class TinyRateOfSgd(Case):
    """SGD at 1e-5 without momentum, 100 classes."""

    truth, why, symptoms = ("F02", "F30"), "a rate a thousand times too small", ("F36", "F37", "F19")
    faulty_optim, optim = ("SGD", {"lr": 1e-5}), ("SGD", {"lr": 0.05, "momentum": 0.9})
    classes, count, batch, steps_of = 100, 2000, 64, 300

    def net(self) -> nn.Module:
        return SmallResNet(classes=100)


class RateOfTen(Case):
    """SGD at 5 with momentum for a residual net."""

    truth, why, symptoms = ("F01", "F31", "F30", "F03"), "a rate a hundred times too large", (*STILL, "F04", "F07")
    faulty_optim, optim = ("SGD", {"lr": 5.0, "momentum": 0.9}), ("SGD", {"lr": 0.05, "momentum": 0.9})

    def net(self) -> nn.Module:
        return SmallResNet()


class AdamAtATenth(Case):
    """Adam at 0.1 for a transformer."""

    truth, why, symptoms = ("F01", "F31", "F30"), "a hundred times the usual rate", (*STILL, "F04", "F07")
    faulty_optim, optim = ("Adam", {"lr": 0.1}), ("Adam", {"lr": 1e-3})
    classes = 5

    def net(self) -> nn.Module:
        return TinyViT(self.shape, 5)


class ReluKilled(Case):
    """Biases of −5: copied from a recipe for a detector's last layer, put on all layers."""

    truth, why, symptoms = ("F04",), "no unit fires", STILL

    def net(self) -> nn.Module:
        made = vgg()
        if self.faulty:
            for one in made.modules():
                if isinstance(one, nn.Linear | nn.Conv2d):
                    nn.init.constant_(one.bias, -5.0)
        return made


class DecayOfAHalf(Case):
    """SGD with weight_decay=0.5."""

    truth, why, symptoms = ("F29",), "the weights shrink faster than they learn", STILL
    faulty_optim = ("SGD", {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.5})
    optim = ("SGD", {"lr": 0.05, "momentum": 0.9, "weight_decay": 5e-4})
    classes = 6

    def net(self) -> nn.Module:
        return LeNet(classes=6)


class DeepSigmoids(Case):
    """Seven layers of sigmoids under SGD."""

    truth, why, symptoms = ("F06",), "each sigmoid takes three quarters of the gradient", STILL

    def net(self) -> nn.Module:
        return mlp(768, 64, 64, 64, 64, 64, 64, 10, between=nn.Sigmoid if self.faulty else nn.ReLU)

    faulty_optim, optim = ("SGD", {"lr": 0.1}), ("Adam", {"lr": 1e-3})
    steps_of = 300


class NoActivations(Case):
    """An own class whose forward calls its linear layers one after the other."""

    truth, why, symptoms = ("F35",), "three linear layers are one", STILL
    classes = 7

    def net(self) -> nn.Module:
        faulty = self.faulty

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.a, self.b, self.c = nn.Linear(768, 128), nn.Linear(128, 64), nn.Linear(64, 7)

            def forward(self, x: Tensor) -> Tensor:
                x = x.flatten(1)
                if faulty:
                    return self.c(self.b(self.a(x)))
                return self.c(F.relu(self.b(F.relu(self.a(x)))))

        return Net()


class KeptProbability(Case):
    """Dropout(0.9), meant as the share that is kept."""

    truth, why, symptoms = ("F34",), "nine tenths are dropped", STILL

    def net(self) -> nn.Module:
        made = vgg()
        return nn.Sequential(*made[:-1], nn.Dropout(0.9 if self.faulty else 0.1), made[-1])


class NormOfTwo(Case):
    """Batch norm with batches of two."""

    truth, why, symptoms = ("F22",), "statistics of two images", STILL
    classes, steps_of = 5, 300
    batch = 2
    optim = ("SGD", {"lr": 0.01, "momentum": 0.9})

    def net(self) -> nn.Module:
        return SmallResNet(classes=5) if self.faulty else vgg(classes=5)


class WeightsOfOne(Case):
    """nn.init.normal_ (deviation 1) for each weight of a net of six layers."""

    truth, why, symptoms = ("F10", "F07"), "the scores begin in the thousands", STILL

    def net(self) -> nn.Module:
        made = mlp(768, 128, 128, 128, 64, 10)
        if self.faulty:
            for one in made.modules():
                if isinstance(one, nn.Linear):
                    nn.init.normal_(one.weight)
        return made


class AllTheSame(Case):
    """nn.init.constant_(weight, 0.01) of all linear layers."""

    truth, why, symptoms = ("F09",), "all units of a layer stay one unit", STILL

    def net(self) -> nn.Module:
        made = mlp(768, 64, 64, 10)
        if self.faulty:
            for one in made.modules():
                if isinstance(one, nn.Linear):
                    nn.init.constant_(one.weight, 0.01)
        return made


class TransformerThatIsTooDeep(Case):
    """A ViT at AdamW 0.02 without warm-up."""

    truth, why, symptoms = ("F01", "F31", "F30"), "transformers at 0.02 need a smaller rate or a warm-up", STILL
    faulty_optim, optim = ("AdamW", {"lr": 0.03}), ("AdamW", {"lr": 1e-3})
    classes, steps_of = 8, 250

    def net(self) -> nn.Module:
        return TinyViT(self.shape, 8, depth=4)
