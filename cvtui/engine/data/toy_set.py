"""The toy sets on a plane as data to train on (see toys.py for their shapes)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from cvtui.engine.data.toys import toy
from cvtui.recipe.datasets.toy_sets import TRAIN, VALIDATION, parse_toy, shares

if TYPE_CHECKING:
    from cvtui.engine.data.images import Split


def read_toy(text: str) -> Split:
    """`spiral(3)`: 400 points to train on and 100 to validate, float32 N x 2. One fixed set, like the others."""
    from cvtui.engine.data.images import Images, Split

    name, classes = parse_toy(text)
    x, y = toy(name, TRAIN + VALIDATION, seed=0, classes=classes)
    points, labels = torch.from_numpy(x), torch.from_numpy(y)
    train, validation = [], []  # as many of each class in either part
    for number in range(classes):
        places = (labels == number).nonzero().flatten()
        cut = shares(classes)[0][number]
        train.append(places[:cut])
        validation.append(places[cut:])
    parts = [torch.cat(part).sort().values for part in (train, validation)]
    first, second = (Images(points[part].contiguous(), labels[part].contiguous()) for part in parts)
    return Split(first, second)
