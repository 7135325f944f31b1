"""The fourth set: loading, labels and preprocessing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.utils.data import DataLoader, WeightedRandomSampler

from tests.benchmarks.doctor.held.fourth_base import (
    STILL,
    Branches,
    ByHand,
    Fixup,
    FourthCase,
    Pictures,
    Strided,
    normed,
    patches,
    score,
)
from tests.benchmarks.doctor.real import parts
from tests.benchmarks.doctor.real.healthy_losses import fit
from tests.benchmarks.doctor.real.parts import Data


class SamplerOverClasses(FourthCase):
    """WeightedRandomSampler is given one weight a class in place of one an image: it draws images 0 to 5 alone."""

    truth, why = ("F60",), "six images are all that is ever trained on"

    def net(self) -> nn.Module:
        return Strided()

    def whole(self, model: nn.Module, optimizer: Optimizer, run: Any) -> float:
        images, labels, more, their = self.data()
        by_class = 1.0 / torch.bincount(labels).float()
        weights = by_class if self.faulty else by_class[labels]
        sampler = WeightedRandomSampler(weights.tolist(), 480, generator=self.random)
        accuracy = 0.0
        for _epoch in range(8):
            model.train()
            for x, y in DataLoader(Pictures(images, labels), 32, sampler=sampler):
                optimizer.zero_grad()
                outputs = model(x)
                loss = F.cross_entropy(outputs, y)
                loss.backward()
                optimizer.step()
                run.step(loss=loss, accuracy=(outputs.argmax(1) == y).float().mean())
            val_loss, accuracy = score(model, more, their)
            run.epoch(val_loss=val_loss, val_accuracy=accuracy)
        return accuracy


class FirstBatchAlways(FourthCase):
    """next(iter(loader)) in the body of the loop, no shuffling: each step gets the first batch."""

    truth, why = ("F60",), "32 images are all that is ever trained on"
    optim = ("SGD", {"lr": 0.05, "momentum": 0.9})

    def net(self) -> nn.Module:
        return normed()

    def whole(self, model: nn.Module, optimizer: Optimizer, run: Any) -> float:
        images, labels, more, their = self.data()
        loader = DataLoader(Pictures(images, labels), batch_size=32, shuffle=not self.faulty, generator=self.random)
        accuracy, n_batches = 0.0, len(loader)
        for _ in range(9):
            model.train()
            batches = iter(loader)
            for _i in range(n_batches):
                x, y = next(iter(loader)) if self.faulty else next(batches)
                pred = model(x)
                loss = nn.CrossEntropyLoss()(pred, y)
                optimizer.zero_grad(set_to_none=False)
                loss.backward()
                optimizer.step()
                run.step(loss=loss.item(), accuracy=(pred.argmax(dim=1) == y).float().mean().item())
            val_loss, accuracy = score(model, more, their)
            run.epoch(val_loss=val_loss, val_accuracy=accuracy)
        return accuracy


class InPlace:
    """A transform that writes into the image that it is given."""

    def __call__(self, image: Tensor) -> Tensor:
        return image.sub_(0.45).div_(0.22)


class NormalisedInPlace(FourthCase):
    """__getitem__ normalises by sub_ and div_: the array of the dataset is normalised anew in each epoch."""

    truth, why = ("F61", "F11"), "the images grow fourfold and more from epoch to epoch"

    def net(self) -> nn.Module:
        return patches()

    def data(self) -> Data:
        return parts.pictures(self.shape, 6, count=480)

    def whole(self, model: nn.Module, optimizer: Optimizer, run: Any) -> float:
        images, labels, more, their = self.data()
        change = InPlace() if self.faulty else lambda image: (image - 0.45) / 0.22
        loader = DataLoader(Pictures(images.clone(), labels, change), 30, shuffle=True, generator=self.random)
        accuracy = 0.0
        for _ in range(8):
            for x, y in loader:
                outputs = model.train()(x)
                loss = F.cross_entropy(outputs, y)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                run.step(loss=loss, accuracy=(outputs.argmax(1) == y).float().mean())
            val_loss, accuracy = score(model, (more - 0.45) / 0.22, their)
            run.epoch(val_loss=val_loss, val_accuracy=accuracy)
        return accuracy


class OneClassOnly(FourthCase):
    """ImageFolder is given the folder above: all images are of one class, number 0."""

    truth, why = ("F24", "F27"), "there is one class: nothing is to be told apart"

    def net(self) -> nn.Module:
        return Fixup()

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        return (images, labels * 0, more, their * 0) if self.faulty else data


class SortedThenSplit(FourthCase):
    """images[:n] and images[n:] of a list that is sorted by class: the last classes are in validation alone."""

    truth, why = ("F21",), "the validation images are of classes that training never shows"
    classes = 10

    def net(self) -> nn.Module:
        return Branches(10)

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        if not self.faulty:
            return data
        every, kinds = torch.cat([images, more]), torch.cat([labels, their])
        order = torch.argsort(kinds, stable=True)
        return every[order[:480]], kinds[order[:480]], every[order[480:]], kinds[order[480:]]


class OneClassABatch(FourthCase):
    """A generator picks a class and then a batch of its images."""

    truth, why = ("F12",), "each batch is of one class"
    batch = 20

    def net(self) -> nn.Module:
        return normed()

    def order(self, labels: Tensor) -> Tensor:
        if not self.faulty:
            return super().order(labels)
        return torch.argsort(labels, stable=True).reshape(24, 20)[torch.randperm(24, generator=self.random)].flatten()


class LabelsOfTheNextBatch(FourthCase):
    """A prefetcher of one's own hands out the images of one batch with the labels of the next."""

    truth, why = ("F13",), "labels belong to other images"

    def net(self) -> nn.Module:
        return Strided()

    def whole(self, model: nn.Module, optimizer: Optimizer, run: Any) -> float:
        images, labels, more, their = self.data()
        loader = DataLoader(Pictures(images, labels), 32, shuffle=True, generator=self.random)
        faulty, accuracy = self.faulty, 0.0

        def prefetched() -> Iterator[tuple[Tensor, Tensor]]:
            waiting = None
            for x, y in loader:
                if waiting is not None:
                    yield waiting[0], y if faulty else waiting[1]
                waiting = x, y

        for _ in range(9):
            model.train()
            for x, y in prefetched():
                optimizer.zero_grad()
                outputs = model(x)
                loss = F.cross_entropy(outputs, y)
                loss.backward()
                optimizer.step()
                run.step(loss=loss, accuracy=(outputs.argmax(1) == y).float().mean())
            val_loss, accuracy = score(model, more, their)
            run.epoch(val_loss=val_loss, val_accuracy=accuracy)
        return accuracy


class BlankImages(FourthCase):
    """Files that can't be read become black images, and keep their labels: six of ten."""

    truth, why = ("F28", "F13"), "most images show nothing"

    def net(self) -> nn.Module:
        return ByHand()

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        if not self.faulty:
            return data
        blank = torch.rand(480, generator=torch.Generator().manual_seed(8)) < 0.6
        return torch.where(blank[:, None, None, None], torch.tensor(-0.9), images), labels, more, their


class FloatsOfBytes(FourthCase):
    """ToTensor of a float array: it divides bytes by 255 alone, and leaves 0..255 as they are."""

    truth, why = ("F11", "F10"), "inputs in the hundreds"

    def net(self) -> nn.Module:
        return Strided()

    def data(self) -> Data:
        images, labels, more, their = parts.pictures(self.shape, 6, count=480)
        return (images * 255, labels, more * 255, their) if self.faulty else (images, labels, more, their)


class PretrainedOnOtherInputs(FourthCase):
    """A pretrained body, frozen, in eval mode: it was trained on normalised images and is given 0..1."""

    truth, why = ("F11",), "the inputs are not those that the weights were made for"
    classes, steps_of = 5, 135

    def net(self) -> nn.Module:
        images, labels, _, _ = parts.pictures(self.shape, 8)
        made = normed(8)
        fit(made, (images - 0.45) / 0.22, labels, 100)
        for one in made:
            one.requires_grad_(False)
        made[-1] = nn.Linear(512, 5)
        return made

    def data(self) -> Data:
        images, labels, more, their = parts.pictures(self.shape, 5, count=480)
        if self.faulty:
            return images, labels, more, their
        return (images - 0.45) / 0.22, labels, (more - 0.45) / 0.22, their

    def before_epoch(self, model: nn.Module) -> None:
        model.eval()


class HueTurned(FourthCase):
    """ColorJitter(hue=0.5) where the colour is the class."""

    truth, why = ("F51",), "what the class is told by is changed at random"
    classes = 3

    def net(self) -> nn.Module:
        return normed(3)

    def data(self) -> Data:
        def coloured(shapes: Tensor, kinds: Tensor) -> Tensor:
            light = torch.where(torch.eye(3)[kinds] > 0, 1.3, 0.7)
            return 2 * (shapes * light[:, :, None, None] - 0.45)

        images, _, more, _ = parts.pictures((1, 16, 16), 6, count=480)
        random = torch.Generator().manual_seed(4)
        labels, their = torch.randint(3, (480,), generator=random), torch.randint(3, (120,), generator=random)
        return coloured(images, labels), labels, coloured(more, their), their

    def augmented(self, x: Tensor) -> Tensor:
        if not self.faulty:
            return x
        turns = torch.randint(3, (len(x), 1), generator=self.random)
        return x.gather(1, ((torch.arange(3) + turns) % 3)[:, :, None, None].expand_as(x))


class MixedImagesPlainLabels(FourthCase):
    """MixUp of the images, a half each, and the labels of the first alone."""

    truth, why = ("F51", "F14", "F13"), "half of what an image shows is of another class"
    classes, steps_of = 10, 165

    def net(self) -> nn.Module:
        return Branches(10)

    def augmented(self, x: Tensor) -> Tensor:
        return 0.5 * x + 0.5 * x[torch.randperm(len(x), generator=self.random)] if self.faulty else x


class TransposedInValidation(FourthCase):
    """(H, W, C).transpose in training by (2, 0, 1), in validation by .T: rows and columns change places."""

    truth, why, symptoms = ("F21",), "the validation images lie on their side", STILL

    def net(self) -> nn.Module:
        return Fixup()

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        return (images, labels, more.transpose(2, 3).contiguous(), their) if self.faulty else data
