"""What was wrong with a net or with data, where no field of a program says it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.benchmarks.doctor.real.parts import Data

# ---------------------------------------------------------------------- nets


def normal_weights(model: nn.Sequential) -> nn.Sequential:
    """Draw all weights from N(0, 1)."""
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    return model


class KeptInAList(nn.Module):
    """All layers but the last one in a Python list: neither `parameters()` nor `train()` knows them."""

    def __init__(self, layers: nn.Sequential) -> None:
        super().__init__()
        self.hidden = list(layers)[:-1]
        self.head = layers[-1]

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.hidden:
            x = layer(x)
        return self.head(x)


class AlwaysDropout(nn.Module):
    """Call F.dropout without `training=self.training`."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.share)


class FreshDropout(AlwaysDropout):
    """Construct nn.Dropout anew in each forward, where `eval()` cannot reach it."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.Dropout(self.share)(x)


def _instead_of_dropout(kind: type[AlwaysDropout]) -> Callable[[nn.Sequential], nn.Module]:
    def spoil(model: nn.Sequential) -> nn.Module:
        return nn.Sequential(*[kind(one.p) if isinstance(one, nn.Dropout) else one for one in model])

    return spoil


NETS: dict[str, Callable[[nn.Sequential], nn.Module]] = {
    "normal weights": normal_weights,
    "layers in a list": KeptInAList,
    "functional dropout": _instead_of_dropout(AlwaysDropout),
    "dropout made in forward": _instead_of_dropout(FreshDropout),
}

# ---------------------------------------------------------------------- data


def labels_divided(data: Data) -> Data:
    """Divide the training labels by 255 where the validation images were meant: as whole numbers they are 0."""
    images, labels, more, their = data
    return images / 255, (labels / 255).long(), more, their


def last_class_validates(data: Data) -> Data:
    """Sort by class and split after it: the last class is only in the validation set."""
    images, labels = torch.cat([data[0], data[2]]), torch.cat([data[1], data[3]])
    last = labels == labels.max()
    return images[~last], labels[~last], images[last], labels[last]


def labels_unrelated(data: Data) -> Data:
    """Read the labels before the files were shuffled: they belong to other images, in both parts."""
    random = torch.Generator().manual_seed(5)
    images, labels, more, their = data
    return images, labels[torch.randperm(len(labels), generator=random)], more, their[
        torch.randperm(len(their), generator=random)
    ]  # fmt: skip


def validation_labels_unrelated(data: Data) -> Data:
    """Shuffle the validation images only: their labels stay in the old order."""
    images, labels, more, _ = data
    return images, labels, more, labels_unrelated(data)[3]


def training_normalized(data: Data) -> Data:
    """Normalise what is trained on, and not what is validated on."""
    images, labels, more, their = data
    return (images - images.mean()) / images.std(), labels, more, their


def validation_normalized(data: Data) -> Data:
    """Normalise what is validated on, and not what is trained on."""
    images, labels, more, their = data
    return images, labels, (more - images.mean()) / images.std(), their


def normalized(data: Data) -> Data:
    """Normalise both parts with the mean and deviation of the training images."""
    images, labels, more, their = data
    mean, deviation = images.mean(), images.std()
    return (images - mean) / deviation, labels, (more - mean) / deviation, their


DATA: dict[str, Callable[[Data], Data]] = {
    "labels divided by 255": labels_divided,
    "validated on the last class": last_class_validates,
    "labels of other images": labels_unrelated,
    "validation labels of other images": validation_labels_unrelated,
    "only training normalised": training_normalized,
    "only validation normalised": validation_normalized,
    "normalised": normalized,
}
