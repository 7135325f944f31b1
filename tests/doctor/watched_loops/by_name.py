"""Loops whose model gets its images otherwise than as its first input: by name, or within a batch."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from tests.doctor.watched_loops.loop import CLASSES, Batch, Loop, clouds
from tests.doctor.watched_loops.nets import Rows


@dataclass
class Fields:
    labels: Tensor
    image: Tensor


class Pair(NamedTuple):
    mask: Tensor
    x: Tensor


class Images(UserDict[str, Tensor]):
    """As Hugging Face's BatchFeature is: a mapping, and no dict."""


WAYS: dict[str, Callable[[nn.Module, Tensor], Any]] = {
    "by position": lambda model, x: model(x),
    "by name": lambda model, x: model(pixel_values=x),
    "behind others": lambda model, x: model(
        input_ids=torch.zeros(len(x), 9, dtype=torch.int64), mask=torch.ones(len(x), 1, 3, 4),
        labels=torch.zeros(len(x), CLASSES), pixel_values=x,
    ),
    "dict": lambda model, x: model({"label": torch.zeros(len(x)), "image": x, "place": torch.zeros(1, 7, 5)}),
    "mapping": lambda model, x: model(batch=Images(image=x)),
    "tuple": lambda model, x: model((x, torch.zeros(len(x)))),
    "named tuple": lambda model, x: model(Pair(torch.ones(len(x), 3, 4), x)),
    "object": lambda model, x: model(inputs=Fields(torch.zeros(len(x)), x)),
}  # fmt: skip


class Asked(nn.Module):
    """A net that can be called in each of the ways."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, batch: Any = None, *, pixel_values: Any = None, inputs: Any = None, **_: Any) -> Tensor:
        found: Any = next(one for one in (batch, pixel_values, inputs) if one is not None)
        if isinstance(found, Fields):
            found = found.image
        elif isinstance(found, Pair):
            found = found.x
        elif isinstance(found, tuple):
            found = found[0]
        elif not isinstance(found, Tensor):
            found = found["image"]
        answers: Tensor = self.net(found)
        return answers


class Named(Loop):
    """Pictures 1 x 3 x 4 and a batch norm, asked in one of the ways; `kind` changes what is wrong."""

    epochs = 3

    def __init__(self, way: str) -> None:
        super().__init__()
        (x, y), (more, their) = self.train, self.validation
        self.train, self.validation = (x.view(-1, 1, 3, 4), y), (more.view(-1, 1, 3, 4), their)
        self.way = WAYS[way]

    def inner(self) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(12, 24), nn.BatchNorm1d(24), nn.ReLU(), nn.Linear(24, CLASSES))

    def net(self) -> nn.Module:
        return Asked(self.inner())

    def answers(self, x: Tensor) -> Tensor:
        found: Tensor = self.way(self.model, x)
        return found


class NamedAsBytes(Named):
    def __init__(self, way: str) -> None:
        super().__init__(way)
        (x, y), (more, their) = self.train, self.validation
        self.train, self.validation = (x * 40 + 120, y), (more * 40 + 120, their)

    def inner(self) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(12, 24), nn.ReLU(), nn.Linear(24, CLASSES))


class NamedCopied(Named):
    def __init__(self, way: str) -> None:
        super().__init__(way)
        (x, y), (more, their) = self.train, self.validation
        self.validation = torch.cat([more[:30], x[:30]]), torch.cat([their[:30], y[:30]])


class NamedOverTheImages(Named):
    def inner(self) -> nn.Module:
        return Rows(batch_first=False)


class NamedOneBatch(Named):
    """`next(iter(loader))`: the first batch again and again."""

    def __init__(self, way: str) -> None:
        super().__init__(way)
        x, y = clouds(640, spread=1.5)
        self.train = x.view(-1, 1, 3, 4), y

    def batches(self, epoch: int) -> Iterator[Batch]:  # noqa: ARG002
        x, y = self.train
        for _ in range(40):
            yield x[:16], y[:16]


class NamedChanged(Named):
    """Each look at an image normalises it where it lies."""

    def batches(self, epoch: int) -> Iterator[Batch]:
        yield from super().batches(epoch)
        self.train[0].sub_(0.5).div_(0.25)
