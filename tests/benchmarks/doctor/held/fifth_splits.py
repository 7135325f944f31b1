"""The fifth set: training and validation do not fit each other."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.benchmarks.doctor.held.fifth_base import Squeezed, ThreadCase, small_cnn
from tests.benchmarks.doctor.held.nets import Dense, LeNet, SmallResNet, mlp, mobile, vgg
from tests.benchmarks.doctor.real import parts
from tests.benchmarks.doctor.real.healthy_losses import fit
from tests.benchmarks.doctor.real.parts import Data


class ClassesAsListed(ThreadCase):
    """The classes are those of os.listdir: another order of the folders in training than in validation."""

    truth, why = ("F21",), "the validation's numbers are of other classes"
    source = "uzh-rpg/rpg_event_representation_learning issue 2"
    shape, classes = (2, 16, 16), 8

    def net(self) -> nn.Module:
        return SmallResNet(2, 8)

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        return (images, labels, more, torch.tensor([4, 1, 7, 0, 2, 6, 3, 5])[their]) if self.faulty else data


class SplitAsItLies(ThreadCase):
    """Architecture search on one's own data: the list is sorted by class and split without shuffling."""

    truth, why = ("F21",), "the validation's classes are not among those of training"
    source = "khanrc/pt.darts issue 24"
    classes, steps_of = 10, 150

    def net(self) -> nn.Module:
        return Dense(classes=10)

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        if not self.faulty:
            return data
        every, kinds = torch.cat([images, more]), torch.cat([labels, their])
        order = torch.argsort(kinds, stable=True)
        return every[order[:300]], kinds[order[:300]], every[order[300:]], kinds[order[300:]]


class LastFifth(ThreadCase):
    """validation_split=0.2 of five classes one behind the other: validation is the fifth class, accuracy 0."""

    truth, why = ("F21",), "the class of the validation images is not trained"
    source = "keras-team/keras issue 8346"
    classes = 5
    optim = ("SGD", {"lr": 0.02, "momentum": 0.9, "nesterov": True})

    def net(self) -> nn.Module:
        return nn.Sequential(vgg(classes=5), nn.Softmax(1))

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return parts.keras_crossentropy(outputs, y)

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        every, kinds = torch.cat([images, more]), torch.cat([labels, their])
        order = torch.argsort(kinds, stable=True)
        if not self.faulty:
            order = torch.randperm(600, generator=torch.Generator().manual_seed(5))
        return every[order[:480]], kinds[order[:480]], every[order[480:]], kinds[order[480:]]


class FirstTenAndLastTen(ThreadCase):
    """Brain scans of two folders: images[:10] to train, images[-10:] to validate, nothing shuffled."""

    truth, why = ("F21", "F24", "F27"), "training has images of one class, validation of the other"
    source = "Project-MONAI/tutorials issue 122"
    shape, classes, batch, steps_of = (1, 16, 16), 2, 2, 100

    def net(self) -> nn.Module:
        return Dense(1, 2)

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        if not self.faulty:
            return images[:120], labels[:120], more, their
        first, second = images[labels == 0][:10], images[labels == 1][:10]
        return first, torch.zeros(10).long(), second, torch.ones(10).long()


class FoldersByNumber(ThreadCase):
    """102 flowers, in folders of their numbers: the loader sorts these as text, the evaluation by number."""

    truth, why = ("F21",), "class 2 of the loader is folder 10"
    source = "pytorch/pytorch issue 22566"
    classes, steps_of = 12, 165

    def net(self) -> nn.Module:
        return mobile(classes=12)

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        as_text = torch.tensor(sorted(range(12), key=str))
        return (images, labels, more, as_text[their]) if self.faulty else data


class NamesOfAllParts(ThreadCase):
    """Faces: attributes are cut to the validation's rows, file names are not."""

    truth, why = ("F21", "F20", "F13"), "validation shows the first training images under labels of others"
    source = "pytorch/vision issue 4209"
    classes = 2

    def net(self) -> nn.Module:
        return SmallResNet(classes=2)

    def spoiled(self, data: Data) -> Data:
        images, labels, _more, their = data
        return (images, labels, images[: len(their)], their) if self.faulty else data


class TestAsItIs(ThreadCase):
    """Digits by dense layers: the training images are normalised, those of the test are not."""

    truth, why = ("F21",), "bytes of 0 to 255 in the test"
    source = "mlpack/examples pull request 213"
    classes = 10

    def data(self) -> Data:
        images, labels, more, their = parts.digits(16)
        return (images[:960] - 0.3) / 0.35, labels[:960], 255 * more if self.faulty else (more - 0.3) / 0.35, their

    def net(self) -> nn.Module:
        return mlp(256, 200, 100, 10)


class BlueFirst(ThreadCase):
    """Face or background: the net was trained on RGB, what it is tried on comes from OpenCV."""

    truth, why = ("F21",), "red and blue change places in validation"
    source = "ShiqiYu/SimpleCNNbyCPP pull request 4"
    classes, noise = 2, 2.0

    def net(self) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3), nn.BatchNorm2d(32), nn.ReLU(), nn.Flatten(), nn.Linear(128, 2),
        )  # fmt: skip

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        skin = torch.tensor([0.3, 0.0, -0.3])[:, None, None]
        images, more = (one + skin * (kind == 1).float()[:, None, None, None]
                        for one, kind in ((images, labels), (more, their)))  # fmt: skip
        return images, labels, more.flip(1) if self.faulty else more, their


class DividedAgain(ThreadCase):
    """Flowers: convert_image_dtype makes 0..1 of the bytes, and prediction divides by 255 once more."""

    truth, why = ("F21",), "values to 1 in training, to 1/255 in validation"
    source = "GoogleCloudPlatform/asl-ml-immersion pull request 424"
    classes = 5

    def data(self) -> Data:
        images, labels, more, their = parts.pictures(self.shape, 5, count=480)
        return images, labels, more / (255 if self.faulty else 1), their

    def net(self) -> nn.Module:
        return LeNet(classes=5)


class AnswersOfAShuffledLoader(ThreadCase):
    """predict_generator over a generator that shuffles, its answers compared with labels in the order of files."""

    truth, why = ("F49", "F21"), "answers and labels are of other images"
    source = "keras-team/keras issue 6499"

    def net(self) -> nn.Module:
        return vgg(classes=6)

    def validated(self, model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float, float]:
        loss, right, true = super().validated(model, images, labels)
        order = torch.randperm(len(labels), generator=self.random)
        mixed = self.share(model(images[order]), labels).item()
        return loss, mixed if self.faulty else right, true


class AugmentedBeforeTheSplit(ThreadCase):
    """A densely connected net: one dataset with random crops and mirrors, split into training and validation."""

    truth, why = ("F21",), "the validation images are moved and mirrored at random as well"
    source = "gpleiss/efficient_densenet_pytorch issue 51"
    steps_of, noise = 165, 1.8

    def net(self) -> nn.Module:
        return Dense(classes=6)

    def augmented(self, x: Tensor) -> Tensor:
        down, across = (int(torch.randint(9, (1,), generator=self.random)) for _ in range(2))
        x = F.pad(x, (4, 4, 4, 4))[:, :, down : down + 16, across : across + 16]
        return torch.where(torch.rand(len(x), 1, 1, 1, generator=self.random) < 0.5, x.flip(3), x)

    def validated(self, model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float, float]:
        return super().validated(model, self.augmented(images) if self.faulty else images, labels)


class ValidationViewIsTrain(ThreadCase):
    """A loader for both, and its view for validation was set to "train"."""

    truth, why = ("F20",), "validated on the training images"
    source = "luxonis/luxonis-train pull request 213"

    def net(self) -> nn.Module:
        return mobile(classes=6)

    def spoiled(self, data: Data) -> Data:
        images, labels, _more, _their = data
        return (images, labels, images, labels) if self.faulty else data


class ShuffledBetweenTheSplits(ThreadCase):
    """Plots of batteries: both parts are cut from one list that is shuffled anew for each."""

    truth, why = ("F20",), "four of five validation images are among those of training"
    source = "BatteryDEV/AutoECM issue 13"
    shape, classes = (1, 16, 16), 5

    def net(self) -> nn.Module:
        return small_cnn(5, 1)

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        every, kinds = torch.cat([images, more]), torch.cat([labels, their])
        random = torch.Generator().manual_seed(6)
        train, rest = (torch.randperm(600, generator=random) for _ in range(2))
        rest = rest[480:] if self.faulty else train[480:]
        return every[train[:480]], kinds[train[:480]], every[rest], kinds[rest]


class SameFaces(ThreadCase):
    """Expressions of faces: the published set has the same pictures in training and in the test."""

    truth, why = ("F20",), "a seventh of the test's pictures are among those of training"
    source = "ArnabKumarRoy02/ResEmoteNet issue 42"
    shape, classes = (1, 16, 16), 7

    def net(self) -> nn.Module:
        return Squeezed()

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        if not self.faulty:
            return data
        return images, labels, torch.cat([images[:17], more[17:]]), torch.cat([labels[:17], their[17:]])


class OtherSize(ThreadCase):
    """Mask or no mask: trained at 128x128, and at 256x256 where it is used."""

    truth, why = ("F21",), "the validation images are twice as wide"
    source = "apache/mxnet issue 17695"
    noise = 2.0

    def net(self) -> nn.Module:
        return vgg(classes=6)

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        return (images, labels, F.interpolate(more, scale_factor=2.0, mode="bilinear"), their) if self.faulty else data


class TeacherShuffledApart(ThreadCase):
    """Distillation: the teacher's answers were computed over a loader that shuffled, the student's over it again."""

    truth, why = ("F13", "F14"), "the softened answers belong to other images"
    source = "haitongli/knowledge-distillation-pytorch pull request 16"

    def net(self) -> nn.Module:
        images, labels, _, _ = self.data()
        teacher = small_cnn(width=24)
        fit(teacher, images, labels, 120)
        with torch.no_grad():
            self.answers = teacher.eval()(images)
        return small_cnn(width=8)

    def order(self, labels: Tensor) -> Tensor:
        self.drawn = super().order(labels)
        self.taught = torch.randperm(len(labels), generator=self.random) if self.faulty else self.drawn
        return self.drawn

    def forward(self, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        outputs = model(x)
        start = (self.steps * 32) % 480
        soft = (self.answers[self.taught[start : start + 32]] / 4).softmax(1)
        told = F.kl_div((outputs / 4).log_softmax(1), soft, reduction="batchmean")
        return 0.9 * 16 * told + 0.1 * F.cross_entropy(outputs, y), outputs


class MixedByTwoShuffles(ThreadCase):
    """MixUp whose images and labels are each shuffled by themselves."""

    truth, why = ("F13", "F14", "F51"), "an image is mixed with one, its label with that of another"
    source = "xudonmao/VMT issue 1"
    steps_of = 165

    def net(self) -> nn.Module:
        return SmallResNet(classes=6)

    def forward(self, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        share = float(torch.rand(1, generator=self.random))
        order = torch.randperm(len(x), generator=self.random)
        other = torch.randperm(len(x), generator=self.random) if self.faulty else order
        outputs = model(share * x + (1 - share) * x[order])
        rows = F.one_hot(y, 6).float()
        return F.cross_entropy(outputs, share * rows + (1 - share) * rows[other]), outputs
