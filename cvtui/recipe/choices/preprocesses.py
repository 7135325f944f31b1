"""Preprocessing: what is done to the pixels of every image."""

from __future__ import annotations

import math

from cvtui.recipe.choices.spec import Choice, Parameter, table_of


class PreprocessChoice(Choice):
    points: bool = True
    """It can be done to points on a plane, too."""
    most_values: float = math.inf
    """Values of the largest image that it is for (a whitening matrix has their square)."""


PREPROCESSES = table_of(
    PreprocessChoice(name="none", summary="pixels as they are, 0 to 255", formula="x"),
    PreprocessChoice(name="scale", summary="pixels to 0..1", formula="x / 255"),
    PreprocessChoice(name="centre", summary="scaled, less the mean of each channel (VGG)", formula="x / 255 − mean_c"),
    PreprocessChoice(
        name="standardise",
        summary="mean 0 and standard deviation 1 in each channel (ResNet)",
        formula="(x / 255 − mean_c) / std_c",
    ),
    PreprocessChoice(
        name="weights",
        summary="mean and deviation that the weights to begin with were trained with (ImageNet's where they don't say)",
        formula="(x / 255 − mean_w) / std_w",
        points=False,
    ),
    PreprocessChoice(
        name="per-image",
        summary="mean 0 and standard deviation 1 in each image by itself",
        formula="(x − mean(x)) / max(std(x), 1 / sqrt(N))",
        points=False,
    ),
    PreprocessChoice(
        name="zca",
        summary="whitened: every pixel uncorrelated with every other, variance 1 (Krizhevsky 2009); for small images",
        formula="U (Λ + eps)^(−1/2) Uᵀ (x / 255 − mean)",
        most_values=3072,
        parameters={"eps": Parameter(default=0.01, low=0, high=1, open_low=True, doc="added to each eigenvalue")},
    ),
)
