"""Read the sets that come with cvtui: digits, and coloured shapes that are drawn when asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from cvtui.assets import asset
from cvtui.engine.data.images import OnProgress, Split, as_images
from cvtui.engine.data.shapes import make_shapes
from cvtui.recipe.datasets.embedded import EMBEDDED
from cvtui.recipe.recipe import Recipe


def digits() -> Split:
    """Read the handwritten digits, 8x8, one channel (UCI); the file says which are for validation."""
    with np.load(asset("digits.npz"), allow_pickle=False) as arrays:
        return Split(
            as_images(arrays["train_images"][..., None], arrays["train_labels"]),
            as_images(arrays["validation_images"][..., None], arrays["validation_labels"]),
            classes=EMBEDDED["digits"].classes,
        )


def shapes() -> Split:
    """Draw the shapes of shapes.py. One fixed set: a recipe's seed is for the training, so that runs compare."""
    facts = EMBEDDED["shapes"]
    pixels, labels = make_shapes(facts.train, facts.validation, seed=0)
    train, validation = (
        as_images(pixels[part], labels[part]) for part in (slice(facts.train), slice(facts.train, None))
    )
    return Split(train, validation, classes=facts.classes)


MAKERS: dict[str, Callable[[], Split]] = {"digits": digits, "shapes": shapes}
"""By the names of `cvtui.recipe.datasets.embedded.EMBEDDED`."""


@lru_cache(maxsize=2)  # a warm engine forecasts many times and then trains
def _read(name: str) -> Split:
    return MAKERS[name]()


def read(recipe: Recipe, _: OnProgress | None = None) -> Split:
    """Read the recipe's set."""
    return _read(recipe.data)
