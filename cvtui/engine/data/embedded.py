"""The sets that come with cvtui: digits, and coloured shapes that are drawn when asked for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cvtui.assets import asset
from cvtui.engine.data.images import Split, as_images
from cvtui.engine.data.shapes import make_shapes
from cvtui.recipe.datasets.catalog import DATA


def digits() -> Split:
    """Handwritten digits, 8x8, one channel (UCI); the file says which are for validation (see assets/README.md)."""
    with np.load(asset("digits.npz"), allow_pickle=False) as arrays:
        return Split(
            as_images(arrays["train_images"][..., None], arrays["train_labels"]),
            as_images(arrays["validation_images"][..., None], arrays["validation_labels"]),
        )


def shapes() -> Split:
    """The drawn pictures of shapes.py. One fixed set: a recipe's seed is for the training, so that runs compare."""
    train = DATA["shapes"].train
    pixels, labels = make_shapes(train, DATA["shapes"].validation, seed=0)
    return Split(as_images(pixels[:train], labels[:train]), as_images(pixels[train:], labels[train:]))


SOURCES: dict[str, Callable[[], Split]] = {"digits": digits, "shapes": shapes}
"""Where the embedded sets of `cvtui.recipe.choices.tables.DATA` come from, by the same names."""
