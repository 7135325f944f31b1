"""The sixth set: data, their order, their range and their halves."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from tests.benchmarks.doctor.held.fifth_base import small_cnn
from tests.benchmarks.doctor.held.nets import Dense, LeNet, SmallResNet, mlp, mobile, vgg
from tests.benchmarks.doctor.held.sixth_base import (
    LIST_OF_NETS,
    REASONS,
    RECIPE,
    AskedCase,
    DigitCase,
    KerasCase,
    keras_cnn,
)  # fmt: skip
from tests.benchmarks.doctor.real import parts
from tests.benchmarks.doctor.real.healthy_losses import fit
from tests.benchmarks.doctor.real.parts import Data


class BytesIntoKeras(KerasCase):
    """Pictures of 0..255 through a Keras net: one answer whatever goes in."""

    truth, why = ("F11",), "the images are not normalised; / 255 mends it"
    source = "Stack Overflow, copied at pullrequest.ru 10248037"
    symptoms = (*AskedCase.symptoms, "F04", "F10")

    def net(self) -> nn.Module:
        return keras_cnn(6, nn.Softmax(1))

    def data(self) -> Data:
        images, labels, more, their = parts.pictures(self.shape, 6, count=480)
        return (images * 255, labels, more * 255, their) if self.faulty else (images, labels, more, their)


class RescaledForAFrozenNet(KerasCase):
    """rescale=1/255 before a frozen ResNet50 whose preprocess_input only takes means off bytes: a guess."""

    truth, why = ("F11",), "the frozen weights were made for values of −124..151; preprocess_input, says the answer"
    source = "Stack Overflow, copied at 9to5answer.com keras-rescale-1-255-vs-preprocessing_function"
    classes = 2

    def net(self) -> nn.Module:
        images, labels, _, _ = parts.pictures(self.shape, 8)
        made = SmallResNet(classes=8)
        fit(made, 255 * images - 115, labels, 120)
        made.requires_grad_(False)
        made.fc = nn.Linear(64, 2)
        return nn.Sequential(made, nn.Softmax(1))

    def data(self) -> Data:
        images, labels, more, their = parts.pictures(self.shape, 2, count=480, noise=1.4)
        return (images, labels, more, their) if self.faulty else (255 * images - 115, labels, 255 * more - 115, their)

    def optimizer(self, model: nn.Module) -> Optimizer:
        self.scheduler = None
        return torch.optim.Adam(model.get_submodule("0.fc").parameters(), lr=5e-3)

    def before_epoch(self, model: nn.Module) -> None:
        model.eval()


class OneKindDominates(AskedCase):
    """Several kinds of objects, one of them in nine of ten pictures: every image gets this label."""

    truth, why = ("F24",), "classes out of balance: weigh the loss, or sample evenly"
    source = "decodetrail.com why-does-my-cnn-predict-only-one-class"
    classes, noise, steps_of = 5, 2.4, 150
    symptoms = (*AskedCase.symptoms, "F21")

    def net(self) -> nn.Module:
        return LeNet(classes=5)

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        if not self.faulty:
            return data
        images, labels, _, _ = parts.pictures(self.shape, 5, count=2400, noise=self.noise)
        kept = torch.cat([(labels == 0).nonzero()[:432, 0], (labels > 0).nonzero()[:48, 0]])
        return 2 * (images[kept] - 0.45), labels[kept], more, their


class EncodedForEachPart(AskedCase):
    """LabelEncoder().fit_transform for training and for the test, which lacks a class: the numbers move up."""

    truth, why = ("F21",), "the test's numbers are of other classes"
    source = f"{REASONS} (check the labels), and questions about fit_transform on both parts"
    classes = 7

    def net(self) -> nn.Module:
        return mobile(classes=7)

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        if not self.faulty:
            return data
        kept = their != 1
        return images, labels, more[kept], torch.where(their[kept] > 1, their[kept] - 1, their[kept])


class ShuffledEachForItself(AskedCase):
    """np.random.shuffle(images); np.random.shuffle(labels)."""

    truth, why = ("F13",), "labels belong to other images, in both parts"
    source = f"{REASONS} (shuffled in the same way?)"
    steps_of = 240

    def net(self) -> nn.Module:
        return small_cnn()

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        random = torch.Generator().manual_seed(4)
        if not self.faulty:
            return data
        return (images, labels[torch.randperm(len(labels), generator=random)], more,
                their[torch.randperm(len(their), generator=random)])  # fmt: skip


class SixesAndNines(DigitCase):
    """Digits, turned at random by any quarter turns."""

    truth, why = ("F51",), "too much augmentation: a six becomes a nine"
    source = f"{REASONS} (too much augmentation)"
    steps_of = 180

    def net(self) -> nn.Module:
        return LeNet(1)

    def augmented(self, x: Tensor) -> Tensor:
        if not self.faulty:
            return x
        turns = torch.randint(4, (len(x),), generator=self.random)
        return torch.stack([torch.rot90(one, int(turn), (1, 2)) for one, turn in zip(x, turns, strict=True)])


class ViewToChannelsFirst(AskedCase):
    """Images of height x width x channels; forward begins with x.view(-1, 3, 16, 16)."""

    truth, why = ("F58",), "view and permute are confused: rows become channels"
    source = RECIPE
    noise = 1.6

    def net(self) -> nn.Module:
        faulty = self.faulty

        class Channels(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.body = vgg(classes=6)

            def forward(self, x: Tensor) -> Tensor:
                return self.body(x.view(-1, 3, 16, 16) if faulty else x.permute(0, 3, 1, 2))

        return Channels()

    def data(self) -> Data:
        images, labels, more, their = super().data()
        return images.permute(0, 2, 3, 1).contiguous(), labels, more.permute(0, 2, 3, 1).contiguous(), their


class DividedInTrainingAlone(KerasCase):
    """ImageDataGenerator(rescale=1/255) for training, ImageDataGenerator() for the test."""

    truth, why = ("F21",), "bytes in the test"
    source = f"{REASONS} (the same preprocessing), and generator questions"

    def net(self) -> nn.Module:
        return nn.Sequential(Dense(classes=6), nn.Softmax(1))

    def data(self) -> Data:
        images, labels, more, their = parts.pictures(self.shape, 6, count=480)
        return images, labels, more * 255 if self.faulty else more, their


class BlackScansScaled(DigitCase):
    """(x − x.mean()) / x.std() of each image; a few are black all over: 0/0."""

    truth, why = ("F28", "F03"), "not a number in these images"
    source = f"{REASONS} (solve NaNs)"
    symptoms = (*AskedCase.symptoms, "F07")

    def net(self) -> nn.Module:
        return mlp(256, 96, 10)

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        images = images.clone()
        images[400:404] = 0

        def scaled(one: Tensor) -> Tensor:
            spread = one.std((1, 2, 3), keepdim=True)
            return (one - one.mean((1, 2, 3), keepdim=True)) / (spread if self.faulty else spread + 1e-3)

        return scaled(images), labels, scaled(more), their


class OversampledBeforeTheSplit(AskedCase):
    """Images of the small classes are copied until all are of one size, then the list is split."""

    truth, why = ("F20",), "copies of training images are in the validation set"
    source = "datascience.stackexchange questions: oversampling before or after the split"
    noise = 1.8

    def net(self) -> nn.Module:
        return SmallResNet(classes=6)

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        if not self.faulty:
            return data
        every, kinds = torch.cat([images, more]), torch.cat([labels, their])
        rare = (kinds >= 3).nonzero()[:, 0]
        kept = torch.cat([(kinds < 3).nonzero()[:, 0], rare[:100].repeat(3)])
        kept = kept[torch.randperm(len(kept), generator=torch.Generator().manual_seed(8))]
        return every[kept[:480]], kinds[kept[:480]], every[kept[480:]], kinds[kept[480:]]


class SortedByClass(AskedCase):
    """A list of files, folder by folder, and DataLoader(shuffle=False)."""

    truth, why = ("F12",), "a batch holds one class, and the next another"
    source = f"{REASONS} (shuffle the dataset)"

    def net(self) -> nn.Module:
        return small_cnn()

    def order(self, labels: Tensor) -> Tensor:
        return torch.argsort(labels, stable=True) if self.faulty else super().order(labels)


class HeadDrawnByRandn(AskedCase):
    """The last weights are drawn from a normal distribution as it is (randn): the first loss is in the tens."""

    truth, why = ("F10",), "the first loss is to be that of a guess: the head's weights are too large"
    source = f"{RECIPE} (verify the loss at the beginning); {LIST_OF_NETS}"
    symptoms = (*AskedCase.symptoms, "F01", "F07", "F31")

    def net(self) -> nn.Module:
        made = vgg(classes=6)
        if self.faulty:
            for layer in made:
                if isinstance(layer, nn.Linear):
                    nn.init.normal_(layer.weight)
        return made

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(outputs, y)
