"""MixUp and CutMix by torchvision, on the inputs of a training batch: random numbers from the seed and the step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from cvtui.engine.data.each_image import kept_generator
from cvtui.engine.nn.module_source import import_library
from cvtui.engine.runtime.seeds import MIX, stream_seed
from cvtui.recipe.choices.spec import Choice, Chosen

TRANSFORMS = {"mixup": "MixUp", "cutmix": "CutMix"}
"""Names of `cvtui.recipe.choices.mixes.MIXES` and of torchvision.transforms.v2."""


class Mix:
    """What mixes the batches of a run; of several choices one is drawn for each step."""

    def __init__(self, chosen: Sequence[Chosen[Choice]], classes: int, seed: int) -> None:
        self._transforms: list[Any] = []
        for one in chosen:
            v2 = import_library("torchvision.transforms.v2", f"mix: {one.name}")
            alpha = float(one.values["alpha"])  # of whole numbers torch makes no Beta distribution
            self._transforms.append(getattr(v2, TRANSFORMS[one.name])(alpha=alpha, num_classes=classes))
        self.names = ", ".join(one.name for one in chosen)
        self._seed = seed
        self.counted: Tensor | None = None
        """Of the last batch: the class with the larger share of each image (N); of pictures in several the shares."""

    def told(self, several: bool = False) -> list[str]:
        """Return the line for the log; none without mixes. several: pictures are in several classes."""
        if not self:
            return []
        counts = "each class whose share is above one half" if several else "the class with the larger share"
        return [
            f"mix: {self.names} in training alone: its loss has a floor above 0, and its accuracy counts in each mixed "
            f"image {counts}"
        ]

    def __bool__(self) -> bool:
        return bool(self._transforms)

    def __call__(self, inputs: Tensor, labels: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """Mix N x C x H x W floats and their labels (N, or N x classes) as in step `step`.

        The labels become N x classes.
        """
        if labels.dim() == 2:
            labels = labels.float()
        with kept_generator() as generator:
            generator.manual_seed(stream_seed(self._seed, MIX, step))
            chosen = self._transforms[int(torch.randint(len(self._transforms), ()))]
            mixed: tuple[Tensor, Tensor] = chosen(inputs, labels)
        self.counted = mixed[1] if labels.dim() == 2 else mixed[1].argmax(1)
        return mixed
