"""Augmentations: random changes to training images."""

from __future__ import annotations

from cvtui.recipe.choices.spec import Choice, Parameter, table_of


class AugmentChoice(Choice):
    colours: bool = False
    """It changes colours by torchvision's tables: pictures of 1 or 3 channels alone, and none of floats."""


AUGMENTS: dict[str, Choice] = table_of(
    Choice(name="flip", summary="mirrored left to right, half of the time", formula="x[:, ::-1]"),
    Choice(
        name="shift",
        summary="moved by up to so many pixels both ways; the edge is repeated",
        formula="x[i + dy, j + dx]",
        parameters={"pixels": Parameter(default=2, low=0, high=1024, doc="furthest in either direction")},
    ),
    Choice(
        name="crop",
        summary="padded with zeros on all sides, then cut at a random place (He 2016)",
        formula="pad(x, P)[i : i + H, j : j + W]",
        parameters={"padding": Parameter(default=4, low=0, high=1024, doc="pixels of padding on each side")},
    ),
    Choice(
        name="rotate",
        summary="turned about its centre",
        formula="angle in −degrees..degrees",
        parameters={"degrees": Parameter(default=15, low=0, high=180, doc="furthest to either side")},
    ),
    Choice(
        name="cutout",
        summary="a square of the mean grey at a random place (DeVries 2017)",
        formula="x[i : i + S, j : j + S] = mean",
        parameters={"size": Parameter(default=8, low=1, high=1024, doc="side of the square in pixels")},
    ),
    Choice(
        name="jitter",
        summary="brightness, contrast and saturation changed at random",
        formula="each times 1 ± strength",
        parameters={"strength": Parameter(default=0.2, low=0, high=1, doc="largest change as a share")},
    ),
    Choice(
        name="erasing",
        summary="a rectangle of the mean colour over a share of the area (Zhong 2017; torchvision's RandomErasing)",
        formula="x[i : i + h, j : j + w] = mean",
        parameters={
            "p": Parameter(default=0.5, low=0, high=1, doc="share of the images"),
            "least": Parameter(default=0.02, low=0, high=1, open_low=True, doc="smallest share of the area"),
            "most": Parameter(default=0.33, low=0, high=1, open_low=True, doc="largest share of the area"),
        },
        bounds=("least", "most"),
    ),
    Choice(
        name="resized-crop",
        summary="a part of the image, brought back to its size (torchvision's RandomResizedCrop)",
        formula="resize(x[i : i + h, j : j + w]), 3/4 <= w / h <= 4/3",
        parameters={
            "least": Parameter(default=0.08, low=0, high=1, open_low=True, doc="smallest share of the area"),
            "most": Parameter(default=1, low=0, high=1, open_low=True, doc="largest share of the area"),
        },
        bounds=("least", "most"),
    ),
    AugmentChoice(
        name="randaugment",
        summary="so many of 14 changes one after another (Cubuk 2019; torchvision's RandAugment)",
        formula="op_2(op_1(x)), magnitude of 30",
        parameters={
            "ops": Parameter(default=2, low=1, high=14, doc="changes for each image"),
            "magnitude": Parameter(default=9, low=0, high=30, doc="how strong they are"),
        },
        colours=True,
    ),
    AugmentChoice(
        name="trivialaugment",
        summary="one of 14 changes, of any strength (Müller 2021; torchvision's TrivialAugmentWide)",
        formula="op(x), magnitude 0..30 at random",
        colours=True,
    ),
    AugmentChoice(
        name="autoaugment",
        summary="a pair of changes, of 25 that were searched on ImageNet (Cubuk 2018; torchvision's AutoAugment)",
        formula="op_2(op_1(x))",
        colours=True,
    ),
    AugmentChoice(
        name="autoaugment-cifar10",
        summary="the same, of the pairs that were searched on CIFAR-10",
        formula="op_2(op_1(x))",
        colours=True,
    ),
    AugmentChoice(
        name="autoaugment-svhn",
        summary="the same, of the pairs that were searched on house numbers (SVHN)",
        formula="op_2(op_1(x))",
        colours=True,
    ),
    AugmentChoice(
        name="augmix",
        summary="chains of changes mixed with the image itself (Hendrycks 2019; torchvision's AugMix)",
        formula="m x + (1 − m) Σ w_i chain_i(x)",
        parameters={
            "severity": Parameter(default=3, low=1, high=10, doc="how strong the changes are"),
            "width": Parameter(default=3, low=1, high=16, doc="chains"),
            "alpha": Parameter(default=1, low=0, high=100, open_low=True, doc="of the weights' Beta distribution"),
        },
        colours=True,
    ),
)
"""What is done to training images at random, each time they are seen; written as a chain: `flip, crop(4)`."""
