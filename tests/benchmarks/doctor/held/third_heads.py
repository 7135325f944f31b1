"""The third set: heads, losses, metrics and graphs, as ports, tutorials and fine-tuning scripts have them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.benchmarks.doctor.held.nets import LeNet, SmallResNet, mobile, vgg
from tests.benchmarks.doctor.held.third_base import SeveralLabels, ThirdCase
from tests.benchmarks.doctor.real.parts import Data


class KerasPort(ThirdCase):
    """Ported from Keras: Dense(10, activation="softmax") and one-hot targets, under nn.CrossEntropyLoss."""

    truth, why = ("F15", "F40"), "Keras's loss wants probabilities, nn.CrossEntropyLoss scores"
    optim = ("RMSprop", {"lr": 1e-3})

    def net(self) -> nn.Module:
        faulty = self.faulty

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.conv1, self.conv2 = nn.Conv2d(3, 16, 3), nn.Conv2d(16, 32, 3)
                self.dense1, self.dense2 = nn.LazyLinear(64), nn.Linear(64, 10)
                self(torch.zeros(1, 3, 16, 16))

            def forward(self, x: Tensor) -> Tensor:
                x = torch.max_pool2d(torch.relu(self.conv1(x)), 2)
                x = torch.flatten(torch.relu(self.conv2(x)), 1)
                x = self.dense2(torch.relu(self.dense1(x)))
                return torch.softmax(x, dim=-1) if faulty else x

        return Net()

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return nn.CrossEntropyLoss()(outputs, torch.eye(10)[y])


class PlacesForClasses(ThirdCase):
    """A fully convolutional head: outputs N x C x H x W go through view(-1, C), each place with its image's label."""

    truth, why = ("F58",), "a row of view(-1, C) holds neighbouring places of one class, not the classes of one place"
    classes = 4

    def net(self) -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 24, 3, 2, 1), nn.BatchNorm2d(24), nn.ReLU(), nn.Conv2d(24, 32, 3, 2, 1),
                             nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 4, 1))  # fmt: skip

    def forward(self, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        outputs = model(x)
        rows = outputs.view(-1, 4) if self.faulty else outputs.permute(0, 2, 3, 1).reshape(-1, 4)
        return F.cross_entropy(rows, y.repeat_interleave(16)), outputs.mean((2, 3))

    def validated(self, model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float, float]:
        loss, outputs = self.forward(model, images, labels)
        share = self.share(outputs, labels).item()
        return loss.item(), share, share


class SeveralUnderCrossEntropy(SeveralLabels):
    """Several labels an image, multi-hot rows, under nn.CrossEntropyLoss."""

    truth, why = ("F40", "F43"), "its targets are probabilities: rows that sum to 0, 2 or 3 are none"

    def net(self) -> nn.Module:
        return SmallResNet(classes=3)

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        if self.faulty:
            return F.cross_entropy(outputs, self.bits(y))
        return F.binary_cross_entropy_with_logits(outputs, self.bits(y))


class RegressionByOneLabel(ThirdCase):
    """A model that computes its loss itself (as Hugging Face's do): num_labels=1 makes it a squared error."""

    truth, why = ("F43", "F41"), "num_labels=1 means regression there: class numbers are taken for quantities"
    classes = 5

    def net(self) -> nn.Module:
        number = 1 if self.faulty else 5

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.backbone = SmallResNet(classes=48)
                self.classifier = nn.Linear(48, number)

            def forward(self, pixel_values: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
                logits = self.classifier(F.relu(self.backbone(pixel_values)))
                if labels is None:
                    return {"logits": logits}
                if number == 1:
                    return {"loss": nn.MSELoss()(logits.squeeze(), labels.squeeze().float()), "logits": logits}
                return {"loss": nn.CrossEntropyLoss()(logits.view(-1, number), labels.view(-1)), "logits": logits}

        return Net()

    def forward(self, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        made = model(pixel_values=x, labels=y)
        return made["loss"], made["logits"]

    def share(self, outputs: Tensor, labels: Tensor) -> Tensor:
        said = outputs[:, 0].round().long() if self.faulty else outputs.argmax(1)
        return (said == labels).float().mean()

    def validated(self, model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float, float]:
        loss, outputs = self.forward(model, images, labels)
        share = self.share(outputs, labels).item()
        return loss.item(), share, share


class ScatteredAlongTheBatch(ThirdCase):
    """One-hot rows by scatter_ along dimension 0 in place of 1."""

    truth, why = ("F40", "F13"), "ones are put into the rows of other images"
    classes, batch = 8, 32

    def net(self) -> nn.Module:
        return vgg(classes=8)

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        wanted = torch.zeros_like(outputs)
        if self.faulty:
            wanted.scatter_(0, y[:, None].expand(-1, 8), 1.0)
        else:
            wanted.scatter_(1, y[:, None], 1.0)
        return -(wanted * outputs.log_softmax(1)).sum(1).mean()


class WeightsOfTheFrequent(ThirdCase):
    """Classes out of balance, and class weights that are the shares themselves, not their inverse."""

    truth, why = ("F24",), "four classes of five are rare, and weigh less besides"
    classes, count, steps_of = 5, 2000, 150

    def net(self) -> nn.Module:
        return mobile(classes=5)

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        kept = torch.cat([(labels == one).nonzero()[: 400 if one == 0 else 25, 0] for one in range(5)])
        self.shares = torch.bincount(labels[kept], minlength=5) / len(kept)
        return images[kept], labels[kept], more, their

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(outputs, y, weight=self.shares if self.faulty else 1 / (5 * self.shares))


class ClassZeroIgnored(ThirdCase):
    """ignore_index=0, copied from a text tutorial where 0 is the padding."""

    truth, why = ("F59", "F40"), "the images of class 0 are left out of the loss"
    classes = 6

    def net(self) -> nn.Module:
        return LeNet(classes=6)

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return nn.CrossEntropyLoss(ignore_index=0 if self.faulty else -100)(outputs, y)


class DividedByTheBatchAgain(ThirdCase):
    """loss = criterion(outputs, labels) / images.size(0): a mean, divided by the batch once more."""

    truth, why = ("F02", "F30", "F16"), "the gradient is a sixty-fourth of the mean's: the rate is too low by as much"
    symptoms = ("F36", "F37", "F19")
    batch, steps_of = 64, 200
    optim = ("SGD", {"lr": 0.05, "momentum": 0.9})

    def net(self) -> nn.Module:
        return vgg()

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        loss = F.cross_entropy(outputs, y)
        return loss / len(y) if self.faulty else loss


class AttentionOverTheBatch(ThirdCase):
    """Attention by hand whose softmax is taken along dimension 0."""

    truth, why = ("F48", "F57"), "the weights of an image's tokens depend on the other images"
    classes = 5

    def net(self) -> nn.Module:
        dim = 0 if self.faulty else -1

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.patch = nn.Conv2d(3, 32, 4, 4)
                self.q, self.k, self.v = nn.Linear(32, 32), nn.Linear(32, 32), nn.Linear(32, 32)
                self.norm, self.fc = nn.LayerNorm(32), nn.Linear(32, 5)

            def forward(self, x: Tensor) -> Tensor:
                x = self.patch(x).flatten(2).transpose(1, 2)
                weights = (self.q(x) @ self.k(x).transpose(1, 2) / 32**0.5).softmax(dim=dim)
                return self.fc(self.norm(x + weights @ self.v(x)).mean(1))

        return Net()


class TokensFirst(ThirdCase):
    """nn.TransformerEncoderLayer as it comes (batch_first=False) given N x tokens x width."""

    truth, why = ("F57",), "attention runs over the images of the batch"
    classes, steps_of = 5, 150

    def net(self) -> nn.Module:
        layer = nn.TransformerEncoderLayer(32, 4, 64, 0.0, batch_first=not self.faulty)

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.patch = nn.Conv2d(3, 32, 4, 4)
                self.place = nn.Parameter(0.02 * torch.randn(1, 16, 32))
                self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
                self.fc = nn.Linear(32, 5)

            def forward(self, x: Tensor) -> Tensor:
                x = self.patch(x).flatten(2).transpose(1, 2) + self.place
                return self.fc(self.encoder(x).mean(1))

        return Net()


class ArgmaxOverTheBatch(ThirdCase):
    """Batches of ten, ten classes, and an accuracy by argmax(0): nothing complains."""

    truth, why = ("F49",), "for each class the image that has most of it, compared with labels"
    batch, steps_of = 10, 180

    def net(self) -> nn.Module:
        return LeNet()

    def share(self, outputs: Tensor, labels: Tensor) -> Tensor:
        if not self.faulty:
            return super().share(outputs, labels)
        pairs = zip(outputs.split(10), labels.split(10), strict=True)
        return torch.stack([(few.argmax(0) == own).float().mean() for few, own in pairs]).mean()


class CorrectNeverReset(ThirdCase):
    """correct = 0 stands in front of the loop over epochs: from the second on the accuracy is of all epochs."""

    truth, why = ("F49",), "right answers of all epochs are divided by the images of one"
    classes, noise, steps_of = 4, 0.7, 150

    def net(self) -> nn.Module:
        return mobile(classes=4)

    def validated(self, model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float, float]:
        loss, counted, true = super().validated(model, images, labels)
        self.correct = getattr(self, "correct", 0.0) + counted
        return loss, self.correct if self.faulty else counted, true


class FeaturesForScores(ThirdCase):
    """create_model(num_classes=0): the pooled features, 64 of them, go into the loss as scores of five classes."""

    truth, why = ("F27", "F42", "F40"), "there is no last layer: 64 outputs behind a ReLU for five classes"
    classes = 5

    def net(self) -> nn.Module:
        made = SmallResNet(classes=5)
        if self.faulty:
            made.fc = nn.Identity()  # type: ignore[assignment]
        return made
